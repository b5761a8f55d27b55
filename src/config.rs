//! What an endpoint is told before it speaks: limits, deadlines, and what the opening handshake agreed on.

use core::time::Duration;

use crate::{deflate::Params, text::Text};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that asked for the connection, and masks its frames (§5.1).
    Client,
    /// The end that was asked, and does not.
    Server,
}

/// How an endpoint behaves. The default is strict, bounded and safe to expose.
///
/// Times are kept to the nanosecond; what is longer than 584 years is for ever.
///
/// ```
/// use std::time::Duration;
/// use sansocket::Config;
///
/// let config = Config::new().max_message(1 << 20).keepalive(None).close_timeout(Duration::from_secs(2));
/// assert_eq!(config.limits.message, 1 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// What the peer, and a caller who does not transmit, can make this end hold.
    pub limits: Limits,
    /// When to ask whether the peer is alive; `None`: never.
    pub keepalive: Option<Keepalive>,
    /// Which messages are compressed, where the opening handshake has agreed on compression.
    pub compression: Compression,
    /// Who answers pings.
    pub pings: Pings,
    /// How long the opening handshake may take, from the first byte to the last. 10 s.
    pub handshake_timeout: Duration,
    /// How long the closing handshake may take, up to the end of the stream. 5 s.
    pub close_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            keepalive: Some(Keepalive::default()),
            compression: Compression::default(),
            pings: Pings::default(),
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// The default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets all limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the largest message, and with it the largest frame, in bytes.
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.limits.message = bytes;
        self.limits.frame = bytes;
        self
    }

    /// Sets when to ask whether the peer is alive; `None` turns it off, and with it the deadline for a peer that takes no
    /// output.
    pub fn keepalive(mut self, keepalive: impl Into<Option<Keepalive>>) -> Self {
        self.keepalive = keepalive.into();
        self
    }

    /// Sets which messages are compressed, and how.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets who answers pings.
    pub fn pings(mut self, pings: Pings) -> Self {
        self.pings = pings;
        self
    }

    /// Sets how long the opening handshake may take.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets how long the closing handshake may take.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }
}

/// Bounds on everything that grows (§10.4). All but `unsent` bound what the peer can cause.
///
/// A connection whose application sends back what it receives, to a peer that sends and does not read, can come to hold
/// a few messages of the largest size at once: one in the output, one in hand, one received, one on its way in. The
/// keepalive gives such a peer up after a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message received, in bytes of payload after inflation. Default 16 MiB.
    pub message: u64,
    /// The largest frame received, in bytes of payload on the wire. Default 16 MiB.
    pub frame: u64,
    /// The most bytes that a compressed message may inflate to for each of its bytes on the wire; the first 64 KiB are
    /// free. DEFLATE itself reaches 1,032. Default: no limit but that of the message.
    pub ratio: Option<u32>,
    /// The most frames that one received message may come in. Default 131,072.
    pub fragments: u32,
    /// The largest head of an HTTP request or reply, in bytes. Default 16 KiB.
    pub head: usize,
    /// The most header fields in a head. Default 100.
    pub head_fields: usize,
    /// Unsent output at which nothing more is accepted for sending, in bytes. Default 1 MiB. A message that is
    /// accepted below it may exceed it, so the output holds at most this and one message, and a chunk of a message
    /// behind which others were posted.
    pub unsent: usize,
    /// Unsent pongs at which pings are no longer answered one by one, in bytes: until they have left, only the latest
    /// ping is kept for an answer (§5.5.3). Default 16 KiB.
    pub control: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            frame: 16 << 20,
            ratio: None,
            fragments: 1 << 17,
            head: 16 << 10,
            head_fields: 100,
            unsent: 1 << 20,
            control: 16 << 10,
        }
    }
}

/// When to ask whether the peer is alive, and how long to wait for an answer.
///
/// Bytes are a sign of life, and so is their leaving: a peer that takes nothing of the output that waits, for as long
/// as both times together, counts as gone too. A message that comes slowly is for the application to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keepalive {
    /// Silence after which a ping is sent. 30 s; less than a millisecond is taken as one.
    pub interval: Duration,
    /// Further silence after which the peer counts as gone; anything it sends is an answer. 30 s.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self::new(Duration::from_secs(30), Duration::from_secs(30))
    }
}

impl Keepalive {
    /// A ping after `interval` of silence, and `timeout` for an answer.
    pub const fn new(interval: Duration, timeout: Duration) -> Self {
        Self { interval, timeout }
    }
}

/// Who answers pings (§5.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pings {
    /// The connection, before it shows them.
    #[default]
    Answered,
    /// The application, which is shown them and answers with [`Connection::pong`](crate::Connection::pong), late or
    /// never if it likes; most peers then take it for dead.
    Shown,
}

/// Which messages are compressed, and how hard.
///
/// ```
/// use sansocket::{Compress, Compression, Config};
///
/// let config = Config::new().compression(Compression::new(9, Compress::Above(1024)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// From 0, which only packs, over 1, which is fast, to 9, which is small. More is taken as 9.
    pub level: u8,
    /// Which messages are compressed, unless a call says otherwise.
    pub when: Compress,
}

impl Default for Compression {
    fn default() -> Self {
        Self::new(3, Compress::Above(64))
    }
}

impl Compression {
    /// Compression at this level, of these messages.
    pub const fn new(level: u8, when: Compress) -> Self {
        Self { level, when }
    }
}

/// Whether a message is compressed, where the opening handshake has agreed on compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// No.
    Never,
    /// If its payload, or its first chunk, has at least this many bytes.
    Above(usize),
    /// Yes.
    Always,
}

impl Compress {
    /// Whether a payload of this length is compressed.
    pub(crate) const fn covers(self, len: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Above(least) => len >= least,
            Self::Always => true,
        }
    }
}

/// What the opening handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol that both ends speak (§1.9).
    pub subprotocol: Option<Text>,
    /// How messages may be compressed (RFC 7692); `None`: not at all.
    pub deflate: Option<Params>,
}
