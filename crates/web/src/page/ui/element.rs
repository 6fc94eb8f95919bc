//! Elements, and what of them follows signals.
use super::signal::effect;
use crate::page::document;
use std::borrow::Cow;
use wasm_bindgen::{JsCast, prelude::Closure};
use web_sys::{Element, Event, HtmlElement, Node};

/// A piece of the page: an element, or several things in a row.
#[derive(Clone, Debug)]
pub(in crate::page) struct View(Node);

/// An element of HTML.
pub(in crate::page) fn tag(name: &str) -> View {
    View(document().create_element(name).expect("our own names are names").into())
}

/// An element of SVG.
pub(in crate::page) fn svg(name: &str) -> View {
    let space = Some("http://www.w3.org/2000/svg");
    View(document().create_element_ns(space, name).expect("our own names are names").into())
}

/// Nothing yet: it has children and no element of its own.
pub(in crate::page) fn group() -> View {
    View(document().create_document_fragment().into())
}

impl View {
    /// The DOM's own object.
    pub(in crate::page) fn node<T: JsCast>(&self) -> T {
        self.0.clone().unchecked_into()
    }

    pub(in crate::page) fn id(self, id: &'static str) -> Self {
        self.attribute("id", id)
    }

    pub(in crate::page) fn class(self, class: impl IntoValue) -> Self {
        self.attribute("class", class)
    }

    pub(in crate::page) fn hidden(self, hidden: impl IntoValue) -> Self {
        self.attribute("hidden", hidden)
    }

    pub(in crate::page) fn attribute(self, name: &'static str, value: impl IntoValue) -> Self {
        bind(&self.0, What::Attribute(name), value.into_value());
        self
    }

    /// A property of its style: the page's policy allows no attribute for that.
    pub(in crate::page) fn style(self, name: &'static str, value: impl IntoValue) -> Self {
        bind(&self.0, What::Style(name), value.into_value());
        self
    }

    pub(in crate::page) fn text(self, text: impl IntoValue) -> Self {
        let node: Node = document().create_text_node("").into();
        bind(&node, What::Text, text.into_value());
        self.append(&node);
        self
    }

    pub(in crate::page) fn child(self, view: View) -> Self {
        self.append(&view.0);
        self
    }

    pub(in crate::page) fn children(self, views: impl IntoIterator<Item = View>) -> Self {
        views.into_iter().fold(self, Self::child)
    }

    pub(in crate::page) fn on(self, event: &str, act: impl Fn(Event) + 'static) -> Self {
        self.listen(event, Box::new(act));
        self
    }

    pub(in crate::page) fn on_click(self, act: impl Fn() + 'static) -> Self {
        self.on("click", move |_| act())
    }

    fn append(&self, node: &Node) {
        self.0.append_child(node).expect("a new node has a place nowhere else");
    }

    fn listen(&self, event: &str, act: Box<dyn Fn(Event)>) {
        // The browser's collector drops it with the element.
        let act = Closure::wrap(act).into_js_value();
        let _ = self.0.add_event_listener_with_callback(event, act.unchecked_ref());
    }
}

/// What is shown somewhere: fixed, or read from signals.
pub(in crate::page) enum Value {
    Fixed(Text),
    Live(Box<dyn Fn() -> Text>),
}

/// `None`: there is no such attribute, no text.
type Text = Option<Cow<'static, str>>;

/// Whatever can be shown: texts, or closures that give some. As an attribute `true` is there and `false` is not.
pub(in crate::page) trait IntoValue {
    fn into_value(self) -> Value;
}

impl<T: IntoText, F: Fn() -> T + 'static> IntoValue for F {
    fn into_value(self) -> Value {
        Value::Live(Box::new(move || self().into_text()))
    }
}

pub(in crate::page) trait IntoText {
    fn into_text(self) -> Text;
}

impl IntoText for &'static str {
    fn into_text(self) -> Text {
        Some(Cow::Borrowed(self))
    }
}

impl IntoText for String {
    fn into_text(self) -> Text {
        Some(Cow::Owned(self))
    }
}

impl IntoText for bool {
    fn into_text(self) -> Text {
        self.then_some(Cow::Borrowed(""))
    }
}

impl<T: IntoText> IntoText for Option<T> {
    fn into_text(self) -> Text {
        self.and_then(T::into_text)
    }
}

macro_rules! fixed {
    ($($type:ty),*) => {$(
        impl IntoValue for $type {
            fn into_value(self) -> Value {
                Value::Fixed(self.into_text())
            }
        }
    )*};
}

fixed!(&'static str, String, bool, Option<&'static str>, Option<String>);

/// Where a value is shown.
#[derive(Clone, Copy)]
enum What {
    Text,
    Attribute(&'static str),
    Style(&'static str),
}

fn bind(node: &Node, what: What, value: Value) {
    match value {
        Value::Fixed(text) => set(node, what, text.as_deref()),
        Value::Live(read) => {
            let node = node.clone();
            let mut shown = None;
            effect(move || {
                let text = read();
                if shown != text {
                    set(&node, what, text.as_deref());
                    shown = text;
                }
            });
        }
    }
}

fn set(node: &Node, what: What, text: Option<&str>) {
    match (what, text) {
        (What::Text, text) => node.set_node_value(text),
        (What::Attribute(name), Some(text)) => _ = node.unchecked_ref::<Element>().set_attribute(name, text),
        (What::Attribute(name), None) => _ = node.unchecked_ref::<Element>().remove_attribute(name),
        (What::Style(name), text) => {
            let style = node.unchecked_ref::<HtmlElement>().style();
            let _ = style.set_property(name, text.unwrap_or_default());
        }
    }
}
