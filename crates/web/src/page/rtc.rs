//! RTCPeerConnections: what the worker asks of them, and what they report.
//!
//! Both channels of a connection are negotiated beforehand, so there is nothing to wait for but their
//! opening. File bytes pass as ArrayBuffers, transferred both ways and never looked at.
mod path;

use crate::{
    browser,
    messages::{self, Ice, Lane as State, ToPage, ToWorker},
};
use beeline_core::rtc::Channel;
use js_sys::{Array, ArrayBuffer, Uint8Array};
pub(super) use path::Path;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Event, MessageEvent, RtcConfiguration, RtcDataChannel, RtcDataChannelInit, RtcDataChannelState,
    RtcDataChannelType, RtcIceCandidateInit, RtcIceServer, RtcOfferOptions, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit, Worker,
};

/// The channel asks for more when it holds no more than this.
const LOW: u32 = 256 << 10;
/// While it holds less, no event comes: then this many sent bytes are reported together.
const REPORT: f64 = 128.0 * 1024.0;
/// Where a description does not say how long a message may be (RFC 8841 §6.1).
const DEFAULT_MAX_MESSAGE: f64 = 65_536.0;

/// The connections of one worker.
#[derive(Clone)]
pub(super) struct Rtc(Rc<Connections>);

struct Connections {
    worker: Worker,
    lanes: RefCell<HashMap<u8, Rc<Lane>>>,
}

type Handler = Closure<dyn FnMut(Event)>;

/// One connection with its two channels.
struct Lane {
    id: u8,
    pc: RtcPeerConnection,
    worker: Worker,
    channels: [RtcDataChannel; 2],
    /// Bytes given to each channel, and how many of those were reported as left.
    sent: [Cell<f64>; 2],
    reported: [Cell<f64>; 2],
    handlers: RefCell<Vec<Handler>>,
}

impl Rtc {
    pub(super) fn new(worker: Worker) -> Self {
        Self(Rc::new(Connections { worker, lanes: RefCell::default() }))
    }

    /// Does what the worker wants, if it is about connections.
    pub(super) fn acts(&self, message: &ToPage) -> bool {
        match message {
            ToPage::LaneOpen { lane, offerer, ice } => self.open(*lane, *offerer, ice),
            ToPage::SetRemote { lane, offer, sdp } => self.with(*lane, |lane| lane.set_remote(*offer, sdp)),
            ToPage::AddCandidate { lane, candidate } => self.with(*lane, |lane| lane.add(candidate)),
            ToPage::Restart { lane } => self.with(*lane, |lane| lane.describe(RtcSdpType::Offer, true)),
            ToPage::LaneClose { lane } => {
                self.0.lanes.borrow_mut().remove(lane);
            }
            _ => return false,
        }
        true
    }

    /// Sends one message on a channel.
    pub(super) fn send(&self, lane: u8, channel: u16, bytes: &ArrayBuffer) {
        self.with(lane, |lane| lane.send(channel, bytes));
    }

    /// Forgets all connections.
    pub(super) fn close_all(&self) {
        self.0.lanes.borrow_mut().clear();
    }

    fn with(&self, lane: u8, act: impl FnOnce(&Rc<Lane>)) {
        let lane = self.0.lanes.borrow().get(&lane).cloned();
        if let Some(lane) = lane {
            act(&lane);
        }
    }

    fn open(&self, id: u8, offerer: bool, ice: &[Ice]) {
        match Lane::new(id, ice, self.0.worker.clone()) {
            Ok(lane) => {
                self.0.lanes.borrow_mut().insert(id, lane.clone());
                if offerer {
                    lane.describe(RtcSdpType::Offer, false);
                }
            }
            Err(error) => {
                leptos::logging::error!("RTCPeerConnection: {}", browser::said(&error));
                report(&self.0.worker, &ToWorker::Lane { lane: id, state: State::Failed });
            }
        }
    }
}

impl Lane {
    fn new(id: u8, ice: &[Ice], worker: Worker) -> Result<Rc<Self>, JsValue> {
        let servers: Array = ice.iter().map(ice_server).collect();
        let config = RtcConfiguration::new();
        config.set_ice_servers(&servers);
        let pc = RtcPeerConnection::new_with_configuration(&config)?;
        let channel = |channel: Channel| {
            let init = RtcDataChannelInit::new();
            init.set_negotiated(true);
            init.set_id(channel.stream());
            let made = pc.create_data_channel_with_data_channel_dict(channel.label(), &init);
            made.set_binary_type(RtcDataChannelType::Arraybuffer);
            made.set_buffered_amount_low_threshold(LOW);
            made
        };
        let channels = [channel(Channel::Control), channel(Channel::Data)];
        let lane = Rc::new(Self {
            id,
            pc,
            worker,
            channels,
            sent: Default::default(),
            reported: Default::default(),
            handlers: RefCell::default(),
        });
        lane.listen();
        Ok(lane)
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
        on(&self.channels[0], "open", |lane, _| lane.opened(0));
        on(&self.channels[1], "open", |lane, _| lane.opened(1));
        on(&self.channels[0], "message", |lane, event| lane.received(0, event.unchecked_ref()));
        on(&self.channels[1], "message", |lane, event| lane.received(1, event.unchecked_ref()));
        on(&self.channels[0], "bufferedamountlow", |lane, _| lane.left(0));
        on(&self.channels[1], "bufferedamountlow", |lane, _| lane.left(1));
        // The other side closed: DTLS or SCTP said so. Closing here takes the handlers away first.
        on(&self.channels[0], "close", |lane, _| lane.state(State::Closed));
    }

