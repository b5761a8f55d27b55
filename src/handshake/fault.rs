//! Everything that can be wrong with a request or a reply, one row each.

use alloc::vec::Vec;
use core::{error::Error, fmt};

/// One row per fault: variant, status, header, sentence.
macro_rules! faults {
    ($($variant:ident, $status:literal, $header:expr, $sentence:literal;)*) => {
        /// One thing that is missing or wrong in a request or in a reply.
        ///
        /// A refusal names all of them, in this order, which is also the order of precedence: the first one
        /// decides the status.
        ///
        /// ```
        /// use sansocket::handshake::Fault;
        ///
        /// assert_eq!(Fault::KeyMissing.header(), Some("Sec-WebSocket-Key"));
        /// assert_eq!(Fault::KeyMissing.to_string(), "no Sec-WebSocket-Key header");
        /// assert!(Fault::MethodNotGet < Fault::KeyMissing);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = concat!($sentence, ".")] $variant,)*
        }

        impl Fault {
            /// Every fault, in the order of precedence.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The status with which a server answers; 502 where the reply is at fault, as a gateway would say.
            pub(super) const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The header that is missing or wrong; `None` if it is another part of the head.
            pub const fn header(self) -> Option<&'static str> {
                match self { $(Self::$variant => $header,)* }
            }

            /// What the peer did, as one sentence without a full stop.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

faults! {
    LineEndMalformed,         400, None, "line feed without a carriage return before it";
    StartLineMalformed,       400, None, "first line that is not HTTP";
    FieldLineMalformed,       400, None, "header line that is not HTTP";
    HeadTooLarge,             431, None, "head longer than the limit";
    TooManyFields,            431, None, "more header fields than the limit";
    HttpVersionUnsupported,   505, None, "version of HTTP other than 1.1";
    MethodNotGet,             405, None, "method other than GET";
    UpgradeMissing,           426, Some("Upgrade"), "no Upgrade header";
    UpgradeNotWebSocket,      426, Some("Upgrade"), "upgrade to something other than websocket";
    VersionUnsupported,       426, Some("Sec-WebSocket-Version"), "version of WebSocket other than 13";
    TargetInvalid,            400, None, "request target that is neither a path nor the URI of a resource";
    HostMissing,              400, Some("Host"), "no Host header";
    HostRepeated,             400, Some("Host"), "more than one Host header";
    HostInvalid,              400, Some("Host"), "Host header that is not a host and a port";
    ConnectionMissing,        400, Some("Connection"), "no Connection header";
    ConnectionWithoutUpgrade, 400, Some("Connection"), "Connection header without the token upgrade";
    KeyMissing,               400, Some("Sec-WebSocket-Key"), "no Sec-WebSocket-Key header";
    KeyRepeated,              400, Some("Sec-WebSocket-Key"), "more than one Sec-WebSocket-Key header";
    KeyInvalid,               400, Some("Sec-WebSocket-Key"), "key that is not 16 bytes in base64";
    VersionMissing,           400, Some("Sec-WebSocket-Version"), "no Sec-WebSocket-Version header";
    VersionRepeated,          400, Some("Sec-WebSocket-Version"), "more than one Sec-WebSocket-Version header";
    OriginRepeated,           400, Some("Origin"), "more than one Origin header";
    OriginInvalid,            400, Some("Origin"), "Origin header with characters that no origin has";
    SubprotocolsMalformed,    400, Some("Sec-WebSocket-Protocol"), "subprotocols that are not a list of tokens";
    SubprotocolOfferedTwice,  400, Some("Sec-WebSocket-Protocol"), "subprotocol offered twice";
    SubprotocolUnknown,       400, Some("Sec-WebSocket-Protocol"), "no subprotocol that the server speaks";
    ExtensionsMalformed,      400, Some("Sec-WebSocket-Extensions"), "extensions that are not a list of extensions";
    BodyAnnounced,            400, None, "request with a body";
    OriginNotAllowed,         403, Some("Origin"), "origin that is not allowed";
    AcceptMissing,            502, Some("Sec-WebSocket-Accept"), "no Sec-WebSocket-Accept header";
    AcceptRepeated,           502, Some("Sec-WebSocket-Accept"), "more than one Sec-WebSocket-Accept header";
    AcceptWrong,              502, Some("Sec-WebSocket-Accept"), "Sec-WebSocket-Accept that does not belong to the key";
    SubprotocolRepeated,      502, Some("Sec-WebSocket-Protocol"), "more than one subprotocol accepted";
    SubprotocolNotOffered,    502, Some("Sec-WebSocket-Protocol"), "subprotocol accepted that was not offered";
    ExtensionsRepeated,       502, Some("Sec-WebSocket-Extensions"), "more than one Sec-WebSocket-Extensions header";
    ExtensionParamsInvalid,   502, Some("Sec-WebSocket-Extensions"), "extension accepted with parameters that do not fit the offer";
    ExtensionNotOffered,      502, Some("Sec-WebSocket-Extensions"), "extension accepted that was not offered";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error for Fault {}

/// Collects what is wrong while a head is validated, so that nothing is reported alone.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Passes on what a rule found, or notes what it found wrong.
    pub(super) fn note<T>(&mut self, verdict: Result<T, Fault>) -> Option<T> {
        verdict.map_err(|fault| self.0.push(fault)).ok()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults in the order of precedence; none: the head is valid.
    pub(super) fn into_sorted(mut self) -> Vec<Fault> {
        self.0.sort_unstable();
        self.0
    }
}

/// Writes faults as one sentence.
pub(super) fn write_list(faults: &[Fault], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, fault) in faults.iter().enumerate() {
        if i > 0 {
            f.write_str("; ")?;
        }
        f.write_str(fault.as_str())?;
    }
    Ok(())
}
