//! The outbound pipe: messages → bytes. Never reads. RFC 6455 §6.1.
//!
//! deflate → fragment → header → mask, in that order, each byte once: masking is the copy.

mod deadline;
mod encoder;
mod end;
mod keys;
mod open;
mod outgoing;
mod pongs;
mod prepared;
mod queue;
mod reply;
mod round_trip;
mod transmit;

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;

use crate::{
    config::{Compress, Compression, Config, Negotiated, Pings},
    deflate::{Deflater, Direction},
    error::{SendError, TimedOut},
    event::{Chunk, Message, Traffic},
    frame::{MAX_CONTROL, OpCode},
    timer::Time,
};
use deadline::{Deadlines, Flow, Waiting};
use encoder::Encoder;
use end::End;
use keys::Keys;
pub use outgoing::{Outgoing, Overflow, Posted};
use pongs::Pongs;
pub use prepared::Prepared;
use queue::Queue;
use round_trip::RoundTrip;
#[cfg(feature = "tokio")]
pub(crate) use transmit::Backlog;
pub use transmit::Transmit;

/// Posted messages are encoded while less than this waits for the wire, in bytes.
const WINDOW: usize = 64 << 10;

/// The sending half of a [`Connection`](crate::Connection).
///
/// It turns what the application says, and what the receiver is owed an answer for, into bytes that wait in
/// [`transmit`](Self::transmit). Nothing that it is told is lost: it is either queued or refused.
#[derive(Debug)]
pub struct Sender {
    encoder: Encoder,
    queue: Queue,
    unsent_limit: usize,
    pings: Pings,
    pongs: Pongs,
    round_trip: RoundTrip,
    /// Nothing in ordinary life.
    end: Option<Box<End>>,
    deadlines: Deadlines,
}

impl Sender {
    pub(crate) fn server(config: &Config, negotiated: &Negotiated) -> Self {
        Self::new(config, Keys::Server, negotiated.deflate.map(|params| params.server()))
    }

    pub(crate) fn client(
        config: &Config,
        negotiated: &Negotiated,
        keys: impl FnMut() -> [u8; 4] + Send + Sync + 'static,
    ) -> Self {
        let deflate = negotiated.deflate.map(|params| params.client());
        Self::new(config, Keys::Client(Box::new(Box::new(keys))), deflate)
    }

    fn new(config: &Config, keys: Keys, deflate: Option<Direction>) -> Self {
        let Compression { level, when } = config.compression;
        let deflater = deflate.and_then(|direction| Deflater::new(direction, level));
        Self {
            encoder: Encoder::new(keys, when, deflater),
            queue: Queue::default(),
            // An output in which nothing waits has room for a message, whatever the limit.
            unsent_limit: config.limits.unsent.max(1),
            pings: config.pings,
            pongs: Pongs::new(config.limits.control),
            round_trip: RoundTrip::default(),
            end: None,
            deadlines: Deadlines::new(config),
        }
    }

    /// Queues a whole message, as one frame, compressed as the configuration says.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`] and [`SendError::MessageOpen`].
    #[inline]
    pub fn send(&mut self, message: impl Into<Outgoing>) -> Result<(), SendError> {
        self.check_send()?;
        self.push(message.into());
        Ok(())
    }

    /// Queues a whole message, which [`check_send`](Self::check_send) has let through.
    #[inline]
    pub(crate) fn push(&mut self, message: Outgoing) {
        self.encoder.take(&mut self.queue, usize::MAX);
        self.encoder.outgoing(message);
    }

