//! Two confirmed peers arrange their first connection, sealed, through the room. Further ones follow over its
//! control channel: `link/further.rs`.
//!
//! ```text
//! opener                                            joiner
//!   │<───────────────── JoinerHello{name, H(nonce)} ───│  together with its confirmation
//!   │── OpenerHello{name}, Offer, Candidate … ────────>│
//!   │<───────────────────────── Answer, Candidate … ───│
//!   │── Nonce ────────────────────────────────────────>│  the joiner knows the SAS
//!   │<──────────────────────────────────────── Reveal ─│  the opener knows the SAS
//! ```
mod further;

use crate::{
    key::{Comparing, Key, Seal},
    meeting::Keys,
    output::{Closed, Event},
    quote::clean_name,
    rtc::{Candidate, Description, IceServer, LaneId, RtcAction, SdpKind},
    sas::{self, Sas},
    wire::{
        control::Control,
        meeting::{Meeting, Sealed},
        negotiation::{self, Abort, JoinerHello, Negotiation, Nonce, OpenerHello, Reveal},
        signal::PeerId,
    },
};

pub(crate) use further::{FurtherLanes, MAX_LANES};

/// Candidates that a connection takes, restarts included.
const MAX_CANDIDATES: usize = 1000;

/// What comes of a negotiation message.
#[derive(Debug)]
pub(crate) enum LinkOutput {
    Post(Vec<u8>),
    Control(Control),
    Rtc(RtcAction),
    Event(Event),
}

pub(crate) struct Link {
    pub(crate) peer: PeerId,
    is_opener: bool,
    name: String,
    ice: Vec<IceServer>,
    outgoing: Seal,
    incoming: Seal,
    comparing: Key<Comparing>,
    nonce: sas::Nonce,
    commitment: Option<[u8; 32]>,
    their_nonce: Option<sas::Nonce>,
    fingerprints: [Option<String>; 2],
    greeted: bool,
    /// Whether the words to compare are known; nothing is transferred before.
    pub(crate) compared: bool,
    described: bool,
    candidates: usize,
    early: Vec<Candidate>,
    /// The connections beside the first one.
    pub(crate) further: FurtherLanes,
    pub(crate) outputs: Vec<LinkOutput>,
}

impl Link {
    pub(crate) fn new(
        peer: PeerId,
        is_opener: bool,
        keys: Keys,
        nonce: sas::Nonce,
        name: &str,
        ice: Vec<IceServer>,
    ) -> Self {
        let (outgoing, incoming, lanes_outgoing, lanes_incoming) = match is_opener {
            true => (keys.seal_opener, keys.seal_joiner, keys.lanes_opener, keys.lanes_joiner),
            false => (keys.seal_joiner, keys.seal_opener, keys.lanes_joiner, keys.lanes_opener),
        };
        Self {
            peer,
            is_opener,
            name: clean_name(name),
            ice,
            outgoing,
            incoming,
            comparing: keys.comparing,
            nonce,
            commitment: None,
            their_nonce: None,
            fingerprints: [None, None],
            greeted: false,
            compared: false,
            described: false,
            candidates: 0,
            early: Vec::new(),
            further: FurtherLanes::new(is_opener, lanes_outgoing, lanes_incoming),
            outputs: Vec::new(),
        }
    }

    /// The first sealed message; the opener also starts its connection.
    pub(crate) fn greet(&mut self) {
        let name = self.name.clone();
        if self.is_opener {
            self.say(OpenerHello { name }.into());
            let ice = self.ice.clone();
            self.outputs.push(LinkOutput::Rtc(RtcAction::Open { lane: LaneId::FIRST, offerer: true, ice }));
        } else {
            self.say(JoinerHello { name, commitment: sas::commitment(&self.nonce) }.into());
        }
    }

    fn say(&mut self, message: Negotiation) {
        let (number, bytes) = self.outgoing.seal(&message.encode());
        self.outputs.push(LinkOutput::Post(Meeting::from(Sealed { number, bytes }).encode()));
    }

    /// This side's offer or answer.
    pub(crate) fn describe(&mut self, lane: LaneId, description: Description) -> Result<(), Closed> {
        self.note_fingerprint(&description)?;
        self.say(Negotiation::description(lane, description));
        self.compare();
        Ok(())
    }

    pub(crate) fn candidate(&mut self, lane: LaneId, candidate: Candidate) {
        self.say(negotiation::Candidate { lane: lane.0, candidate: candidate.0 }.into());
    }

    pub(crate) fn abort(&mut self, message: &str) {
        self.say(Abort { message: message.to_owned() }.into());
    }

    pub(crate) fn handle_sealed(&mut self, sealed: &Sealed) -> Result<(), Closed> {
        let plain = self.incoming.open(sealed.number, &sealed.bytes).map_err(|_| Closed::Tampered)?;
        let message = Negotiation::decode(&plain).map_err(|error| Closed::Protocol(error.to_string()))?;
        match message {
            Some(message) => self.handle(message),
            None => Ok(()),
        }
    }

