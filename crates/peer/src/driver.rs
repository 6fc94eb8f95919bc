//! The loop around a session: it carries out what the session says, and tells it what happened.
//!
//! ```text
//! socket ───┐                        ┌──> socket, transport, disk
//! transport ┤                        │
//! disk ─────┼─> Session::handle_* ─> Session::poll_output
//! timer ────┤                        │
//! caller ───┘                        └──> caller (Event)
//! ```
//!
//! Nothing here waits but the one `select!`, so pings go out while a disk is slow.
use crate::{
    Command, Config, Event, Path, Role,
    disk::{Disk, Done, Job, Spare},
    socket::{Socket, SocketEvent},
    transport::{Events, PathKind, Transport, TransportEvent},
};
use beeline_core::{
    blocks::Blocks,
    output::{Acceptance, BlockRef, Closed, Output, Progress, TransferId},
    rtc::{CandidateType, Channel, LaneId, RtcEvent},
    session::{self, LaneRules, SenderEngine, Session},
    time::Time,
};
use beeline_rtc::Pool;
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Between two reports of progress, at least: four a second.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// File bytes that a receiver lets be on the way or in memory, at most.
///
/// Bounds the rate: rate ≤ window / round-trip time (16 MiB at 100 ms is 168 MB/s).
pub(crate) const WINDOW: u64 = 16 << 20;

pub(crate) struct Driver {
    config: Config,
    session: Session,
    origin: Instant,
    blocks: Blocks,
    spare: Spare,
    frames: Pool,
    socket: Option<Socket>,
    transport: Transport,
    transport_events: Events,
    disk: Disk,
    commands: UnboundedReceiver<Command>,
    events: UnboundedSender<Event>,
    /// Transfers whose progress is reported, with what was reported last.
    running: BTreeMap<TransferId, Progress>,
    reported: Instant,
    wake: Option<Time>,
    closed: Option<Closed>,
    /// The caller is gone; there is nothing more to hear from it.
    abandoned: bool,
    /// Sockets that still say their last words.
    closing: JoinSet<()>,
    reads_a_stream: bool,
}

