//! The loop around the core's session: what happened goes in, what to do comes out.
//!
//! ```text
//! page, socket, channels, clock, disk ──handle_*──> Session ──poll_output──> pump: channels.rs, files.rs, …
//! ```
use super::{
    OWN,
    arrived::{Arrived, Part},
    channels::Channels,
    clock::now,
    post,
    socket::{Happened, Socket},
    source::Source,
    tell,
};
use crate::{
    browser,
    messages::{Lane, ToPage, ToWorker},
    sink::{Content, Sink},
};
use beeline_core::{
    blocks::Blocks,
    code::Code,
    map::{Map, Set},
    output::{Output, TransferId},
    rtc::{Candidate, Channel, Description, LaneId, LaneState, RtcAction, RtcEvent, SdpKind},
    session::{Config, LaneRules, SenderEngine, Session},
    time::Time,
    wire::signal::PeerId,
};
use js_sys::ArrayBuffer;
use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};
use wasm_bindgen::{JsValue, prelude::Closure};
use wasm_bindgen_futures::spawn_local;

/// The worker's state, shared by what is under way.
#[derive(Clone)]
pub(super) struct Driver(pub(super) Rc<RefCell<Machine>>);

/// What the driver has in its hands.
pub(super) struct Machine {
    /// Whose session it is.
    pub(super) guest: PeerId,
    /// Who let it in, if it is a guest's.
    pub(super) let_in_by: Weak<RefCell<Machine>>,
    /// Those whom this session let in.
    pub(super) guests: Vec<(PeerId, Driver)>,
    pub(super) session: Option<Session>,
    pub(super) blocks: Blocks,
    pub(super) arrived: Arrived,
    pub(super) socket: Option<Socket>,
    pub(super) sources: Map<TransferId, Source>,
    pub(super) sinks: Map<TransferId, Sink>,
    pub(super) channels: Channels,
    /// Transfers whose progress is shown.
    pub(super) moving: Set<TransferId>,
    /// When the running timer fires, and its number.
    pub(super) timer: Option<(Time, i32)>,
    /// The interval that shows progress.
    pub(super) ticker: Option<i32>,
    pub(super) ticks: u32,
    /// Reused for every message.
    pub(super) scratch: Vec<u8>,
    pub(super) on_timer: Closure<dyn FnMut()>,
    pub(super) on_tick: Closure<dyn FnMut()>,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self::with(OWN, Weak::new(), None)
    }

    pub(super) fn with(guest: PeerId, let_in_by: Weak<RefCell<Machine>>, session: Option<Session>) -> Self {
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
                guest,
                let_in_by,
                guests: Vec::new(),
                session,
                blocks: Blocks::default(),
                arrived: Arrived::default(),
                socket: None,
                sources: Map::new(),
                sinks: Map::new(),
                channels: Channels::new(guest),
                moving: Set::default(),
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
            ToWorker::Open { name, lanes } => self.begin(Session::open, name, lanes),
            ToWorker::AdmitSeveral { several } => self.act(|s, _| s.admit_several(several)),
            ToWorker::AdmitNobody => self.act(Session::admit_nobody),
            ToWorker::Join { name, code, lanes } => match Code::parse(&code) {
                Ok(code) => self.begin(|config, now| Session::join(config, &code, now), name, lanes),
                Err(error) => post(OWN, &ToPage::NotOffered { why: error.to_string() }, &JsValue::UNDEFINED),
            },
            ToWorker::Offer { paths } => self.offer(&paths, &extra),
            ToWorker::Text { text } => self.text(&text),
            ToWorker::Accept { transfer } => self.accept(TransferId(transfer), extra),
            ToWorker::Decline { transfer } => self.act(|s, now| s.decline(TransferId(transfer), "", now)),
            ToWorker::Cancel { transfer } => self.act(|s, now| s.cancel(TransferId(transfer), "", now)),
            ToWorker::Pause { transfer, paused } => {
                self.act(|s, now| s.pause(TransferId(transfer), paused, now));
            }
            ToWorker::Close => {
                self.each_guest(|guest| guest.act(Session::close));
                self.act(Session::close);
            }
            ToWorker::Renegotiate => self.act(Session::renegotiate),
            ToWorker::Left { lane, channel, bytes } => self.left(lane, channel, bytes as u64),
            ToWorker::Description { lane, offer, sdp } => {
                let kind = if offer { SdpKind::Offer } else { SdpKind::Answer };
                let description = Description { kind, sdp };
                self.rtc(RtcEvent::Description { lane: LaneId(lane), description });
            }
            ToWorker::Candidate { lane, candidate } => {
                self.rtc(RtcEvent::Candidate { lane: LaneId(lane), candidate: Candidate(candidate) });
            }
            ToWorker::Channel { lane, channel } => self.given(lane, channel, extra),
            ToWorker::Limit { lane, max_message } => self.limited(lane, max_message),
            ToWorker::ChannelOpen { lane, channel } => self.opened(lane, channel),
            ToWorker::NotDescribed { lane, step } => {
                self.rtc(RtcEvent::Failed { lane: LaneId(lane), step: tell::step(step) });
            }
            ToWorker::Nominated { lane, local, remote } => {
                let (local, remote) = (tell::candidate_type(&local), tell::candidate_type(&remote));
                self.rtc(RtcEvent::Nominated { lane: LaneId(lane), local, remote });
            }
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

    fn begin(&self, make: impl FnOnce(Config, Time) -> Session, name: String, least: u8) {
        let lanes = LaneRules { engine: SenderEngine::Stock, least };
        let mut machine = self.0.borrow_mut();
        let config = Config { name, seed: browser::random(), media: true, throttled: true, lanes };
        machine.session = Some(make(config, now()));
        self.pump(&mut machine);
    }

    pub(super) fn rtc(&self, event: RtcEvent) {
        self.act(|session, now| session.handle_rtc(event, now));
    }

    /// Tells the session something, then does what it wants.
    pub(super) fn act(&self, tell: impl FnOnce(&mut Session, Time)) {
        let mut machine = self.0.borrow_mut();
        if let Some(session) = &mut machine.session {
            tell(session, now());
        }
        self.pump(&mut machine);
    }

    /// Does what the session wants until it wants to wait.
    pub(super) fn pump(&self, machine: &mut Machine) {
        self.pump_with(machine, &[], None);
    }

    /// The same when a message was just handled: its bytes, and the browser's memory that they came in.
    pub(super) fn pump_with(&self, machine: &mut Machine, message: &[u8], buffer: Option<&ArrayBuffer>) {
        while let Some(output) = machine.session.as_mut().map(Session::poll_output) {
            match output {
                Output::Connect => self.connect(machine),
                Output::Disconnect => machine.socket = None,
                Output::Signal(message) => {
                    if let Some(socket) = &machine.socket {
                        socket.send(&message);
                    }
                }
                Output::Rtc(action) => {
                    if let RtcAction::Close { lane } = action {
                        machine.channels.forget(lane);
                    }
                    post(machine.guest, &tell::action(action), &JsValue::UNDEFINED);
                }
                Output::Control { lane, message } => machine.channels.send(lane, Channel::Control, &message),
                Output::Data { lane, transfer, stamp, runs } => {
                    let frame = machine.blocks.frame(transfer, stamp, &runs, Vec::with_capacity);
                    let frame = frame.expect("the session sends only what it had read and not forgotten");
                    machine.channels.send(lane, Channel::Data, &frame);
                }
                Output::Read { block, len } => self.read(machine, block, len),
                Output::Place { block, len, at, bytes } => {
                    let range = bytes.clone();
                    let bytes = &message[bytes];
                    match buffer {
                        Some(message) => machine.place(&Part { block, len, at, message, range, bytes }),
                        None => machine.blocks.place(block, len, at, bytes),
                    }
                }
                Output::Hash { block, len, whole } => machine.hash(block, len, whole),
                Output::Write { block, len } => {
                    let mut bytes = machine.blocks.take(block).unwrap_or_default();
                    bytes.truncate(len as usize);
                    let content = match machine.arrived.take(block, len) {
                        Some(parts) => Content::Arrived(parts),
                        None => Content::Checked(bytes),
                    };
                    if let Some(sink) = machine.sinks.get(&block.transfer) {
                        sink.write(block, content);
                    }
                }
                Output::Forget(block) => {
                    machine.blocks.forget(block);
                    machine.arrived.forget(block);
                }
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
                Output::Guest(guest) => self.admit(machine, guest),
                Output::ToGuest(guest, news) => {
                    if let Some(guest) = machine.guest(guest) {
                        guest.soon(Box::new(move |driver| driver.act(|s, now| s.handle_to_guest(news, now))));
                    }
                }
                Output::ToHost(said) => {
                    let guest = machine.guest;
                    if let Some(host) = machine.host() {
                        let tell =
                            move |driver: &Driver| driver.act(|s, now| s.handle_to_host(guest, said, now));
                        host.soon(Box::new(tell));
                    }
                }
                Output::Wait(until) => {
                    if !machine.tell_quiet() {
                        return machine.wait(until);
                    }
                }
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
}