    fn handle(&mut self, message: Negotiation) -> Result<(), Closed> {
        let out_of_turn = |what: &str| Err(Closed::Protocol(format!("{what} out of turn")));
        match message {
            Negotiation::JoinerHello(hello) if self.is_opener && !self.greeted => {
                self.commitment = Some(hello.commitment);
                self.greeted(&hello.name);
            }
            Negotiation::OpenerHello(hello) if !self.is_opener && !self.greeted => {
                self.greeted(&hello.name);
            }
            Negotiation::Nonce(theirs)
                if !self.is_opener && self.is_settled() && self.their_nonce.is_none() =>
            {
                self.their_nonce = Some(theirs.nonce);
                self.say(Reveal { nonce: self.nonce }.into());
                self.compare();
            }
            Negotiation::Reveal(reveal)
                if self.is_opener && self.is_settled() && self.their_nonce.is_none() =>
            {
                if self.commitment != Some(sas::commitment(&reveal.nonce)) {
                    return Err(Closed::Protocol("the nonce is not the one committed to".into()));
                }
                self.their_nonce = Some(reveal.nonce);
                self.compare();
            }
            Negotiation::Offer(offer) if !self.is_opener && self.greeted => {
                let first = !self.described;
                if first {
                    let (lane, ice) = (lane(offer.lane)?, self.ice.clone());
                    self.outputs.push(LinkOutput::Rtc(RtcAction::Open { lane, offerer: false, ice }));
                }
                self.described(offer.lane, Description { kind: SdpKind::Offer, sdp: offer.sdp })?;
            }
            Negotiation::Answer(answer) if self.is_opener && self.greeted => {
                let first = !self.described;
                self.described(answer.lane, Description { kind: SdpKind::Answer, sdp: answer.sdp })?;
                if first {
                    self.say(Nonce { nonce: self.nonce }.into());
                }
            }
            Negotiation::Candidate(c) if self.greeted && self.candidates < MAX_CANDIDATES => {
                self.candidates += 1;
                let (lane, candidate) = (lane(c.lane)?, Candidate(c.candidate));
                if self.described {
                    self.outputs.push(LinkOutput::Rtc(RtcAction::AddCandidate { lane, candidate }));
                } else {
                    self.early.push(candidate);
                }
            }
            Negotiation::Abort(abort) => return Err(Closed::Aborted(crate::quote::quote(&abort.message))),
            _ => return out_of_turn("a negotiation message"),
        }
        Ok(())
    }

    fn greeted(&mut self, name: &str) {
        self.greeted = true;
        self.outputs.push(LinkOutput::Event(Event::Peer { name: clean_name(name) }));
    }

    fn described(&mut self, number: u8, description: Description) -> Result<(), Closed> {
        let lane = lane(number)?;
        self.note_fingerprint(&description)?;
        self.outputs.push(LinkOutput::Rtc(RtcAction::SetRemote { lane, description }));
        self.described = true;
        for candidate in std::mem::take(&mut self.early) {
            self.outputs.push(LinkOutput::Rtc(RtcAction::AddCandidate { lane, candidate }));
        }
        self.compare();
        Ok(())
    }

    /// A connection keeps its certificates: a restart with other ones is another connection.
    fn note_fingerprint(&mut self, description: &Description) -> Result<(), Closed> {
        let found = sas::fingerprint(&description.sdp)
            .ok_or_else(|| Closed::Protocol("a description without one fingerprint".into()))?;
        let side = match description.kind {
            SdpKind::Offer => &mut self.fingerprints[0],
            SdpKind::Answer => &mut self.fingerprints[1],
        };
        match side {
            Some(known) if *known != found => Err(Closed::Protocol("the certificate changed".into())),
            _ => {
                *side = Some(found);
                Ok(())
            }
        }
    }

    /// Whether offer and answer are there, so that no certificate can be chosen any more.
    fn is_settled(&self) -> bool {
        self.fingerprints.iter().all(Option::is_some)
    }

    /// Shows the SAS as soon as all of it is known.
    fn compare(&mut self) {
        let (Some(theirs), [Some(offer), Some(answer)]) = (&self.their_nonce, &self.fingerprints) else {
            return;
        };
        if self.compared {
            return;
        }
        let (joiner, opener) = match self.is_opener {
            true => (theirs, &self.nonce),
            false => (&self.nonce, theirs),
        };
        let sas = Sas::new(&self.comparing, joiner, opener, offer, answer);
        self.compared = true;
        self.outputs.push(LinkOutput::Event(Event::Sas(sas)));
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("peer", &self.peer)
            .field("compared", &self.compared)
            .finish_non_exhaustive()
    }
}

/// Further connections are not arranged through the room.
fn lane(number: u8) -> Result<LaneId, Closed> {
    match LaneId(number) {
        LaneId::FIRST => Ok(LaneId::FIRST),
        LaneId(number) => Err(Closed::Protocol(format!("lane {number} was not agreed on"))),
    }
}
