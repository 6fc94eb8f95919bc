//! RTCPeerConnections: what the worker asks of them, and what they report.
//!
//! The channels of a connection are negotiated beforehand, so there is nothing to wait for but their opening. The
//! worker gets them where the browser can give them away; elsewhere they stay here, and file bytes pass as
//! ArrayBuffers, transferred both ways and never looked at.
mod path;

use super::held::Held;
use crate::{
    browser,
    messages::{self, Ice, Lane as State, Step, ToPage, ToWorker},
};
use beeline_core::{
    rtc::{Channel, LaneId},
    wire::signal::PeerId,
};
use futures_channel::mpsc;
use futures_util::StreamExt;
use js_sys::{Array, ArrayBuffer, Function};
use litemap::LiteMap;
pub(super) use path::Path;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Event, RtcBundlePolicy, RtcConfiguration, RtcDataChannelInit, RtcIceCandidateInit, RtcIceServer,
    RtcOfferOptions, RtcPeerConnection, RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcSdpType,
    RtcSessionDescriptionInit, Worker,
};

/// Where a description does not say how long a message may be (RFC 8841 §6.1).
const DEFAULT_MAX_MESSAGE: f64 = 65_536.0;

/// The connections of one worker.
#[derive(Clone)]
pub(super) struct Rtc(Rc<Connections>);

struct Connections {
    worker: Worker,
    settled: Settled,
    lanes: RefCell<LiteMap<(PeerId, u8), Rc<Lane>>>,
}

/// Told when descriptions of a connection were set or taken back: whose, and which.
type Settled = Rc<dyn Fn(PeerId, u8, &RtcPeerConnection)>;

/// What changes a connection's descriptions. One after another: a browser would let them overlap.
enum Operation {
    Offer { restart: bool },
    Apply { offer: bool, sdp: String },
    Rollback,
}

type Handler = Closure<dyn FnMut(Event)>;

/// One connection, with those of its channels that the worker could not get.
struct Lane {
    /// Whose session it belongs to.
    guest: PeerId,
    id: u8,
    pc: RtcPeerConnection,
    worker: Worker,
    settled: Settled,
    operations: mpsc::UnboundedSender<Operation>,
    held: RefCell<LiteMap<u16, Rc<Held>>>,
    handlers: RefCell<Vec<Handler>>,
}

impl Rtc {
    pub(super) fn new(worker: Worker, settled: impl Fn(PeerId, u8, &RtcPeerConnection) + 'static) -> Self {
        Self(Rc::new(Connections { worker, settled: Rc::new(settled), lanes: RefCell::default() }))
    }

    /// Does what the worker wants, if it is about connections.
    pub(super) fn acts(&self, guest: PeerId, message: &ToPage) -> bool {
        match message {
            ToPage::LaneOpen { lane, offerer, ice } => self.open((guest, *lane), *offerer, ice),
            ToPage::SetRemote { lane, offer, sdp } => {
                let (offer, sdp) = (*offer, sdp.clone());
                self.with((guest, *lane), |lane| lane.perform(Operation::Apply { offer, sdp }));
            }
            ToPage::AddCandidate { lane, candidate } => self.with((guest, *lane), |lane| lane.add(candidate)),
            ToPage::Describe { lane } => {
                self.with((guest, *lane), |lane| lane.perform(Operation::Offer { restart: false }));
            }
            ToPage::Restart { lane } => {
                self.with((guest, *lane), |lane| lane.perform(Operation::Offer { restart: true }));
            }
            ToPage::Rollback { lane } => self.with((guest, *lane), |lane| lane.perform(Operation::Rollback)),
            ToPage::LaneClose { lane } => {
                self.0.lanes.borrow_mut().remove(&(guest, *lane));
            }
            _ => return false,
        }
        true
    }

    /// Sends one message on a channel.
    pub(super) fn send(&self, guest: PeerId, lane: u8, channel: u16, bytes: &ArrayBuffer) {
        self.with((guest, lane), |lane| {
            if let Some(held) = lane.held.borrow().get(&channel) {
                held.send(bytes);
            }
        });
    }

    /// Forgets all connections.
    pub(super) fn close_all(&self) {
        self.0.lanes.borrow_mut().clear();
    }

    fn with(&self, lane: (PeerId, u8), act: impl FnOnce(&Rc<Lane>)) {
        let lane = self.0.lanes.borrow().get(&lane).cloned();
        if let Some(lane) = lane {
            act(&lane);
        }
    }