    /// Makes an offer or an answer, sets it and reports it.
    fn describe(self: &Rc<Self>, kind: RtcSdpType, restart: bool) {
        let lane = self.clone();
        spawn_local(async move {
            let described = async {
                let options = RtcOfferOptions::new();
                options.set_ice_restart(restart);
                let made = match kind {
                    RtcSdpType::Offer => lane.pc.create_offer_with_rtc_offer_options(&options),
                    _ => lane.pc.create_answer(),
                };
                let made: RtcSessionDescriptionInit = JsFuture::from(made).await?.unchecked_into();
                JsFuture::from(lane.pc.set_local_description(&made)).await?;
                Ok::<_, JsValue>(made)
            };
            match described.await {
                Ok(made) => {
                    let sdp = browser::property(&made, "sdp").and_then(|sdp| sdp.as_string());
                    let offer = kind == RtcSdpType::Offer;
                    let sdp = sdp.unwrap_or_default();
                    lane.report(&ToWorker::Description { lane: lane.id, offer, sdp });
                }
                Err(error) => lane.failed("describe", &error),
            }
        });
    }

    fn set_remote(self: &Rc<Self>, offer: bool, sdp: &str) {
        let description =
            RtcSessionDescriptionInit::new(if offer { RtcSdpType::Offer } else { RtcSdpType::Answer });
        description.set_sdp(sdp);
        let set = self.pc.set_remote_description(&description);
        let lane = self.clone();
        spawn_local(async move {
            match JsFuture::from(set).await {
                Ok(_) if offer => lane.describe(RtcSdpType::Answer, false),
                Ok(_) => {}
                Err(error) => lane.failed("setRemoteDescription", &error),
            }
        });
    }

    /// The browser queues it behind a description that is still being set.
    fn add(self: &Rc<Self>, candidate: &str) {
        let init = RtcIceCandidateInit::new(candidate);
        init.set_sdp_m_line_index(Some(0)); // there is one media section
        let added = self.pc.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
        spawn_local(async move {
            if let Err(error) = JsFuture::from(added).await {
                leptos::logging::warn!("a candidate was not understood: {}", browser::kind(&error));
            }
        });
    }

    fn send(&self, channel: u16, bytes: &ArrayBuffer) {
        let at = usize::from(channel);
        let Some(target) = self.channels.get(at) else { return };
        if target.ready_state() != RtcDataChannelState::Open || target.send_with_array_buffer(bytes).is_err()
        {
            return; // closing: its state is reported by itself
        }
        self.sent[at].set(self.sent[at].get() + f64::from(bytes.byte_length()));
        // Above the threshold, `bufferedamountlow` will come; below it nothing would.
        if target.buffered_amount() <= LOW && self.sent[at].get() - self.reported[at].get() >= REPORT {
            self.left(at);
        }
    }

    fn left(&self, at: usize) {
        let left = self.sent[at].get() - f64::from(self.channels[at].buffered_amount());
        self.reported[at].set(left);
        self.report(&ToWorker::Left { lane: self.id, channel: at as u16, bytes: left });
    }

    fn received(&self, channel: u16, event: &MessageEvent) {
        let bytes = event.data().dyn_into::<ArrayBuffer>().unwrap_or_else(|other| {
            // A text message is a breach of the protocol; the core says so about its bytes.
            Uint8Array::from(other.as_string().unwrap_or_default().as_bytes()).buffer()
        });
        let message = messages::data(self.id, channel, &bytes);
        let _ = self.worker.post_message_with_transfer(&message, &Array::of1(&bytes));
    }

    fn opened(&self, channel: u16) {
        let sctp = browser::property(&self.pc, "sctp");
        let max = sctp.and_then(|sctp| browser::property(&sctp, "maxMessageSize")?.as_f64());
        // 0 and infinity mean that there is no limit.
        let max = max.filter(|max| *max > 0.0).unwrap_or(DEFAULT_MAX_MESSAGE).min(f64::from(u32::MAX));
        self.report(&ToWorker::ChannelOpen { lane: self.id, channel, max_message: max as u32 });
    }

    fn gathered(&self, event: &RtcPeerConnectionIceEvent) {
        let candidate = event.candidate().map(|c| c.candidate()).filter(|c| !c.is_empty());
        if let Some(candidate) = candidate {
            self.report(&ToWorker::Candidate { lane: self.id, candidate });
        }
    }

    fn changed(&self) {
        match self.pc.connection_state() {
            RtcPeerConnectionState::Connected => self.state(State::Connected),
            RtcPeerConnectionState::Disconnected => self.state(State::Disconnected),
            RtcPeerConnectionState::Failed => self.state(State::Failed),
            RtcPeerConnectionState::Closed => self.state(State::Closed),
            _ => {}
        }
    }

    fn state(&self, state: State) {
        self.report(&ToWorker::Lane { lane: self.id, state });
    }

    fn failed(&self, what: &str, error: &JsValue) {
        leptos::logging::error!("{what}: {}", browser::said(error));
        self.state(State::Failed);
    }

    fn report(&self, message: &ToWorker) {
        report(&self.worker, message);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Without handlers, so that closing here is not taken for the other side's.
        for (target, events) in [
            (AsRef::<JsValue>::as_ref(&self.pc), &["icecandidate", "connectionstatechange"][..]),
            (self.channels[0].as_ref(), &["open", "message", "bufferedamountlow", "close"][..]),
            (self.channels[1].as_ref(), &["open", "message", "bufferedamountlow"][..]),
        ] {
            for event in events {
                let _ = js_sys::Reflect::set(target, &format!("on{event}").into(), &JsValue::NULL);
            }
        }
        self.pc.close();
    }
}

fn report(worker: &Worker, message: &ToWorker) {
    let _ = worker.post_message(&messages::control(message, &JsValue::NULL));
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
