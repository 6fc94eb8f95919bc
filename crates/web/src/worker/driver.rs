//! The loop around the core's session: what happened goes in, what to do comes out.
use super::{
    post, post_data, scope,
    socket::{Happened, Socket},
    source::Source,
    tell,
};
use crate::{
    browser,
    messages::{Lane, Offer, ToPage, ToWorker},
    sink::{Answer, Sink, StreamOut},
};
use beeline_core::{
    blocks::Blocks,
    code::Code,
    digest::BlockDigest,
    manifest::EntryKind,
    output::{Acceptance, BlockRead, BlockRef, DiskError, Event, Order, Output, TransferId},
    rtc::{Candidate, Channel, Description, LaneId, LaneState, RtcEvent, SdpKind},
    session::{Config, Session},
    time::Time,
};
use js_sys::{ArrayBuffer, Uint8Array};
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    mem,
    rc::Rc,
    time::Duration,
};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use wasm_bindgen_futures::spawn_local;

/// Bytes on the way or in memory while receiving: the line and the disk stay busy, the page stays small.
const WINDOW: u64 = 8 << 20;
/// How often progress is shown.
const PROGRESS_MS: i32 = 250;
/// Browsers stop a service worker that hears nothing for 30 s; a slow download may.
const KEEP_ALIVE_TICKS: u32 = 40;

/// The worker's state, shared by what is under way.
#[derive(Clone)]
pub(super) struct Driver(Rc<RefCell<Machine>>);

