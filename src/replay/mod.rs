//! Replay: what a connection read and wrote, with times, played again through the machine.
//!
//! A [`Session`] is a text that can be read, compared and mended by hand; feature `tokio` writes one of any connection
//! (`tokio::WebSocket::record`). [`Session::replay`] feeds a fresh connection with it, and gives a [`Transcript`].
//!
//! ```
//! use sansocket::replay::Session;
//!
//! let session: Session = "\
//! sansocket session 1
//! role server
//! limits.frame 5
//!
//! 0.0 < 8185 37fa213d 7f9f4d5158
//! 0.1 < 8981 00000000 61
//! 0.1 > 8a01 61
//! 0.2 < 8186 00000000
//! 0.2 > 881d 03f1 6672616d65206c6172676572207468616e20746865206c696d6974
//! 0.3 < eof
//! 0.3 end
//! "
//! .parse()?;
//! assert_eq!(session.replay().to_string(), "\
//! 0.000000000 hears text 5 \"Hello\"
//! 0.100000000 hears ping 1 \"a\"
//! 0.100000000 says pong 1 \"a\"
//! 0.200000000 fails 1009 FrameTooLarge: frame larger than the limit
//! 0.200000000 says close 1009 \"frame larger than the limit\"
//! 0.300000000 ends
//! ");
//! # Ok::<(), sansocket::replay::ParseError>(())
//! ```
//!
//! # The format
//!
//! The first line says which format it is, and the head what the connection was told before it spoke: `role`, and
//! whatever differs from the default of [`Config`] and [`Negotiated`]. Then each line is a time in seconds, and what
//! happened at it. Empty lines, and lines that begin with `#`, say nothing.
//!
//! | line | what happened |
//! |---|---|
//! | `TIME < HEX` | bytes were read |
//! | `TIME < eof`, `TIME < failed` | the stream ended; reading failed |
//! | `TIME > HEX` | bytes were written |
//! | `TIME > failed` | writing failed: nothing that waits will leave |
//! | `TIME tick` | the connection was told the time |
//! | `TIME tick unread …` | … and did not read meanwhile, so that the peer's silence is no sign |
//! | `TIME tick … < COUNT …` | … and had not looked at so many bytes that were read |
//! | `TIME tick … > COUNT …` | … and had so many bytes to write that were not taken |
//! | `TIME tick … closing …` | … and could say nothing more: its Close frame was queued, or the stream lost |
//! | `TIME tick … ping` | … and made a keepalive ping |
//! | `TIME end` | the connection was dropped; a session without this line was cut off |
//! | `= LINE` | a line of the transcript that is expected |
//!
//! # Time
//!
//! With `ticks listed` in the head, as a recorder writes it, the connection is told the time at the `tick` lines, as it
//! was when it was recorded, and at no other: an application that was busy elsewhere ran no deadline. Without, as it
//! suits a session that is written by hand or captured elsewhere, it is also told at each line, and at each deadline that
//! it asks for.
//!
//! What was read is heard at once, but for what the next tick says was not yet looked at, because it stood behind a message
//! that the application had not asked for: that is heard at the line behind that tick.
//!
//! # What the application said
//!
//! It is recovered from the bytes written, and said again: when the first byte of a frame was written, or waited to be, or
//! just before the connection closes. What the machine says by itself is not said again but compared, each kind in its own order,
//! for a message may have been queued before a ping came, and written behind its pong. It is
//!
//! - a pong with the payload of a ping that was not yet answered,
//! - a Close frame behind a Close frame or a breach of the peer, and
//! - a ping without a payload for each tick that made one; without `ticks listed` also one after as much silence as
//!   [`Keepalive::interval`](crate::Keepalive::interval), or when the machine now has made one that was not yet written.
//!
//! All else is the application's: an unasked pong, or a Close frame before the peer gave reason for one. What waited to be
//! written and never was is not known, but that it waited, and whether a Close frame was among it.

mod align;
mod application;
mod head;
mod outbound;
mod parse;
mod player;
mod time;
mod transcript;
mod write;

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use bytes::Bytes;

