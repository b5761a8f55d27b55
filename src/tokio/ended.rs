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
    /// Both ends said that they close (§7.1.4). A Close frame without a code is `None`.
    Clean {
        /// What we said.
        sent: Option<CloseFrame>,
        /// What the peer said.
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
    /// Whether both ends said that they close.
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