struct Machine {
    session: Option<Session>,
    blocks: Blocks,
    socket: Option<Socket>,
    sources: HashMap<TransferId, Source>,
    sinks: HashMap<TransferId, Sink>,
    /// Bytes handed to the page for each lane and channel: what is not reported as left is buffered.
    posted: HashMap<(u8, u16), u64>,
    /// Transfers whose progress is shown.
    moving: BTreeSet<TransferId>,
    /// When the running timer fires, and its number.
    timer: Option<(Time, i32)>,
    /// The interval that shows progress.
    ticker: Option<i32>,
    ticks: u32,
    /// Reused for every message.
    scratch: Vec<u8>,
    on_timer: Closure<dyn FnMut()>,
    on_tick: Closure<dyn FnMut()>,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self(Rc::new_cyclic(|weak| {
            let call = |what: fn(&Driver)| {
                let weak = weak.clone();
                Closure::<dyn FnMut()>::new(move || {
                    if let Some(machine) = weak.upgrade() {
                        what(&Driver(machine));
                    }
                })
            };
            RefCell::new(Machine {
                session: None,
                blocks: Blocks::default(),
                socket: None,
                sources: HashMap::new(),
                sinks: HashMap::new(),
                posted: HashMap::new(),
                moving: BTreeSet::new(),
                timer: None,
                ticker: None,
                ticks: 0,
                scratch: Vec::new(),
                on_timer: call(Driver::timer_fired),
                on_tick: call(Driver::tick),
            })
        }))
    }

    /// One wish or report of the page.
    pub(super) fn page_said(&self, message: ToWorker, extra: JsValue) {
        match message {
            ToWorker::Open { name } => self.begin(Session::open, name),
            ToWorker::Join { name, code } => match Code::parse(&code) {
                Ok(code) => self.begin(|config, now| Session::join(config, &code, now), name),
                Err(error) => post(&ToPage::NotOffered { why: error.to_string() }, &JsValue::UNDEFINED),
            },
            ToWorker::Offer { paths } => self.offer(&paths, &extra),
            ToWorker::Text { text } => self.text(&text),
            ToWorker::Accept { transfer } => self.accept(TransferId(transfer), extra),
            ToWorker::Decline { transfer } => self.act(|s, now| s.decline(TransferId(transfer), "", now)),
            ToWorker::Cancel { transfer } => self.act(|s, now| s.cancel(TransferId(transfer), "", now)),
            ToWorker::Close => self.act(Session::close),
            ToWorker::Left { lane, channel, bytes } => self.left(lane, channel, bytes as u64),
            ToWorker::Description { lane, offer, sdp } => {
                let kind = if offer { SdpKind::Offer } else { SdpKind::Answer };
                let description = Description { kind, sdp };
                self.rtc(RtcEvent::Description { lane: LaneId(lane), description });
            }
            ToWorker::Candidate { lane, candidate } => {
                self.rtc(RtcEvent::Candidate { lane: LaneId(lane), candidate: Candidate(candidate) });
            }
            ToWorker::ChannelOpen { lane, channel, max_message } => self.rtc(RtcEvent::ChannelOpen {
                lane: LaneId(lane),
                channel: channel_of(channel),
                max_message: max_message as usize,
            }),
            ToWorker::Lane { lane, state } => {
                let state = match state {
                    Lane::Connected => LaneState::Connected,
                    Lane::Disconnected => LaneState::Disconnected,
                    Lane::Failed => LaneState::Failed,
                    Lane::Closed => LaneState::Closed,
                };
                self.rtc(RtcEvent::State { lane: LaneId(lane), state });
            }
        }
    }

    /// One message of a data channel.
    pub(super) fn channel_said(&self, lane: u8, channel: u16, bytes: &ArrayBuffer) {
        let mut machine = self.0.borrow_mut();
        let view = Uint8Array::new(bytes);
        let mut message = mem::take(&mut machine.scratch);
        message.resize(view.length() as usize, 0);
        view.copy_to(&mut message);
        if let Some(session) = &mut machine.session {
            session.handle_message(LaneId(lane), channel_of(channel), &message, now());
        }
        self.pump(&mut machine, &message);
        machine.scratch = message;
    }

    fn begin(&self, make: impl FnOnce(Config, Time) -> Session, name: String) {
        let mut machine = self.0.borrow_mut();
        machine.session = Some(make(Config { name, seed: browser::random() }, now()));
        self.pump(&mut machine, &[]);
    }

    fn offer(&self, paths: &[String], files: &JsValue) {
        let mut machine = self.0.borrow_mut();
        match (Source::new(paths, files), &mut machine.session) {
            (Ok((source, manifest)), Some(session)) => {
                let shown = manifest.clone();
                let transfer = session.offer(manifest, now());
                machine.sources.insert(transfer, source);
                post(&ToPage::Offering(tell::offer(transfer, &shown)), &JsValue::UNDEFINED);
                self.pump(&mut machine, &[]);
            }
            (Err(why), _) => post(&ToPage::NotOffered { why }, &JsValue::UNDEFINED),
            (_, None) => {}
        }
    }

    fn text(&self, text: &str) {
        let mut machine = self.0.borrow_mut();
        let Some(session) = &mut machine.session else { return };
        match session.send_text(text, now()) {
            Ok(transfer) => {
                let bytes = Some(text.len() as u64);
                let offer = Offer {
                    transfer: transfer.0,
                    files: 0,
                    folders: 0,
                    bytes,
                    entries: Vec::new(),
                    save_as: String::new(),
                    archive: false,
                    text: true,
                };
                post(&ToPage::Offering(offer), &JsValue::UNDEFINED);
            }
            Err(error) => post(&ToPage::NotOffered { why: error.to_string() }, &JsValue::UNDEFINED),
        }
        self.pump(&mut machine, &[]);
    }

    fn accept(&self, transfer: TransferId, port: JsValue) {
        let mut machine = self.0.borrow_mut();
        let Some(session) = &mut machine.session else { return };
        let Some(manifest) = session.manifest(transfer) else { return };
        let driver = self.clone();
        let cancelled = move || driver.act(|s, now| s.cancel(transfer, "the download was stopped", now));
        let stream = port.dyn_into().ok().map(|port| StreamOut::new(port, cancelled));
        let driver = self.clone();
        let sink = Sink::start(manifest, stream, move |answer| driver.sunk(transfer, answer));
        let how = Acceptance { order: Order::Sequential, window: WINDOW, held: Vec::new() };
        session.accept(transfer, how, now());
        machine.sinks.insert(transfer, sink);
        self.moves(&mut machine, transfer);
        self.pump(&mut machine, &[]);
    }

    fn sunk(&self, transfer: TransferId, answer: Answer) {
        self.act(|session, now| match answer {
            Answer::Written(block, result) => session.handle_written(block, result, now),
            Answer::Committed(file, result) => session.handle_committed(transfer, file, result, now),
            Answer::Finished(result) => {
                let result = result.map(|blob| {
                    let name = session.manifest(transfer).map(|m| crate::sink::save_as(&m));
                    if let Some(blob) = blob {
                        post(&ToPage::Saved { name: name.unwrap_or_default() }, &blob);
                    }
                });
                session.handle_finished(transfer, result, now);
            }
        });
    }

    fn left(&self, lane: u8, channel: u16, left: u64) {
        let posted = self.0.borrow().posted.get(&(lane, channel)).copied().unwrap_or_default();
        let buffered = posted.saturating_sub(left);
        self.act(|s, now| s.handle_buffered(LaneId(lane), channel_of(channel), buffered, now));
    }

    fn rtc(&self, event: RtcEvent) {
        self.act(|session, now| session.handle_rtc(event, now));
    }

    fn timer_fired(&self) {
        self.0.borrow_mut().timer = None;
        self.act(Session::handle_timeout);
    }

    fn tick(&self) {
        let mut machine = self.0.borrow_mut();
        machine.ticks += 1;
        if machine.ticks % KEEP_ALIVE_TICKS == 1 && !machine.sinks.is_empty() {
            post(&ToPage::KeepAlive, &JsValue::UNDEFINED);
        }
        for transfer in &machine.moving {
            let progress = machine.session.as_ref().and_then(|session| session.progress(*transfer, now()));
            if let Some(progress) = progress {
                post(&tell::progress(*transfer, progress), &JsValue::UNDEFINED);
            }
        }
    }

    /// Tells the session something, then does what it wants.
    fn act(&self, tell: impl FnOnce(&mut Session, Time)) {
        let mut machine = self.0.borrow_mut();
        if let Some(session) = &mut machine.session {
            tell(session, now());
        }
        self.pump(&mut machine, &[]);
    }

    /// Does what the session wants until it wants to wait. `message` is what was just handled.
    fn pump(&self, machine: &mut Machine, message: &[u8]) {
        while let Some(output) = machine.session.as_mut().map(Session::poll_output) {
            match output {
                Output::Connect => self.connect(machine),
                Output::Disconnect => machine.socket = None,
                Output::Signal(message) => {
                    if let Some(socket) = &machine.socket {
                        socket.send(&message);
                    }
                }
                Output::Rtc(action) => post(&tell::action(action), &JsValue::UNDEFINED),
                Output::Control { lane, message } => machine.transmit(lane, Channel::Control, &message),
                Output::Data { lane, transfer, stamp, runs } => {
                    let frame = machine.blocks.frame(transfer, stamp, &runs);
                    let frame = frame.expect("the session sends only what it had read and not forgotten");
                    machine.transmit(lane, Channel::Data, &frame);
                }
                Output::Read { block, len } => self.read(machine, block, len),
                Output::Place { block, len, at, bytes } => {
                    machine.blocks.place(block, len, at, &message[bytes]);
                }
                Output::Hash { block, len, whole } => machine.hash(block, len, whole),
                Output::Write { block, len } => {
                    let mut bytes = machine.blocks.take(block).unwrap_or_default();
                    bytes.truncate(len as usize);
                    if let Some(sink) = machine.sinks.get(&block.transfer) {
                        sink.write(block, bytes);
                    }
                }
                Output::Forget(block) => machine.blocks.forget(block),
                Output::Commit { transfer, file, .. } => {
                    if let Some(sink) = machine.sinks.get(&transfer) {
                        sink.commit(file);
                    }
                }
                Output::Finish(transfer) => {
                    if let Some(sink) = machine.sinks.get(&transfer) {
                        sink.finish();
                    }
                }
                Output::Abandon(transfer) => machine.abandon(transfer),
                Output::Event(event) => self.event(machine, event),
                Output::Wait(until) => return machine.wait(until),
            }
        }
    }

    fn connect(&self, machine: &mut Machine) {
        let driver = self.clone();
        let socket = Socket::connect(move |happened| {
            driver.act(|session, now| match happened {
                Happened::Open => session.handle_socket_open(now),
                Happened::Message(message) => session.handle_socket_message(&message, now),
                Happened::Closed(why) => session.handle_socket_closed(&why, now),
            });
        });
        match socket {
            Ok(socket) => machine.socket = Some(socket),
            Err(why) => {
                let driver = self.clone();
                spawn_local(async move { driver.act(|s, now| s.handle_socket_closed(&why, now)) });
            }
        }
    }

    fn read(&self, machine: &mut Machine, block: BlockRef, len: u32) {
        let source = machine.sources.get(&block.transfer).cloned();
        let whole = machine.is_whole(block, len);
        let driver = self.clone();
        spawn_local(async move {
            let read = match source {
                Some(source) => source.read(block.file.0 as usize, block.offset(), len).await,
                None => Err(DiskError::Other("the offer is over".to_owned())),
            };
            let mut machine = driver.0.borrow_mut();
            let result = read.map(|bytes| {
                let digest = BlockDigest::of(&bytes, block.index, whole);
                let len = bytes.len() as u32;
                machine.blocks.insert(block, bytes);
                BlockRead { len, digest, last: false } // a browser knows every size
            });
            if let Some(session) = &mut machine.session {
                session.handle_read(block, result, now());
            }
            driver.pump(&mut machine, &[]);
        });
    }

    fn moves(&self, machine: &mut Machine, transfer: TransferId) {
        machine.moving.insert(transfer);
        if machine.ticker.is_none() {
            let tick = machine.on_tick.as_ref().unchecked_ref();
            machine.ticker =
                scope().set_interval_with_callback_and_timeout_and_arguments_0(tick, PROGRESS_MS).ok();
        }
    }

    fn event(&self, machine: &mut Machine, event: Event) {
        let said = match event {
            Event::Code(code) => ToPage::Code { code: code.to_string() },
            Event::Joined => ToPage::Joined,
            Event::WrongGuess { left } => ToPage::WrongGuess { left },
            Event::TurnedAway(closed) => ToPage::TurnedAway(tell::ended(closed)),
            Event::Peer { name } => ToPage::Peer { name },
            Event::Sas(sas) => ToPage::Sas { words: sas.to_string() },
            Event::Connected => ToPage::Connected,
            Event::PathLost => ToPage::PathLost,
            Event::PathBack => ToPage::PathBack,
            Event::Offered { transfer, manifest } => ToPage::Offered(tell::offer(transfer, &manifest)),
            Event::Text { text } => ToPage::Text { text },
            Event::Accepted(transfer) => {
                self.moves(machine, transfer);
                ToPage::Accepted { transfer: transfer.0 }
            }
            Event::Declined { transfer, message } => {
                machine.rests(transfer);
                ToPage::Declined { transfer: transfer.0, message }
            }
            Event::Paused { .. } => return,
            Event::FileDone { transfer, file, digest } => {
                let manifest = machine.session.as_ref().and_then(|s| s.manifest(transfer));
                let Some(entry) = manifest.as_ref().and_then(|m| m.entry(file)) else { return };
                let path = entry.path.as_str().to_owned();
                ToPage::FileDone { transfer: transfer.0, path, digest: digest.to_string() }
            }
            Event::Done(transfer) => {
                machine.rests(transfer);
                ToPage::Done { transfer: transfer.0 }
            }
            Event::Failed { transfer, failure } => {
                machine.rests(transfer);
                let manifest = machine.session.as_ref().and_then(|s| s.manifest(transfer));
                let failure = tell::failure(failure, manifest.as_deref());
                ToPage::Failed { transfer: transfer.0, failure }
            }
            Event::Closed(closed) => ToPage::Closed(tell::ended(closed)),
        };
        post(&said, &JsValue::UNDEFINED);
    }
}

