//! A stream by hand, a peer by hand, a poll by hand.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod peer;
mod poll;
mod transport;

pub use self::{
    peer::{Peer, client, open, server},
    poll::{Bell, at_once, poll_once, poll_times, poll_with, waits},
    transport::{Op, Transport, Wire, transport},
};
