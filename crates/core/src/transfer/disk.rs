//! What the disk has done.
use super::{Transfers, words};
use crate::{
    digest::BlockDigest,
    output::*,
    time::Time,
    wire::control::{self, CancelReason},
};

impl Transfers {
    pub(crate) fn handle_read(&mut self, block: BlockRef, result: Result<BlockRead, DiskError>, now: Time) {
        let Some(sending) = self.sending.get_mut(&block.transfer) else {
            return self.outbox.push(Output::Forget(block));
        };
        match result {
            Ok(read) => sending.handle_read(block, read, &mut self.outbox),
            Err(error) => self.fail_here(block.transfer, CancelReason::Source, error),
        }
        self.tidy(now);
    }

    pub(crate) fn handle_hashed(&mut self, block: BlockRef, digest: BlockDigest, now: Time) {
        match self.receiving.get_mut(&block.transfer) {
            Some(receiving) => receiving.handle_hashed(block, digest, &mut self.outbox),
            None => self.outbox.push(Output::Forget(block)),
        }
        self.tidy(now);
    }

    pub(crate) fn handle_written(&mut self, block: BlockRef, result: Result<(), DiskError>, now: Time) {
        match (self.receiving.get_mut(&block.transfer), result) {
            (Some(receiving), Ok(())) => receiving.handle_written(block, now, &mut self.outbox),
            (Some(_), Err(error)) => self.fail_here(block.transfer, CancelReason::Sink, error),
            (None, _) => {}
        }
        self.tidy(now);
    }

    pub(crate) fn handle_committed(
        &mut self,
        transfer: TransferId,
        file: FileIndex,
        result: Result<(), DiskError>,
        now: Time,
    ) {
        match (self.receiving.get_mut(&transfer), result) {
            (Some(receiving), Ok(())) => receiving.handle_committed(file, &mut self.outbox),
            (Some(_), Err(error)) => self.fail_here(transfer, CancelReason::Sink, error),
            (None, _) => {}
        }
        self.tidy(now);
    }

    pub(crate) fn handle_finished(&mut self, transfer: TransferId, result: Result<(), DiskError>, now: Time) {
        match (self.receiving.get_mut(&transfer), result) {
            (Some(receiving), Ok(())) => receiving.handle_finished(&mut self.outbox),
            (Some(_), Err(error)) => self.fail_here(transfer, CancelReason::Sink, error),
            (None, _) => {}
        }
        self.tidy(now);
    }

    fn fail_here(&mut self, transfer: TransferId, reason: CancelReason, error: DiskError) {
        let message = error.to_string();
        self.outbox.control(control::Cancel { transfer: transfer.0, reason, message: words(&message) });
        let failure = match reason {
            CancelReason::Source => TransferFailure::Source(message),
            CancelReason::Person | CancelReason::Sink | CancelReason::Corrupt => {
                TransferFailure::Sink(message)
            }
        };
        self.fail(transfer, failure);
    }
}
