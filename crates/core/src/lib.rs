#![doc = "What is said: Beeline's protocol as a machine without I/O."]
pub mod rtc;
pub mod time;
pub mod wire;
