//! What a connection does, told to `tracing`. Feature `tracing`.
//!
//! No message is shown, but Close frames are. Connections have no span of their own: who wants one instruments the task.

use tracing::{debug, trace};

use super::Ended;
use crate::{
    connection::Connection,
    event::Event,
    handshake::{HandshakeError, Rejection},
};

/// Whether anybody is told.
pub(super) const IS_HEARD: bool = true;

pub(super) fn opened(connection: &Connection) {
    let negotiated = connection.negotiated();
    let subprotocol = negotiated.subprotocol.as_deref();
    debug!(subprotocol, is_compressed = negotiated.deflate.is_some(), "connection opened");
}

/// As a server.
pub(super) fn rejected(rejection: &Rejection) {
    debug!(status = rejection.status(), %rejection, "request rejected");
}

/// As a client.
pub(super) fn refused(error: &HandshakeError) {
    debug!(%error, "request refused");
}

pub(super) fn received<D>(event: &Event<D>) {
    match event {
        Event::Data(_) => trace!("data received"),
        Event::Ping(payload) => trace!(len = payload.len(), "ping received"),
        Event::Pong(payload) => trace!(len = payload.len(), "pong received"),
        Event::Close(frame) => {
            let code = frame.as_ref().map(|frame| u16::from(frame.code()));
            trace!(code, "close received");
        }
    }
}

pub(super) fn queued(unsent: usize) {
    trace!(unsent, "output queued");
}

pub(super) fn ended(ended: &Ended, connection: &Connection) {
    let (received, sent) = (connection.received(), connection.sent());
    debug!(?ended, ?received, ?sent, "connection ended");
}
