//! A connection: receiver, sender, and the one call between them. RFC 6455 §7.

#[cfg(feature = "tokio")]
mod adapter;
mod state;

use alloc::boxed::Box;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{
    config::{Compress, Config, Negotiated, Role},
    error::{ProtocolError, SendError, TimedOut},
    event::{Chunk, Event, Message, Traffic},
    frame::CloseFrame,
    receive::Receiver,
    send::{Outgoing, Overflow, Posted, Sender, Transmit},
};
pub use state::State;

/// A WebSocket connection after its opening handshake, without any I/O: bytes in, events out; messages in, bytes out;
/// time in, deadlines out.
///
/// The methods are of four kinds:
///
/// - *bytes in*: [`receive`](Self::receive) or [`receive_chunk`](Self::receive_chunk), until they give `None`, and
///   [`receive_eof`](Self::receive_eof);
/// - *the application speaks*: [`send`](Self::send), [`send_chunk`](Self::send_chunk), [`ping`](Self::ping),
///   [`pong`](Self::pong), [`close`](Self::close);
/// - *bytes out*: [`transmit`](Self::transmit), after any of the above;
/// - *time*: [`tick`](Self::tick), before each wait. Who wants no deadlines never calls it.
///
/// Pings are answered, Close frames echoed and breaches told to the peer before the call that received them
/// returns. Each end of the connection is one of these: [`client`](Self::client) or [`server`](Self::server).
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use sansocket::{Config, Connection, Event, Message, Negotiated};
///
/// let mut keys = [[0x37, 0xfa, 0x21, 0x3d]].into_iter().cycle(); // from a real source of randomness
/// let mut client = Connection::client(&Config::new(), Negotiated::default(), move || keys.next().unwrap());
/// let mut server = Connection::server(&Config::new(), Negotiated::default());
///
/// client.send("Hello")?;
/// let mut wire = BytesMut::new();
/// while client.transmit().has_remaining() {
///     let sent = client.transmit().chunk().len();
///     wire.extend_from_slice(client.transmit().chunk());
///     client.transmit().advance(sent);
/// }
/// assert_eq!(wire, &b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..]);
/// assert_eq!(server.receive(&mut wire)?, Some(Event::Data(Message::from("Hello"))));
/// assert_eq!(server.receive(&mut wire)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    /// If it is anything.
    negotiated: Option<Box<Negotiated>>,
}

static NOTHING: Negotiated = Negotiated { subprotocol: None, deflate: None };

impl Connection {
    /// The client's end.
    ///
    /// `keys` gives the masking key of each frame. §10.3: the keys must be unpredictable, so it draws on a strong
    /// source of randomness and gives none twice on purpose.
    pub fn client(
        config: &Config,
        negotiated: Negotiated,
        keys: impl FnMut() -> [u8; 4] + Send + Sync + 'static,
    ) -> Self {
        let receiver = Receiver::new(Role::Client, config, &negotiated);
        Self::new(receiver, Sender::client(config, &negotiated, keys), negotiated)
    }

    /// The server's end.
    pub fn server(config: &Config, negotiated: Negotiated) -> Self {
        let receiver = Receiver::new(Role::Server, config, &negotiated);
        Self::new(receiver, Sender::server(config, &negotiated), negotiated)
    }

    fn new(receiver: Receiver, sender: Sender, negotiated: Negotiated) -> Self {
        Self { receiver, sender, negotiated: (negotiated != NOTHING).then(|| Box::new(negotiated)) }
    }

