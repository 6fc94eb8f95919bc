//! What is offered and read, received and written: the driver's part that has to do with files.
use super::{
    arrived::Part,
    clock::now,
    driver::{Driver, Machine},
    post,
    source::Source,
    tell,
};
use crate::{
    browser,
    messages::{Offer, ToPage},
    sink::{Answer, Sink, StreamOut, Target},
};
use beeline_core::{
    digest::BlockDigest,
    manifest::EntryKind,
    output::{Acceptance, BlockRead, BlockRef, DiskError, Order, TransferId},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;

/// Bytes on the way or in memory while receiving: the line and the disk stay busy, the page stays small.
const WINDOW: u64 = 8 << 20;

impl Driver {
    pub(super) fn offer(&self, paths: &[String], files: &JsValue) {
        let mut machine = self.0.borrow_mut();
        let guest = machine.guest;
        match (Source::new(paths, files), &mut machine.session) {
            (Ok((source, manifest)), Some(session)) => {
                let shown = manifest.clone();
                let transfer = session.offer(manifest, now());
                machine.sources.insert(transfer, source);
                post(guest, &ToPage::Offering(tell::offer(transfer, &shown)), &JsValue::UNDEFINED);
                self.pump(&mut machine);
            }
            (Err(why), _) => post(guest, &ToPage::NotOffered { why }, &JsValue::UNDEFINED),
            (_, None) => {}
        }
    }

    pub(super) fn text(&self, text: &str) {
        let mut machine = self.0.borrow_mut();
        let guest = machine.guest;
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
                post(guest, &ToPage::Offering(offer), &JsValue::UNDEFINED);
            }
            Err(error) => post(guest, &ToPage::NotOffered { why: error.to_string() }, &JsValue::UNDEFINED),
        }
        self.pump(&mut machine);
    }

    /// Accepts into what `extra` is (see [`crate::messages::ToWorker::Accept`]).
    pub(super) fn accept(&self, transfer: TransferId, extra: JsValue) {
        let mut machine = self.0.borrow_mut();
        let Some(session) = &mut machine.session else { return };
        let Some(manifest) = session.manifest(transfer) else { return };
        let driver = self.clone();
        let cancelled = move || driver.act(|s, now| s.cancel(transfer, "the download was stopped", now));
        let target = match browser::property(&extra, "kind").and_then(|kind| kind.as_string()).as_deref() {
            Some("file") => Target::File(extra.unchecked_into()),
            Some("directory") => Target::Folder(extra.unchecked_into()),
            _ if extra == "private" => Target::Private,
            _ => match extra.dyn_into() {
                Ok(port) => Target::Stream(StreamOut::new(port, cancelled)),
                Err(_) => Target::Memory,
            },
        };
        let driver = self.clone();
        let sink = Sink::start(manifest, target, move |answer| driver.sunk(transfer, answer));
        let how = Acceptance { order: Order::Sequential, window: WINDOW, held: Vec::new() };
        session.accept(transfer, how, now());
        machine.sinks.insert(transfer, sink);
        self.moves(&mut machine, transfer);
        self.pump(&mut machine);
    }

    fn sunk(&self, transfer: TransferId, answer: Answer) {
        let guest = self.0.borrow().guest;
        self.act(|session, now| match answer {
            Answer::Written(block, result) => session.handle_written(block, result, now),
            Answer::Committed(file, result) => session.handle_committed(transfer, file, result, now),
            Answer::Finished(result) => {
                let result = result.map(|blob| {
                    let name = session.manifest(transfer).map(|m| crate::sink::save_as(&m));
                    if let Some(blob) = blob {
                        post(guest, &ToPage::Saved { name: name.unwrap_or_default() }, &blob);
                    }
                });
                session.handle_finished(transfer, result, now);
            }
        });
    }

    pub(super) fn read(&self, machine: &mut Machine, block: BlockRef, len: u32) {
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
            driver.pump(&mut machine);
        });
    }
}

impl Machine {
    /// Whether a block is all of its file, so that its digest is the file's.
    fn is_whole(&self, block: BlockRef, len: u32) -> bool {
        let manifest = self.session.as_ref().and_then(|session| session.manifest(block.transfer));
        let kind = manifest.as_ref().and_then(|m| m.entry(block.file)).map(|entry| entry.kind);
        matches!(kind, Some(EntryKind::File { size: Some(size) }) if size == u64::from(len))
    }

    /// Keeps what arrived as it is, or puts it to its place.
    pub(super) fn place(&mut self, part: &Part<'_>) {
        let takes = self.sinks.get(&part.block.transfer).is_some_and(Sink::takes_messages);
        let kept = if takes { self.arrived.keep(part, &mut self.blocks) } else { Err(0) };
        match kept {
            Ok(()) => self.channels.handed_on(part.message.byte_length()),
            Err(left) => {
                self.channels.kept_back(left);
                self.blocks.place(part.block, part.len, part.at, part.bytes);
            }
        }
    }

    pub(super) fn hash(&mut self, block: BlockRef, len: u32, whole: bool) {
        let digest = self.arrived.digest(block, len, whole).unwrap_or_else(|| {
            let bytes = self.blocks.get(block).unwrap_or_default();
            let bytes = bytes.get(..len as usize).unwrap_or(bytes);
            BlockDigest::of(bytes, block.index, whole)
        });
        if let Some(session) = &mut self.session {
            session.handle_hashed(block, digest, now());
        }
    }

    pub(super) fn abandon(&mut self, transfer: TransferId) {
        self.blocks.abandon(transfer);
        self.arrived.abandon(transfer);
        self.sinks.remove(&transfer);
        self.sources.remove(&transfer);
    }
}
