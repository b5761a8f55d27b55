//! What a connection tells to `tracing`. Feature `tracing`.
//!
//! One subscriber listens to all threads, before anything is told: a `tracing` event that is first met on a thread
//! without one may be taken for an event that nobody wants, on every thread. So no other tests share the process.
#![cfg(feature = "tracing")]

#[path = "adapter/support/mod.rs"]
mod support;

use std::{
    cell::RefCell,
    fmt::{self, Write},
    mem,
    sync::Once,
};

use sansocket::{
    CloseFrame, Config,
    handshake::Request,
    tokio::{accept, client},
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber,
};

use support::{Peer, Transport, at_once, open, request, server, transport};

thread_local! {
    /// What was told on this thread, a line for each event.
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Listener;

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sansocket")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = if *event.metadata().level() == Level::DEBUG { "debug" } else { "trace" };
        HEARD.with_borrow_mut(|heard| heard.push(format!("{level} {}{}", line.message, line.fields)));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| subscriber::set_global_default(Listener).unwrap());
}

fn told() -> Vec<String> {
    HEARD.with_borrow_mut(mem::take)
}

#[tokio::test]
async fn a_session_is_told_without_its_payloads() {
    listen();
    let (mut websocket, peer): (_, Peer) = server();
    peer.text("secret");
    at_once(websocket.recv()).unwrap();
    assert_eq!(told(), ["trace data received"]);
    at_once(websocket.send("secret")).unwrap();
    assert_eq!(told(), ["trace output queued unsent=8"]);
    peer.ping("secret");
    peer.pong("1");
    peer.close(1001);
    peer.eof();
    assert_eq!(at_once(websocket.recv()).unwrap(), None);
    assert_eq!(at_once(websocket.recv()).unwrap(), None);
    let heard = told();
    assert_eq!(
        heard[..3],
        ["trace ping received len=6", "trace pong received len=1", "trace close received code=1001"]
    );
    assert_eq!(heard.len(), 4, "its end is told once: {heard:?}");
    assert!(heard[3].starts_with("debug connection ended ended=Clean"), "{heard:?}");
    assert!(heard[3].contains("received=Traffic { frames: 4, messages: 1"), "{heard:?}");
    assert!(!heard.concat().contains("secret"));
}

#[tokio::test]
async fn a_connection_that_is_aborted_says_so_at_once() {
    listen();
    let (websocket, _peer) = open(sansocket::Role::Client, &Config::new());
    let (sender, _receiver) = websocket.split();
    sender.start_close(CloseFrame::NORMAL);
    assert!(told().is_empty());
    sender.abort();
    sender.abort();
    let heard = told();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].contains("ended=Vanished(Some(ConnectionAborted))"), "{heard:?}");
}

fn ready() -> (Transport, Peer) {
    let (io, wire) = transport();
    (io, Peer::new(wire, sansocket::Role::Client))
}

#[tokio::test]
async fn openings_are_told_with_their_faults() {
    listen();
    let (io, peer) = ready();
    peer.put(request(""));
    at_once(accept(io)).unwrap();
    assert_eq!(told(), ["debug connection opened is_compressed=false"]);

    let (io, peer) = ready();
    peer.put("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    peer.eof();
    at_once(accept(io)).unwrap_err();
    let heard = told();
    assert!(heard.len() == 1 && heard[0].starts_with("debug request rejected"), "{heard:?}");
    assert!(heard[0].contains("status=426"), "{heard:?}");

    let (io, peer) = ready();
    peer.put("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    at_once(client(io, Request::new("ws://host/").unwrap())).unwrap_err();
    assert_eq!(told(), ["debug request refused error=refused with status 403 Forbidden"]);
}
