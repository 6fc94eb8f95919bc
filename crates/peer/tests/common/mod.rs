//! A network for one test, and two transports in it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

pub mod pair;

use std::{env, process::Command, time::Duration};

/// veth, not dummy: not every kernel has the dummy module. 192.0.2.3 is for servers; IPv6 is a ULA.
const NETWORK: &str = "ip link set lo up; ip link add veth0 type veth peer name veth1
    ip addr add 192.0.2.2/24 dev veth0; ip addr add fd00:2::2/64 dev veth0 nodad
    ip link set veth0 up; ip link set veth1 up; ip route add default via 192.0.2.1 dev veth0
    exec \"$@\"";

/// Runs `body` in a network of its own, so that nothing of WebRTC leaves the machine, mDNS included. A test thread
/// can't change its namespace, so the test binary starts itself again for this one test; as root, or as anybody
/// where the kernel allows it.
pub fn sealed(test: &str, body: impl Future<Output = ()>) {
    if env::var_os("PEER_SEALED").is_some() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(120), body).await.expect("the test hangs");
        });
    }
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let unshare = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let out = Command::new("unshare")
        .args(unshare)
        .args(if root { &[][..] } else { &["--user", "--map-root-user"] })
        .args(["sh", "-ec", NETWORK, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env("PEER_SEALED", "1")
        .output()
        .expect("unshare of util-linux is installed");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    print!("{stdout}{stderr}");
    // A wrong name runs nothing and succeeds.
    assert!(stdout.contains("1 passed"), "{test} failed inside its network");
}

/// Runs a system command that has to succeed.
pub fn run(command: &str) {
    let status = Command::new("sh").args(["-ec", command]).status().unwrap();
    assert!(status.success(), "{command}");
}