impl Driver {
    pub(crate) fn new(
        config: Config,
        role: Role,
        (transport, transport_events): (Transport, Events),
        commands: UnboundedReceiver<Command>,
        events: UnboundedSender<Event>,
        seed: session::Seed,
    ) -> Driver {
        let settings = session::Config {
            name: config.name.clone(),
            seed,
            media: false,
            throttled: false,
            // What sends here fills a line by itself.
            lanes: LaneRules { engine: SenderEngine::Own, least: 0 },
        };
        let origin = Instant::now();
        let session = match &role {
            Role::Opener => Session::open(settings, Time::default()),
            Role::Joiner(code) => Session::join(settings, code, Time::default()),
        };
        Driver {
            config,
            session,
            origin,
            blocks: Blocks::default(),
            spare: Spare::default(),
            frames: Pool::default(),
            socket: None,
            transport,
            transport_events,
            disk: Disk::new(),
            commands,
            events,
            running: BTreeMap::new(),
            reported: origin,
            wake: None,
            closed: None,
            abandoned: false,
            closing: JoinSet::new(),
            reads_a_stream: false,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            self.carry_out(&[]);
            if self.closed.is_some() {
                break;
            }
            self.report_progress();
            let deadline = self.deadline();
            tokio::select! {
                event = socket_event(&mut self.socket) => self.handle_socket(event),
                Some(event) = self.transport_events.recv() => self.handle_transport(event),
                done = self.disk.done() => self.handle_disk(done),
                command = self.commands.recv(), if !self.abandoned => self.handle_command(command),
                () = sleep_until(deadline) => {}
            }
            self.keep_time();
        }
        self.shut_down().await;
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    fn deadline(&self) -> Instant {
        // A session that waits for nothing is asked once a minute all the same.
        let wake = self.wake.map_or(Duration::from_secs(60), |at| at.since(self.now()));
        let progress = match self.running.is_empty() {
            true => Duration::from_secs(60),
            false => PROGRESS_INTERVAL,
        };
        Instant::now() + wake.min(progress)
    }

    fn keep_time(&mut self) {
        let now = self.now();
        if self.wake.is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
    }

    fn handle_socket(&mut self, event: SocketEvent) {
        let now = self.now();
        match event {
            SocketEvent::Open => self.session.handle_socket_open(now),
            SocketEvent::Message(message) => self.session.handle_socket_message(&message, now),
            SocketEvent::Closed(why) => {
                self.socket = None;
                self.session.handle_socket_closed(&why, now);
            }
        }
    }

    fn handle_transport(&mut self, event: TransportEvent) {
        let now = self.now();
        match event {
            TransportEvent::Rtc(event) => self.session.handle_rtc(event, now),
            TransportEvent::Message { lane, channel, message } => {
                self.session.handle_message(lane, channel, &message, now);
                self.carry_out(&message);
            }
            TransportEvent::Buffered { lane, channel, bytes } => {
                self.session.handle_buffered(lane, channel, bytes, now);
            }
            TransportEvent::Path { lane, kind, protocol, rtt } => {
                // Further lanes take the kind of path that this one found.
                if lane == LaneId::FIRST {
                    let end = match kind {
                        PathKind::Direct => CandidateType::Reflexive,
                        PathKind::Relay => CandidateType::Relayed,
                    };
                    self.session.handle_rtc(RtcEvent::Nominated { lane, local: end, remote: end }, now);
                    self.tell(Event::Path(Path { kind, protocol, rtt }));
                }
            }
        }
    }

    fn handle_disk(&mut self, done: Done) {
        let now = self.now();
        match done {
            Done::Read { block, result } => {
                let result = result.map(|(bytes, read)| {
                    self.blocks.insert(block, bytes);
                    read
                });
                self.session.handle_read(block, result, now);
            }
            Done::Hashed { block, bytes, digest } => {
                self.blocks.insert(block, bytes);
                self.session.handle_hashed(block, digest, now);
            }
            Done::Written { block, bytes, result } => {
                self.spare.keep(bytes);
                self.session.handle_written(block, result, now);
            }
            Done::Committed { transfer, file, result } => {
                self.session.handle_committed(transfer, file, result, now);
            }
            Done::Finished { transfer, result } => self.session.handle_finished(transfer, result, now),
        }
    }

    fn handle_command(&mut self, command: Option<Command>) {
        let now = self.now();
        match command {
            Some(Command::Offer { source, reply }) => {
                self.reads_a_stream |= source.is_stream();
                let (manifest, reader) = source.into_reader();
                let transfer = self.session.offer(manifest, now);
                self.disk.push(Job::Source(transfer, Box::new(reader)));
                let _ = reply.send(transfer);
            }
            Some(Command::Text { text, reply }) => {
                let _ = reply.send(self.session.send_text(&text, now));
            }
            Some(Command::Accept { transfer, sink }) => {
                let how = Acceptance { order: sink.order(), window: WINDOW, held: Vec::new() };
                self.disk.push(Job::Sink(transfer, sink));
                self.session.accept(transfer, how, now);
                self.start(transfer);
            }
            Some(Command::Decline { transfer, message }) => self.session.decline(transfer, &message, now),
            Some(Command::Cancel { transfer, message }) => self.session.cancel(transfer, &message, now),
            Some(Command::Pause { transfer, paused }) => self.session.pause(transfer, paused, now),
            Some(Command::Close) => self.session.close(now),
            None => {
                self.abandoned = true;
                self.session.close(now);
            }
        }
    }

    /// Does what the session says until it waits. `message` is the one just handled.
    fn carry_out(&mut self, message: &[u8]) {
        loop {
            match self.session.poll_output() {
                Output::Wait(wake) => {
                    self.wake = wake;
                    return;
                }
                Output::Connect => self.socket = Some(Socket::connect(self.config.server.clone())),
                Output::Disconnect => self.disconnect(),
                Output::Signal(message) => {
                    if let Some(socket) = &self.socket {
                        socket.send(message);
                    }
                }
                Output::Rtc(action) => self.transport.act(action),
                Output::Control { lane, message } => {
                    self.transport.send(lane, Channel::Control, message.into());
                }
                Output::Data { lane, transfer, stamp, runs } => {
                    let memory = |len| self.frames.take(len);
                    if let Some(frame) = self.blocks.frame(transfer, stamp, &runs, memory) {
                        self.transport.send(lane, Channel::Data, self.frames.lend(frame));
                    }
                }
                Output::Read { block, len } => {
                    let into = self.spare.take();
                    self.disk.push(Job::Read { block, len, into });
                }
                Output::Place { block, len, at, bytes } => {
                    if let Some(bytes) = message.get(bytes) {
                        self.make_room(block, len);
                        self.blocks.place(block, len, at, bytes);
                    }
                }
                Output::Hash { block, len, whole } => self.hash(block, len, whole),
                Output::Write { block, len } => {
                    if let Some(mut bytes) = self.blocks.take(block) {
                        bytes.truncate(len as usize);
                        self.disk.push(Job::Write { block, bytes });
                    }
                }
                Output::Forget(block) => {
                    if let Some(bytes) = self.blocks.take(block) {
                        self.spare.keep(bytes);
                    }
                }
                Output::Commit { transfer, file, len } => {
                    self.disk.push(Job::Commit { transfer, file, len });
                }
                Output::Finish(transfer) => self.disk.push(Job::Finish(transfer)),
                Output::Abandon(transfer) => {
                    self.blocks.abandon(transfer);
                    self.disk.push(Job::Abandon(transfer));
                }
                Output::Event(event) => self.handle_event(event),
                // Only of a session that lets in several, which is not asked for here.
                Output::Guest(_) | Output::ToGuest(..) | Output::ToHost(_) => {}
            }
        }
    }

    /// Begins a block in memory of an older one. Its bytes are all replaced before anybody looks at them: only whole
    /// blocks are hashed, and only those with the right digest are written.
    fn make_room(&mut self, block: BlockRef, len: u32) {
        if self.blocks.get(block).is_none() {
            let mut bytes = self.spare.take();
            bytes.resize(len as usize, 0);
            self.blocks.insert(block, bytes);
        }
    }

    fn hash(&mut self, block: BlockRef, len: u32, whole: bool) {
        if let Some(mut bytes) = self.blocks.take(block) {
            bytes.truncate(len as usize);
            self.disk.push(Job::Hash { block, bytes, whole });
        }
    }

    fn disconnect(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.closing.spawn(socket.close());
        }
    }

