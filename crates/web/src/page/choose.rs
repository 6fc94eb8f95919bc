//! From a file input or a drop to a list of paths and files.
use crate::browser;
use futures_channel::oneshot;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{
    DataTransfer, File, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry, HtmlInputElement,
};

/// One chosen file, or a folder.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Components joined by `/`, as chosen; not checked yet.
    pub(super) path: String,
    /// `None`: a folder.
    pub(super) file: Option<File>,
}

/// What a person sees of what was chosen: a file, or a folder with all that is in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Top {
    pub(super) name: String,
    pub(super) folder: bool,
    pub(super) files: u32,
    pub(super) bytes: u64,
}

impl From<File> for Chosen {
    fn from(file: File) -> Self {
        Self { path: file.name(), file: Some(file) }
    }
}

impl Chosen {
    /// The first component of the path.
    pub(super) fn top(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// For [`crate::worker::manifest_of`].
    pub(super) fn as_pair(&self) -> (&str, Option<&File>) {
        (&self.path, self.file.as_ref())
    }
}

/// What was chosen, by the first components of the paths, in their order.
pub(super) fn tops(chosen: &[Chosen]) -> Vec<Top> {
    let mut tops: Vec<Top> = Vec::new();
    for one in chosen {
        let (files, bytes) = one.file.as_ref().map_or((0, 0), |file| (1, file.size() as u64));
        let folder = one.file.is_none() || one.path.contains('/');
        match tops.iter_mut().rev().find(|top| top.name == one.top()) {
            Some(top) => {
                top.files += files;
                top.bytes += bytes;
            }
            None => tops.push(Top { name: one.top().to_owned(), folder, files, bytes }),
        }
    }
    tops
}

/// What an input holds. A folder's files know where in it they are; empty folders are not listed there.
pub(super) fn from_input(input: &HtmlInputElement) -> Vec<Chosen> {
    let Some(files) = input.files() else { return Vec::new() };
    let chosen = (0..files.length()).filter_map(|at| files.get(at)).map(|file| {
        let inside = browser::property(&file, "webkitRelativePath").and_then(|path| path.as_string());
        let path = inside.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name());
        Chosen { path, file: Some(file) }
    });
    let chosen = chosen.collect();
    input.set_value(""); // so that choosing the same again is a change
    chosen
}

/// What was dropped, folders with all that is in them. The entries are taken before the first await:
/// afterwards the browser has forgotten them.
pub(super) fn from_drop(dropped: &DataTransfer) -> impl Future<Output = Vec<Chosen>> + use<> {
    let items = dropped.items();
    let entries: Vec<FileSystemEntry> =
        (0..items.length()).filter_map(|at| items.get(at)?.webkit_get_as_entry().ok().flatten()).collect();
    let files = dropped.files();
    async move {
        let mut chosen = Vec::new();
        if entries.is_empty() {
            let files =
                files.into_iter().flat_map(|files| (0..files.length()).filter_map(move |at| files.get(at)));
            chosen.extend(files.map(|file| Chosen { path: file.name(), file: Some(file) }));
        }
        let mut rest = entries;
        rest.reverse();
        while let Some(entry) = rest.pop() {
            let path = entry.full_path().trim_start_matches('/').to_owned();
            if entry.is_directory() {
                let mut inside = read_folder(entry.unchecked_ref()).await;
                if inside.is_empty() {
                    chosen.push(Chosen { path, file: None });
                }
                inside.reverse();
                rest.append(&mut inside);
            } else if let Some(file) = open(entry.unchecked_ref()).await {
                chosen.push(Chosen { path, file: Some(file) });
            }
        }
        chosen
    }
}

/// All entries of a folder: a reader gives about a hundred at a time, and none at the end.
async fn read_folder(folder: &FileSystemDirectoryEntry) -> Vec<FileSystemEntry> {
    let reader = folder.create_reader();
    let mut all = Vec::new();
    loop {
        let some = answer(|found, failed| {
            let _ = reader.read_entries_with_callback_and_callback(
                found.as_ref().unchecked_ref(),
                failed.as_ref().unchecked_ref(),
            );
        });
        let some: js_sys::Array = match some.await {
            Some(some) => some.unchecked_into(),
            None => return all,
        };
        if some.length() == 0 {
            return all;
        }
        all.extend(some.iter().map(|entry| entry.unchecked_into::<FileSystemEntry>()));
    }
}

async fn open(entry: &FileSystemFileEntry) -> Option<File> {
    let file = answer(|found, failed| {
        entry
            .file_with_callback_and_callback(found.as_ref().unchecked_ref(), failed.as_ref().unchecked_ref());
    });
    Some(file.await?.unchecked_into())
}

type Callback = Closure<dyn FnMut(JsValue)>;

/// Waits for one of two callbacks; `None` is the failure.
async fn answer(call: impl FnOnce(&Callback, &Callback)) -> Option<JsValue> {
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let callback = |wrap: fn(JsValue) -> Option<JsValue>| {
        let sender = sender.clone();
        Callback::new(move |value| {
            if let Some(sender) = sender.borrow_mut().take() {
                let _ = sender.send(wrap(value));
            }
        })
    };
    let (found, failed) = (callback(Some), callback(|_| None));
    call(&found, &failed);
    receiver.await.ok().flatten()
}
