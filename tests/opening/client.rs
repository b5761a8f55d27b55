//! §4.1: the request of a client, and what makes a reply valid.

use bytes::BytesMut;
use sansocket::{
    Limits,
    handshake::{ClientHandshake, HandshakeError, Request},
};

use super::{client, client_verdict, reply};

/// §1.3: the whole dialogue.
#[test]
fn the_example_of_the_rfc() {
    let request = Request::new("ws://server.example.com/chat").unwrap();
    let request = request.subprotocol("chat").unwrap().subprotocol("superchat").unwrap();
    let request = request.header("Origin", "http://example.com").unwrap();
    let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &Limits::default());
    assert_eq!(
        std::str::from_utf8(&handshake.request()).unwrap(),
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\n\r\n"
    );
    let mut input = BytesMut::from(reply("+Sec-WebSocket-Protocol: chat").as_str());
    let established = handshake.receive(&mut input).unwrap().unwrap();
    assert_eq!(established.negotiated.subprotocol.as_deref(), Some("chat"));
    assert_eq!(established.headers.get("upgrade"), Some(&b"websocket"[..]));
}

#[test]
fn a_request_without_subprotocols() {
    assert_eq!(
        std::str::from_utf8(&client("wss://a", &[]).request()).unwrap(),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
}

/// A server of ours accepts what a client of ours sends, and the other way round.
#[test]
fn both_ends() {
    let mut handshake = client("wss://[::1]:8443/?q", &["chat"]);
    let offer = super::receive(handshake.request()).unwrap().unwrap();
    assert_eq!((offer.target(), offer.host()), ("/?q", "[::1]:8443"));
    let subprotocols = sansocket::handshake::Subprotocols::by_server(["chat"]).unwrap();
    let answer = sansocket::handshake::Answer::new().subprotocols(subprotocols);
    let (reply, negotiated) = offer.accept(&answer).unwrap();
    let established = handshake.receive(&mut BytesMut::from(&reply[..])).unwrap().unwrap();
    assert_eq!(established.negotiated, negotiated);
}

/// Each row: what differs from the valid reply, and the verdict of a client that offered `chat` and `superchat`.
#[test]
fn each_header_missing_wrong_repeated() {
    for (edits, verdict) in [
        ("", "101"),
        ("> HTTP/1.0 101 Switching Protocols", "invalid HttpVersionUnsupported"),
        ("> HTTP/1.1 101 Web Socket Protocol Handshake", "101"),
        // Upgrade.
        ("-Upgrade", "invalid UpgradeMissing"),
        ("Upgrade: ", "invalid UpgradeNotWebSocket"),
        ("Upgrade: h2c", "invalid UpgradeNotWebSocket"),
        ("Upgrade: websocket, h2c", "invalid UpgradeNotWebSocket"),
        ("Upgrade: websocket/13", "invalid UpgradeNotWebSocket"),
        ("+Upgrade: websocket", "invalid UpgradeNotWebSocket"),
        ("Upgrade: WebSocket", "101"),
        // Connection.
        ("-Connection", "invalid ConnectionMissing"),
        ("Connection: close", "invalid ConnectionWithoutUpgrade"),
        ("Connection: notupgraded", "invalid ConnectionWithoutUpgrade"),
        ("Connection: keep-alive, Upgrade", "101"),
        ("Connection: keep-alive | +Connection: upgrade", "101"),
        // Sec-WebSocket-Accept.
        ("-Sec-WebSocket-Accept", "invalid AcceptMissing"),
        ("+Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "invalid AcceptRepeated"),
        ("Sec-WebSocket-Accept: ", "invalid AcceptWrong"),
        ("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "invalid AcceptWrong"),
        ("Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "invalid AcceptWrong"),
        ("Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==", "invalid AcceptWrong"),
        ("Sec-WebSocket-Accept:\ts3pPLMBiTxaQ9kYGzzhZRbK+xOo= ", "101"),
        // Sec-WebSocket-Protocol.
        ("+Sec-WebSocket-Protocol: superchat", "101 superchat"),
        ("+Sec-WebSocket-Protocol: Chat", "invalid SubprotocolNotOffered"),
        ("+Sec-WebSocket-Protocol: mqtt", "invalid SubprotocolNotOffered"),
        ("+Sec-WebSocket-Protocol: ", "invalid SubprotocolNotOffered"),
        ("+Sec-WebSocket-Protocol: chat, superchat", "invalid SubprotocolNotOffered"),
        ("+Sec-WebSocket-Protocol: chat | +Sec-WebSocket-Protocol: chat", "invalid SubprotocolRepeated"),
        // Sec-WebSocket-Extensions: nothing is offered.
        ("+Sec-WebSocket-Extensions: permessage-deflate", "invalid ExtensionNotOffered"),
        ("+Sec-WebSocket-Extensions: ", "invalid ExtensionsMalformed"),
        // All at once, and the rest is not looked at.
        (
            "> HTTP/1.0 101 OK | -Upgrade | -Connection | -Sec-WebSocket-Accept | +Sec-WebSocket-Protocol: x | \
             +Sec-WebSocket-Extensions: x",
            "invalid HttpVersionUnsupported UpgradeMissing ConnectionMissing AcceptMissing SubprotocolNotOffered \
             ExtensionNotOffered",
        ),
        ("+Server: x | +Set-Cookie: a=\u{fc}", "101"),
    ] {
        assert_eq!(
            client_verdict(client("ws://a", &["chat", "superchat"]), reply(edits)),
            verdict,
            "{edits}"
        );
    }
    let unasked = reply("+Sec-WebSocket-Protocol: chat");
    assert_eq!(client_verdict(client("ws://a", &[]), unasked), "invalid SubprotocolNotOffered");
}

/// The accept is the one of *this* key.
#[test]
fn another_nonce_has_another_accept() {
    let request = Request::new("ws://a").unwrap();
    let handshake = ClientHandshake::new(request, [0; 16], &Limits::default());
    assert!(handshake.request().windows(24).any(|window| window == b"AAAAAAAAAAAAAAAAAAAAAA=="));
    assert_eq!(client_verdict(handshake, reply("")), "invalid AcceptWrong");
}

#[test]
fn interim_replies_are_read_over() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\nContent-Length: 9\r\n\r\nHTTP/1.1 199 \r\n\r\n",
    ] {
        assert_eq!(
            client_verdict(client("ws://a", &[]), interim.to_owned() + &reply("")),
            "101",
            "{interim:?}"
        );
    }
    // These are final.
    for (status, verdict) in [("099", "99  +129"), ("200", "200  +129")] {
        let wire = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n{}", reply(""));
        assert_eq!(client_verdict(client("ws://a", &[]), wire), verdict);
    }
}

#[test]
fn an_error_is_for_ever() {
    for wire in ["HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n", "junk\r\n\r\n", "HTTP/1.1 101 \r\n\r\n", "\n"]
    {
        let mut handshake = client("ws://a", &[]);
        let mut input = BytesMut::from(wire);
        let first = handshake.receive(&mut input).unwrap_err().to_string();
        let mut valid = BytesMut::from(reply("").as_str());
        assert_eq!(handshake.receive(&mut valid).unwrap_err().to_string(), first);
        assert_eq!(valid.len(), reply("").len(), "not even read");
        assert_eq!(handshake.receive_eof().to_string(), first);
    }
}

#[test]
fn there_is_one_reply() {
    let mut handshake = client("ws://a", &[]);
    assert!(handshake.receive(&mut BytesMut::from(reply("").as_str())).unwrap().is_some());
    let mut more = BytesMut::from(reply("").as_str());
    assert!(handshake.receive(&mut more).unwrap().is_none());
    assert_eq!(more.len(), reply("").len());
}

#[test]
fn the_stream_ends() {
    let whole = reply("");
    for cut in 0..whole.len() {
        let mut handshake = client("ws://a", &[]);
        let mut input = BytesMut::from(&whole[..cut]);
        assert!(handshake.receive(&mut input).unwrap().is_none());
        assert_eq!(input.len(), cut, "left as it is");
        assert!(matches!(handshake.receive_eof(), HandshakeError::UnexpectedEof));
        // What comes later comes too late.
        input.extend_from_slice(&whole.as_bytes()[cut..]);
        assert!(matches!(handshake.receive(&mut input), Err(HandshakeError::UnexpectedEof)));
    }
}
