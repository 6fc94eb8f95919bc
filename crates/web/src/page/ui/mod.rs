//! What the page is drawn with: signals, and elements that follow them.
//!
//! A view is made once, of real elements; whatever of it changes is a closure that reads signals, and is called again
//! when one of those was set. A library for this would be a third of what people wait for.
mod element;
mod parts;
mod region;
mod signal;

pub(super) use element::{IntoValue, View, group, svg, tag};
pub(super) use parts::{button, heading, row};
pub(super) use region::{each, live, show, switch};
pub(super) use signal::{Signal, effect};
