//! Offers and answers on connection 0: the first ones, fresh ICE credentials, and a call's media sections.
//!
//! ```text
//!             wish                    Description                answer
//! Stable ───────────────> Making ────────────────────> Offered ─────────> Stable
//!    │ their offer           │ their offer,                │ their offer,
//!    │                       │ kept until ours is made     │ polite: ours is rolled back, and made again later
//!    └─────────────> Answering <───────────────────────────┘ impolite: theirs is ignored
//!                        └── Description ──> Stable
//! ```
//!
//! Either side may make an offer at any time, also both in the same instant ("perfect negotiation", W3C WebRTC 1.0
//! §10.7): the joiner is polite and gives way, the opener does not and ignores what crossed its own offer, which the
//! joiner makes again afterwards. Offers are numbered, and an answer names the offer it is for; so it does not matter
//! that one by the control channel and one by the room may overtake each other. Only the opener restarts ICE.
use crate::{
    output::{Closed, Event, NotNegotiated},
    rtc::{Description, LaneId, RtcAction, SdpKind, Step},
    time::Time,
    wire::negotiation::{Answer, Negotiation, Offer, Refusal},
};
use std::{collections::VecDeque, time::Duration};

/// From an offer to its answer; after that the person hears that none came, and the offer is made again.
const ANSWER: Duration = Duration::from_secs(20);
/// Offers that a side may make in one session: more than anybody presses buttons, or restarts ICE within minutes.
const MAX_ROUNDS: u32 = 10_000;
/// Bytes of a description, at most. Browsers write 3 to 12 KB for a channel, a camera and a microphone.
const MAX_SDP_LEN: usize = 48 * 1024;
/// Media sections of a description, at most: three are used.
const MAX_SECTIONS: usize = 16;

/// What is to be done as soon as nothing else is under way; the greater includes the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    Nothing,
    /// Tell the other side what the connection consists of now.
    Offer,
    /// The same with fresh ICE credentials.
    Restart,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stable,
    /// The driver makes an offer.
    Making {
        what: Wish,
    },
    /// Our offer, the latest round, is out. The time is that of the complaint that no answer came.
    Offered {
        late: Option<Time>,
    },
    /// The driver applies this offer of theirs and makes an answer.
    Answering {
        round: u32,
    },
}

/// What comes of it.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Do(RtcAction),
    Say(Negotiation),
    Tell(Event),
}

/// The negotiation of one connection, seen from one side.
#[derive(Debug)]
pub(crate) struct Renegotiation {
    polite: bool,
    /// Whether this side's driver can do anything with media sections.
    takes_media: bool,
    state: State,
    wish: Wish,
    /// Offers made here so far; the number of the next one.
    ours: u32,
    /// Offers seen from there so far: lower numbers are old.
    theirs: u32,
    /// An offer of theirs that came at the wrong moment, with its round.
    held: Option<(u32, Description)>,
    pub(crate) outcomes: VecDeque<Outcome>,
}

impl Renegotiation {
    /// The opener's driver makes the first offer of itself, with [`RtcAction::Open`].
    pub(crate) fn new(is_opener: bool, takes_media: bool) -> Self {
        let state = if is_opener { State::Making { what: Wish::Offer } } else { State::Stable };
        // The opener's first offer is number 0; of the joiner there is none with that number.
        let (ours, theirs) = if is_opener { (0, 1) } else { (1, 0) };
        let (wish, held, outcomes) = (Wish::Nothing, None, VecDeque::new());
        Self { polite: !is_opener, takes_media, state, wish, ours, theirs, held, outcomes }
    }

    /// Makes an offer as soon as that is possible.
    pub(crate) fn wish(&mut self, wish: Wish) {
        if (self.state, wish) == (State::Making { what: Wish::Restart }, Wish::Restart) {
            return;
        }
        self.wish = self.wish.max(wish);
        match self.state {
            State::Stable => self.go_on(),
            // A path that is lost does not wait for an answer that may be lost with it.
            State::Offered { .. } if wish == Wish::Restart => self.make(),
            State::Making { .. } | State::Offered { .. } | State::Answering { .. } => {}
        }
    }

    /// The driver made an offer or an answer, and has set it.
    pub(crate) fn handle_local(&mut self, description: Description, now: Time) {
        match (self.state, description.kind) {
            (State::Making { what }, SdpKind::Offer) if what < self.wish && self.wish == Wish::Restart => {
                self.make();
            }
            (State::Making { what }, SdpKind::Offer) => match self.held.take() {
                Some((round, theirs)) if self.polite => self.give_way(what, round, theirs),
                _ => self.offer(description.sdp, what, now),
            },
            (State::Answering { round }, SdpKind::Answer) => {
                self.say(Answer { lane: LaneId::FIRST.0, sdp: description.sdp, round: number(round) });
                self.become_stable();
            }
            _ => {} // of before a roll-back
        }
    }

    /// The other side made an offer.
    pub(crate) fn handle_offer(&mut self, offer: Offer) -> Result<(), Closed> {
        let round = offer.round.unwrap_or(0);
        if round < self.theirs {
            return Ok(()); // a later one came by another way
        }
        if round >= MAX_ROUNDS {
            return Err(Closed::Protocol("too many offers".into()));
        }
        self.theirs = round + 1;
        let media = has_media(&offer.sdp)?;
        if !self.takes_media && (media || !self.polite) {
            let why = "no camera or microphone can be taken here";
            self.refuse(round, why);
            return Ok(());
        }
        let theirs = Description { kind: SdpKind::Offer, sdp: offer.sdp };
        match self.state {
            State::Stable => self.answer(round, theirs),
            State::Making { .. } | State::Answering { .. } => self.held = Some((round, theirs)),
            State::Offered { .. } if self.polite => self.give_way(Wish::Offer, round, theirs),
            State::Offered { .. } => {} // it crossed ours
        }
        Ok(())
    }

