//! Two TUN devices and a thread for each direction between them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::{MTU, Measured, Pipe, Settings};

/// Packets taken from a device before those that are due are looked at again.
const BATCH: usize = 64;

/// Packets that the kernel keeps in front of a device while its thread is not yet running: more than any emulated queue
/// needs, because what is dropped there is dropped by the emulator, not by the line.
const KERNEL_QUEUE: u32 = 10_000;

/// One of the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the first device to the second.
    AToB,
    /// From the second device to the first.
    BToA,
}

/// A line between two TUN devices; it ends, and the devices go, when it is dropped.
///
/// The devices appear in the network namespace of the caller, who moves each to where it belongs (`ip link set NAME netns
/// PID`), gives it an address and brings it up.
#[derive(Debug)]
pub struct Line {
    ways: [Arc<Shared>; 2],
    threads: Vec<JoinHandle<()>>,
}

/// One direction, as its thread and the line's owner see it.
struct Shared {
    pipe: Mutex<Pipe>,
    /// Written when the pipe has been changed or is to end.
    wake: OwnedFd,
    end: AtomicBool,
    start: Instant,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.pipe().settings()).finish_non_exhaustive()
    }
}

impl Line {
    /// Makes the two devices, and treats packets alike in both directions.
    ///
    /// Fails where this process may not make devices: it needs `CAP_NET_ADMIN` in its network namespace, and
    /// `/dev/net/tun`.
    pub fn new(a: &str, b: &str, settings: Settings) -> io::Result<Self> {
        let devices = [Arc::new(device(a)?), Arc::new(device(b)?)];
        let start = Instant::now();
        let shared = |seed| {
            let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
            let pipe = Mutex::new(Pipe::new(settings, seed));
            Ok::<_, io::Error>(Arc::new(Shared { pipe, wake, end: AtomicBool::new(false), start }))
        };
        let mut line = Self { ways: [shared(1)?, shared(2)?], threads: Vec::new() };
        for (index, name) in [(0, "line a to b"), (1, "line b to a")] {
            let (from, to) = (devices[index].clone(), devices[1 - index].clone());
            let shared = line.ways[index].clone();
            let body = move || {
                prioritize();
                if let Err(error) = shared.carry(&from, &to) {
                    eprintln!("the emulated line has ended: {error}");
                }
            };
            line.threads.push(std::thread::Builder::new().name(name.into()).spawn(body)?);
        }
        Ok(line)
    }

    /// How one direction treats packets.
    pub fn settings(&self, way: Way) -> Settings {
        self.way(way).pipe().settings()
    }

    /// Changes both directions, under way.
    pub fn set(&self, settings: Settings) {
        self.set_way(Way::AToB, settings);
        self.set_way(Way::BToA, settings);
    }

    /// Changes one direction, under way.
    pub fn set_way(&self, way: Way, settings: Settings) {
        self.way(way).change(|pipe, now| pipe.set(settings, now));
    }

    /// From now on nothing comes out at either end.
    pub fn cut(&self) {
        self.ways.iter().for_each(|way| way.change(|pipe, now| pipe.set_cut(true, now)));
    }

    /// From now on what leaves the queues travels again.
    pub fn mend(&self) {
        self.ways.iter().for_each(|way| way.change(|pipe, now| pipe.set_cut(false, now)));
    }

    /// What passed one direction since the counters were last set to zero.
    pub fn measured(&self, way: Way) -> Measured {
        self.way(way).pipe().measured().clone()
    }

    /// Sets the counters of both directions to zero.
    pub fn measure_anew(&self) {
        self.ways.iter().for_each(|way| way.pipe().measure_anew());
    }

    /// Whether nothing is on the line.
    pub fn is_empty(&self) -> bool {
        self.ways.iter().all(|way| way.pipe().is_empty())
    }

    fn way(&self, way: Way) -> &Shared {
        &self.ways[way as usize]
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for way in &self.ways {
            way.end.store(true, Ordering::Relaxed);
            way.wake();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Pipe, Duration)) {
        let mut pipe = self.pipe();
        change(&mut pipe, self.start.elapsed());
        drop(pipe);
        self.wake();
    }

    fn wake(&self) {
        // Fails only when the counter is full: then it is awake.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// The thread of a direction: moves packets until the end, and sleeps until one arrives or is due.
    fn carry(&self, from: &SyncDevice, to: &SyncDevice) -> io::Result<()> {
        while !self.end.load(Ordering::Relaxed) {
            let mut pipe = self.pipe();
            while let Some(packet) = pipe.poll_delivery(self.start.elapsed()) {
                // A device that is down, or a host that is gone: nobody receives it.
                let _ = to.send(packet.bytes());
                pipe.recycle(packet);
            }
            let mut taken = 0;
            while taken < BATCH {
                let mut packet = pipe.spare();
                match packet.fill(|buffer| from.recv(buffer)) {
                    Ok(()) => pipe.handle_packet(packet, self.start.elapsed()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        pipe.recycle(packet);
                        break;
                    }
                    Err(error) => return Err(error),
                }
                taken += 1;
            }
            let next = pipe.next_delivery();
            drop(pipe);
            if taken < BATCH {
                self.sleep(from, next)?;
            }
        }
        Ok(())
    }

    fn sleep(&self, from: &SyncDevice, until: Option<Duration>) -> io::Result<()> {
        let left = until.map(|until| until.saturating_sub(self.start.elapsed()));
        if left == Some(Duration::ZERO) {
            return Ok(());
        }
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut waited =
            [PollFd::new(from, PollFlags::IN), PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !waited[1].revents().is_empty() {
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
        Ok(())
    }
}

fn device(name: &str) -> io::Result<SyncDevice> {
    let device = DeviceBuilder::new()
        .name(name)
        .mtu(MTU as u16)
        .tx_queue_len(KERNEL_QUEUE)
        .enable(false)
        .build_sync()
        .map_err(|error| io::Error::new(error.kind(), format!("a TUN device (/dev/net/tun): {error}")))?;
    device.set_nonblocking(true)?;
    Ok(device)
}

/// Real-time priority where we may: the delays stay right while every core compiles.
///
/// By util-linux' `chrt`, because the system call has no safe wrapper in a crate that we use.
fn prioritize() {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let chrt = Command::new("chrt").args(["-f", "-p", "10", &thread]).stderr(Stdio::null()).status();
    if !chrt.is_ok_and(|status| status.success()) {
        // The default of 50 microseconds is a tenth of a packet at 20 Mbit/s, so only a small matter.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}
