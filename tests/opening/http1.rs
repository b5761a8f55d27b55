//! RFC 9112: the bytes of a head, and that nobody in front of us can see another request than we do.

use bytes::BytesMut;
use sansocket::{
    Limits,
    handshake::{Fault, ServerHandshake},
};

use super::{client, client_verdict, receive, reply, request, server_verdict};

#[test]
fn malformed_requests() {
    let valid = request("");
    let swap = |from: &str, to: &str| valid.replacen(from, to, 1);
    for (wire, verdict) in [
        // One empty line before the request line is ignored (§2.2), and no second one.
        (format!("\r\n{valid}"), "101"),
        (format!("\r\n\r\n{valid}"), "400 StartLineMalformed"),
        (format!("\n{valid}"), "400 LineEndMalformed"),
        (format!(" {valid}"), "400 StartLineMalformed"),
        // Line ends.
        (swap("\r\nUpgrade", "\nUpgrade"), "400 LineEndMalformed"),
        (swap("HTTP/1.1\r\n", "HTTP/1.1\n"), "400 LineEndMalformed"),
        (valid.replace("\r\n", "\n"), "400 LineEndMalformed"),
        (swap("13\r\n\r\n", "13\n\n"), "400 LineEndMalformed"),
        (swap("HTTP/1.1\r\n", "HTTP/1.1\n\nGET /hidden HTTP/1.1\r\n"), "400 LineEndMalformed"),
        (swap("websocket\r\n", "websocket\r"), "400 FieldLineMalformed"),
        // The request line.
        (swap("GET ", "GET  "), "400 StartLineMalformed"),
        (swap("GET /chat ", "GET "), "400 StartLineMalformed"),
        (swap("/chat", "/a b"), "400 StartLineMalformed"),
        (swap("/chat", "/a\x01b"), "400 StartLineMalformed"),
        (swap("GET", "G(T"), "400 StartLineMalformed"),
        (swap("HTTP/1.1", "HTTP/1.1 "), "400 StartLineMalformed"),
        (swap("HTTP/1.1", "HTTP/2.0 x"), "400 StartLineMalformed"),
        (swap("HTTP/1.1", "HTTP/11"), "400 StartLineMalformed"),
        (swap("HTTP/1.1", "HTTP/1.x"), "400 StartLineMalformed"),
        (swap("HTTP/1.1", "HTTP/x.1"), "400 StartLineMalformed"),
        (swap("HTTP/1.1", "http/1.1"), "400 StartLineMalformed"),
        (swap(" HTTP/1.1", ""), "400 StartLineMalformed"),
        // Versions.
        (swap("HTTP/1.1", "HTTP/1.0"), "505 HttpVersionUnsupported"),
        (swap("HTTP/1.1", "HTTP/1.2"), "505 HttpVersionUnsupported"),
        (swap("HTTP/1.1", "HTTP/0.9"), "505 HttpVersionUnsupported"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), "505 HttpVersionUnsupported"),
        ("\r\nPRI * HTTP/2.0\r\n\r\n".into(), "505 HttpVersionUnsupported"),
        // Fields.
        (swap("Upgrade:", "Upgrade :"), "400 FieldLineMalformed"),
        (swap("Upgrade:", " Upgrade:"), "400 FieldLineMalformed"),
        (swap("Upgrade: websocket", "Upgrade"), "400 FieldLineMalformed"),
        (swap("websocket", "web\0socket"), "400 FieldLineMalformed"),
        (swap("websocket", "web\x7fsocket"), "400 FieldLineMalformed"),
        (swap("websocket\r\n", "\r\n websocket\r\n"), "400 FieldLineMalformed"),
        (swap("websocket\r\n", "\r\n\twebsocket\r\n"), "400 FieldLineMalformed"),
        (swap("Upgrade:", "Up\u{fc}:"), "400 FieldLineMalformed"),
        (swap("Upgrade:", ":"), "400 FieldLineMalformed"),
        (
            "GET / HTTP/1.1\r\n\r\n".into(),
            "426 UpgradeMissing HostMissing ConnectionMissing KeyMissing VersionMissing",
        ),
    ] {
        assert_eq!(server_verdict(receive(&wire)), verdict, "{wire:?}");
    }
}

/// A line end that is none is refused as it comes, not when the head is over.
#[test]
fn bare_line_feed_is_refused_at_once() {
    assert_eq!(server_verdict(receive("GET / HTTP/1.1\n")), "400 LineEndMalformed");
}

