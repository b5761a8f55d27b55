//! The client's side of the opening handshake: replies of any kind. RFC 6455 §4.1.

use bytes::BytesMut;
use sansocket::{
    Limits,
    handshake::{ClientHandshake, Established, HandshakeError, Headers, Request},
};

use super::{
    request::limits,
    source::{Cuts, Source},
};

/// The most of a refusal's body that is kept.
const MAX_BODY: usize = 4 << 10;

/// The input is settings, cuts, and the bytes that a server sends: the verdict does not depend on the cuts, frames
/// behind a 101 stay where they are, and a server that goes on and on is cut short.
pub fn response(data: &[u8]) {
    let mut source = Source::new(data);
    let settings = source.byte();
    let cuts = source.cuts();
    let appended = if settings & 0x18 == 0x18 { 2 * MAX_BODY } else { 0 };
    let input = [source.rest(), &vec![b'a'; appended]].concat();
    let limits = limits(settings);

    let whole = receive(&input, &limits, core::iter::once(&input[..]));
    assert_eq!(receive(&input, &limits, cuts.pieces(&input)), whole, "cut");
    if input.len() <= 512 {
        assert_eq!(receive(&input, &limits, Cuts::EVERYWHERE.pieces(&input)), whole, "cut everywhere");
    }
}

/// What came of it, as far as it can be compared: the verdict, spelt out, and what is behind a 101.
type Outcome = (String, Option<Vec<u8>>);

fn receive<'a>(whole: &[u8], limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut handshake = ClientHandshake::new(sample_request(), *b"the sample nonce", limits);
    let (mut input, mut outcome, mut taken, mut fed) = (BytesMut::new(), None::<Outcome>, 0, 0);
    for piece in pieces {
        input.extend_from_slice(piece);
        fed += piece.len();
        match (handshake.receive(&mut input), &outcome) {
            (Ok(None), None) => {}
            (Ok(None), Some((_, behind))) => assert!(behind.is_some(), "an error is for ever"),
            (Ok(Some(established)), None) => {
                taken = fed - input.len();
                judge_established(&established, limits);
                outcome = Some((
                    spelt(&format!("{:?}", established.negotiated), &established.headers),
                    Some(whole[taken..].to_vec()),
                ));
            }
            (Err(error), None) => {
                judge_error(&error);
                outcome = Some((spelt_error(&error), None));
            }
            (Err(error), Some((first, behind))) => {
                assert!(behind.is_none(), "established is for ever");
                // Spelling errors out takes its time: once is enough.
                assert!(fed < whole.len() || spelt_error(&error) == *first, "the same for ever");
            }
            (Ok(Some(_)), Some(_)) => panic!("established twice"),
        }
        if outcome.as_ref().is_some_and(|(_, behind)| behind.is_some()) {
            assert_eq!(input, whole[taken..fed], "frames behind the head stay");
        } else if outcome.is_none() {
            assert!(input.len() < limits.head, "what waits is limited");
        }
    }
    outcome.unwrap_or_else(|| {
        let error = handshake.receive_eof();
        judge_error(&error);
        let again = handshake.receive(&mut input).expect_err("the same for ever");
        assert_eq!(spelt_error(&error), spelt_error(&again));
        (spelt_error(&error), None)
    })
}

fn spelt_error(error: &HandshakeError) -> String {
    match error {
        HandshakeError::Refused(refusal) => {
            spelt(&format!("{} {}", refusal.status(), refusal.body().escape_ascii()), refusal.headers())
        }
        error => format!("{error:?}"),
    }
}

fn spelt(what: &str, headers: &Headers) -> String {
    let fields = headers.iter().map(|(name, value)| format!("\n{name}: {}", value.escape_ascii()));
    [what.into(), fields.collect::<String>()].concat()
}

/// §1.3: its key is `dGhlIHNhbXBsZSBub25jZQ==`.
fn sample_request() -> Request {
    let request = Request::new("ws://server.example.com/chat").expect("a valid URI");
    let request = request.subprotocol("chat").and_then(|request| request.subprotocol("superchat"));
    request.expect("two tokens")
}

fn judge_established(established: &Established, limits: &Limits) {
    let value = |name: &str| established.headers.get(name);
    assert_eq!(value("sec-websocket-accept"), Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]));
    assert!(value("upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")));
    // A list, which may come in several fields, and have elements with nothing in them (RFC 9110 §5.6.1).
    let mut connection =
        established.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let is_upgrade = |token: &[u8]| token.trim_ascii().eq_ignore_ascii_case(b"upgrade");
    assert!(connection.any(|(_, value)| value.split(|byte| *byte == b',').any(is_upgrade)));
    assert_eq!(value("sec-websocket-extensions"), None);
    let chosen = established.negotiated.subprotocol.as_deref();
    assert_eq!(value("sec-websocket-protocol"), chosen.map(str::as_bytes));
    assert!(matches!(chosen, None | Some("chat" | "superchat")));
    assert!(established.headers.len() <= limits.head_fields);
}

fn judge_error(error: &HandshakeError) {
    assert!(!error.to_string().is_empty());
    match error {
        HandshakeError::Refused(refusal) => {
            assert!(refusal.status() != 101 && refusal.body().len() <= MAX_BODY);
        }
        HandshakeError::InvalidReply { faults } => {
            assert!(!faults.is_empty() && faults.is_sorted_by(|a, b| a < b));
        }
        _ => {}
    }
}
