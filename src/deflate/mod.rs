//! Compression of messages, as the extension permessage-deflate. RFC 7692.
//!
//! [`Params`] are negotiated in the opening handshake. The (de)compressors stand behind feature `deflate`; without it
//! nothing is ever negotiated, and a compressed message is a reserved bit out of place.
//!
//! # Memory
//!
//! A direction holds nothing before its first compressed message, nothing between messages where context takeover was
//! given up for it, and nothing once the conversation is over. Otherwise, in bytes per connection:
//!
//! | window bits | 9 | 10 | 11 | 12 | 13 | 14 | 15 |
//! |---|---|---|---|---|---|---|---|
//! | compression | 138,112 | 141,952 | 149,632 | 164,992 | 195,712 | 228,480 | 294,016 |
//! | inflation | 47,552 | 47,552 | 47,552 | 47,552 | 47,552 | 47,552 | 47,552 |
//!
//! `cargo test --test memory -- --nocapture` prints and bounds them.
//!
//! For directions without context takeover the process keeps what the next message needs, instead of making it anew: four
//! compressors and four inflaters at most, and four times 16 KiB for what comes out of a step in any direction. That is
//! 1.4 MB where many messages were in hand at once, and 0.36 MB where it was one at a time. What is in hand beyond that is
//! dropped after use, and so is the compressor of a message that is sent in pieces. What one connection has sent or
//! received does not show in what another one is given.
//!
//! # Blocks marked as the last
//!
//! A DEFLATE block with BFINAL set ends a stream (§7.2.3.4), and the next block begins another one: it cannot refer back
//! behind it, with context takeover either. A message that does is refused, as one that is not DEFLATE.

#[cfg(not(feature = "deflate"))]
mod absent;
#[cfg(feature = "deflate")]
mod deflater;
#[cfg(feature = "deflate")]
mod forms;
#[cfg(feature = "deflate")]
mod inflater;
mod params;
#[cfg(feature = "deflate")]
mod pool;
#[cfg(feature = "deflate")]
mod room;

#[cfg(not(feature = "deflate"))]
pub(crate) use absent::{Deflater, Forms, Inflater};
#[cfg(feature = "deflate")]
pub(crate) use deflater::Deflater;
#[cfg(feature = "deflate")]
pub(crate) use forms::Forms;
#[cfg(feature = "deflate")]
pub(crate) use inflater::Inflater;
pub(crate) use params::NAME;
pub use params::{Params, WindowBits};

/// What one end does with the messages that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) takeover: bool,
    pub(crate) window: WindowBits,
}

/// The most that one step of inflation or compression gives, in bytes.
pub(crate) const MAX_STEP: usize = 16 << 10;

/// The empty block that ends a flushed message, and that is not sent (§7.2.1).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Bytes that are not DEFLATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidDeflate;

/// How far one step of inflation has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Bytes of input used up.
    pub(crate) consumed: usize,
    /// Bytes of output appended.
    pub(crate) produced: usize,
    /// The output was filled: there may be more without further input.
    pub(crate) is_full: bool,
}