    fn open(&self, (guest, id): (PeerId, u8), offerer: bool, ice: &[Ice]) {
        match Lane::new((guest, id), ice, self.0.worker.clone(), self.0.settled.clone()) {
            Ok(lane) => {
                self.0.lanes.borrow_mut().insert((guest, id), lane.clone());
                if offerer {
                    lane.perform(Operation::Offer { restart: false });
                }
            }
            Err(error) => {
                browser::log(&format!("RTCPeerConnection: {}", browser::said(&error)));
                report(&self.0.worker, guest, &ToWorker::Lane { lane: id, state: State::Failed });
            }
        }
    }
}

impl Lane {
    fn new(
        (guest, id): (PeerId, u8),
        ice: &[Ice],
        worker: Worker,
        settled: Settled,
    ) -> Result<Rc<Self>, JsValue> {
        let servers: Array = ice.iter().map(ice_server).collect();
        let config = RtcConfiguration::new();
        config.set_ice_servers(&servers);
        // A call's sections use the path that there is, also in an offer that does not know yet.
        config.set_bundle_policy(RtcBundlePolicy::MaxBundle);
        let pc = RtcPeerConnection::new_with_configuration(&config)?;
        let (operations, mut next) = mpsc::unbounded();
        let (held, handlers) = Default::default();
        let lane = Rc::new(Self { guest, id, pc, worker, settled, operations, held, handlers });
        let weak = Rc::downgrade(&lane);
        spawn_local(async move {
            while let Some(operation) = next.next().await {
                let Some(lane) = weak.upgrade() else { break };
                lane.carry_out(operation).await;
            }
        });
        lane.listen();
        LaneId(id).channels().iter().for_each(|channel| lane.make(*channel));
        Ok(lane)
    }

    /// Makes a channel and gives it to the worker, which works only in the task that made it.
    fn make(&self, channel: Channel) {
        let init = RtcDataChannelInit::new();
        init.set_negotiated(true);
        init.set_id(channel.stream());
        let made = self.pc.create_data_channel_with_data_channel_dict(channel.label(), &init);
        let given = messages::control(
            self.guest,
            &ToWorker::Channel { lane: self.id, channel: channel.stream() },
            &made,
        );
        if self.worker.post_message_with_transfer(&given, &Array::of1(&made)).is_err() {
            let held = Held::new(self.worker.clone(), (self.guest, self.id), channel, made);
            self.held.borrow_mut().insert(channel.stream(), held);
        }
    }

    /// Reports what happens on the connection for as long as it is kept.
    fn listen(self: &Rc<Self>) {
        let on = |target: &JsValue, event: &str, act: fn(&Rc<Lane>, Event)| {
            let lane = Rc::downgrade(self);
            let handler = Closure::<dyn FnMut(_)>::new(move |event: Event| {
                if let Some(lane) = lane.upgrade() {
                    act(&lane, event);
                }
            });
            let _ = js_sys::Reflect::set(target, &format!("on{event}").into(), handler.as_ref());
            self.handlers.borrow_mut().push(handler);
        };
        on(&self.pc, "icecandidate", |lane, event| lane.gathered(event.unchecked_ref()));
        on(&self.pc, "connectionstatechange", |lane, _| lane.changed());
    }

    /// Has something done once what was asked for before is done.
    fn perform(&self, operation: Operation) {
        let _ = self.operations.unbounded_send(operation); // the other end lives as long as the connection
    }

    async fn carry_out(&self, operation: Operation) {
        let (step, result) = match operation {
            Operation::Offer { restart } => {
                (Step::MakeOffer, self.describe(RtcSdpType::Offer, restart).await)
            }
            Operation::Apply { offer: true, sdp } => (Step::Answer, self.answer(&sdp).await),
            Operation::Apply { offer: false, sdp } => {
                (Step::ApplyAnswer, self.set_remote(RtcSdpType::Answer, &sdp).await)
            }
            Operation::Rollback => {
                let back = RtcSessionDescriptionInit::new(RtcSdpType::Rollback);
                // Where there is nothing to take back, the browser says so, and all is well.
                let _ = JsFuture::from(self.pc.set_local_description(&back)).await;
                return self.settle();
            }
        };
        match result {
            Ok(()) => {
                if step != Step::MakeOffer {
                    self.limit();
                }
                self.settle();
            }
            Err(error) => {
                browser::log(&format!("{step:?}: {}", browser::said(&error)));
                self.report(&ToWorker::NotDescribed { lane: self.id, step });
            }
        }
    }

    fn settle(&self) {
        (self.settled)(self.guest, self.id, &self.pc);
    }

