//! Cost and outcome do not depend on how the bytes are cut, and bytes behind a head stay where they are.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use sansocket::{
    Limits,
    handshake::{ClientHandshake, ServerHandshake},
};

use super::{client, reply, request, server_verdict};

const FRAME: &[u8] = b"\x89\x80\0\0\0\0\r\n\r\n";

/// The verdict on a request that arrives in pieces, and what is left of the input.
fn served(pieces: &[&[u8]]) -> (String, Vec<u8>) {
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut input = BytesMut::new();
    let mut verdict = Ok(None);
    for piece in pieces {
        input.extend_from_slice(piece);
        if let Ok(None) = verdict {
            let before = input.len();
            verdict = handshake.receive(&mut input);
            assert!(!matches!(verdict, Ok(None)) || input.len() == before, "input was taken too early");
        }
    }
    (server_verdict(verdict), input.to_vec())
}

/// The same for a reply.
fn established(pieces: &[&[u8]]) -> (String, Vec<u8>) {
    let mut handshake: ClientHandshake = client("ws://a", &["chat"]);
    let mut input = BytesMut::new();
    let mut verdict = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        verdict = verdict.or_else(|| handshake.receive(&mut input).transpose());
    }
    let verdict = match verdict {
        None => "…".into(),
        Some(Ok(established)) => format!("{:?} {:?}", established.negotiated, established.headers),
        Some(Err(error)) => error.to_string(),
    };
    (verdict, input.to_vec())
}

/// Calls `check` with the bytes cut at every byte, and at every pair of bytes.
fn for_each_cut(wire: &[u8], check: impl Fn(&[&[u8]])) {
    for second in 0..=wire.len() {
        for first in 0..=second {
            check(&[&wire[..first], &wire[first..second], &wire[second..]]);
        }
    }
}

#[test]
fn requests_cut_anywhere() {
    for (head, left) in [
        (request("+Sec-WebSocket-Protocol: chat"), FRAME),
        (request("-Host | Sec-WebSocket-Version: 8"), FRAME),
        ("\r\n".to_owned() + &request(""), FRAME),
        ("PRI * HTTP/2.0\r\n\r\n".into(), b"SM\r\n\r\n"),
    ] {
        let wire = [head.as_bytes(), left].concat();
        let whole = served(&[&wire]);
        assert_eq!(whole.1, left);
        assert_ne!(whole.0, "…");
        for_each_cut(&wire, |pieces| assert_eq!(served(pieces), whole));
    }
    // Refused before its end: all of it stays.
    let wire = b"GET / HTTP/1.1\nHost: a\r\n\r\n";
    for_each_cut(wire, |pieces| assert_eq!(served(pieces), ("400 LineEndMalformed".into(), wire.to_vec())));
}

#[test]
fn replies_cut_anywhere() {
    for head in [
        reply("+Sec-WebSocket-Protocol: chat"),
        reply("-Upgrade | -Connection"),
        "HTTP/1.1 103 \r\nLink: a\r\n\r\nHTTP/1.1 100 \r\n\r\n".to_owned() + &reply(""),
        "junk\r\n\r\n".into(),
    ] {
        let wire = [head.as_bytes(), FRAME].concat();
        let whole = established(&[&wire]);
        assert_eq!(whole.1, FRAME);
        for_each_cut(&wire, |pieces| assert_eq!(established(pieces), whole));
    }
}

/// One byte at a time, a head of the maximal length: a parser that began anew each time would look at 134 million
/// bytes per head, and at 5 billion in this test.
#[test]
fn byte_by_byte_is_linear() {
    let limit = Limits::default().head;
    let filler = |used: usize| format!("+X: {}", "x".repeat(limit - used - "X: \r\n".len()));
    let request = request(&filler(request("").len()));
    let reply = reply(&filler(reply("").len()));
    assert_eq!((request.len(), reply.len()), (limit, limit));
    let started = Instant::now();
    for _ in 0..20 {
        let pieces: Vec<_> = request.as_bytes().chunks(1).collect();
        assert_eq!(served(&pieces), ("101".into(), vec![]));
        let pieces: Vec<_> = reply.as_bytes().chunks(1).collect();
        assert!(established(&pieces).0.starts_with("Negotiated"));
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// There is one request: frames that look like another one are left alone.
#[test]
fn there_is_one_request() {
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut input = BytesMut::from((request("") + &request("")).as_str());
    assert!(handshake.receive(&mut input).unwrap().is_some());
    assert!(handshake.receive(&mut input).unwrap().is_none());
    assert_eq!(input, request("").as_bytes());
}
