//! Parts of the page that come, go and change as a whole.
//!
//! ```text
//! <!----> one part <!----> <!----> another <!----> <!---->
//! ```
//!
//! A comment stands before and after each part, and where the next one would go. Comments move with what is around them,
//! so a part is found wherever its surroundings were put since.
use super::{
    View, group,
    signal::{Effect, effect, scope},
};
use crate::page::document;
use std::rc::Rc;
use web_sys::Node;

/// Made anew whenever a signal changes that was read.
pub(in crate::page) fn live(view: impl Fn() -> View + 'static) -> View {
    let (whole, end) = empty();
    let start = mark();
    insert(&start, &end);
    effect(move || {
        remove(start.next_sibling(), &end);
        insert(&view().node(), &end);
    });
    whole
}

/// A view for each key. When other keys are given, views whose key is still there stay.
pub(in crate::page) fn each<K, I>(keys: impl Fn() -> I + 'static, view: impl Fn(&K) -> View + 'static) -> View
where
    K: PartialEq + 'static,
    I: IntoIterator<Item = K>,
{
    let (whole, end) = empty();
    let mut shown: Vec<(K, Part)> = Vec::new();
    effect(move || {
        let mut at = 0;
        for key in keys() {
            match shown[at..].iter().position(|(old, _)| *old == key) {
                Some(gone) => shown.drain(at..at + gone).for_each(|(_, part)| part.remove()),
                None => {
                    let next = shown.get(at).map_or(&end, |(_, part)| &part.start);
                    let part = Part::new(next, || view(&key));
                    shown.insert(at, (key, part));
                }
            }
            at += 1;
        }
        shown.drain(at..).for_each(|(_, part)| part.remove());
    });
    whole
}

/// The view for a key, made anew when the key is another.
pub(in crate::page) fn switch<K: PartialEq + 'static>(
    key: impl Fn() -> K + 'static,
    view: impl Fn(&K) -> View + 'static,
) -> View {
    each(move || Some(key()), view)
}

/// There as long as something is so.
pub(in crate::page) fn show(when: impl Fn() -> bool + 'static, view: impl Fn() -> View + 'static) -> View {
    each(move || when().then_some(()), move |()| view())
}

/// What is between two comments.
struct Part {
    start: Node,
    last: Node,
    /// Its effects end with it.
    _effects: Rc<Effect>,
}

impl Part {
    fn new(next: &Node, view: impl FnOnce() -> View) -> Self {
        let (start, last) = (mark(), mark());
        let (effects, view) = scope(view);
        insert(&start, next);
        insert(&view.node(), next);
        insert(&last, next);
        Self { start, last, _effects: effects }
    }

    fn remove(self) {
        remove(self.start.next_sibling(), &self.last);
        take_out(&self.start);
        take_out(&self.last);
    }
}

fn empty() -> (View, Node) {
    let (whole, end) = (group(), mark());
    let _ = whole.node::<Node>().append_child(&end);
    (whole, end)
}

fn mark() -> Node {
    document().create_comment("").into()
}

fn insert(node: &Node, before: &Node) {
    if let Some(parent) = before.parent_node() {
        let _ = parent.insert_before(node, Some(before));
    }
}

/// Takes out what is from here up to `end`.
fn remove(mut from: Option<Node>, end: &Node) {
    while let Some(node) = from.filter(|node| node != end) {
        from = node.next_sibling();
        take_out(&node);
    }
}

fn take_out(node: &Node) {
    if let Some(parent) = node.parent_node() {
        let _ = parent.remove_child(node);
    }
}
