//! The adapter for tokio, over streams and peers by hand: whatever a stream does, nothing is lost, and nothing waits
//! for ever.
#![cfg(feature = "tokio")]

mod answering;
mod bounds;
mod buffering;
mod calling;
mod cancelling;
mod chunks;
mod closing;
#[cfg(feature = "futures")]
mod combinators;
mod connecting;
mod crowding;
#[cfg(feature = "deflate")]
mod deflate;
mod dropping;
mod flushing;
mod halves;
#[cfg(feature = "json")]
mod json;
mod keepalive;
mod little;
mod loopback;
mod opening;
mod reading;
mod reuniting;
mod sharing;
mod streaming;
mod stuck;
mod support;
mod waking;
mod writing;
