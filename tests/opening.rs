//! The opening handshake (RFC 6455 §4): bytes in, verdict and bytes out.
//!
//! A head is written as what differs from the valid one, in words parted by ` | `: `-Host` leaves a header out,
//! `Host: a` replaces its value where it stands, `+Host: a` adds a field at the end, and `> POST / HTTP/1.1` replaces
//! the first line. A verdict is the status, and what is wrong in the order of precedence.

#[path = "opening/client.rs"]
mod client;
#[path = "opening/cuts.rs"]
mod cuts;
#[cfg(feature = "deflate")]
#[path = "opening/extensions.rs"]
mod extensions;
#[path = "opening/http1.rs"]
mod http1;
#[path = "opening/injection.rs"]
mod injection;
#[path = "opening/lists.rs"]
mod lists;
#[path = "opening/origin.rs"]
mod origin;
#[path = "opening/refusal.rs"]
mod refusal;
#[path = "opening/rejection.rs"]
mod rejection;
#[path = "opening/server.rs"]
mod server;
#[path = "opening/uri.rs"]
mod uri;

use bytes::BytesMut;
use sansocket::{
    Limits,
    handshake::{
        Answer, ClientHandshake, HandshakeError, HttpVersion, Offer, OriginPolicy, Rejection, Request,
        ServerHandshake,
    },
};

/// §1.2, with the key of §1.3.
const REQUEST: &str = "GET /chat HTTP/1.1 | Host: server.example.com | Upgrade: websocket | Connection: Upgrade | \
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ== | Sec-WebSocket-Version: 13";
/// §1.3.
const REPLY: &str = "HTTP/1.1 101 Switching Protocols | Upgrade: websocket | Connection: Upgrade | \
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The lines of a head after the edits.
fn lines(head: &str, edits: &str) -> Vec<String> {
    let mut lines: Vec<String> = head.split(" | ").map(String::from).collect();
    for edit in edits.split(" | ").filter(|edit| !edit.is_empty()) {
        if let Some(line) = edit.strip_prefix("> ") {
            lines[0] = line.into();
        } else if let Some(name) = edit.strip_prefix('-') {
            lines.remove(place(&lines, name));
        } else if let Some(field) = edit.strip_prefix('+') {
            lines.push(field.into());
        } else {
            let at = place(&lines, edit.split_once(':').expect("a header to replace").0);
            lines[at] = edit.into();
        }
    }
    lines
}

fn place(lines: &[String], name: &str) -> usize {
    let is_it = |line: &String| line.split_once(':').is_some_and(|field| field.0 == name);
    lines.iter().position(is_it).expect("a header to change")
}

fn request(edits: &str) -> String {
    lines(REQUEST, edits).join("\r\n") + "\r\n\r\n"
}

fn reply(edits: &str) -> String {
    lines(REPLY, edits).join("\r\n") + "\r\n\r\n"
}

fn receive(input: impl AsRef<[u8]>) -> Result<Option<Offer>, Rejection> {
    ServerHandshake::new(&Limits::default()).receive(&mut BytesMut::from(input.as_ref()))
}

/// The offer of a valid request.
fn offer(edits: &str) -> Offer {
    receive(request(edits)).expect("a valid request").expect("a whole request")
}

/// The same request through [`Offer::from_headers`], as a framework would hand it over.
fn from_headers(edits: &str) -> Result<Offer, Rejection> {
    let lines = lines(REQUEST, edits);
    let words: Vec<_> = lines[0].split(' ').collect();
    let digits = words[2].strip_prefix("HTTP/").expect("a version").split('.');
    let digits: Vec<u8> = digits.map(|digit| digit.parse().expect("a digit")).collect();
    let fields = lines[1..].iter().map(|line| line.split_once(':').expect("a field"));
    Offer::from_headers(words[0], words[1], HttpVersion::new(digits[0], digits[1]), fields)
}

fn server_verdict(verdict: Result<Option<Offer>, Rejection>) -> String {
    match verdict.and_then(|offer| offer.map(|offer| accept_any(&offer)).transpose()) {
        Ok(Some(subprotocols)) => format!("101{subprotocols}"),
        Ok(None) => "…".into(),
        Err(rejection) => {
            rejection.faults().iter().fold(rejection.status().to_string(), |all, f| format!("{all} {f:?}"))
        }
    }
}

/// Accepts an offer of any origin; gives the subprotocols offered.
fn accept_any(offer: &Offer) -> Result<String, Rejection> {
    let (reply, _) = offer.accept(&Answer::new().origin(OriginPolicy::any()))?;
    assert!(reply.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    Ok(offer.subprotocols().fold(String::new(), |all, name| format!("{all} {name}")))
}

fn client(uri: &str, subprotocols: &[&str]) -> ClientHandshake {
    let request = Request::new(uri).expect("a valid uri");
    let request = subprotocols.iter().try_fold(request, |request, name| request.subprotocol(name));
    ClientHandshake::new(request.expect("subprotocols"), *b"the sample nonce", &Limits::default())
}

/// What the client says to a reply, or, if it waits for more, to the end of the stream behind it.
fn client_verdict(mut handshake: ClientHandshake, reply: impl AsRef<[u8]>) -> String {
    let mut input = BytesMut::from(reply.as_ref());
    let verdict = match handshake.receive(&mut input) {
        Ok(None) => format!("…{}", error_words(&handshake.receive_eof())),
        Ok(Some(established)) => {
            format!(
                "101{}",
                established.negotiated.subprotocol.map_or(String::new(), |name| format!(" {name}"))
            )
        }
        Err(error) => error_words(&error),
    };
    verdict + &if input.is_empty() { String::new() } else { format!(" +{}", input.len()) }
}

fn error_words(error: &HandshakeError) -> String {
    match error {
        HandshakeError::Malformed(fault) => format!("malformed {fault:?}"),
        HandshakeError::Refused(refusal) => format!("{} {}", refusal.status(), refusal.body().escape_ascii()),
        HandshakeError::InvalidReply { faults } => {
            faults.iter().fold("invalid".into(), |all, f| format!("{all} {f:?}"))
        }
        other => other.to_string(),
    }
}