    /// Takes bytes from the front of `input` up to the next event, with messages whole; `None`: feed more bytes.
    ///
    /// What is not taken stays in `input` and must be there at the next call, with more bytes behind it. A large
    /// payload leaves `input` without a copy. Of a message whose first chunks were taken with
    /// [`receive_chunk`](Self::receive_chunk), the rest is skipped.
    ///
    /// After the peer's Close frame, an error or a deadline that passed, `input` is emptied and ignored.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke; the Close frame that says so is queued. Every later call gives the same error.
    #[inline]
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        if self.timed_out().is_some() {
            input.clear();
            return Ok(None);
        }
        let received = self.receiver.receive(input);
        self.sender.reply(&received);
        received
    }

    /// Like [`receive`](Self::receive), with messages in chunks as they arrive, inside frames too.
    ///
    /// What [`receive`](Self::receive) has assembled of a message so far is its first chunk.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_chunk(&mut self, input: &mut BytesMut) -> Result<Option<Event<Chunk>>, ProtocolError> {
        if self.timed_out().is_some() {
            input.clear();
            return Ok(None);
        }
        let received = self.receiver.receive_chunk(input);
        self.sender.reply(&received);
        received
    }

    /// Tells the connection that the stream has ended; all that was read has been received before.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::EofWithoutClose`], or the error that came before.
    pub fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        self.sender.receive_eof();
        self.receiver.receive_eof()
    }

    /// Queues a whole message, as one frame, compressed as the configuration says.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`] and [`SendError::MessageOpen`].
    pub fn send(&mut self, message: impl Into<Outgoing>) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// Queues a whole message, compressed as `compress` says if the peer agreed to compression.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_with(&mut self, message: impl Into<Message>, compress: Compress) -> Result<(), SendError> {
        self.sender.send_with(message, compress)
    }

    /// Queues a whole message, and where there is no room does what `overflow` says.
    ///
    /// Posted messages are encoded as the output before them leaves, so what cannot be dropped any more is little: up to
    /// 64 KiB and one message. They wait for the end of a message that is being sent in chunks.
    ///
    /// ```
    /// # use sansocket::{Config, Connection, Limits, Negotiated, Overflow, Posted};
    /// let mut limits = Limits::default();
    /// limits.unsent = 1000;
    /// let mut server = Connection::server(&Config::new().limits(limits), Negotiated::default());
    /// while server.post("tick", Overflow::DropNewest)? == Posted::Queued {}
    /// assert_eq!(server.post("the latest", Overflow::DropOldest)?, Posted::Replaced(1));
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`].
    pub fn post(&mut self, message: impl Into<Outgoing>, overflow: Overflow) -> Result<Posted, SendError> {
        self.sender.post(message, overflow)
    }

    /// Whether a message could be sent now.
    ///
    /// # Errors
    ///
    /// What [`send`](Self::send) would say.
    pub fn check_send(&self) -> Result<(), SendError> {
        self.sender.check_send()
    }

    /// Queues a piece of a message, as one fragment. The first piece decides whether the message is compressed.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], [`SendError::KindChanged`] and [`SendError::NotUtf8`].
    pub fn send_chunk(&mut self, chunk: Chunk) -> Result<(), SendError> {
        self.sender.send_chunk(chunk)
    }

    /// Queues a ping.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], and [`SendError::ControlTooLong`] above 125 bytes.
    pub fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.ping(payload)
    }

    /// Queues a pong: one that nobody asked for, as a heartbeat (§5.5.3), or where pings are
    /// [shown](crate::Pings::Shown) an answer. Otherwise they are answered without it.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], and [`SendError::ControlTooLong`] above 125 bytes.
    pub fn pong(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.pong(payload)
    }

    /// Queues a Close frame, `None` for one without a code, behind all that is queued.
    ///
    /// Nothing can be sent after it; what the peer still says is received until its own Close frame.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if a Close frame was sent before, or the connection is over.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), SendError> {
        self.sender.close(frame)
    }

    /// The bytes that wait for the wire.
    pub fn transmit(&mut self) -> &mut Transmit {
        self.sender.transmit()
    }

    /// How many bytes wait for the wire, with a pong that is kept for later and what posted messages take.
    pub fn unsent(&self) -> usize {
        self.sender.unsent()
    }

    /// Whether the unsent output is below its limit ([`Limits::unsent`](crate::Limits::unsent)).
    pub fn has_room(&self) -> bool {
        self.sender.has_room()
    }

    /// Whether a message that is being sent in chunks has not ended, so that no other can be sent (§5.4).
    pub const fn is_message_open(&self) -> bool {
        self.sender.is_message_open()
    }

    /// What was received: frames count when their header has come, messages when they are whole.
    pub const fn received(&self) -> Traffic {
        self.receiver.traffic()
    }

    /// What was sent: frames and messages count when they are encoded, bytes when they have left.
    pub const fn sent(&self) -> Traffic {
        self.sender.traffic()
    }

    /// How long the last ping that was answered took, our own or the application's, from the tick that knew of it to
    /// the tick that knew of its pong.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.sender.round_trip()
    }

    /// Tells the connection the time, as the duration since any fixed moment; returns when it wants to be told again.
    ///
    /// Call it before each wait, with all that was read received, until the stream is closed: it queues a keepalive ping
    /// when the peer has been silent, and counts from the call that sees a need.
    ///
    /// # Errors
    ///
    /// The deadline that passed. The connection is then over, without a word to the peer, and every later call
    /// gives the same error.
    pub fn tick(&mut self, now: Duration) -> Result<Option<Duration>, TimedOut> {
        self.sender.tick(now, self.receiver.heard())
    }

    /// [`tick`](Self::tick) for a caller that reads nothing at present, because it has no room for what may come: the
    /// peer's silence is no sign then, but that it takes no output is.
    ///
    /// # Errors
    ///
    /// As [`tick`](Self::tick).
    pub fn tick_unread(&mut self, now: Duration) -> Result<Option<Duration>, TimedOut> {
        self.sender.excuse_silence(now);
        self.tick(now)
    }

    /// Tells the connection that the stream can no longer be written to: what waits is dropped, nothing more is
    /// accepted, and what the peer has still said can be received.
    pub fn abandon(&mut self) {
        self.sender.abandon();
    }

    /// Whether neither end has closed it, broken it or given it up: ordinary life.
    #[inline]
    pub(crate) const fn is_running(&self) -> bool {
        self.receiver.is_running() && !self.sender.is_closed()
    }

    /// How far the conversation has come.
    pub fn state(&self) -> State {
        if self.is_running() {
            return State::Open;
        }
        let failed = self.error().is_some() || self.timed_out().is_some();
        if failed || self.received_close().is_some() { State::Closed } else { State::Closing }
    }

    /// Whether more bytes should be read from the stream.
    ///
    /// Also after a breach, when they are ignored: a stream that is closed with bytes unread is reset, and the reset
    /// may overtake the Close frame (§7.1.1).
    pub fn wants_read(&self) -> bool {
        if self.receiver.is_eof() || self.timed_out().is_some() {
            return false;
        }
        // §7.1.1: the server closes the TCP connection first, and the client waits for that.
        self.received_close().is_none() || self.receiver.role() == Role::Client
    }

    /// Whether it is time to shut the stream down for writing: all is written, and it is our turn (§7.1.1).
    pub fn wants_shutdown(&self) -> bool {
        if self.timed_out().is_some() {
            return true;
        }
        if self.is_running() || !self.sender.is_idle() {
            return false;
        }
        let ours_first = self.receiver.role() == Role::Server || self.error().is_some();
        self.state() == State::Closed && (ours_first || self.receiver.is_eof())
    }

    /// The peer's Close frame: `None` before it has come, `Some(None)` if it gave no code.
    pub fn received_close(&self) -> Option<Option<&CloseFrame>> {
        self.receiver.received_close()
    }

    /// Our Close frame: `None` before it is queued, `Some(None)` if it has no code.
    pub fn sent_close(&self) -> Option<Option<&CloseFrame>> {
        self.sender.sent_close()
    }

    /// The rule that the peer broke, if it broke one.
    pub fn error(&self) -> Option<ProtocolError> {
        self.receiver.error()
    }

    /// The deadline that passed, if one did.
    pub const fn timed_out(&self) -> Option<TimedOut> {
        self.sender.timed_out()
    }

    /// Which end this is.
    pub const fn role(&self) -> Role {
        self.receiver.role()
    }

    /// What the opening handshake agreed on.
    pub const fn negotiated(&self) -> &Negotiated {
        if let Some(negotiated) = &self.negotiated { negotiated } else { &NOTHING }
    }

    /// Takes the connection apart, for a program that reads and writes in two places.
    ///
    /// Show every result of the receiver to [`Sender::reply`], and tell [`Sender::tick`] what it has
    /// [`heard`](Receiver::heard).
    pub fn into_halves(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }
}
