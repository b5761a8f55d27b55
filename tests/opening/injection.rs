//! What an application adds to a head can neither end its line nor contradict the handshake.

use sansocket::{
    Limits,
    handshake::{Answer, ClientHandshake, InvalidHeader, InvalidSubprotocol, Rejection, Request},
};

use super::offer;

fn added(name: &str, value: &str) -> [Result<(), InvalidHeader>; 3] {
    [
        Answer::new().header(name, value).map(drop),
        Rejection::new(403).header(name, value).map(drop),
        Request::new("ws://a").unwrap().header(name, value).map(drop),
    ]
}

#[test]
fn names_are_tokens() {
    for name in [
        "", " ", "X Y", " X", "X ", "X:", ":", "X\r", "X\n", "X\r\nY", "X\0", "X\t", "X\x7f", "ü", "X(",
        "X/Y", "\"X\"",
    ] {
        assert_eq!(added(name, "a"), [Err(InvalidHeader::Name); 3], "{name:?}");
    }
}

#[test]
fn values_are_visible() {
    for value in [
        "\r",
        "\n",
        "a\r\nX: b",
        "a\r\n\r\n",
        "a\rb",
        "a\nb",
        "a\0",
        "\x01",
        "a\x1b[0m",
        "\x7f",
        "ü",
        " a",
        "a ",
        "\ta",
        "\u{2028}",
    ] {
        assert_eq!(added("X", value), [Err(InvalidHeader::Value); 3], "{value:?}");
    }
}

#[test]
fn headers_of_the_handshake_are_its_own() {
    for name in [
        "Host",
        "upgrade",
        "CONNECTION",
        "Content-Length",
        "transfer-encoding",
        "Trailer",
        "Sec-WebSocket-Key",
        "sec-websocket-accept",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "SEC-WEBSOCKET-EXTENSIONS",
        "Sec-WebSocket-",
    ] {
        assert_eq!(added(name, "a"), [Err(InvalidHeader::Reserved); 3], "{name}");
    }
}

#[test]
fn everything_else_is_sent_as_it_is() {
    for (name, value) in
        [("X", ""), ("Set-Cookie", "a=\"1\";\tb, c: d"), ("Sec-WebSocket", "~"), ("!#$%&'*+-.^_`|~", "a")]
    {
        assert_eq!(added(name, value), [Ok(()); 3], "{name}");
        let line = format!("\r\n{name}: {value}\r\n");
        let has_line = |head: &[u8]| head.windows(line.len()).any(|window| window == line.as_bytes());

        let answer = Answer::new().header(name, value).unwrap().header(name, value).unwrap();
        let reply = offer("").accept(&answer).unwrap().0;
        assert!(has_line(&reply), "{name}");
        assert_eq!(String::from_utf8_lossy(&reply).matches(&line[2..]).count(), 2);

        assert!(has_line(&Rejection::new(403).header(name, value).unwrap().response()), "{name}");
        let request = Request::new("ws://a").unwrap().header(name, value).unwrap();
        assert!(has_line(&ClientHandshake::new(request, [0; 16], &Limits::default()).request()), "{name}");
    }
}

#[test]
fn subprotocols_of_a_client_are_unique_tokens() {
    let request = || Request::new("ws://a").unwrap().subprotocol("chat").unwrap();
    for name in ["", "a b", "a,b", "a\r\nX: b", "a\0", "\"a\"", "ü"] {
        assert_eq!(request().subprotocol(name), Err(InvalidSubprotocol::NotToken), "{name:?}");
    }
    assert_eq!(request().subprotocol("chat"), Err(InvalidSubprotocol::Repeated));
    assert_eq!(request().subprotocol("Chat").unwrap().subprotocols().collect::<Vec<_>>(), ["chat", "Chat"]);
}
