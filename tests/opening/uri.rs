//! §3: the URI of a request.

use sansocket::{
    Limits,
    handshake::{ClientHandshake, InvalidUri, Request},
};

#[test]
fn valid_uris() {
    for (uri, host, port, secure, authority, target) in [
        ("ws://example.com", "example.com", 80, false, "example.com", "/"),
        ("wss://example.com/", "example.com", 443, true, "example.com", "/"),
        ("WSS://Example.com/chat?a=b#", "", 0, true, "", ""),
        ("Ws://example.com:80/chat", "example.com", 80, false, "example.com", "/chat"),
        ("wss://example.com:443", "example.com", 443, true, "example.com", "/"),
        ("ws://example.com:443", "example.com", 443, false, "example.com:443", "/"),
        ("wss://example.com:80", "example.com", 80, true, "example.com:80", "/"),
        ("ws://example.com:65535/a/b", "example.com", 65535, false, "example.com:65535", "/a/b"),
        ("ws://example.com:1?q=?/@:", "example.com", 1, false, "example.com:1", "/?q=?/@:"),
        ("ws://[::1]:8080/a@b", "::1", 8080, false, "[::1]:8080", "/a@b"),
        ("wss://[2001:db8::1]", "2001:db8::1", 443, true, "[2001:db8::1]", "/"),
        ("ws://127.0.0.1//x?", "127.0.0.1", 80, false, "127.0.0.1", "//x?"),
    ] {
        if host.is_empty() {
            assert_eq!(Request::new(uri), Err(InvalidUri::Fragment));
            continue;
        }
        let request = Request::new(uri).unwrap();
        assert_eq!((request.host(), request.port(), request.is_secure()), (host, port, secure), "{uri}");
        assert_eq!((request.authority(), request.target()), (authority, target), "{uri}");
        let head = ClientHandshake::new(request, [0; 16], &Limits::default()).request();
        assert!(
            head.starts_with(format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n").as_bytes()),
            "{uri}"
        );
    }
}

#[test]
fn invalid_uris() {
    for (uri, error) in [
        ("", InvalidUri::Scheme),
        ("/chat", InvalidUri::Scheme),
        ("example.com", InvalidUri::Scheme),
        ("http://example.com", InvalidUri::Scheme),
        ("wsss://example.com", InvalidUri::Scheme),
        ("://example.com", InvalidUri::Scheme),
        ("ws:example.com", InvalidUri::Host),
        ("ws:/example.com", InvalidUri::Host),
        ("ws://", InvalidUri::Host),
        ("ws:///chat", InvalidUri::Host),
        ("ws://:80", InvalidUri::Host),
        ("ws://?a", InvalidUri::Host),
        ("ws://a\\b", InvalidUri::Host),
        ("ws://a%zz", InvalidUri::Host),
        ("ws://::1", InvalidUri::Host),
        ("ws://[::1", InvalidUri::Host),
        ("ws://[1.2.3.4]", InvalidUri::Host),
        ("ws://[::1]a", InvalidUri::Host),
        ("ws://[fe80::1%25eth0]", InvalidUri::Host),
        ("ws://a:", InvalidUri::Port),
        ("ws://a:0", InvalidUri::Port),
        ("ws://a:+80", InvalidUri::Port),
        ("ws://a:-1", InvalidUri::Port),
        ("ws://a:8o", InvalidUri::Port),
        ("ws://a:80:80", InvalidUri::Port),
        ("ws://a:65536", InvalidUri::Port),
        ("ws://user@a", InvalidUri::UserInfo),
        ("ws://user:secret@a:80/", InvalidUri::UserInfo),
        ("ws://a@b@c", InvalidUri::UserInfo),
        ("ws://a/#", InvalidUri::Fragment),
        ("ws://a#x@y", InvalidUri::Fragment),
        ("ws://a/?q#f", InvalidUri::Fragment),
        ("ws://a/b c", InvalidUri::Character),
        ("wss://bücher.example/", InvalidUri::Character),
        ("wss://a/ü", InvalidUri::Character),
        ("ws://a/\r\nX: y", InvalidUri::Character),
        ("ws://a/\0", InvalidUri::Character),
        ("ws://a/\x7f", InvalidUri::Character),
        ("ws://a/ü", InvalidUri::Character),
        ("ws://bücher.example/", InvalidUri::Character),
        (" ws://a/", InvalidUri::Character),
    ] {
        assert_eq!(Request::new(uri), Err(error), "{uri:?}");
    }
}