    /// Makes an offer or an answer, sets it and reports it.
    async fn describe(&self, kind: RtcSdpType, restart: bool) -> Result<(), JsValue> {
        let options = RtcOfferOptions::new();
        options.set_ice_restart(restart);
        let made = match kind {
            RtcSdpType::Offer => self.pc.create_offer_with_rtc_offer_options(&options),
            _ => self.pc.create_answer(),
        };
        let made: RtcSessionDescriptionInit = JsFuture::from(made).await?.unchecked_into();
        JsFuture::from(self.pc.set_local_description(&made)).await?;
        let sdp = browser::property(&made, "sdp").and_then(|sdp| sdp.as_string()).unwrap_or_default();
        self.report(&ToWorker::Description { lane: self.id, offer: kind == RtcSdpType::Offer, sdp });
        Ok(())
    }

    async fn answer(&self, sdp: &str) -> Result<(), JsValue> {
        self.set_remote(RtcSdpType::Offer, sdp).await?;
        self.describe(RtcSdpType::Answer, false).await
    }

    async fn set_remote(&self, kind: RtcSdpType, sdp: &str) -> Result<(), JsValue> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        JsFuture::from(self.pc.set_remote_description(&description)).await.map(drop)
    }

    /// The browser queues it behind a description that is still being set, and bundles all sections in the first.
    fn add(self: &Rc<Self>, candidate: &str) {
        let init = RtcIceCandidateInit::new(candidate);
        init.set_sdp_m_line_index(Some(0));
        let added = self.pc.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
        spawn_local(async move {
            if let Err(error) = JsFuture::from(added).await {
                browser::log(&format!("a candidate was not understood: {}", browser::kind(&error)));
            }
        });
    }

    /// Both descriptions are set: they say how long a message may be.
    fn limit(&self) {
        let sctp = browser::property(&self.pc, "sctp");
        let max = sctp.and_then(|sctp| browser::property(&sctp, "maxMessageSize")?.as_f64());
        // 0 and infinity mean that there is no limit.
        let max = max.filter(|max| *max > 0.0).unwrap_or(DEFAULT_MAX_MESSAGE).min(f64::from(u32::MAX));
        self.report(&ToWorker::Limit { lane: self.id, max_message: max as u32 });
    }

    fn gathered(&self, event: &RtcPeerConnectionIceEvent) {
        let candidate = event.candidate().map(|c| c.candidate()).filter(|c| !c.is_empty());
        if let Some(candidate) = candidate {
            self.report(&ToWorker::Candidate { lane: self.id, candidate });
        }
    }

    fn changed(&self) {
        match self.pc.connection_state() {
            RtcPeerConnectionState::Connected => {
                self.nominated();
                self.state(State::Connected);
            }
            RtcPeerConnectionState::Disconnected => self.state(State::Disconnected),
            RtcPeerConnectionState::Failed => self.state(State::Failed),
            RtcPeerConnectionState::Closed => self.state(State::Closed),
            _ => {}
        }
    }

    /// Reports the types of the candidates in use, where the browser tells (Firefox does not).
    fn nominated(&self) {
        let transport = browser::property(&self.pc, "sctp")
            .and_then(|sctp| browser::property(&sctp, "transport"))
            .and_then(|dtls| browser::property(&dtls, "iceTransport"));
        let pair = transport.and_then(|ice| {
            let get: Function = browser::property(&ice, "getSelectedCandidatePair")?.dyn_into().ok()?;
            get.call0(&ice).ok().filter(JsValue::is_object)
        });
        let end =
            |name: &str| browser::property(&browser::property(pair.as_ref()?, name)?, "type")?.as_string();
        if let (Some(local), Some(remote)) = (end("local"), end("remote")) {
            self.report(&ToWorker::Nominated { lane: self.id, local, remote });
        }
    }

    fn state(&self, state: State) {
        self.report(&ToWorker::Lane { lane: self.id, state });
    }

    fn report(&self, message: &ToWorker) {
        report(&self.worker, self.guest, message);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Without handlers, so that closing here is not taken for the other side's.
        self.held.borrow_mut().clear();
        self.pc.set_onicecandidate(None);
        self.pc.set_onconnectionstatechange(None);
        self.pc.close();
    }
}

fn report(worker: &Worker, guest: PeerId, message: &ToWorker) {
    let _ = worker.post_message(&messages::control(guest, message, &JsValue::NULL));
}

fn ice_server(ice: &Ice) -> RtcIceServer {
    let server = RtcIceServer::new();
    let urls: Array = ice.urls.iter().map(|url| JsValue::from_str(url)).collect();
    server.set_urls(&urls);
    if let Some(username) = &ice.username {
        server.set_username(username);
    }
    if let Some(credential) = &ice.credential {
        server.set_credential(credential);
    }
    server
}
