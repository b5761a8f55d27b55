//! The opening handshake of a client, over a stream.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use sansocket::{
    Config, Role, TimedOut,
    handshake::{Fault, HandshakeError, Request},
    tokio::{Error, WebSocket, client, client_with, connect, connect_with},
};
use sha1::{Digest, Sha1};
use tokio::{
    net::TcpListener,
    task::yield_now,
    time::{Instant, sleep},
};

use crate::support::{Op, Peer, Transport, Wire, at_once, transport};

fn request() -> Request {
    Request::new("ws://server.example.com/chat").unwrap()
}

/// Waits for the request, and answers it.
async fn answer(wire: &Wire, reply: impl FnOnce(&str) -> Vec<u8>) {
    while !wire.written().ends_with(b"\r\n\r\n") {
        yield_now().await;
    }
    let request = String::from_utf8(wire.written()).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    wire.put(reply(&accept(key)));
}

fn accept(key: &str) -> String {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut accept = [0; 28];
    STANDARD.encode_slice(digest.finalize(), &mut accept).unwrap();
    String::from_utf8(accept.into()).unwrap()
}

fn switching(accept: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into()
}

async fn opened(
    reply: impl FnOnce(&str) -> Vec<u8>,
    shape: impl FnOnce(&Wire),
) -> (Result<WebSocket<Transport>, Error>, Wire) {
    let (io, wire) = transport();
    shape(&wire);
    let (opened, ()) = tokio::join!(client(io, request()), answer(&wire, reply));
    (opened, wire)
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_the_reply_is_received() {
    for cut in [1, 2, 3, 7, 64, 1000] {
        let peer = Peer::new(transport().1, Role::Server);
        let early = [peer.frame(sansocket::frame::OpCode::Text, b"hello"), peer.close_frame(1000)].concat();
        let reply = |accept: &str| [switching(accept), early].concat();
        let (opened, wire) = opened(reply, |wire| wire.cut(cut)).await;
        let mut websocket = opened.unwrap();
        wire.eof();
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("hello".into()));
        assert_eq!(at_once(websocket.recv()).unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_stall_at_every_byte() {
    let (opened, wire) = opened(switching, |wire| {
        wire.cut(1);
        wire.stall();
    })
    .await;
    let mut websocket = opened.unwrap();
    let request = wire.written();
    websocket.send("hello").await.unwrap();
    let peer = Peer::new(wire.clone(), Role::Server);
    assert_eq!(peer.heard_in(&wire.written()[request.len()..]), ["text hello"]);
}

#[tokio::test(start_paused = true)]
async fn the_request_is_one_write_and_a_flush() {
    let (opened, wire) = opened(switching, |_| ()).await;
    opened.unwrap();
    assert!(matches!(wire.log()[..2], [Op::Write(..), Op::Flush]));
    assert_eq!(wire.writes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_usual_reply_is_read_at_once() {
    let (opened, wire) = opened(switching, |_| ()).await;
    opened.unwrap();
    assert_eq!(wire.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_belong_to_the_key() {
    let (opened, wire) = opened(|_| switching("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), |_| ()).await;
    let Err(Error::Handshake(error)) = opened else { panic!("{opened:?}") };
    assert!(matches!(*error, HandshakeError::InvalidReply { faults } if faults == [Fault::AcceptWrong]));
    assert!(wire.is_closed());
}

#[tokio::test(start_paused = true)]
async fn keys_are_not_repeated() {
    let mut keys = Vec::new();
    for _ in 0..50 {
        let (opened, wire) = opened(switching, |_| ()).await;
        opened.unwrap();
        keys.push(wire.written());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn masking_keys_are_not_repeated() {
    let (opened, wire) = opened(switching, |_| ()).await;
    let mut websocket = opened.unwrap();
    let request = wire.written().len();
    for _ in 0..2000 {
        at_once(websocket.feed("")).unwrap();
    }
    at_once(websocket.flush()).unwrap();
    let mut frames: Vec<_> = wire.written()[request..].chunks(6).map(<[u8]>::to_vec).collect();
    frames.sort();
    frames.dedup();
    // Of 2000 random keys out of 2^32, two are the same once in two thousand runs.
    assert!(frames.len() >= 1998, "{}", frames.len());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_a_body() {
    let reply = |_: &str| {
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 12\r\n\r\nwho are you?"
            .to_vec()
    };
    let (opened, _) = opened(reply, |wire| wire.cut(5)).await;
    let Err(Error::Handshake(error)) = opened else { panic!("{opened:?}") };
    let HandshakeError::Refused(refusal) = *error else { panic!("{error:?}") };
    assert_eq!((refusal.status(), &refusal.body()[..]), (401, &b"who are you?"[..]));
    assert_eq!(refusal.headers().get("www-authenticate"), Some(&b"Bearer"[..]));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_ends_a_body_or_is_unexpected() {
    for (reply, refused) in
        [("HTTP/1.1 500 Oh\r\n\r\nsorry", true), ("HTTP/1.1 101 Switch", false), ("", false)]
    {
        let (io, wire) = transport();
        wire.put(reply);
        wire.eof();
        let Err(Error::Handshake(error)) = at_once(client(io, request())) else { panic!() };
        match *error {
            HandshakeError::Refused(refusal) => assert!(refused && refusal.body() == "sorry"),
            HandshakeError::UnexpectedEof => assert!(!refused),
            error => panic!("{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn garbage() {
    for garbage in ["SSH-2.0-OpenSSH\r\n", "\0\0\0\n", "HTTP/1.1\r\n\r\n"] {
        let (io, wire) = transport();
        wire.put(garbage);
        let opened = client(io, request()).await;
        let Err(Error::Handshake(_) | Error::TimedOut(TimedOut::Handshake)) = opened else {
            panic!("{opened:?}")
        };
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_without_an_end() {
    let (io, wire) = transport();
    wire.put(format!("HTTP/1.1 101 Switching Protocols\r\nX: {}", "x".repeat(1 << 20)));
    let Err(Error::Handshake(error)) = at_once(client(io, request())) else { panic!() };
    assert!(matches!(*error, HandshakeError::HeadTooLarge));
    assert!(!wire.is_drained());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_replies_has_ten_seconds() {
    for stuck in [false, true] {
        let (io, wire) = transport();
        if stuck {
            wire.open(10);
        }
        let start = Instant::now();
        let opened = client(io, request()).await;
        assert!(matches!(opened, Err(Error::TimedOut(TimedOut::Handshake))));
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_replies_a_byte_a_second_has_ten_seconds() {
    let (io, wire) = transport();
    let start = Instant::now();
    let speaking = async {
        for byte in switching("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
            sleep(Duration::from_secs(1)).await;
            wire.put([byte]);
        }
    };
    tokio::select! {
        opened = client(io, request()) => assert!(matches!(opened, Err(Error::TimedOut(TimedOut::Handshake)))),
        () = speaking => unreachable!(),
    }
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_there_is_none() {
    let (io, wire) = transport();
    let config = Config::new().handshake_timeout(Duration::MAX);
    let late = async {
        sleep(Duration::from_secs(100_000)).await;
        answer(&wire, switching).await;
    };
    let (opened, ()) = tokio::join!(client_with(io, request(), &config), late);
    opened.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_connected_to() {
    assert!(matches!(connect("http://localhost").await, Err(Error::Uri(_))));
    assert!(matches!(connect("wss://localhost").await, Err(Error::TlsNeeded)));
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(connect(&uri).await, Err(Error::Io(_))));
}

#[tokio::test]
async fn a_listener_that_never_accepts_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request = Request::new(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let config = Config::new().handshake_timeout(Duration::from_millis(50));
    assert!(matches!(connect_with(request, &config).await, Err(Error::TimedOut(TimedOut::Handshake))));
}

#[tokio::test]
async fn a_stream_that_connect_opens_does_not_wait_to_send() {
    let listener = TcpListener::bind("[::1]:0").await;
    let listener = match listener {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("127.0.0.1:0").await.unwrap(),
    };
    let uri = format!("ws://{}/chat", listener.local_addr().unwrap());
    let serving = async { sansocket::tokio::accept(listener.accept().await.unwrap().0).await };
    let (opened, accepted) = tokio::join!(connect(&uri), serving);
    accepted.unwrap();
    assert!(opened.unwrap().stream().nodelay().unwrap());
}
