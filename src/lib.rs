//! WebSocket without the socket.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod config;
mod error;
mod event;
pub mod frame;
mod text;
#[allow(dead_code)]
mod timer;
pub mod utf8;

pub use config::{Config, Keepalive, Limits, Negotiated, Role};
pub use error::{ProtocolError, SendError, TimedOut};
pub use event::{Chunk, Event, Kind, Message};
pub use frame::{CloseCode, CloseFrame};
pub use text::Text;
