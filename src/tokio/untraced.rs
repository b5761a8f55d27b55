//! What stands in for `trace` where feature `tracing` is off: nobody is told.

use super::Ended;
use crate::{
    connection::Connection,
    event::Event,
    handshake::{HandshakeError, Rejection},
};

/// Whether anybody is told.
pub(super) const IS_HEARD: bool = false;

pub(super) const fn opened(_: &Connection) {}

pub(super) const fn rejected(_: &Rejection) {}

pub(super) const fn refused(_: &HandshakeError) {}

pub(super) const fn received<D>(_: &Event<D>) {}

pub(super) const fn queued(_: usize) {}

pub(super) const fn ended(_: &Ended, _: &Connection) {}
