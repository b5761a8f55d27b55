//! What can go wrong, sorted by blame: [`ProtocolError`] is the peer's, [`SendError`] the caller's, and
//! [`TimedOut`] nobody's. This module imports nothing of the crate, which keeps the module graph free of circles.

use core::{error::Error, fmt};

/// One row per rule: variant, close code, section of RFC 6455, sentence.
macro_rules! protocol_errors {
    ($($variant:ident, $code:literal, $section:literal, $sentence:literal;)*) => {
        /// A rule of RFC 6455 that the peer broke.
        ///
        /// Each variant is one rule. [`close_code`](Self::close_code) is what the RFC assigns to the breach,
        /// [`section`](Self::section) where the rule stands, and the [`Display`](fmt::Display) text says what
        /// the peer did. After such an error the connection has queued one Close frame with that code, and
        /// every later call gives the same error.
        ///
        /// ```
        /// use sansocket::ProtocolError;
        ///
        /// let error = ProtocolError::ControlTooLong;
        /// assert_eq!(error.close_code(), 1002);
        /// assert_eq!(error.section(), "5.5");
        /// assert_eq!(error.to_string(), "control frame longer than 125 bytes");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ProtocolError {
            $(#[doc = concat!("§", $section, ", close code ", stringify!($code), ": ", $sentence, ".")] $variant,)*
        }

        impl ProtocolError {
            /// Every rule, in the order of the RFC.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The close code that the RFC assigns to the breach (§7.4.1). 1006 is never on the wire.
            pub const fn close_code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The section of RFC 6455 that states the rule; of another RFC, if its number stands before it.
            pub const fn section(self) -> &'static str {
                match self { $(Self::$variant => $section,)* }
            }

            /// What the peer did, as one sentence without a full stop.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

protocol_errors! {
    UnmaskedFromClient,        1002, "5.1",   "frame from a client without a masking key";
    MaskedFromServer,          1002, "5.1",   "frame from a server with a masking key";
    ReservedBit,               1002, "5.2",   "reserved bit set without an extension that defines it";
    ReservedOpCode,            1002, "5.2",   "frame with a reserved opcode";
    LengthNotMinimal,          1002, "5.2",   "payload length not in its shortest form";
    LengthOutOfRange,          1002, "5.2",   "payload length with its most significant bit set";
    ContinuationWithoutStart,  1002, "5.4",   "continuation frame without a message to continue";
    MessageInsideMessage,      1002, "5.4",   "new message inside a fragmented message";
    ControlTooLong,            1002, "5.5",   "control frame longer than 125 bytes";
    ControlFragmented,         1002, "5.5",   "fragmented control frame";
    ClosePayloadOneByte,       1002, "5.5.1", "close frame with a payload of one byte";
    CloseReasonNotUtf8,        1007, "5.5.1", "close reason that is not UTF-8";
    EofWithoutClose,           1006, "7.1.5", "end of the stream without a close frame";
    CloseCodeInvalid,          1002, "7.4",   "close code that must not be on the wire";
    TextNotUtf8,               1007, "8.1",   "text message that is not UTF-8";
    DeflateInvalid,            1007, "7692 7.2.2", "compressed message that is not DEFLATE";
    FrameTooLarge,             1009, "10.4",  "frame larger than the limit";
    MessageTooLarge,           1009, "10.4",  "message larger than the limit";
    RatioTooHigh,              1009, "10.4",  "message that inflates by more than the limit";
    TooManyFragments,          1009, "10.4",  "message in more fragments than the limit";
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error for ProtocolError {}

/// What the caller asked for and cannot have. Nothing was queued, and the connection is as it was before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame has been sent, or the connection has ended: nothing may follow (§5.5.1).
    Closed,
    /// The unsent output is at its limit ([`Limits::unsent`](crate::Limits::unsent)): transmit, then send again.
    Full,
    /// The payload of a control frame is longer than 125 bytes (§5.5).
    ControlTooLong,
    /// A close reason is longer than 123 bytes (§5.5).
    ReasonTooLong,
    /// The close code must not be on the wire (§7.4): 1004 to 1006, 1015, or outside 1000–1014 and 3000–4999.
    CodeNotSendable,
    /// A message is being sent in chunks, and another one may not begin inside it (§5.4).
    MessageOpen,
    /// The chunk is not of the kind with which its message began (§5.4).
    KindChanged,
    /// The chunks of a text message are not UTF-8 together (§8.1).
    NotUtf8,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection is closed for sending",
            Self::Full => "unsent output is at its limit",
            Self::ControlTooLong => "control frame payload longer than 125 bytes",
            Self::ReasonTooLong => "close reason longer than 123 bytes",
            Self::CodeNotSendable => "close code that must not be on the wire",
            Self::MessageOpen => "another message is being sent in chunks",
            Self::KindChanged => "chunk of another kind than its message",
            Self::NotUtf8 => "text that is not UTF-8",
        })
    }
}

impl Error for SendError {}

/// A deadline that passed. Silence is neither the peer's breach nor the caller's, so it has a type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimedOut {
    /// The opening handshake was not finished.
    Handshake,
    /// Nothing came from the peer after a keepalive ping.
    Pong,
    /// Nothing of the output that waits has left: the peer does not read.
    Write,
    /// The peer did not finish the closing handshake (§7.1.1).
    Close,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "opening handshake not finished in time",
            Self::Pong => "no answer to a keepalive ping in time",
            Self::Write => "no output taken by the peer in time",
            Self::Close => "closing handshake not finished in time",
        })
    }
}

impl Error for TimedOut {}