impl Machine {
    fn transmit(&mut self, lane: LaneId, channel: Channel, message: &[u8]) {
        *self.posted.entry((lane.0, channel.stream())).or_default() += message.len() as u64;
        post_data(lane.0, channel.stream(), &Uint8Array::from(message).buffer());
    }

    /// Whether a block is all of its file, so that its digest is the file's.
    fn is_whole(&self, block: BlockRef, len: u32) -> bool {
        let manifest = self.session.as_ref().and_then(|session| session.manifest(block.transfer));
        let kind = manifest.as_ref().and_then(|m| m.entry(block.file)).map(|entry| entry.kind);
        matches!(kind, Some(EntryKind::File { size: Some(size) }) if size == u64::from(len))
    }

    fn hash(&mut self, block: BlockRef, len: u32, whole: bool) {
        let bytes = self.blocks.get(block).unwrap_or_default();
        let bytes = bytes.get(..len as usize).unwrap_or(bytes);
        let digest = BlockDigest::of(bytes, block.index, whole);
        if let Some(session) = &mut self.session {
            session.handle_hashed(block, digest, now());
        }
    }

    fn abandon(&mut self, transfer: TransferId) {
        self.blocks.abandon(transfer);
        self.sinks.remove(&transfer);
        self.sources.remove(&transfer);
    }

