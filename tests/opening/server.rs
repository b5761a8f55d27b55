//! §4.2.1: what makes a request valid, and what a server says to one that is not.

use sansocket::{
    handshake::{Answer, Fault, Subprotocols, is_upgrade_request},
    *,
};

use super::{from_headers, lines, offer, receive, request, server_verdict};

/// §1.3: the whole dialogue.
#[test]
fn the_example_of_the_rfc() {
    let offer = offer("+Origin: http://example.com | +Sec-WebSocket-Protocol: chat, superchat");
    let answer = Answer::new()
        .origin(handshake::OriginPolicy::listed(["http://example.com"]).unwrap())
        .subprotocols(Subprotocols::by_client(["superchat", "chat"]).unwrap());
    let (reply, negotiated) = offer.accept(&answer).unwrap();
    assert_eq!(
        std::str::from_utf8(&reply).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    assert_eq!(negotiated.subprotocol.as_deref(), Some("chat"));
    // The same answer serves the next one.
    assert_eq!(offer.accept(&answer).unwrap().0, reply);
}

/// Each row: what differs from the valid request, and the verdict, as bytes and as a framework's headers.
const HEADERS: &[(&str, &str)] = &[
    ("", "101"),
    // The request line.
    ("> POST /chat HTTP/1.1", "405 MethodNotGet"),
    ("> get /chat HTTP/1.1", "405 MethodNotGet"),
    ("> HEAD /chat HTTP/1.1", "405 MethodNotGet"),
    ("> GET /chat HTTP/1.0", "505 HttpVersionUnsupported"),
    ("> GET chat HTTP/1.1", "400 TargetInvalid"),
    ("> GET * HTTP/1.1", "400 TargetInvalid"),
    ("> GET /chat#top HTTP/1.1", "400 TargetInvalid"),
    ("> GET /grüße HTTP/1.1", "400 TargetInvalid"),
    ("> GET ftp://server.example.com/chat HTTP/1.1", "400 TargetInvalid"),
    ("> GET http:///chat HTTP/1.1", "400 TargetInvalid"),
    ("> GET http://user@server.example.com/chat HTTP/1.1", "400 TargetInvalid"),
    ("> GET http://server.example.com/chat HTTP/1.1", "101"),
    ("> GET WSS://server.example.com:443?x HTTP/1.1", "101"),
    ("> CONNECT server.example.com:80 HTTP/1.1", "405 MethodNotGet TargetInvalid"),
    // Host.
    ("-Host", "400 HostMissing"),
    ("+Host: server.example.com", "400 HostRepeated"),
    ("Host: ", "400 HostInvalid"),
    ("Host: :80", "400 HostInvalid"),
    ("Host: a b", "400 HostInvalid"),
    ("Host: a/b", "400 HostInvalid"),
    ("Host: a@b", "400 HostInvalid"),
    ("Host: a%2", "400 HostInvalid"),
    ("Host: a%2g", "400 HostInvalid"),
    ("Host: a%g2", "400 HostInvalid"),
    ("Host: b\u{fc}cher.example", "400 HostInvalid"),
    ("Host: a:", "400 HostInvalid"),
    ("Host: a:0", "400 HostInvalid"),
    ("Host: a:+80", "400 HostInvalid"),
    ("Host: a:65536", "400 HostInvalid"),
    ("Host: ::1", "400 HostInvalid"),
    ("Host: [::1", "400 HostInvalid"),
    ("Host: [::g]", "400 HostInvalid"),
    ("Host: [::1]x", "400 HostInvalid"),
    ("Host: [::1]:65535", "101"),
    ("Host: 127.0.0.1:1", "101"),
    ("Host: a_b-c.%c3%bc!$&'()*+,;=~", "101"),
    // Upgrade.
    ("-Upgrade", "426 UpgradeMissing"),
    ("Upgrade: ", "426 UpgradeNotWebSocket"),
    ("Upgrade: h2c", "426 UpgradeNotWebSocket"),
    ("Upgrade: websockets", "426 UpgradeNotWebSocket"),
    ("Upgrade: not websocket", "426 UpgradeNotWebSocket"),
    ("Upgrade: websocket/13", "426 UpgradeNotWebSocket"),
    ("Upgrade: websocket, /", "426 UpgradeNotWebSocket"),
    ("Upgrade: WebSocket", "101"),
    ("Upgrade: h2c/1.0, WEBSOCKET", "101"),
    ("Upgrade: h2c | +Upgrade: websocket", "101"),
    // Connection.
    ("-Connection", "400 ConnectionMissing"),
    ("Connection: ", "400 ConnectionWithoutUpgrade"),
    ("Connection: close", "400 ConnectionWithoutUpgrade"),
    ("Connection: notupgraded", "400 ConnectionWithoutUpgrade"),
    ("Connection: not upgrade", "400 ConnectionWithoutUpgrade"),
    ("Connection: \"a, upgrade, b\"", "400 ConnectionWithoutUpgrade"),
    ("Connection: upgrade", "101"),
    ("Connection: keep-alive, Upgrade", "101"),
    ("Connection: keep-alive,UPGRADE,", "101"),
    ("Connection: keep-alive | +Connection: Upgrade", "101"),
    ("Connection: Upgrade | +Connection: keep-alive", "101"),
    // Sec-WebSocket-Version.
    ("-Sec-WebSocket-Version", "400 VersionMissing"),
    ("+Sec-WebSocket-Version: 13", "400 VersionRepeated"),
    ("Sec-WebSocket-Version: ", "426 VersionUnsupported"),
    ("Sec-WebSocket-Version: 8", "426 VersionUnsupported"),
    ("Sec-WebSocket-Version: 013", "426 VersionUnsupported"),
    ("Sec-WebSocket-Version: 13, 8", "426 VersionUnsupported"),
    // Sec-WebSocket-Key: 16 bytes, and then 15, 17, and 18 in 24 characters.
    ("-Sec-WebSocket-Key", "400 KeyMissing"),
    ("+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "400 KeyRepeated"),
    ("Sec-WebSocket-Key: ", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "101"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB==", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==AAAA", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAA_-AAAAAAAAAA==", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: AAAAAAAAAA AAAAAAAAAAA==", "400 KeyInvalid"),
    ("Sec-WebSocket-Key: \t dGhlIHNhbXBsZSBub25jZQ== \t ", "101"),
    // Origin.
    ("+Origin: http://a | +Origin: http://a", "400 OriginRepeated"),
    ("+Origin: http://b\u{fc}cher.example", "400 OriginInvalid"),
    ("+Origin: null", "101"),
    // A body.
    ("+Content-Length: 0", "101"),
    ("+Content-Length: 5", "400 BodyAnnounced"),
    ("+Content-Length: 0 | +Content-Length: 5", "400 BodyAnnounced"),
    ("+Transfer-Encoding: chunked", "400 BodyAnnounced"),
    // Names are compared in any case; the rest of the head is not looked at.
    ("-Host | +HOST: server.example.com", "101"),
    ("-Sec-WebSocket-Key | +sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "101"),
    ("+X: \u{fc}\t\u{fc} | +Y: ", "101"),
];

#[test]
fn each_header_missing_wrong_repeated() {
    for (edits, verdict) in HEADERS {
        assert_eq!(server_verdict(receive(request(edits))), *verdict, "{edits}");
        assert_eq!(server_verdict(from_headers(edits).map(Some)), *verdict, "{edits}, from headers");
    }
}

/// A long key costs nothing: it is refused by its length.
#[test]
fn key_of_4_kilobytes() {
    let edits = format!("Sec-WebSocket-Key: {}", "A".repeat(4 << 10));
    assert_eq!(server_verdict(receive(request(&edits))), "400 KeyInvalid");
}

#[test]
fn every_fault_is_named_at_once() {
    for (edits, verdict) in [
        (
            "-Host | -Upgrade | -Connection | -Sec-WebSocket-Key | -Sec-WebSocket-Version",
            "426 UpgradeMissing HostMissing ConnectionMissing KeyMissing VersionMissing",
        ),
        (
            "> POST chat HTTP/1.0 | Host: a b | Upgrade: h2c | Connection: close | Sec-WebSocket-Key: x | \
             Sec-WebSocket-Version: 8 | +Origin: a | +Origin: b | +Sec-WebSocket-Protocol: (a) | \
             +Sec-WebSocket-Extensions: a;=b | +Content-Length: 1",
            "505 HttpVersionUnsupported MethodNotGet UpgradeNotWebSocket VersionUnsupported TargetInvalid HostInvalid \
             ConnectionWithoutUpgrade KeyInvalid OriginRepeated SubprotocolsMalformed ExtensionsMalformed BodyAnnounced",
        ),
        // One status, by precedence: 505, 405, 426, 400.
        ("> POST / HTTP/1.0", "505 HttpVersionUnsupported MethodNotGet"),
        ("> POST / HTTP/1.1 | -Upgrade", "405 MethodNotGet UpgradeMissing"),
        ("Sec-WebSocket-Version: 8 | -Host", "426 VersionUnsupported HostMissing"),
        ("-Sec-WebSocket-Version | -Connection", "400 ConnectionMissing VersionMissing"),
    ] {
        assert_eq!(server_verdict(receive(request(edits))), verdict, "{edits}");
        assert_eq!(server_verdict(from_headers(edits).map(Some)), verdict, "{edits}, from headers");
    }
}

/// The intent is seen whatever else is wrong, and nothing else is taken for it.
#[test]
fn is_it_an_upgrade_at_all() {
    for (edits, intent) in [
        ("", true),
        ("-Host | -Sec-WebSocket-Key | Sec-WebSocket-Version: 8", true),
        ("Connection: keep-alive | +CONNECTION: close, upgrade", true),
        ("Upgrade: h2c, WebSocket", true),
        ("+Connection: close | +Upgrade: h2c", true),
        ("-Upgrade", false),
        ("-Connection", false),
        ("Upgrade: h2c", false),
        ("Connection: notupgraded", false),
        ("Upgrade: upgrade | Connection: websocket", false),
    ] {
        let lines = lines(super::REQUEST, edits);
        let fields = lines[1..].iter().map(|line| line.split_once(':').unwrap());
        assert_eq!(is_upgrade_request(fields), intent, "{edits}");
    }
    let other_http = receive("GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n").unwrap_err();
    assert!(other_http.faults().contains(&Fault::UpgradeMissing));
}

#[test]
fn an_offer_shows_what_the_client_asked_for() {
    let offered =
        offer("> GET /chat/a%20b?x=1?y HTTP/1.1 | +Origin: http://a | +Sec-WebSocket-Protocol: b, a");
    assert_eq!(offered.target(), "/chat/a%20b?x=1?y");
    assert_eq!((offered.path(), offered.query()), ("/chat/a%20b", Some("x=1?y")));
    assert_eq!((offered.host(), offered.origin()), ("server.example.com", Some("http://a")));
    assert_eq!(offered.subprotocols().collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(offered.headers().len(), 7);
    assert_eq!(offered.headers().iter().nth(1), Some(("Upgrade", &b"websocket"[..])));
    assert_eq!(offered.headers().get("none"), None);

    let plain = offer("> GET / HTTP/1.1");
    assert_eq!(
        (plain.path(), plain.query(), plain.origin(), plain.subprotocols().count()),
        ("/", None, None, 0)
    );

    // RFC 9112 §3.2.2: the authority of an absolute-form overrides the Host header.
    let absolute = offer("> GET http://Other.example:81?q HTTP/1.1");
    assert_eq!((absolute.host(), absolute.path(), absolute.query()), ("Other.example:81", "/", Some("q")));
    assert_eq!(absolute.target(), "http://Other.example:81?q");
}

/// HTTP/2 has another way to open a WebSocket (RFC 8441), and so has HTTP/3.
#[test]
fn later_versions_of_a_framework() {
    for version in [handshake::HttpVersion::new(2, 0), handshake::HttpVersion::new(3, 0)] {
        let fields = lines(super::REQUEST, "");
        let fields = fields[1..].iter().map(|line| line.split_once(':').unwrap());
        let verdict = handshake::Offer::from_headers("GET", "/", version, fields);
        assert_eq!(verdict.unwrap_err().faults(), [Fault::HttpVersionUnsupported]);
    }
}

/// A framework may hand over what no parser lets through.
#[test]
fn fields_of_a_framework_are_checked_too() {
    for (name, value) in [
        ("X", "a\r\nb"),
        ("X", "a\r\n"),
        ("X", "a\0b"),
        ("X", "\x7f"),
        ("X Y", "a"),
        ("", "a"),
        ("X:", "a"),
        ("ü", "a"),
    ] {
        let headers = [("Host", "a"), (name, value)];
        let verdict = handshake::Offer::from_headers("GET", "/", handshake::HttpVersion::HTTP_11, headers);
        assert_eq!(verdict.unwrap_err().faults(), [Fault::FieldLineMalformed], "{name:?}: {value:?}");
    }
}
