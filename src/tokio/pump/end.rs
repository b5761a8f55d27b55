//! How it ends, and what that makes of whoever waits.

use std::io;

use super::Pump;
use crate::{
    error::SendError,
    tokio::{Ended, Error, trace},
};

impl<T> Pump<T> {
    pub(in crate::tokio) fn is_over(&self) -> bool {
        self.connection.timed_out().is_some() || self.shut && !self.connection.wants_read()
    }

    /// Tells how the connection ended, once.
    #[inline]
    pub(in crate::tokio) fn tell(&mut self) {
        if !trace::IS_HEARD || self.told || self.connection.is_running() {
            return;
        }
        if let Some(ended) = self.ended() {
            self.told = true;
            trace::ended(&ended, &self.connection);
        }
    }

    /// How the connection ended, once it has.
    pub(in crate::tokio) fn ended(&self) -> Option<Ended> {
        self.is_over().then(|| Ended::of(&self.connection, self.broken))
    }

    /// Whether it ended well. It is final either way.
    pub(in crate::tokio) fn outcome(&self) -> Result<(), Error> {
        match Ended::of(&self.connection, self.broken) {
            Ended::Clean { .. } => Ok(()),
            Ended::Vanished(None) => Err(Error::Vanished),
            Ended::Vanished(Some(kind)) => Err(Error::Io(kind.into())),
            Ended::TimedOut(timed_out) => Err(Error::TimedOut(timed_out)),
            Ended::Violation { error, .. } => Err(Error::Protocol(error)),
        }
    }

    /// Why it never will.
    pub(in crate::tokio) fn loss(&self) -> Error {
        match (self.broken, self.connection.timed_out(), self.connection.error()) {
            (Some(kind), ..) => Error::Io(kind.into()),
            (_, Some(timed_out), _) => timed_out.into(),
            (.., Some(error)) => error.into(),
            (None, None, None) => SendError::Closed.into(),
        }
    }

    /// Why nothing more can be sent, if so.
    #[inline]
    pub(in crate::tokio) fn check_open(&self) -> Result<(), Error> {
        if self.connection.is_running() { Ok(()) } else { self.check_end() }
    }

    fn check_end(&self) -> Result<(), Error> {
        self.check_stream()?;
        if self.connection.sent_close().is_some() { Err(SendError::Closed.into()) } else { Ok(()) }
    }

    /// Why what was queued could not be written, if so.
    pub(in crate::tokio) fn check_stream(&self) -> Result<(), Error> {
        if self.is_over() {
            return self.outcome();
        }
        match (self.broken, self.connection.error()) {
            (Some(kind), _) => Err(Error::Io(kind.into())),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Ok(()),
        }
    }

    pub(super) fn end(&mut self, broken: Option<io::ErrorKind>) {
        if self.broken.is_none() {
            self.broken = broken;
        }
        // What it says is told by `outcome`.
        if self.connection.receive_eof().is_err() || broken.is_some() {
            self.abandon();
        }
    }

    /// Ends it here and now, without a word to the peer.
    pub(in crate::tokio) fn abort(&mut self) {
        self.end(Some(io::ErrorKind::ConnectionAborted));
        self.shut = true;
    }
}