    fn handle_event(&mut self, event: beeline_core::output::Event) {
        use beeline_core::output::Event as Told;
        match &event {
            Told::Accepted(transfer) => {
                self.start(*transfer);
            }
            // A stream's length is known now, by its progress.
            Told::FileDone { transfer, .. } if self.is_stream(*transfer) => self.report(*transfer),
            Told::Done(transfer) => {
                let transfer = *transfer;
                // The session has let go of it; all of it is there.
                if let Some(mut progress) = self.running.remove(&transfer) {
                    progress.bytes = progress.total.unwrap_or(progress.bytes);
                    progress.eta_s = Some(0.0);
                    self.tell(Event::Progress { transfer, progress });
                }
            }
            Told::Failed { transfer, .. } | Told::Declined { transfer, .. } => {
                let transfer = *transfer;
                self.report(transfer);
                self.running.remove(&transfer);
            }
            // Told last, when nothing is left to do.
            Told::Closed(closed) => {
                self.closed = Some(closed.clone());
                return;
            }
            _ => {}
        }
        self.tell(Event::Session(event));
    }

    fn report_progress(&mut self) {
        if self.reported.elapsed() >= PROGRESS_INTERVAL && !self.running.is_empty() {
            self.reported = Instant::now();
            let running: Vec<TransferId> = self.running.keys().copied().collect();
            running.into_iter().for_each(|transfer| self.report(transfer));
        }
    }

    fn is_stream(&self, transfer: TransferId) -> bool {
        self.session.manifest(transfer).is_some_and(|manifest| manifest.bytes().is_none())
    }

    fn start(&mut self, transfer: TransferId) {
        let total = self.session.manifest(transfer).and_then(|manifest| manifest.bytes());
        self.running.insert(transfer, Progress { total, ..Progress::default() });
    }

    fn report(&mut self, transfer: TransferId) {
        let now = self.now();
        if let Some(progress) = self.session.progress(transfer, now)
            && let Some(last) = self.running.get_mut(&transfer)
        {
            *last = progress;
            self.tell(Event::Progress { transfer, progress });
        }
    }

    fn tell(&self, event: Event) {
        // The caller may have stopped listening; its commands end then, and with them the session.
        let _ = self.events.send(event);
    }

    /// Lets go of everything, then tells the caller that it is over.
    async fn shut_down(mut self) {
        self.disconnect();
        let mut closing = self.closing;
        let close_sockets = async { while closing.join_next().await.is_some() {} };
        let wait = !self.reads_a_stream;
        let disk = self.disk;
        let close_disk = tokio::task::spawn_blocking(move || disk.close(wait));
        let (_, _, _) = tokio::join!(close_sockets, self.transport.shutdown(), close_disk);
        if let Some(closed) = self.closed {
            let _ = self.events.send(Event::Session(beeline_core::output::Event::Closed(closed)));
        }
    }
}

async fn socket_event(socket: &mut Option<Socket>) -> SocketEvent {
    match socket {
        Some(socket) => socket.event().await,
        None => std::future::pending().await,
    }
}
