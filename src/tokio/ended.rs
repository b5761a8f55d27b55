//! How a connection ended.

use std::io;

use crate::{
    connection::Connection,
    error::{ProtocolError, TimedOut},
    frame::CloseFrame,
};

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The peer closed, and so did we (§7.1.4), though nobody can know whether our Close frame arrived.
    Clean {
        /// What we said, or had queued to say; `None` for a Close frame without a code, and for none where the stream
        /// could not be written to.
        sent: Option<CloseFrame>,
        /// What the peer said; `None` for a Close frame without a code.
        received: Option<CloseFrame>,
    },
    /// The stream ended or failed without a Close frame from the peer, who may have missed ours.
    Vanished(Option<io::ErrorKind>),
    /// A deadline passed.
    TimedOut(TimedOut),
    /// The peer broke a rule.
    Violation {
        /// The rule.
        error: ProtocolError,
        /// What the peer was told; it is another code than the rule's if we had closed before.
        told: Option<CloseFrame>,
    },
}

impl Ended {
    /// Whether the peer closed, as it should.
    pub const fn is_clean(&self) -> bool {
        matches!(self, Self::Clean { .. })
    }

    pub(super) fn of(connection: &Connection, broken: Option<io::ErrorKind>) -> Self {
        let sent = connection.sent_close().flatten().cloned();
        if let Some(received) = connection.received_close() {
            return Self::Clean { sent, received: received.cloned() };
        }
        match (connection.error(), broken, connection.timed_out()) {
            (Some(error), ..) if error != ProtocolError::EofWithoutClose => {
                Self::Violation { error, told: sent }
            }
            (None, None, Some(timed_out)) => Self::TimedOut(timed_out),
            _ => Self::Vanished(broken),
        }
    }
}
