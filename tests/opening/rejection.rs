//! §4.2.2, §4.4: the reply to a request that is refused.

use bytes::BytesMut;
use sansocket::{
    Limits,
    handshake::{Answer, Fault, Rejection, ServerHandshake},
};

use super::{offer, receive, request};

/// A reply, taken apart by hand: status line, header lines, body of the announced length.
fn parts(reply: &[u8]) -> (String, Vec<String>, String) {
    let text = std::str::from_utf8(reply).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n").map(String::from);
    let status = lines.next().unwrap();
    let lines: Vec<_> = lines.collect();
    if let Some(length) = lines.iter().find_map(|line| line.strip_prefix("Content-Length: ")) {
        assert_eq!(length.parse(), Ok(body.len()));
    }
    (status, lines, body.into())
}

fn refused(edits: &str) -> (String, Vec<String>, String) {
    parts(&receive(request(edits)).unwrap_err().response())
}

#[test]
fn replies_to_invalid_requests() {
    for (edits, status, prescribed, body) in [
        ("-Host", "400 Bad Request", "Connection: close", "no Host header\n"),
        (
            "> POST / HTTP/1.1",
            "405 Method Not Allowed",
            "Connection: close | Allow: GET",
            "method other than GET\n",
        ),
        (
            "> GET / HTTP/1.0",
            "505 HTTP Version Not Supported",
            "Connection: close",
            "version of HTTP other than 1.1\n",
        ),
        (
            "-Upgrade | -Connection",
            "426 Upgrade Required",
            "Upgrade: websocket | Connection: Upgrade, close",
            "no Upgrade header; no Connection header\n",
        ),
        (
            "Sec-WebSocket-Version: 8",
            "426 Upgrade Required",
            "Upgrade: websocket | Connection: Upgrade, close",
            "version of WebSocket other than 13\n",
        ),
        (
            &format!("+X: {}", "x".repeat(16 << 10)),
            "431 Request Header Fields Too Large",
            "Connection: close",
            "head longer than the limit\n",
        ),
    ] {
        let (status_line, lines, text) = refused(edits);
        assert_eq!(status_line, format!("HTTP/1.1 {status}"), "{edits}");
        let tail = "Sec-WebSocket-Version: 13 | Content-Type: text/plain; charset=utf-8 | Content-Length: ";
        let expected = format!("{prescribed} | {tail}{}", body.len());
        assert_eq!(lines.join(" | "), expected, "{edits}");
        assert_eq!(text, body, "{edits}");
    }
}

#[test]
fn a_reply_names_every_fault() {
    let rejection = receive(request("-Host | -Sec-WebSocket-Key | Connection: close")).unwrap_err();
    assert_eq!(rejection.faults(), [Fault::HostMissing, Fault::ConnectionWithoutUpgrade, Fault::KeyMissing]);
    let sentence = "no Host header; Connection header without the token upgrade; no Sec-WebSocket-Key header";
    assert_eq!(rejection.to_string(), sentence);
    assert_eq!(parts(&rejection.response()).2, format!("{sentence}\n"));
}

#[test]
fn a_refused_origin() {
    let rejection = offer("+Origin: http://evil.example").accept(&Answer::new()).unwrap_err();
    assert_eq!(rejection.faults(), [Fault::OriginNotAllowed]);
    let (status, lines, _) = parts(&rejection.response());
    assert_eq!(status, "HTTP/1.1 403 Forbidden");
    assert!(lines.contains(&"Sec-WebSocket-Version: 13".into()));
}

#[test]
fn refusals_of_an_application() {
    for (rejection, reply) in [
        (
            Rejection::new(404),
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 34\r\n\r\nrefused with status 404 Not Found\n",
        ),
        (
            Rejection::new(299).header("Content-Type", "image/x").unwrap().body(&b"1"[..]),
            "HTTP/1.1 299 \r\nConnection: close\r\nContent-Type: image/x\r\nContent-Length: 1\r\n\r\n1",
        ),
        (
            Rejection::new(301).header("Location", "/b").unwrap().body(""),
            "HTTP/1.1 301 Moved Permanently\r\nConnection: close\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            Rejection::new(426).body("later"),
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\
             Sec-WebSocket-Version: 13\r\nContent-Length: 5\r\n\r\nlater",
        ),
        (Rejection::new(204).body("x"), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        (Rejection::new(304).body("x"), "HTTP/1.1 304 \r\nConnection: close\r\n\r\n"),
    ] {
        assert_eq!(std::str::from_utf8(&rejection.response()).unwrap(), reply);
        let (status_line, lines, body) = parts(reply.as_bytes());
        let taken_apart = rejection.reply();
        assert!(status_line.starts_with(&format!("HTTP/1.1 {} ", taken_apart.status())));
        let headers = taken_apart.headers().map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(headers.collect::<Vec<_>>(), lines);
        assert_eq!(taken_apart.body(), body);
        assert!(rejection.faults().is_empty());
    }
    assert_eq!(Rejection::new(999).status(), 999);
    for status in [0, 100, 101, 199, 1000] {
        assert!(std::panic::catch_unwind(|| Rejection::new(status)).is_err(), "{status}");
    }
}

/// One reply, and no tunnel behind it.
#[test]
fn a_rejection_is_for_ever() {
    for wire in [request("-Host"), "\n".into(), "junk\r\n\r\n".into()] {
        let mut handshake = ServerHandshake::new(&Limits::default());
        let first = handshake.receive(&mut BytesMut::from(wire.as_str())).unwrap_err();
        let mut valid = BytesMut::from(request("").as_str());
        assert_eq!(handshake.receive(&mut valid).unwrap_err(), first);
        assert_eq!(valid.len(), request("").len(), "not even read");
    }
}

/// The table of faults speaks in one voice.
#[test]
fn faults_are_sentences() {
    for fault in Fault::ALL {
        let text = fault.to_string();
        assert!(!text.ends_with('.') && text.len() > 10, "{text}");
        let rank = Fault::ALL.iter().position(|other| other == fault).unwrap();
        assert!(Fault::ALL[..rank].iter().all(|earlier| earlier < fault));
        if let Some(header) = fault.header() {
            assert!(header.starts_with(|c: char| c.is_ascii_uppercase()), "{header}");
        }
    }
}
