//! The adapter for tokio, over streams and peers by hand: whatever a stream does, nothing is lost, and nothing waits
//! for ever.
#![cfg(feature = "tokio")]

mod answering;
mod closing;
mod connecting;
mod flushing;
mod keepalive;
mod opening;
mod support;