pub use self::{
    parse::ParseError,
    transcript::{Entry, Frame, Transcript, What},
};
use crate::config::{Config, Negotiated, Role};

/// What a connection was told before it spoke, and then read and wrote.
///
/// It is read with [`parse`](str::parse) and written with [`to_string`](alloc::string::ToString::to_string).
///
/// ```
/// use sansocket::{Config, Negotiated, Role, replay::Session};
///
/// let session = Session::new(Role::Client, &Config::new().max_message(100), &Negotiated::default());
/// let text = session.to_string();
/// assert_eq!(text, "sansocket session 1\nrole client\nlimits.message 100\nlimits.frame 100\n\n");
/// assert_eq!(text.parse(), Ok(session));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// Which end was recorded.
    pub role: Role,
    /// How it behaves.
    pub config: Config,
    /// What the opening handshake agreed on.
    pub negotiated: Negotiated,
    /// When it is told the time.
    pub ticks: Ticks,
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// The transcript that is expected, line by line; empty if none is.
    pub expected: Vec<String>,
}

/// When a connection is told the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ticks {
    /// At each line, and at each deadline that it asks for.
    #[default]
    Deadlines,
    /// At the lines that say so.
    Listed,
}

/// What happened at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The time since the recording began.
    pub at: Duration,
    /// What happened.
    pub fact: Fact,
}

/// What can happen to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// Bytes were read.
    Read(Bytes),
    /// The stream ended.
    ReadEnd,
    /// Reading failed.
    ReadFailed,
    /// Bytes were written.
    Wrote(Bytes),
    /// Writing failed.
    WriteFailed,
    /// The connection was told the time.
    Tick(Tick),
    /// The connection was dropped.
    End,
}

/// How a connection was told the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Nothing was read at the time, so that the peer's silence was no sign
    /// ([`Connection::tick_unread`](crate::Connection::tick_unread)).
    pub unread: bool,
    /// How many bytes had been read that the connection had not looked at.
    pub unheard: usize,
    /// How many bytes waited to be written.
    pub unsent: usize,
    /// Whether nothing more could be said: its Close frame was queued, or the stream was lost.
    pub closing: bool,
    /// Whether it made a keepalive ping.
    pub ping: bool,
}

impl Session {
    /// A session in which nothing has happened.
    pub fn new(role: Role, config: &Config, negotiated: &Negotiated) -> Self {
        Self {
            role,
            config: config.clone(),
            negotiated: negotiated.clone(),
            ticks: Ticks::default(),
            lines: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// Sets when the connection is told the time.
    pub const fn ticks(mut self, ticks: Ticks) -> Self {
        self.ticks = ticks;
        self
    }

    /// Makes a fixture of it: this transcript is expected from now on.
    ///
    /// ```
    /// use sansocket::replay::Session;
    ///
    /// let session: Session = "sansocket session 1\nrole server\n0.5 < 8180\n0.5 end".parse()?;
    /// let fixture = session.clone().expect(&session.replay());
    /// assert_eq!(fixture.expected, session.replay().lines());
    /// # Ok::<(), sansocket::replay::ParseError>(())
    /// ```
    pub fn expect(mut self, transcript: &Transcript) -> Self {
        self.expected = transcript.lines();
        self
    }

    /// Plays it through a fresh connection.
    ///
    /// Whatever the bytes are, it comes to an end. What was compressed is replayed with feature `deflate` only.
    ///
    /// ```
    /// use sansocket::{ProtocolError, replay::{Session, What}};
    ///
    /// let session: Session = "sansocket session 1\nrole server\n0.5 < 8100\n0.5 end".parse()?;
    /// let transcript = session.replay();
    /// assert_eq!(transcript.entries()[0].what, What::Fails(ProtocolError::UnmaskedFromClient));
    /// # Ok::<(), sansocket::replay::ParseError>(())
    /// ```
    pub fn replay(&self) -> Transcript {
        player::play(self)
    }
}
