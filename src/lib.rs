//! WebSocket without the socket.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod config;
mod connection;
mod error;
mod event;
pub mod frame;
pub mod handshake;
mod receive;
mod send;
mod text;
mod timer;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod utf8;

pub use config::{Config, Keepalive, Limits, Negotiated, Role};
pub use connection::{Connection, State};
pub use error::{ProtocolError, SendError, TimedOut};
pub use event::{Chunk, Event, Kind, Message};
pub use frame::{CloseCode, CloseFrame};
pub use receive::Receiver;
pub use send::{Sender, Transmit};
pub use text::Text;