    /// A transfer is over: its last progress, and no more.
    fn rests(&mut self, transfer: TransferId) {
        if let Some(progress) = self.session.as_ref().and_then(|s| s.progress(transfer, now())) {
            post(&tell::progress(transfer, progress), &JsValue::UNDEFINED);
        }
        self.sources.remove(&transfer);
        self.sinks.remove(&transfer);
        self.moving.remove(&transfer);
        if self.moving.is_empty()
            && let Some(ticker) = self.ticker.take()
        {
            scope().clear_interval_with_handle(ticker);
        }
    }

    /// Sets the timer, unless one fires before: being called too early does no harm.
    fn wait(&mut self, until: Option<Time>) {
        let Some(until) = until else { return };
        if let Some((earlier, handle)) = self.timer {
            if earlier <= until {
                return;
            }
            scope().clear_timeout_with_handle(handle);
        }
        let ms = until.since(now()).as_secs_f64().mul_add(1000.0, 1.0).min(3_600_000.0) as i32;
        let callback = self.on_timer.as_ref().unchecked_ref();
        let handle = scope().set_timeout_with_callback_and_timeout_and_arguments_0(callback, ms);
        self.timer = handle.ok().map(|handle| (until, handle));
    }
}

/// Milliseconds since the worker started, from the browser's monotonic clock.
fn now() -> Time {
    let ms = scope().performance().map_or(0.0, |performance| performance.now());
    Time::from_origin(Duration::from_secs_f64(ms / 1000.0))
}

/// Only these two are ever opened.
fn channel_of(stream: u16) -> Channel {
    if stream == Channel::Control.stream() { Channel::Control } else { Channel::Data }
}
