//! WebSocket without the socket: RFC 6455 as a machine that does no I/O, an opening handshake that names every fault,
//! and a thin adapter for tokio.
//!
//! With the adapter, a server is [`tokio::accept`] and a loop, and a client is [`tokio::connect`]:
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn echo(stream: ::tokio::net::TcpStream) -> Result<(), sansocket::tokio::Error> {
//! let mut websocket = sansocket::tokio::accept(stream).await?;
//! while let Some(message) = websocket.recv().await? {
//!     websocket.send(message).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The machine
//!
//! A [`Connection`] is fed bytes and gives events; it is told messages and gives bytes; it is told the time and gives
//! deadlines. The caller owns the buffers and the loop. This is the whole of it, over a blocking socket:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use bytes::{Buf, BytesMut};
//! use sansocket::{Connection, Event};
//!
//! fn echo(mut socket: impl Read + Write, mut connection: Connection, mut input: BytesMut) -> io::Result<()> {
//!     let mut block = [0; 4096];
//!     loop {
//!         // 1. Bytes in, events out. A breach of the protocol is told to the peer by what is then in `transmit`.
//!         while let Ok(Some(event)) = connection.receive(&mut input) {
//!             if let Event::Data(message) = event {
//!                 // 2. The application speaks. Pings and closes have been answered already.
//!                 connection.send(message).map_err(io::Error::other)?;
//!             }
//!         }
//!         // 3. Bytes out.
//!         while connection.transmit().has_remaining() {
//!             let written = socket.write(connection.transmit().chunk())?;
//!             connection.transmit().advance(written);
//!         }
//!         // 4. More bytes, until there is nothing left to say.
//!         if !connection.wants_read() {
//!             return Ok(());
//!         }
//!         match socket.read(&mut block)? {
//!             0 => return connection.receive_eof().map_err(io::Error::other),
//!             read => input.extend_from_slice(&block[..read]),
//!         }
//!     }
//! }
//!
//! # struct Script(&'static [u8], Vec<u8>);
//! # impl Read for Script { fn read(&mut self, b: &mut [u8]) -> io::Result<usize> { self.0.read(b) } }
//! # impl Write for Script {
//! #     fn write(&mut self, b: &[u8]) -> io::Result<usize> { self.1.write(b) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let mut script = Script(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x80\0\0\0\0", vec![]);
//! # let server = Connection::server(&sansocket::Config::new(), sansocket::Negotiated::default());
//! # struct Borrowed<'a>(&'a mut Script);
//! # impl Read for Borrowed<'_> { fn read(&mut self, b: &mut [u8]) -> io::Result<usize> { self.0.read(b) } }
//! # impl Write for Borrowed<'_> {
//! #     fn write(&mut self, b: &[u8]) -> io::Result<usize> { self.0.write(b) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # echo(Borrowed(&mut script), server, BytesMut::new())?;
//! # assert_eq!(script.1, b"\x81\x05Hello\x88\x00");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Inside
//!
//! ```text
//!   caller's BytesMut                          R E C E I V E R  (RFC 6455 §6.2)
//!  ────────────────►  header ─► admit ─► unmask ─► inflate? ─► utf8? ─► assemble ────►  Event
//!                      §5.2    §5.4-5.5   §5.3     7692 §7.2.2  §8.1      §5.4       Data · Ping · Pong · Close
//!                                                                                        │
//!                              the hinge, one function:   sender.reply(&received)        │
//!                              ping → pong · close → close echoed · violation → close with its code
//!                                                                                        ▼
//!  ◄────────────────  Transmit ◄── mask ◄── header ◄── fragment? ◄── deflate? ◄──  Message · Chunk · ping · close
//!    caller's socket  impl Buf     §5.3     §5.2       §5.4         7692 §7.2.1
//!                                              S E N D E R  (RFC 6455 §6.1)
//! ```
//!
//! Bytes go right through the receiver and left through the sender, and only an event crosses. The receiver never
//! writes, the sender never reads. [`Connection`] is the pair plus that one call.
//!
//! A module imports modules of lower ranks only:
//!
//! | rank | modules |
//! |---|---|
//! | 0 | `error` `utf8` `timer` |
//! | 1 | `text` [`deflate`] |
//! | 2 | [`frame`] |
//! | 3 | `event` `config` |
//! | 4 | `receive` `send` [`handshake`] `json` (none of the four imports another) |
//! | 5 | `connection` |
//! | 6 | [`replay`] |
//! | 7 | [`tokio`] |
//!
//! Ranks 0 to 6 are `no_std` with `alloc`, and need no feature. Feature `std` adds vectored output to [`Transmit`] and
//! asks the processor how wide its registers are, `deflate` (on by default) adds compression, `tokio` (on by default) the
//! adapter, `futures` its `Stream` and `Sink`, `json` messages as serde values, and `tracing` what connections do.
//!
//! # Invariants
//!
//! Each is held by the tests named behind it.
//!
//! 1. No socket, task, clock, environment or randomness below rank 7, and the module graph is the table above
//!    (`tests/layers.rs`, `tests/no_std`).
//! 2. The same bytes, cut anywhere, give the same events (`tests/machine/cuts.rs`, `tests/opening.rs`, and the fuzz
//!    targets `receive`, `request` and `response`).
//! 3. One call does work and allocates memory within the limits. Memory follows bytes received, or inflated, never
//!    lengths announced (`tests/memory.rs`).
//! 4. Nothing that the peer controls grows without a limit: head, message, pongs, unsent output, fragments
//!    (`tests/machine/limits.rs`, `tests/machine/sending.rs`, `tests/machine/posting.rs`).
//! 5. Cost is linear in the bytes received, however they are cut (`tests/memory.rs`, `tests/opening.rs`).
//! 6. After a fatal error: one Close frame, no further data event, the same error for ever
//!    (`tests/machine/closing.rs`).
//! 7. A connection holds no buffer while it is idle, or while the application works on a message below 16 KiB with nothing
//!    behind it (`tests/idle.rs`, `tests/blocks.rs`).
//! 8. There is no `unsafe` but for one call, of the loop under a mask that is compiled for processors with AVX2
//!    (`src/frame/mask/lanes.rs`, `tests/layers.rs`, `tests/machine/masking.rs`).
//! 9. A session that was recorded, as bytes with times, replays as it was ([`replay`], `tests/sessions.rs`).
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "tokio"), allow(rustdoc::broken_intra_doc_links))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod config;
mod connection;
pub mod deflate;
mod error;
mod event;
pub mod frame;
pub mod handshake;
#[cfg(feature = "json")]
mod json;
mod receive;
pub mod replay;
mod send;
mod text;
mod timer;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod utf8;

pub use config::{Compress, Compression, Config, Keepalive, Limits, Negotiated, Pings, Role};
pub use connection::{Connection, State};
pub use error::{ProtocolError, SendError, TimedOut};
pub use event::{Chunk, Event, Kind, Message, Traffic};
pub use frame::{CloseCode, CloseFrame};
pub use receive::Receiver;
pub use send::{Outgoing, Overflow, Posted, Prepared, Sender, Transmit};
pub use text::Text;

#[cfg(doc)]
#[doc = include_str!("../tests/capabilities.md")]
pub mod capabilities {}

/// The examples of the README, compiled and run.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
