//! Who hears when the machine is told the time.

use core::{fmt, time::Duration};
use std::boxed::Box;

use crate::connection::{Connection, State};

/// What the machine was told.
pub(super) struct Told {
    pub(super) now: Duration,
    pub(super) is_unread: bool,
    /// Whether it made a keepalive ping.
    pub(super) made_ping: bool,
    pub(super) seen: Seen,
}

/// What the machine had seen when it was told.
pub(super) struct Seen {
    /// Bytes of frames.
    pub(super) heard: u64,
    /// Bytes of the input that it has not given out: not all of them are unheard.
    pub(super) left: usize,
    /// Bytes of the output that wait.
    pub(super) unsent: usize,
    pub(super) is_closing: bool,
}

type Listen = dyn FnMut(Told) + Send + Sync;

/// Nobody, unless the connection is recorded. Nobody takes no more than eight bytes.
#[derive(Default)]
pub(super) struct Hook(Option<Box<Box<Listen>>>);

impl Hook {
    pub(super) fn new(listen: impl FnMut(Told) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(Box::new(listen))))
    }

    /// Whether nobody listens.
    pub(super) const fn is_deaf(&self) -> bool {
        self.0.is_none()
    }

    /// Whoever listens, with what the machine has seen so far.
    pub(super) fn prepare(&mut self, connection: &Connection, input: &[u8]) -> Option<(&mut Listen, Seen)> {
        let listen = self.0.as_mut()?;
        let (heard, unsent) = (connection.received().bytes, connection.sender().transmittable());
        let is_closing = connection.state() != State::Open;
        Some((listen, Seen { heard, left: input.len(), unsent, is_closing }))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some" } else { "None" })
    }
}
