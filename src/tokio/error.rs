//! What the adapter's calls can end in: the machine's errors, by blame, and the world's.

use std::{boxed::Box, error, fmt, io};

use crate::{
    error::{ProtocolError, SendError, TimedOut},
    handshake::{HandshakeError, InvalidUri, Rejection},
    send::Outgoing,
};

/// Why a call on a [`WebSocket`](super::WebSocket), or the making of one, failed.
///
/// That the peer closed the connection is no error: [`recv`](super::WebSocket::recv) then gives `None`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream under the connection failed.
    Io(io::Error),
    /// The stream ended without a Close frame: the peer has vanished, and the last messages may be lost (§7.1.5).
    Vanished,
    /// The peer broke a rule, and was told so before this was returned.
    Protocol(ProtocolError),
    /// A deadline passed.
    TimedOut(TimedOut),
    /// What was asked for cannot be sent.
    Send(SendError),
    /// As a server: the request was refused, and the refusal sent.
    Rejected(Box<Rejection>),
    /// As a client: the server did not agree to the connection.
    Handshake(Box<HandshakeError>),
    /// As a client: the URI is none that a connection can be made to.
    Uri(InvalidUri),
    /// A message is not the value in JSON that was asked for, or a value cannot be one. Feature `json`.
    #[cfg(feature = "json")]
    Json(Box<super::NotJson>),
    /// `wss` needs a TLS stream: make one, and hand it to [`client`](super::client).
    TlsNeeded,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Vanished => f.write_str("the peer vanished without a close frame"),
            Self::Protocol(error) => error.fmt(f),
            Self::TimedOut(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Uri(error) => error.fmt(f),
            #[cfg(feature = "json")]
            Self::Json(error) => error.fmt(f),
            Self::TlsNeeded => f.write_str("wss needs a TLS stream, which `connect` does not make"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::TimedOut(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Rejected(rejection) => Some(rejection.as_ref()),
            Self::Handshake(error) => Some(error.as_ref()),
            Self::Uri(error) => Some(error),
            #[cfg(feature = "json")]
            Self::Json(error) => Some(error.as_ref()),
            Self::Vanished | Self::TlsNeeded => None,
        }
    }
}

/// For code that speaks of bytes: a [`Reader`](super::Reader), a [`Writer`](super::Writer), and what is built on them.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(_) | Error::Rejected(_) | Error::Handshake(_) | Error::TlsNeeded => {
                io::ErrorKind::Other
            }
            Error::Vanished => io::ErrorKind::UnexpectedEof,
            Error::Protocol(_) => io::ErrorKind::InvalidData,
            #[cfg(feature = "json")]
            Error::Json(_) => io::ErrorKind::InvalidData,
            Error::TimedOut(_) => io::ErrorKind::TimedOut,
            Error::Send(SendError::Closed) => io::ErrorKind::BrokenPipe,
            Error::Send(_) | Error::Uri(_) => io::ErrorKind::InvalidInput,
        };
        match error {
            Error::Io(error) => error,
            error => Self::new(kind, error),
        }
    }
}

/// A message that was not sent, and why not.
#[derive(Clone, Debug)]
pub struct NotSent {
    /// The message.
    pub message: Outgoing,
    /// Why it was not sent; [`SendError::Full`] and [`SendError::MessageOpen`] pass.
    pub error: SendError,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message not sent: {}", self.error)
    }
}

impl error::Error for NotSent {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::EofWithoutClose => Self::Vanished,
            error => Self::Protocol(error),
        }
    }
}

impl From<TimedOut> for Error {
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(Box::new(error))
    }
}

impl From<InvalidUri> for Error {
    fn from(error: InvalidUri) -> Self {
        Self::Uri(error)
    }
}