    /// The other side answered; says whether it was the answer that is waited for.
    pub(crate) fn handle_answer(&mut self, answer: Answer) -> Result<bool, Closed> {
        let is_awaited = matches!(self.state, State::Offered { .. }) && self.is_latest(answer.round);
        if is_awaited {
            has_media(&answer.sdp)?;
            let description = Description { kind: SdpKind::Answer, sdp: answer.sdp };
            self.act(RtcAction::SetRemote { lane: LaneId::FIRST, description });
            self.become_stable();
        }
        Ok(is_awaited)
    }

    /// The other side does not want, or does not understand, an offer.
    pub(crate) fn handle_refusal(&mut self, refusal: &Refusal) {
        if matches!(self.state, State::Offered { .. }) && self.is_latest(refusal.round) {
            self.act(RtcAction::Rollback { lane: LaneId::FIRST });
            self.tell(NotNegotiated::Refused(crate::quote::quote(&refusal.message)));
            self.become_stable();
        }
    }

    /// The driver could not do what it was to do last.
    pub(crate) fn handle_failed(&mut self, step: Step) {
        match (self.state, step) {
            (State::Making { what }, Step::MakeOffer) => {
                if what == Wish::Offer {
                    self.tell(NotNegotiated::Failed);
                }
                self.become_stable();
            }
            (State::Answering { round }, Step::Answer) => {
                self.act(RtcAction::Rollback { lane: LaneId::FIRST });
                self.refuse(round, "the offer was not understood");
                self.become_stable();
            }
            (state, Step::ApplyAnswer) => {
                if state == State::Stable {
                    self.act(RtcAction::Rollback { lane: LaneId::FIRST });
                }
                self.tell(NotNegotiated::Failed);
            }
            _ => {}
        }
    }

    pub(crate) fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Offered { late } => late,
            _ => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        if self.timeout().is_some_and(|late| now >= late) {
            self.tell(NotNegotiated::Unanswered);
            // In place of the other one, which is not rolled back: the other side may have applied it already.
            self.wish = self.wish.max(Wish::Offer);
            self.make();
        }
    }

    fn offer(&mut self, sdp: String, what: Wish, now: Time) {
        let round = number(self.ours);
        self.ours += 1;
        self.say(Offer { lane: LaneId::FIRST.0, sdp, round });
        // The first one has a deadline of the session's, and a restart is one try of many.
        let late = (round.is_some() && what == Wish::Offer).then(|| now + ANSWER);
        self.state = State::Offered { late };
    }

    fn answer(&mut self, round: u32, description: Description) {
        self.act(RtcAction::SetRemote { lane: LaneId::FIRST, description });
        self.state = State::Answering { round };
    }

    /// Theirs first; ours is made again when that is done.
    fn give_way(&mut self, what: Wish, round: u32, theirs: Description) {
        self.act(RtcAction::Rollback { lane: LaneId::FIRST });
        self.wish = self.wish.max(what);
        self.answer(round, theirs);
    }

    fn become_stable(&mut self) {
        self.state = State::Stable;
        match self.held.take() {
            Some((round, theirs)) => self.answer(round, theirs),
            None => self.go_on(),
        }
    }

    fn go_on(&mut self) {
        if self.wish != Wish::Nothing {
            self.make();
        }
    }

    fn make(&mut self) {
        let what = std::mem::replace(&mut self.wish, Wish::Nothing);
        let lane = LaneId::FIRST;
        self.act(match what {
            Wish::Restart => RtcAction::Restart { lane },
            Wish::Offer | Wish::Nothing => RtcAction::Offer { lane },
        });
        self.state = State::Making { what };
    }

    fn refuse(&mut self, round: u32, message: &str) {
        self.say(Refusal { lane: LaneId::FIRST.0, round: number(round), message: message.to_owned() });
    }

    /// Whether this names the latest of our offers.
    fn is_latest(&self, round: Option<u32>) -> bool {
        round.unwrap_or(0).checked_add(1) == Some(self.ours)
    }

    fn act(&mut self, action: RtcAction) {
        self.outcomes.push_back(Outcome::Do(action));
    }

    fn say(&mut self, message: impl Into<Negotiation>) {
        self.outcomes.push_back(Outcome::Say(message.into()));
    }

    fn tell(&mut self, why: NotNegotiated) {
        self.outcomes.push_back(Outcome::Tell(Event::NotNegotiated(why)));
    }
}

/// As the wire has it: the first offer and its answer go without.
fn number(round: u32) -> Option<u32> {
    (round > 0).then_some(round)
}

/// Whether a description has sections for camera or microphone (RFC 8866 §5.14).
pub(crate) fn has_media(sdp: &str) -> Result<bool, Closed> {
    let sections = || sdp.lines().filter_map(|line| line.strip_prefix("m="));
    if sdp.len() > MAX_SDP_LEN || sections().count() > MAX_SECTIONS {
        return Err(Closed::Protocol("a description that is too long".into()));
    }
    Ok(sections().any(|section| !section.starts_with("application ")))
}

#[cfg(test)]
mod tests;
