//! RFC 7692 over streams: agreed in the opening handshake, used in both directions.

use bytes::Bytes;
use sansocket::{
    Chunk, Compress, Compression, Config, Kind, Message, ProtocolError, Role,
    deflate::{Params, WindowBits},
    frame::OpCode,
    handshake::{Answer, Request},
    tokio::{Error, WebSocket, accept_with, client_with, connect_with},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, duplex},
    net::TcpListener,
};

use crate::support::{Peer, at_once, poll_times, request, transport};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// Params of every kind: the default, without takeover, with small windows, and all of it.
fn terms() -> Vec<Params> {
    let bits = |bits| WindowBits::new(bits).unwrap();
    let quiet = Params::new().server_no_context_takeover().client_no_context_takeover();
    vec![
        Params::new(),
        quiet,
        Params::new().server_no_context_takeover(),
        Params::new().client_max_window_bits(bits(9)).server_max_window_bits(bits(10)),
        quiet.client_max_window_bits(bits(12)).server_max_window_bits(bits(9)),
        Params::new().client_max_window_bits(bits(8)),
    ]
}

fn texts() -> Vec<Message> {
    [0, 10, 63, 64, 200, 5000, 50_000].map(|len| "€ in, € out, ".repeat(len / 13).into()).into()
}

/// A client that says each message in one of four ways, and hears it again.
async fn converse<T: AsyncRead + AsyncWrite + Unpin>(mut websocket: WebSocket<T>) {
    for (i, message) in texts().into_iter().cycle().take(28).enumerate() {
        match i / 7 {
            0 => websocket.send(message.clone()).await.unwrap(),
            1 => websocket.send_with(message.clone(), Compress::Always).await.unwrap(),
            2 => websocket.send_with(message.clone(), Compress::Never).await.unwrap(),
            _ => {
                let bytes = message.as_bytes();
                for (n, data) in
                    [bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..)].into_iter().enumerate()
                {
                    let fin = n == 1;
                    websocket.send_chunk(Chunk { kind: Kind::Text, data, fin }).await.unwrap();
                }
            }
        }
        assert_eq!(websocket.recv().await.unwrap(), Some(message), "{i}");
    }
    websocket.close(None).await;
}

/// A server that gives every message back, whole or as its chunks come.
async fn echo<T: AsyncRead + AsyncWrite + Unpin>(mut websocket: WebSocket<T>, in_chunks: bool) {
    if !in_chunks {
        while let Some(message) = websocket.recv().await.unwrap() {
            websocket.send(message).await.unwrap();
        }
        return;
    }
    while let Some(chunk) = websocket.recv_chunk().await.unwrap() {
        let fin = chunk.fin;
        websocket.feed_chunk(chunk).await.unwrap();
        if fin {
            websocket.flush().await.unwrap();
        }
    }
}

#[tokio::test]
async fn both_ends_over_a_pipe_with_all_terms() {
    for (i, client) in terms().into_iter().enumerate() {
        for (j, server) in terms().into_iter().enumerate().filter(|(j, _)| (i + j) % 3 == 1) {
            let (here, there) = duplex([60, 1000, 100_000][(i + j) % 3]);
            let level = (i + 2 * j) as u8 % 10;
            let config = Config::new().compression(Compression::new(level, Compress::Above(64)));
            let answer = |_: &_| Ok(Answer::new().deflate(server));
            let request = Request::new("ws://a").unwrap().deflate(client).deflate(Params::new());
            let (accepted, connected) =
                tokio::join!(accept_with(there, &config, answer), client_with(here, request, &config));
            let (accepted, connected) = (accepted.unwrap(), connected.unwrap());
            let agreed = connected.connection().negotiated().deflate;
            assert!(agreed.is_some() && agreed == accepted.connection().negotiated().deflate);
            tokio::join!(echo(accepted, (i + j) % 2 == 0), converse(connected));
        }
    }
}

#[tokio::test]
async fn both_ends_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    for in_chunks in [false, true] {
        let serving = async {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = |_: &_| Ok(Answer::new().deflate(Params::new()));
            echo(accept_with(stream, &Config::new(), answer).await.unwrap(), in_chunks).await;
        };
        let connecting = async {
            let request = Request::new(&uri).unwrap().deflate(Params::new());
            let websocket = connect_with(request, &Config::new()).await.unwrap();
            assert_eq!(websocket.connection().negotiated().deflate, Some(Params::new()));
            converse(websocket).await;
        };
        tokio::join!(serving, connecting);
    }
}

