//! A list of paths as a tree: each folder once, what is in it below.
use super::{
    format,
    ui::{IntoValue, View, tag},
};
use crate::messages::Entry;

/// A line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The entry that it is; `None` for a folder that is only named by what is in it.
    pub(super) path: Option<String>,
    /// The last component.
    pub(super) name: String,
    /// How many folders are above it.
    pub(super) depth: usize,
    pub(super) folder: bool,
    /// Bytes, where known.
    pub(super) size: Option<u64>,
}

/// The lines for these entries, in their order.
pub(super) fn rows(entries: &[Entry]) -> Vec<Row> {
    let mut rows = Vec::with_capacity(entries.len());
    let mut open: Vec<&str> = Vec::new();
    for entry in entries {
        let mut above: Vec<&str> = entry.path.split('/').collect();
        let name = above.pop().unwrap_or_default();
        let same = open.iter().zip(&above).take_while(|(one, other)| one == other).count();
        for (depth, folder) in above.iter().enumerate().skip(same) {
            rows.push(Row { path: None, name: (*folder).to_owned(), depth, folder: true, size: None });
        }
        rows.push(Row {
            path: Some(entry.path.clone()),
            name: name.to_owned(),
            depth: above.len(),
            folder: entry.folder,
            size: entry.size,
        });
        open = above;
        if entry.folder {
            open.push(name);
        }
    }
    rows
}

/// How a line looks.
pub(super) fn line(row: &Row, class: impl IntoValue) -> View {
    tag("li")
        .class(class)
        .style("--depth", row.depth.to_string())
        .child(tag("span").class("path-name").text(beeline_core::quote::quote(&row.name)))
        .child(tag("span").class("size").text(row.size.map(format::bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(entries: &[(&str, bool)]) -> Vec<String> {
        let entries: Vec<_> = entries
            .iter()
            .map(|(path, folder)| Entry { path: (*path).to_owned(), size: None, folder: *folder })
            .collect();
        rows(&entries).iter().map(|row| "  ".repeat(row.depth) + &row.name).collect()
    }

    #[test]
    fn folders_that_are_only_named_by_their_files_are_shown_once() {
        let tree = shown(&[("a/b/one", false), ("a/b/two", false), ("a/three", false), ("four", false)]);

        assert_eq!(tree, ["a", "  b", "    one", "    two", "  three", "four"]);
    }

    #[test]
    fn a_folder_that_is_an_entry_is_not_shown_twice() {
        let tree = shown(&[("a", true), ("a/one", false), ("b", true), ("c", false)]);

        assert_eq!(tree, ["a", "  one", "b", "c"]);
    }
}
