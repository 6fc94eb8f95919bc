//! Reading a long file from its beginning to its end, all of it into the same memory.
//!
//! Browsers free the buffer of a finished read only when their collector comes by: read in pieces of 4 MiB, a file of
//! 1 GiB had up to 460 MiB of them lie about.
//!
//! ```text
//! reads, in order ──queue──> the stream at the right place? ──yes──> its next bytes ──> answers
//!                                  └── no, or a section is over ── a new one, there ──^
//! ```
//!
//! A browser looks whether a file is what was chosen when a stream begins, and never again. So a section is bounded,
//! and after the last byte one more read looks once more.
use crate::browser;
use beeline_core::digest::BLOCK_LEN;
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use js_sys::{ArrayBuffer, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, File, ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReaderMode,
};

/// Bytes of a file that are read without looking at it again.
const SECTION: u64 = 64 << 20;

/// A file being read; reading ends when this is dropped.
pub(super) struct FileStream {
    wanted: mpsc::UnboundedSender<Wanted>,
}

struct Wanted {
    offset: u64,
    len: u32,
    answer: oneshot::Sender<Result<Vec<u8>, JsValue>>,
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = ReadableStreamByobReader)]
    type Reader;

    /// [`read`](ReadableStreamByobReader::read_with_array_buffer_view) that answers when there are `min` bytes or the
    /// stream is over; a browser that does not know this option answers as soon as there are any.
    #[wasm_bindgen(method, catch, js_name = read)]
    fn read_at_least(this: &Reader, view: &Uint8Array, options: &Object) -> Result<Promise, JsValue>;
}

/// Where a stream is.
struct Section {
    reader: Reader,
    at: u64,
    end: u64,
    /// What is read into; it goes to and fro between here and the stream.
    memory: ArrayBuffer,
}

impl FileStream {
    /// Starts with the first read.
    pub(super) fn new(file: File) -> Self {
        let (wanted, mut queue) = mpsc::unbounded::<Wanted>();
        spawn_local(async move {
            let mut section = None;
            while let Some(Wanted { offset, len, answer }) = queue.next().await {
                let _ = answer.send(read(&file, &mut section, offset, len).await);
            }
            if let Some(Section { reader, .. }) = section {
                let _ = JsFuture::from(reader.cancel()).await;
            }
        });
        Self { wanted }
    }

    /// Reads `len` bytes at `offset`, or fewer where the file ends. Reads are done in the order of the calls.
    pub(super) fn read(&self, offset: u64, len: u32) -> oneshot::Receiver<Result<Vec<u8>, JsValue>> {
        let (answer, read) = oneshot::channel();
        // The task ends only after the sender is dropped.
        let _ = self.wanted.unbounded_send(Wanted { offset, len, answer });
        read
    }
}

async fn read(file: &File, open: &mut Option<Section>, offset: u64, len: u32) -> Result<Vec<u8>, JsValue> {
    let (wanted, mut bytes) = (len as usize, Vec::new());
    while bytes.len() < wanted {
        let at = offset + bytes.len() as u64;
        if open.as_ref().is_none_or(|section| section.at != at || section.at == section.end) {
            if let Some(Section { reader, .. }) = open.take() {
                let _ = JsFuture::from(reader.cancel()).await;
            }
            match Section::begin(file, at) {
                Ok(section) => *open = Some(section),
                Err(_) => return whole(file, offset, len).await, // this browser's streams bring memory of their own
            }
        }
        let Some(section) = open else { break };
        match section.take(wanted - bytes.len()).await {
            Ok(taken) if taken.is_empty() => break,
            Ok(taken) if bytes.is_empty() => bytes = taken,
            Ok(taken) => bytes.extend(taken),
            Err(_) => {
                *open = None;
                return whole(file, offset, len).await; // a stream does not say why it failed, this does
            }
        }
    }
    if offset + bytes.len() as u64 >= file.size() as u64 {
        whole(file, (file.size() as u64).saturating_sub(1), 1).await?;
    }
    Ok(bytes)
}

/// Reads `len` bytes at `offset` at once, or fewer where the file ends.
pub(super) async fn whole(file: &File, offset: u64, len: u32) -> Result<Vec<u8>, JsValue> {
    let part = file.slice_with_f64_and_f64(offset as f64, (offset + u64::from(len)) as f64)?;
    let buffer: ArrayBuffer = JsFuture::from(part.array_buffer()).await?.unchecked_into();
    Ok(Uint8Array::new(&buffer).to_vec())
}

impl Section {
    fn begin(file: &File, at: u64) -> Result<Self, JsValue> {
        let end = (at + SECTION).min(file.size() as u64);
        let part: Blob = file.slice_with_f64_and_f64(at as f64, end as f64)?;
        let stream = part.stream();
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        let get_reader: Function = Reflect::get(&stream, &"getReader".into())?.dyn_into()?;
        let reader = get_reader.call1(&stream, &options)?.unchecked_into();
        Ok(Self { reader, at, end, memory: ArrayBuffer::new(BLOCK_LEN as u32) })
    }

    /// What comes next, at most so much: nothing at the file's end.
    async fn take(&mut self, most: usize) -> Result<Vec<u8>, JsValue> {
        let most = (most as u64).min(self.memory.byte_length().into()).min(self.end - self.at);
        let view = Uint8Array::new_with_byte_offset_and_length(&self.memory, 0, most as u32);
        let all = Object::new();
        Reflect::set(&all, &"min".into(), &(most as f64).into())?;
        let next = JsFuture::from(self.reader.read_at_least(&view, &all)?).await?;
        let Some(there) = browser::property(&next, "value") else { return Ok(Vec::new()) };
        let there: Uint8Array = there.unchecked_into();
        self.memory = there.buffer();
        self.at += u64::from(there.length());
        Ok(there.to_vec())
    }
}
