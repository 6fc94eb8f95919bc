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
//!
//! Later offers and answers are the same, and go by the control channel while that is heard.
mod further;

use crate::{
    key::{Comparing, Key, Seal},
    meeting::Keys,
    output::{Closed, Event},
    quote::clean_name,
    renegotiation::{Outcome, Renegotiation, Wish},
    rtc::{Candidate, Description, IceServer, LaneId, RtcAction, Step},
    sas::{self, Sas},
    time::Time,
    wire::{
        control::{Control, Negotiate},
        meeting::{Meeting, Sealed},
        negotiation::{self, Abort, JoinerHello, Negotiation, Nonce, OpenerHello, Reveal},
        signal::PeerId,
    },
};

pub(crate) use further::{FurtherLanes, MAX_LANES};

/// Candidates that a connection takes, restarts included.
const MAX_CANDIDATES: usize = 1000;

/// How a sealed message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Through the server.
    Room,
    /// By the control channel, of which no server knows.
    Control,
}

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
    /// Of this side's certificate, and of the other's.
    fingerprints: [Option<String>; 2],
    negotiation: Renegotiation,
    /// Of this side's next offer.
    carrier: Carrier,
    /// Of the latest offer, and so of what belongs to it.
    latest: Carrier,
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
        takes_media: bool,
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
            negotiation: Renegotiation::new(is_opener, takes_media),
            carrier: Carrier::Room,
            latest: Carrier::Room,
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
        self.say_by(Carrier::Room, message);
    }

    fn say_by(&mut self, carrier: Carrier, message: Negotiation) {
        let (number, bytes) = self.outgoing.seal(&message.encode());
        self.outputs.push(match carrier {
            Carrier::Room => LinkOutput::Post(Meeting::from(Sealed { number, bytes }).encode()),
            Carrier::Control => LinkOutput::Control(Negotiate { number, bytes }.into()),
        });
    }

    /// By what this side's offers go from now on.
    pub(crate) fn carry_by(&mut self, carrier: Carrier) {
        self.carrier = carrier;
    }

    /// This side's offer or answer.
    pub(crate) fn describe(&mut self, description: Description, now: Time) -> Result<(), Closed> {
        note_fingerprint(&mut self.fingerprints[0], &description.sdp)?;
        self.negotiation.handle_local(description, now);
        self.settle();
        self.compare();
        Ok(())
    }

    /// Makes an offer as soon as that is possible.
    pub(crate) fn renegotiate(&mut self, wish: Wish) {
        self.negotiation.wish(wish);
        self.settle();
    }

    /// The driver could not do what it was asked for.
    pub(crate) fn failed(&mut self, step: Step) {
        self.negotiation.handle_failed(step);
        self.settle();
    }

    pub(crate) fn timeout(&self) -> Option<Time> {
        self.negotiation.timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        self.negotiation.handle_timeout(now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(outcome) = self.negotiation.outcomes.pop_front() {
            match outcome {
                Outcome::Do(action) => self.outputs.push(LinkOutput::Rtc(action)),
                // Before, it is the first offer, and the session has a deadline for that.
                Outcome::Tell(event) if self.compared => self.outputs.push(LinkOutput::Event(event)),
                Outcome::Tell(_) => {}
                Outcome::Say(message) => {
                    if matches!(message, Negotiation::Offer(_)) {
                        self.latest = self.carrier;
                    }
                    self.say_by(self.latest, message);
                }
            }
        }
    }

    pub(crate) fn candidate(&mut self, lane: LaneId, candidate: Candidate) {
        let message = negotiation::Candidate { lane: lane.0, candidate: candidate.0 };
        self.say_by(self.latest, message.into());
    }

    pub(crate) fn abort(&mut self, message: &str) {
        self.say(Abort { message: message.to_owned() }.into());
    }

    pub(crate) fn handle_sealed(&mut self, sealed: &Sealed, carrier: Carrier) -> Result<(), Closed> {
        // From then on some messages may go by the control channel, and be overtaken.
        let opened = match self.compared {
            true => self.incoming.open_any(sealed.number, &sealed.bytes),
            false => self.incoming.open(sealed.number, &sealed.bytes),
        };
        let plain = opened.map_err(|_| Closed::Tampered)?;
        let message = Negotiation::decode(&plain).map_err(|error| Closed::Protocol(error.to_string()))?;
        match message {
            Some(message) => self.handle(message, carrier),
            None => Ok(()),
        }
    }

    fn handle(&mut self, message: Negotiation, carrier: Carrier) -> Result<(), Closed> {
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
            Negotiation::Offer(offer) if self.greeted && (!self.is_opener || self.described) => {
                let lane = lane(offer.lane)?;
                note_fingerprint(&mut self.fingerprints[1], &offer.sdp)?;
                if !self.described {
                    let ice = self.ice.clone();
                    self.outputs.push(LinkOutput::Rtc(RtcAction::Open { lane, offerer: false, ice }));
                }
                self.latest = carrier;
                self.negotiation.handle_offer(offer)?;
                self.settle();
                self.described(lane);
            }
            Negotiation::Answer(answer) if self.greeted => {
                let lane = lane(answer.lane)?;
                note_fingerprint(&mut self.fingerprints[1], &answer.sdp)?;
                if self.negotiation.handle_answer(answer)? && !self.described {
                    self.settle();
                    self.described(lane);
                    self.say(Nonce { nonce: self.nonce }.into());
                }
                self.settle();
            }
            Negotiation::Refusal(refusal) if self.greeted && self.described => {
                self.negotiation.handle_refusal(&refusal);
                self.settle();
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

    /// A description of the other side's is there: candidates make sense.
    fn described(&mut self, lane: LaneId) {
        self.described = true;
        for candidate in std::mem::take(&mut self.early) {
            self.outputs.push(LinkOutput::Rtc(RtcAction::AddCandidate { lane, candidate }));
        }
        self.compare();
    }

    /// Whether offer and answer are there, so that no certificate can be chosen any more.
    fn is_settled(&self) -> bool {
        self.fingerprints.iter().all(Option::is_some)
    }

    /// Shows the SAS as soon as all of it is known.
    fn compare(&mut self) {
        let (Some(theirs), [Some(here), Some(there)]) = (&self.their_nonce, &self.fingerprints) else {
            return;
        };
        if self.compared {
            return;
        }
        let sas = match self.is_opener {
            true => Sas::new(&self.comparing, theirs, &self.nonce, here, there),
            false => Sas::new(&self.comparing, &self.nonce, theirs, there, here),
        };
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

/// A connection keeps its certificates: a restart with other ones is another connection.
fn note_fingerprint(known: &mut Option<String>, sdp: &str) -> Result<(), Closed> {
    let found = sas::fingerprint(sdp)
        .ok_or_else(|| Closed::Protocol("a description without one fingerprint".into()))?;
    match known {
        Some(known) if *known != found => Err(Closed::Protocol("the certificate changed".into())),
        _ => {
            *known = Some(found);
            Ok(())
        }
    }
}

/// Further connections are not arranged like this one: no message of the link is about them.
fn lane(number: u8) -> Result<LaneId, Closed> {
    match LaneId(number) {
        LaneId::FIRST => Ok(LaneId::FIRST),
        LaneId(number) => Err(Closed::Protocol(format!("lane {number} was not agreed on"))),
    }
}