#[test]
fn malformed_replies() {
    let valid = reply("");
    let swap = |from: &str, to: &str| valid.replacen(from, to, 1);
    for (wire, verdict) in [
        (swap(" Switching Protocols", ""), "101"),
        (swap(" Switching Protocols", " "), "101"),
        (format!("\r\n{valid}"), "malformed StartLineMalformed"),
        (swap("HTTP/1.1", "HTTP/2.0"), "malformed StartLineMalformed"),
        (swap("HTTP/1.1", "ICY"), "malformed StartLineMalformed"),
        (swap("101", "1o1"), "malformed StartLineMalformed"),
        (swap("101", "1010"), "malformed StartLineMalformed"),
        (swap("101", "10"), "malformed StartLineMalformed"),
        (swap("\r\n", "\n"), "malformed LineEndMalformed +128"),
        (swap("Upgrade:", "Upgrade :"), "malformed FieldLineMalformed"),
        (swap("websocket", "web\0socket"), "malformed FieldLineMalformed"),
        (swap("websocket\r\n", "\r\n websocket\r\n"), "malformed FieldLineMalformed"),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n".into(), "malformed StartLineMalformed"),
    ] {
        assert_eq!(client_verdict(client("ws://a", &[]), &wire), verdict, "{wire:?}");
    }
}

/// A head of exactly this many bytes.
fn padded(head: &str, len: usize) -> String {
    let filler = len - head.len() - "X: \r\n".len();
    head.replacen("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(filler)), 1)
}

#[test]
fn heads_over_a_limit() {
    let limit = Limits::default().head;
    let many_fields = |count: usize| request(&vec!["+X: y"; count - 5].join(" | "));
    for (wire, verdict) in [
        (padded(&request(""), limit), "101"),
        (padded(&request(""), limit + 1), "431 HeadTooLarge"),
        // Without an end, at the byte that makes an end within the limit impossible.
        ("GET /".to_owned() + &"x".repeat(limit - 6), "…"),
        ("GET /".to_owned() + &"x".repeat(limit - 5), "431 HeadTooLarge"),
        (many_fields(100), "101"),
        (many_fields(101), "431 TooManyFields"),
        (format!("\r\n{}", many_fields(100)), "101"),
    ] {
        assert_eq!(server_verdict(receive(&wire)), verdict, "{} bytes", wire.len());
    }
    for (wire, verdict) in [
        (padded(&reply(""), limit), "101"),
        (padded(&reply(""), limit + 1), "head over the limit +16385"),
        (reply(&vec!["+X: y"; 97].join(" | ")), "101"),
        (reply(&vec!["+X: y"; 98].join(" | ")), "head over the limit"),
        // Interim heads count too: 25 bytes each.
        (
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(655) + "HT",
            "…end of the stream before the end of the reply +2",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(655) + "HTTP/1.1 ", "head over the limit +9"),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(656), "head over the limit +25"),
    ] {
        assert_eq!(client_verdict(client("ws://a", &[]), &wire), verdict, "{} bytes", wire.len());
    }
}

/// The limits are those of the caller.
#[test]
fn limits_are_configured() {
    let mut limits = Limits::default();
    limits.head_fields = 4;
    let mut input = BytesMut::from(request("").as_str());
    let rejection = ServerHandshake::new(&limits).receive(&mut input).unwrap_err();
    assert_eq!(rejection.faults(), [Fault::TooManyFields]);
    assert!(input.is_empty());

    limits.head = 20;
    let mut input = BytesMut::from(request("").as_str());
    let rejection = ServerHandshake::new(&limits).receive(&mut input).unwrap_err();
    assert_eq!(rejection.faults(), [Fault::HeadTooLarge]);
    assert_eq!(input.len(), request("").len());
}

