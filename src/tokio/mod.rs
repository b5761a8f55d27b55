//! The adapter for tokio: the only place with sockets, tasks, a clock and the system's randomness. Feature `tokio`.
//!
//! [`accept`] and [`connect`] make a [`WebSocket`]; [`receive_offer`] and [`client`] do so in more steps or over
//! other streams; and [`WebSocket::from_parts`] takes over a stream whose opening handshake somebody else has done.
//!
//! # When bytes leave
//!
//! [`send`](WebSocket::send) returns when the message is with the operating system. [`feed`](WebSocket::feed) only
//! queues it, waiting for room if it has to; what is queued leaves at the latest when a task next waits in
//! [`recv`](WebSocket::recv), [`flush`](WebSocket::flush) or [`close`](WebSocket::close). So a loop of `recv` and `feed`
//! answers requests that came together in one write. Pongs and Close frames leave by the same rule, whether the
//! application receives or sends.
//!
//! # Two tasks and more
//!
//! [`split`](WebSocket::split) gives a [`Receiver`] and a [`Sender`], which can be cloned for any number of tasks. There is
//! no task behind them and no queue between them: a lock is held for a poll, never across an await, and whichever half is
//! waited on moves the bytes of both. Whole messages never interleave. While one sender is within a message in chunks, or
//! its [`Writer`], the messages of the others wait; pings, pongs and closes go between the fragments. Senders that wait are
//! served in no particular order.
//!
//! Somebody has to wait for bytes to move. Usually that is the receiver; a program that only sends drops it, and waits in
//! [`Sender::closed`].
//!
//! # Slow peers
//!
//! The unsent output of a connection is bounded by [`Limits::unsent`](crate::Limits::unsent), and one message above it.
//! What happens at the limit is for the caller to say:
//!
//! | | |
//! |---|---|
//! | [`send`](Sender::send), [`feed`](Sender::feed) | wait |
//! | [`try_send`](Sender::try_send) | gives the message back |
//! | [`post`](Sender::post) with [`DropNewest`](crate::Overflow::DropNewest) | drops the message |
//! | [`post`](Sender::post) with [`DropOldest`](crate::Overflow::DropOldest) | drops older posted messages that have not begun to leave |
//! | [`post`](Sender::post) with [`Close`](crate::Overflow::Close) | closes the connection |
//!
//! [`Sender::unsent`] is what waits, [`Sender::room`] returns when there is room again, and [`Sender::flush`] when all has
//! left.
//!
//! # Dropping futures
//!
//! Every future of this module can be dropped at any await. What was received is kept for the next `recv`. A message
//! is accepted whole or not at all: `send` and `feed` accept it at the first poll that finds the unsent output
//! below its limit and no other message begun, which is the first poll of all unless the peer is slow. From then on it is
//! sent once, by whichever call comes next, even if the future is dropped. Who has to know waits for
//! [`room`](Sender::room), and calls [`try_send`](Sender::try_send).
//!
//! # Deadlines
//!
//! They run while a task waits in a call on the connection: this module has no task of its own. While a message that has
//! come is not asked for, nothing more is read, and the peer's silence says nothing: then it only has to take the output
//! that waits.
//!
//! Of the runtime they need nothing: one thread for all connections of the process, which is there only while some wait,
//! wakes their tasks when a deadline has come, up to 9 ms late. Where the clock of the runtime is not the system's when a
//! connection begins to wait, as in tests that pause it (`tokio::time::pause`), the runtime's own timer does. TCP streams
//! need its I/O driver, as ever.

mod accept;
mod bell;
mod block;
mod clock;
mod connect;
mod drive;
mod ended;
mod entropy;
mod error;
#[cfg(feature = "json")]
mod json;
mod line;
mod pump;
mod reader;
mod receiver;
mod record;
mod sender;
mod split;
#[cfg(feature = "futures")]
mod stream;
mod ticks;
#[cfg(feature = "tracing")]
mod trace;
#[cfg(not(feature = "tracing"))]
mod untraced;
mod view;
mod wakers;
mod websocket;
mod writer;

#[cfg(feature = "json")]
pub use self::json::NotJson;
pub use self::{
    accept::{Incoming, accept, accept_with, receive_offer},
    connect::{client, client_with, connect, connect_with},
    ended::Ended,
    error::{Error, NotSent},
    reader::Reader,
    receiver::{NotReunited, Receiver},
    record::Recorded,
    sender::Sender,
    websocket::WebSocket,
    writer::Writer,
};
#[cfg(not(feature = "tracing"))]
use untraced as trace;

/// What one more read of an opening handshake can bring.
const READ: usize = 2 << 10;
