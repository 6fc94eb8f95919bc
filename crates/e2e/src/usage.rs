//! What a process tree costs, read from Linux' /proc.

use std::collections::HashMap;
use std::fs;

/// One process.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Its process id.
    pub pid: u32,
    /// `renderer`, `network.mojom.NetworkService`, `Isolated Web Co`, …
    pub role: String,
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Proportional set size in KiB: shared pages are divided among their users, so it can be added up.
    pub pss_kib: u64,
    /// User and system time in clock ticks (100 a second).
    pub ticks: u64,
}

/// `root` and all its descendants. Processes that end meanwhile are left out.
pub fn usage(root: u32) -> Vec<Usage> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(stat) = stat(pid) {
            children.entry(stat[1].parse().unwrap_or(0)).or_default().push(pid);
        }
    }
    let (mut tree, mut next) = (vec![root], 0);
    while let Some(pid) = tree.get(next).copied() {
        tree.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    tree.into_iter().filter_map(one).collect()
}

/// Clock ticks that the processes of `after` used since `before` was taken; new ones count whole.
pub fn ticks_since(before: &[Usage], after: &[Usage]) -> u64 {
    let earlier: HashMap<_, _> = before.iter().map(|usage| (usage.pid, usage.ticks)).collect();
    after.iter().map(|usage| usage.ticks.saturating_sub(earlier.get(&usage.pid).copied().unwrap_or(0))).sum()
}

/// The same by role, the dearest first: where the time goes.
pub fn ticks_by_role(before: &[Usage], after: &[Usage]) -> Vec<(String, u64)> {
    let mut roles: HashMap<&str, u64> = HashMap::new();
    for usage in after {
        *roles.entry(&usage.role).or_default() += ticks_since(before, std::slice::from_ref(usage));
    }
    let mut roles: Vec<_> = roles.into_iter().map(|(role, ticks)| (role.to_owned(), ticks)).collect();
    roles.sort_by_key(|(_, ticks)| std::cmp::Reverse(*ticks));
    roles
}

/// The most resident memory that a process ever had, in KiB.
pub fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kib(&status, "VmHWM:")
}

fn one(pid: u32) -> Option<Usage> {
    let stat = stat(pid)?;
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let cmdline = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    // Chromium says what a process is on its command line, Firefox in its name.
    let flag = |name: &str| cmdline.split(['\0', ' ']).find_map(|argument| argument.strip_prefix(name));
    let role = flag("--utility-sub-type=").or(flag("--type=")).unwrap_or(comm.trim()).to_owned();
    let ticks = stat.get(11)?.parse::<u64>().ok()? + stat.get(12)?.parse::<u64>().ok()?;
    Some(Usage { pid, role, rss_kib: kib(&rollup, "Rss:")?, pss_kib: kib(&rollup, "Pss:")?, ticks })
}

fn kib(text: &str, field: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
}

/// The fields of /proc/PID/stat after the name, which may contain anything: [0] state, [1] parent, [11] utime, [12] stime.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
    (fields.len() > 12).then_some(fields)
}