/// Nobody compresses what one end has not agreed to.
#[tokio::test(start_paused = true)]
async fn one_end_alone_does_not_compress() {
    let always = Config::new().compression(Compression::new(6, Compress::Always));
    for (more, terms) in [("", Some(Params::new())), (OFFER, None)] {
        let (io, wire) = transport();
        wire.put(request(more));
        let answer = |_: &_| Ok(terms.map_or(Answer::new(), |terms| Answer::new().deflate(terms)));
        let mut websocket = at_once(accept_with(io, &always, answer)).unwrap();
        let head = wire.written().len();
        assert!(!String::from_utf8(wire.written()).unwrap().contains("Extensions"));
        at_once(websocket.send("Hello")).unwrap();
        at_once(websocket.send_with("Hello", Compress::Always)).unwrap();
        assert_eq!(wire.written()[head..], *b"\x81\x05Hello\x81\x05Hello");
    }
}

/// A server with a client by hand, which has agreed to compression.
fn agreed(config: &Config) -> (WebSocket<crate::support::Transport>, Peer, usize) {
    let (io, wire) = transport();
    wire.put(request(OFFER));
    let websocket = at_once(accept_with(io, config, |_| Ok(Answer::new().deflate(Params::new())))).unwrap();
    let reply = String::from_utf8(wire.written()).unwrap();
    assert!(reply.contains("\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"), "{reply}");
    let head = reply.len();
    (websocket, Peer::new(wire, Role::Client), head)
}

/// RFC 7692 §7.2.3.2, over a stream.
#[tokio::test(start_paused = true)]
async fn a_call_may_say_whether_its_message_is_compressed() {
    let (mut websocket, peer, head) = agreed(&Config::new());
    at_once(websocket.send_with("Hello", Compress::Always)).unwrap();
    at_once(websocket.send("Hello")).unwrap();
    at_once(websocket.send_with("Hello", Compress::Above(5))).unwrap();
    at_once(websocket.send_with("Hello", Compress::Above(6))).unwrap();
    at_once(websocket.send_with("H".repeat(64), Compress::Never)).unwrap();
    let expected: &[&[u8]] = &[
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x81\x05Hello",
        b"\xc1\x05\xf2\x00\x11\x00\x00",
        b"\x81\x05Hello",
        b"\x81\x40",
        &[b'H'; 64],
    ];
    assert_eq!(peer.written()[head..], expected.concat());
}

/// A message that never found room is not in the window: what comes behind it can be read.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_leaves_no_trace() {
    let mut config = Config::new().compression(Compression::new(6, Compress::Always));
    config.limits.unsent = 1;
    let (mut websocket, peer, head) = agreed(&config);
    peer.stop_reading();
    at_once(websocket.feed("Hello")).unwrap();
    for polls in 0..5 {
        assert!(poll_times(websocket.send("Hello, Hello"), polls).is_pending());
        assert!(poll_times(websocket.send_with("Hello, Hello", Compress::Always), polls).is_pending());
        let data = Bytes::from_static(b"Hello, Hello");
        let chunk = Chunk { kind: Kind::Text, data, fin: false };
        assert!(poll_times(websocket.feed_chunk(chunk), polls).is_pending());
    }
    peer.open(usize::MAX);
    at_once(websocket.send("Hello")).unwrap();
    assert_eq!(peer.written()[head..], *b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00");
}

/// What is inflated is held, skipped, and told as anything else.
#[tokio::test(start_paused = true)]
async fn compressed_messages_in_chunks() {
    let compressed = |peer: &Peer, fin, opcode, payload: &[u8]| {
        let mut frame = peer.fragment(fin, opcode, payload);
        frame[0] |= 0x40;
        frame
    };
    let (mut websocket, peer, _) = agreed(&Config::new());
    peer.put(compressed(&peer, false, OpCode::Text, b"\xf2\x48\xcd"));
    peer.ping("p");
    peer.put(peer.fragment(true, OpCode::Continuation, b"\xc9\xc9\x07\x00"));
    peer.put(compressed(&peer, true, OpCode::Text, b"\xf2\x00\x11\x00\x00"));
    let mut heard = Vec::new();
    loop {
        let chunk = at_once(websocket.recv_chunk()).unwrap().unwrap();
        heard.extend_from_slice(&chunk.data);
        if chunk.fin {
            break;
        }
    }
    assert_eq!(heard, b"Hello");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("Hello".into()));

    // The rest of one that is skipped is inflated all the same: the next one refers to it.
    let (mut websocket, peer, _) = agreed(&Config::new());
    peer.put(compressed(&peer, false, OpCode::Text, b"\xf2\x48\xcd\xc9"));
    assert!(!at_once(websocket.recv_chunk()).unwrap().unwrap().fin);
    peer.put(peer.fragment(true, OpCode::Continuation, b"\xc9\x07\x00"));
    peer.put(compressed(&peer, true, OpCode::Text, b"\xf2\x00\x11\x00\x00"));
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("Hello".into()));

    peer.put(compressed(&peer, true, OpCode::Text, b"\x06"));
    peer.eof();
    let error = at_once(websocket.recv()).unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::DeflateInvalid)), "{error:?}");
    let told = peer.written();
    assert!(told.ends_with(b"compressed message that is not DEFLATE"), "{}", told.escape_ascii());
}
