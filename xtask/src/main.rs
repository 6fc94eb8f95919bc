//! The `beeline` program.
fn main() {}
