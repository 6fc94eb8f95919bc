//! What the other side says about transfers, on the control channel.
use super::{Broken, Outbox, Receiving, Sending, Transfers};
use crate::{
    manifest::MAX_MANIFEST_LEN,
    output::*,
    time::Time,
    wire::control::{self, CancelReason, Control, MAX_TEXT_LEN},
};

/// Offers of the other side that may wait for a person at the same time.
const MAX_WAITING: usize = 16;

impl Transfers {
    pub(crate) fn handle_control(&mut self, frame: Control, now: Time) -> Result<(), Broken> {
        match frame {
            Control::Offer(offer) => self.offered(offer)?,
            Control::Page(f) => self.receive(f.transfer, |r, out| r.handle_page(f.entries, out))?,
            Control::Digests(f) => self.receive(f.transfer, |r, out| r.handle_digests(&f.digests, out))?,
            Control::FileEnd(f) => self.receive(f.transfer, |r, out| r.handle_end(f.file, f.len, out))?,
            Control::Accept(f) => self.send(f.transfer, |s, out| s.handle_accept(&f, now, out))?,
            Control::Grant(f) => self.send(f.transfer, |s, _| s.handle_grant(f.position))?,
            Control::Acks(f) => self.send(f.transfer, |s, out| s.handle_acks(&f.blocks, now, out))?,
            Control::Resend(f) => self.send(f.transfer, |s, _| s.handle_resend(f.file, f.block))?,
            Control::Complete(f) => self.send(f.transfer, |s, out| s.handle_complete(&f.files, out))?,
            Control::Decline(f) => self.declined(f.transfer, f.message)?,
            Control::Pause(f) => self.paused_there(f.transfer, f.paused)?,
            Control::Cancel(f) => self.cancelled_there(f)?,
            Control::Done(f) => self.done(f.transfer)?,
            Control::Hello(hello) => self.lanes.handle_hello(hello.max_frame, hello.lanes),
            Control::Report(report) => self.handle_report(&report, now)?,
            // Of the session, which has seen to them.
            Control::Ping(_)
            | Control::Pong(_)
            | Control::Bye(_)
            | Control::Sealed(_)
            | Control::Negotiate(_)
            | Control::Together(_) => {}
        }
        self.tidy(now);
        self.outbox.is_read()
    }

    fn offered(&mut self, offer: control::Offer) -> Result<(), Broken> {
        let id = TransferId(offer.transfer);
        let is_theirs = offer.transfer % 2 != self.parity;
        if !is_theirs || offer.transfer / 2 < self.seen {
            return Err(Broken(format!("transfer {} cannot be offered", id.0)));
        }
        self.seen = offer.transfer / 2 + 1;
        if let Some(text) = offer.text {
            if text.len() > MAX_TEXT_LEN {
                return Err(Broken("a text is too long".into()));
            }
            self.outbox.event(Event::Text { text });
            self.outbox.control(control::Done { transfer: id.0 });
            return Ok(());
        }
        let waiting = self.receiving.values().filter(|r| r.is_waiting());
        let (count, weight) = waiting.fold((0, 0), |(n, w), r| (n + 1, w + r.weight()));
        if count >= MAX_WAITING || weight > MAX_MANIFEST_LEN {
            let message = "too many offers are waiting".to_owned();
            self.outbox.control(control::Decline { transfer: id.0, message });
            return Ok(());
        }
        let mut receiving = Receiving::new(id, offer.entries);
        receiving.handle_page(Vec::new(), &mut self.outbox)?;
        self.receiving.insert(id, receiving);
        Ok(())
    }

    pub(super) fn send(
        &mut self,
        id: u32,
        act: impl FnOnce(&mut Sending, &mut Outbox) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let id = TransferId(id);
        let has_been = self.has_been(id) && id.0 % 2 == self.parity;
        match self.sending.get_mut(&id) {
            Some(sending) => act(sending, &mut self.outbox),
            None if has_been => Ok(()), // on the way when it ended
            None => Err(Broken(format!("there is no transfer {} from here", id.0))),
        }
    }

    pub(super) fn receive(
        &mut self,
        id: u32,
        act: impl FnOnce(&mut Receiving, &mut Outbox) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let id = TransferId(id);
        let has_been = self.has_been(id) && id.0 % 2 != self.parity;
        match self.receiving.get_mut(&id) {
            Some(receiving) => act(receiving, &mut self.outbox),
            None if has_been => Ok(()), // on the way when it ended
            None => Err(Broken(format!("there is no transfer {} to here", id.0))),
        }
    }

    fn declined(&mut self, id: u32, message: String) -> Result<(), Broken> {
        self.send(id, |sending, out| {
            if sending.is_accepted() {
                return Err(Broken("declined after it was accepted".into()));
            }
            sending.end();
            out.push(Output::Abandon(TransferId(id)));
            out.event(Event::Declined { transfer: TransferId(id), message });
            Ok(())
        })
    }

    fn paused_there(&mut self, id: u32, paused: bool) -> Result<(), Broken> {
        let transfer = TransferId(id);
        if let Some(sending) = self.sending.get_mut(&transfer) {
            sending.paused_there = paused;
        }
        match self.knows(transfer) {
            true => self.outbox.event(Event::Paused { transfer, paused, here: false }),
            false if self.has_been(transfer) => {} // on the way when it ended
            false => return Err(Broken(format!("there is no transfer {id}"))),
        }
        Ok(())
    }

    fn cancelled_there(&mut self, cancel: control::Cancel) -> Result<(), Broken> {
        let transfer = TransferId(cancel.transfer);
        let failure = match cancel.reason {
            CancelReason::Person => TransferFailure::CancelledThere(cancel.message),
            CancelReason::Source | CancelReason::Sink | CancelReason::Corrupt => {
                TransferFailure::There(cancel.message)
            }
        };
        if !self.knows(transfer) {
            return match self.has_been(transfer) {
                true => Ok(()),
                false => Err(Broken(format!("there is no transfer {}", transfer.0))),
            };
        }
        self.fail(transfer, failure);
        Ok(())
    }

    fn done(&mut self, id: u32) -> Result<(), Broken> {
        let transfer = TransferId(id);
        if self.texts.remove(&transfer).is_some() {
            self.outbox.event(Event::Done(transfer));
            return Ok(());
        }
        self.send(id, |sending, out| sending.handle_done(out))
    }
}
