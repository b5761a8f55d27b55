//! Halves, tasks by hand.

use std::{fmt::Debug, future::Future, pin::Pin, sync::Arc, task::Poll};

use sansocket::{Chunk, Config, Kind, Limits, Role, SendError, tokio::Error};

use super::{Bell, Peer, Transport, open, poll_with};

pub type Sender = sansocket::tokio::Sender<Transport>;
pub type Receiver = sansocket::tokio::Receiver<Transport>;

/// The halves of a connection in this role, and its peer by hand.
pub fn halves_with(role: Role, config: &Config) -> (Sender, Receiver, Peer) {
    let (websocket, peer) = open(role, config);
    let (sender, receiver) = websocket.split();
    (sender, receiver, peer)
}

pub fn halves(role: Role) -> (Sender, Receiver, Peer) {
    halves_with(role, &Config::new())
}

/// Halves of a server that takes in no more than a message, without keepalive.
pub fn narrow() -> (Sender, Receiver, Peer) {
    let mut limits = Limits::default();
    limits.unsent = 1;
    halves_with(Role::Server, &Config::new().limits(limits).keepalive(None))
}

pub fn chunk(data: &'static str, fin: bool) -> Chunk {
    Chunk { kind: Kind::Text, data: data.into(), fin }
}

/// Polls a future that has to wait, and says how often it woke its task in the meantime.
pub fn park<F: Future>(future: Pin<&mut F>, bell: &Arc<Bell>) -> usize {
    assert!(poll_with(future, bell).is_pending(), "it does not wait");
    bell.rings()
}

/// The output of a future that was woken and does not have to wait any more.
pub fn woken<F: Future>(future: Pin<&mut F>, bell: &Arc<Bell>) -> F::Output {
    assert!(bell.rings() > 0, "it was not woken");
    match poll_with(future, bell) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[track_caller]
pub fn is_closed(sent: Result<(), Error>) {
    let error = sent.unwrap_err();
    assert!(matches!(error, Error::Send(SendError::Closed)), "{error:?}");
}