/// §8.1, RFC 9110 §5.5: bytes that are no text are refused wherever a rule looks, and are no harm elsewhere.
#[test]
fn bytes_that_are_no_text() {
    for (edit, verdict) in [
        ("/chat", "400"),
        ("server.example.com", "400"),
        ("Upgrade: websocket", "426"),
        ("Connection: Upgrade", "400"),
        ("Sec-WebSocket-Version: 13", "426"),
        ("Sec-WebSocket-Key: ", "400"),
    ] {
        let request = request("");
        let at = request.find(edit).expect("a valid request has it") + edit.len();
        let wire = [&request.as_bytes()[..at], b"\xff", &request.as_bytes()[at..]].concat();
        let rejection = ServerHandshake::new(&Limits::default()).receive(&mut BytesMut::from(&wire[..]));
        assert_eq!(rejection.unwrap_err().status().to_string(), verdict, "{edit}");
    }
    for (field, verdict) in [
        ("Origin: http://\u{ff}", "400"),
        ("Sec-WebSocket-Protocol: \u{ff}", "400"),
        ("Sec-WebSocket-Extensions: \u{ff}", "400"),
        ("X: \u{ff}", "101"),
    ] {
        let request = request("");
        let wire = request.replacen("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"), 1);
        let latin: Vec<u8> = wire.chars().map(|character| character as u8).collect();
        let offer = ServerHandshake::new(&Limits::default()).receive(&mut BytesMut::from(&latin[..]));
        let status = offer.map_or_else(|rejection| rejection.status(), |_| 101);
        assert_eq!(status.to_string(), verdict, "{field}");
    }
}

/// Line feeds are looked for eight bytes at a time: at each place in such a word one is found, also behind those that differ
/// from it in one bit only, and the head ends where one that looks at every two, or four, says.
#[test]
fn a_line_feed_is_found_wherever_it_stands() {
    for filling in ["a", "\x0b", "\t", "\u{8a}", "a\r"] {
        for length in 0..40 {
            for line in ["\r\n", "\n", "\r\n\r\n", "\r\n\n", "\n\r\n"] {
                let wire = format!("{}{line}{}", filling.repeat(length), filling.repeat(3));
                let bytes = wire.as_bytes();
                let bare = (0..bytes.len()).find(|at| bytes[*at] == b'\n' && !bytes[..*at].ends_with(b"\r"));
                let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
                let mut input = BytesMut::from(bytes);
                let verdict = ServerHandshake::new(&Limits::default()).receive(&mut input);
                let faults = verdict.as_ref().map_err(|rejection| rejection.faults());
                if let Some(end) = end {
                    assert!(faults.is_err() && input == bytes[end + 4..], "{wire:?}: {faults:?}");
                } else if bare.is_some() {
                    assert!(matches!(faults, Err([Fault::LineEndMalformed])), "{wire:?}: {faults:?}");
                } else {
                    assert!(matches!(faults, Ok(None)) && input == bytes, "{wire:?}: {faults:?}");
                }
            }
        }
    }
}

/// A hundred fields have room on the stack.
#[test]
fn fields_up_to_a_limit_that_is_higher_than_the_default() {
    let mut limits = Limits::default();
    for (limit, fields, verdict) in [(100, 95, true), (100, 96, false), (300, 295, true), (300, 296, false)] {
        limits.head_fields = limit;
        let mut input = BytesMut::from(request(&"+A: b | ".repeat(fields)).as_bytes());
        let offer = ServerHandshake::new(&limits).receive(&mut input);
        match offer {
            Ok(Some(offer)) => assert!(verdict && offer.headers().get_all("a").count() == fields),
            Err(rejection) => assert!(!verdict && rejection.faults() == [Fault::TooManyFields]),
            Ok(None) => panic!("{fields} fields"),
        }
    }
}

/// Names of one length are told apart, of 63 bytes and more too, and a name is found in any case.
#[test]
fn fields_are_found_by_name() {
    for length in [1, 5, 62, 63, 64, 65, 200] {
        let (name, other) = ("a".repeat(length), "b".repeat(length));
        let mut input = BytesMut::from(request(&format!("+{name}: 1 | +{other}: 2 | +{name}: 3")).as_bytes());
        let offer = ServerHandshake::new(&Limits::default()).receive(&mut input).unwrap().unwrap();
        let headers = offer.headers();
        assert_eq!(headers.get_all(&name.to_uppercase()).collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(headers.get(&other), Some(&b"2"[..]));
        assert_eq!(headers.get(&"c".repeat(length)), None);
        assert_eq!(headers.get(&"a".repeat(length + 1)), None);
    }
}

/// Whoever keeps an offer does not keep what it was read into, and that can be read into again.
#[test]
fn an_offer_keeps_its_head_and_no_more() {
    let wire = request("");
    let mut input = BytesMut::with_capacity(1 << 16);
    input.extend_from_slice(wire.as_bytes());
    input.extend_from_slice(b"frames");
    let offer = ServerHandshake::new(&Limits::default()).receive(&mut input).unwrap().unwrap();
    assert_eq!(input, b"frames"[..]);
    assert!(input.try_reclaim((1 << 16) - 6), "the offer shares the buffer");
    assert_eq!((offer.target(), offer.host()), ("/chat", "server.example.com"));
}
