//! RFC 9112 §6: a reply other than 101, and as much of its body as is worth keeping.

use bytes::BytesMut;
use sansocket::handshake::HandshakeError;

use super::{client, client_verdict};

#[test]
fn refusals() {
    for (wire, verdict) in [
        // By length.
        ("200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello"),
        ("200 OK\r\nContent-Length: 5\r\n\r\nhello, more", "200 hello +6"),
        ("301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "301 "),
        ("401 Unauthorized\r\nContent-Length: 5\r\n\r\nhel", "…401 hel"),
        ("426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\nContent-Length: 1\r\n\r\n8", "426 8"),
        ("400 Bad\r\nContent-Length: five\r\n\r\nhello", "400  +5"),
        ("400 Bad\r\nContent-Length: +5\r\n\r\nhello", "400  +5"),
        ("400 Bad\r\nContent-Length: 18446744073709551616\r\n\r\nhello", "400  +5"),
        ("400 Bad\r\nContent-Length: 18446744073709551615\r\n\r\nhello", "…400 hello"),
        // Without a body.
        ("204 No Content\r\n\r\nhello", "204  +5"),
        ("304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "304  +5"),
        ("304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "304 "),
        // To the end of the stream.
        ("500 Oh\r\n\r\n", "…500 "),
        ("500 Oh\r\n\r\nhello", "…500 hello"),
        ("500 Oh\r\nTransfer-Encoding: gzip\r\n\r\nhello", "…500 hello"),
        ("500 Oh\r\nTransfer-Encoding: chunked, gzip\r\n\r\nhello", "…500 hello"),
        ("500 Oh\r\nTransfer-Encoding: (, chunked\r\n\r\nhello", "…500 hello"),
        // In chunks.
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "403 hello +5"),
        ("403 No\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2\r\nhe\r\n0", "…403 he +1"),
        (
            "403 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nhe\r\n3;x=\"y\"\r\nllo\r\n0\r\n",
            "403 hello +3",
        ),
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "403  +5"),
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "…403 hel"),
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", "403 he +5"),
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r", "…403 he +1"),
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nx\r\n", "403 he +3"),
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhe", "…403 he"),
        ("403 No\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhe", "403  +21"),
        // By a server of the last century.
        ("400 Bad Request\r\nConnection: close\r\n\r\n<html>", "…400 <html>"),
    ] {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            let wire = format!("{version} {wire}");
            assert_eq!(client_verdict(client("ws://a", &[]), &wire), verdict, "{wire:?}");
        }
    }
}

/// The same body, however it is cut.
#[test]
fn bodies_cut_at_every_byte() {
    for (wire, status, body) in [
        ("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello", 403, "hello"),
        ("HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nh\r\n4\r\nello\r\n0\r\n", 401, "hello"),
    ] {
        for cut in 0..wire.len() {
            let mut handshake = client("ws://a", &[]);
            let mut input = BytesMut::from(&wire[..cut]);
            assert!(handshake.receive(&mut input).unwrap().is_none(), "{cut}");
            input.extend_from_slice(&wire.as_bytes()[cut..]);
            let Err(HandshakeError::Refused(refusal)) = handshake.receive(&mut input) else {
                panic!("{cut}")
            };
            assert_eq!((refusal.status(), &refusal.body()[..]), (status, body.as_bytes()), "{cut}");
        }
    }
}

/// At most 4 KiB are kept, whatever is announced and however it comes.
#[test]
fn bodies_are_bounded() {
    let long = "x".repeat(5000);
    for wire in [
        format!("HTTP/1.1 500 Oh\r\nContent-Length: 5000\r\n\r\n{long}"),
        format!("HTTP/1.1 500 Oh\r\n\r\n{long}"),
        format!("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{long}"),
        format!("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n{}", "1\r\nx\r\n".repeat(5000)),
    ] {
        let mut handshake = client("ws://a", &[]);
        let error = handshake.receive(&mut BytesMut::from(wire.as_str())).unwrap_err();
        let HandshakeError::Refused(refusal) = error else { panic!("{error}") };
        assert_eq!(refusal.body(), &long[..4 << 10]);
    }
    // The line before a chunk is held to 256 bytes, also if it never ends.
    let head = "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    for (line, verdict) in [
        ("x".repeat(252) + "\r\nhello", "500 h +4"),
        ("x".repeat(253) + "\r\nhello", "500  +262"),
        ("x".repeat(253), "…500  +255"),
        ("x".repeat(254), "500  +256"),
    ] {
        assert_eq!(client_verdict(client("ws://a", &[]), head.to_owned() + &line), verdict, "{}", line.len());
    }
}

#[test]
fn a_refusal_shows_its_headers() {
    let mut input = BytesMut::from("HTTP/1.1 301 Moved\r\nLocation: wss://b/\r\nContent-Length: 0\r\n\r\n");
    let error = client("ws://a", &[]).receive(&mut input).unwrap_err();
    assert_eq!(error.to_string(), "refused with status 301 Moved Permanently");
    let HandshakeError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.headers().get("LOCATION"), Some(&b"wss://b/"[..]));
}
