//! A stream by hand, a peer by hand, a poll by hand.

// Each test file uses some of it.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod halves;
mod peer;
mod poll;
mod transport;

pub use self::{
    halves::{Receiver, Sender, chunk, halves, halves_with, is_closed, narrow, park, woken},
    peer::{Peer, client, open, server},
    poll::{Bell, at_once, poll_once, poll_times, poll_with, waits},
    transport::{Op, Transport, Wire, transport},
};

/// A request that is accepted, with more header lines; the key is the one of RFC 6455 §1.3.
pub fn request(more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}