    /// Queues a whole message, as one frame, compressed as `compress` says if the peer agreed to compression.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_with(&mut self, message: impl Into<Message>, compress: Compress) -> Result<(), SendError> {
        self.check_send()?;
        self.encoder.take(&mut self.queue, usize::MAX);
        self.encoder.message(message.into(), Some(compress));
        Ok(())
    }

    /// Whether a message could be sent now.
    ///
    /// # Errors
    ///
    /// What [`send`](Self::send) would say.
    #[inline]
    pub fn check_send(&self) -> Result<(), SendError> {
        self.check_room()?;
        // §5.4: the fragments of one message are not interleaved with another message.
        if self.is_message_open() { Err(SendError::MessageOpen) } else { Ok(()) }
    }

    /// Queues a piece of a message, as one fragment. Control frames may go between the fragments, other messages
    /// may not. The first piece decides whether the message is compressed.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], [`SendError::KindChanged`] and [`SendError::NotUtf8`].
    pub fn send_chunk(&mut self, chunk: Chunk) -> Result<(), SendError> {
        self.check_room()?;
        let message = self.encoder.admit(&chunk)?;
        self.encoder.take(&mut self.queue, usize::MAX);
        self.encoder.chunk(chunk, message);
        Ok(())
    }

    /// Queues a ping, ahead of what was posted.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], and [`SendError::ControlTooLong`] above 125 bytes.
    pub fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let payload = payload.into();
        self.check_control(&payload)?;
        self.write_ping(payload);
        Ok(())
    }

    /// Queues a pong, ahead of what was posted: one that nobody asked for, as a heartbeat (§5.5.3), or where pings are
    /// [shown](Pings::Shown) an answer. Otherwise they are answered without it.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], and [`SendError::ControlTooLong`] above 125 bytes.
    pub fn pong(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let payload = payload.into();
        self.check_control(&payload)?;
        self.encoder.control(OpCode::Pong, payload);
        Ok(())
    }

    /// The bytes that wait for the wire. Posted messages are among them as the others leave.
    #[inline]
    pub fn transmit(&mut self) -> &mut Transmit {
        if self.pongs.kept().is_some() {
            self.answer_kept();
        }
        self.encoder.take(&mut self.queue, WINDOW);
        self.encoder.transmit()
    }

    /// The bytes that wait for the wire, as they are: nothing is added to them.
    #[cfg(feature = "tokio")]
    pub(crate) const fn output(&mut self) -> &mut Transmit {
        self.encoder.transmit()
    }

    /// How many bytes wait for the wire, with a pong that is kept for later and what posted messages take.
    #[inline]
    pub fn unsent(&self) -> usize {
        let kept = self.pongs.kept().map_or(0, |payload| self.encoder.control_len(payload));
        self.encoder.unsent() + kept + self.queue.bytes()
    }

    /// Whether nothing waits, neither for the wire nor for anything else.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.encoder.unsent() == 0 && self.pongs.kept().is_none() && self.queue.is_empty()
    }

    /// How many bytes wait for nothing but the wire: posted messages may wait for the end of one in chunks.
    #[inline]
    pub(crate) fn transmittable(&self) -> usize {
        if self.is_message_open() { self.unsent() - self.queue.bytes() } else { self.unsent() }
    }

    /// Whether the unsent output is below its limit, so that a message can be sent.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.unsent() < self.unsent_limit
    }

    /// Whether a message that is being sent in chunks has not ended, so that no other can be sent (§5.4).
    pub const fn is_message_open(&self) -> bool {
        self.encoder.is_message_open()
    }

    /// What was sent: frames and messages count when they are encoded, bytes when they have left.
    pub const fn traffic(&self) -> Traffic {
        self.encoder.traffic()
    }

    /// How long the last ping that was answered took, from the tick that knew of it to the tick that knew of its pong.
    pub const fn round_trip(&self) -> Option<Duration> {
        match self.round_trip.last() {
            Some(span) => Some(span.to_duration()),
            None => None,
        }
    }

    /// Tells the sender the time, and how many bytes the receiver has [`heard`](crate::Receiver::heard); returns when
    /// it wants to be told again. See [`Connection::tick`](crate::Connection::tick).
    ///
    /// # Errors
    ///
    /// The deadline that passed. Every later call gives the same error.
    pub fn tick(&mut self, now: Duration, heard: u64) -> Result<Option<Duration>, TimedOut> {
        self.tick_unflushed(now, heard, 0)
    }

    /// [`tick`](Self::tick), where the stream holds so many bytes of what has left back.
    pub(crate) fn tick_unflushed(
        &mut self,
        now: Duration,
        heard: u64,
        unflushed: usize,
    ) -> Result<Option<Duration>, TimedOut> {
        if let Some(timed_out) = self.timed_out() {
            return Err(timed_out);
        }
        let flow = Flow { heard, sent: self.traffic().bytes, unsent: self.transmittable() + unflushed };
        match self.deadlines.tick(now.into(), flow, self.waiting()) {
            Ok(true) => self.write_ping(Bytes::new()),
            Ok(false) => {}
            Err(timed_out) => {
                self.time_out(timed_out);
                return Err(timed_out);
            }
        }
        self.mark(now);
        Ok(self.deadlines.next().map(Time::to_duration))
    }

    /// Times the round trip.
    pub(crate) fn mark(&mut self, now: Duration) {
        self.round_trip.tick(now.into());
    }

    /// Whether it has no deadlines as long as the connection is open. Round trips are marked besides.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) const fn is_patient(&self) -> bool {
        self.deadlines.is_patient()
    }

    /// So many bytes had been heard at this time, which no tick has told.
    #[cfg(feature = "tokio")]
    pub(crate) fn hear(&mut self, at: Duration, heard: u64) {
        self.deadlines.hear(at.into(), heard);
    }

    /// Tells the sender that nothing has been read lately, so that the peer's silence is no sign. See
    /// [`Connection::tick_unread`](crate::Connection::tick_unread).
    pub fn excuse_silence(&mut self, now: Duration) {
        self.deadlines.excuse_silence(now.into());
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn pings(&self) -> Pings {
        self.pings
    }

    const fn waiting(&self) -> Waiting {
        if self.is_closed() { Waiting::Closing } else { Waiting::Open }
    }

    #[inline]
    fn check_room(&self) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        // What is posted behind a message in chunks must not keep it from its end.
        if self.has_room() || self.transmittable() == 0 { Ok(()) } else { Err(SendError::Full) }
    }

    fn check_control(&self, payload: &Bytes) -> Result<(), SendError> {
        self.check_room()?;
        // §5.5: control frames have a payload of 125 bytes or less.
        if payload.len() > MAX_CONTROL { Err(SendError::ControlTooLong) } else { Ok(()) }
    }

    fn write_ping(&mut self, payload: Bytes) {
        self.round_trip.ask(&payload);
        self.encoder.control(OpCode::Ping, payload);
    }
}
