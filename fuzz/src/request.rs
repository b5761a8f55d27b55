//! The server's side of the opening handshake: requests, and what is said to them. RFC 6455 §4.2.

use bytes::BytesMut;
use sansocket::{
    Limits, Negotiated,
    handshake::{
        Answer, ClientHandshake, Fault, HttpVersion, Offer, OriginPolicy, Rejection, Request,
        ServerHandshake, Subprotocols, accept_key, is_upgrade_request,
    },
};

use super::source::{Cuts, Source};

/// The input is settings, cuts, and the bytes of a request with whatever is behind it; or, by the settings, the
/// lines of a request that an application asks our own client to write.
pub fn request(data: &[u8]) {
    let mut source = Source::new(data);
    let settings = source.byte();
    let cuts = source.cuts();
    let input = source.rest();
    if settings & 0x80 != 0 {
        return own_client_is_understood(input);
    }
    let limits = limits(settings);
    let whole = receive(input, &limits, core::iter::once(input));
    assert_eq!(receive(input, &limits, cuts.pieces(input)), whole, "cut");
    if input.len() <= 512 {
        assert_eq!(receive(input, &limits, Cuts::EVERYWHERE.pieces(input)), whole, "cut everywhere");
    }
    match &whole {
        Verdict::Undecided => assert!(input.len() < limits.head, "heads are limited"),
        Verdict::Accepted(_) => {}
        Verdict::Rejected(rejection) => {
            judge_rejection(rejection);
            agrees_with_parsed(input, &limits, rejection);
        }
    }
}

pub(crate) fn limits(settings: u8) -> Limits {
    let mut limits = Limits::default();
    if settings & 1 != 0 {
        limits.head = 256;
    }
    if settings & 2 != 0 {
        limits.head_fields = 6;
    }
    limits
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Undecided,
    Accepted(Shown),
    Rejected(Rejection),
}

/// All that an offer shows.
#[derive(Debug, PartialEq)]
struct Shown {
    target: String,
    path: String,
    query: Option<String>,
    host: String,
    origin: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<String>,
    headers: Vec<(String, Vec<u8>)>,
    /// What several terms make of it.
    replies: Vec<Result<(Vec<u8>, Negotiated), Rejection>>,
}

/// Feeds the pieces to the server's side. What is not the head stays in the input as it came.
fn receive<'a>(whole: &[u8], limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Verdict {
    let mut handshake = ServerHandshake::new(limits);
    let (mut verdict, mut input, mut fed, mut taken) = (Verdict::Undecided, BytesMut::new(), 0, 0);
    for piece in pieces {
        input.extend_from_slice(piece);
        fed += piece.len();
        match (handshake.receive(&mut input), &verdict) {
            (Ok(None), Verdict::Undecided | Verdict::Accepted(_)) => {}
            (Ok(Some(offer)), Verdict::Undecided) => {
                taken = fed - input.len();
                assert!(taken <= limits.head && offer.headers().len() <= limits.head_fields);
                assert!(whole[..taken].ends_with(b"\r\n\r\n"), "a head ends in an empty line");
                verdict = Verdict::Accepted(judge_offer(&offer));
            }
            (Err(rejection), Verdict::Undecided) => {
                taken = fed - input.len();
                verdict = Verdict::Rejected(rejection);
            }
            (Err(rejection), Verdict::Rejected(first)) => assert_eq!(rejection, *first, "the same for ever"),
            (received, _) => panic!("{received:?} after {verdict:?}"),
        }
        assert_eq!(input, whole[taken..fed], "what is not the head stays");
    }
    verdict
}

fn judge_offer(offer: &Offer) -> Shown {
    let shown = show(offer);
    let fields = || offer.headers().iter();
    assert!(is_upgrade_request(fields()));
    judge_fields(offer);
    let again = Offer::from_headers("GET", offer.target(), HttpVersion::HTTP_11, fields());
    assert_eq!(again.as_ref().map(show), Ok(shown), "offered again");
    let shown = show(offer);
    for reply in &shown.replies {
        match reply {
            Ok((reply, negotiated)) => judge_reply(offer, reply, negotiated),
            Err(rejection) => judge_rejection(rejection),
        }
    }
    // Without an origin every page may connect, and without a subprotocol that is required every one will do.
    assert!(shown.replies[0].is_ok());
    assert!(shown.origin.is_some() || shown.replies.iter().all(Result::is_ok));
    shown
}

/// §4.2.1, without looking closely: what has to be there is there, and once where two could disagree.
fn judge_fields(offer: &Offer) {
    let values = |name: &str| -> Vec<String> {
        let values = offer.headers().get_all(name);
        values.map(|value| value.escape_ascii().to_string().to_lowercase()).collect()
    };
    assert_eq!(values("sec-websocket-version"), ["13"]);
    assert!(matches!(&values("sec-websocket-key")[..], [key] if key.len() == 24 && key.ends_with("==")));
    assert!(matches!(&values("host")[..], [host] if !host.is_empty()));
    assert!(
        values("upgrade").concat().contains("websocket") && values("connection").concat().contains("upgrade")
    );
    assert!(values("origin").len() <= 1);
    assert!(
        values("transfer-encoding").is_empty() && values("content-length").iter().all(|length| length == "0")
    );
}

fn show(offer: &Offer) -> Shown {
    let any = Answer::new().origin(OriginPolicy::any());
    let choice = |name: &str| Subprotocols::by_server([name, "superchat"]).expect("two tokens");
    let answers = [
        any.clone(),
        any.subprotocols(choice("chat")),
        Answer::new().subprotocols(Subprotocols::by(|offer| offer.subprotocols().last())),
        Answer::new().origin(OriginPolicy::listed(["https://example.com"]).expect("an origin")),
    ];
    let extensions = offer
        .extensions()
        .map(|extension| format!("{} {:?}", extension.name(), extension.params().collect::<Vec<_>>()));
    let answered =
        |answer: &Answer| offer.accept(answer).map(|(reply, negotiated)| (reply.to_vec(), negotiated));
    Shown {
        target: offer.target().into(),
        path: offer.path().into(),
        query: offer.query().map(Into::into),
        host: offer.host().into(),
        origin: offer.origin().map(Into::into),
        subprotocols: offer.subprotocols().map(Into::into).collect(),
        extensions: extensions.collect(),
        headers: offer.headers().iter().map(|(name, value)| (name.into(), value.into())).collect(),
        replies: answers.iter().map(answered).collect(),
    }
}

fn judge_reply(offer: &Offer, reply: &[u8], negotiated: &Negotiated) {
    let (status, headers, body) = parse_reply(reply);
    let value = |name: &str| only(&headers, name);
    assert_eq!((status, body.len()), (101, 0));
    assert_eq!(value("upgrade"), Some("websocket"));
    assert_eq!(value("connection"), Some("Upgrade"));
    let key = offer.headers().get("sec-websocket-key").expect("an offer has a key");
    assert_eq!(value("sec-websocket-accept").map(str::as_bytes), Some(&accept_key(key)[..]));
    let chosen = negotiated.subprotocol.as_deref();
    assert_eq!(value("sec-websocket-protocol"), chosen);
    assert!(chosen.is_none_or(|chosen| offer.subprotocols().any(|offered| offered == chosen)));
}

/// A refusal is a whole HTTP reply that says what is wrong.
fn judge_rejection(rejection: &Rejection) {
    let reply = rejection.response();
    let (status, headers, body) = parse_reply(&reply);
    let value = |name: &str| only(&headers, name);
    assert_eq!(status, rejection.status());
    assert!(matches!(status, 400 | 403 | 405 | 426 | 431 | 505), "{status}");
    assert_eq!(value("content-length"), Some(body.len().to_string().as_str()));
    assert!(value("connection").is_some_and(|value| value.ends_with("close")));
    assert_eq!(value("sec-websocket-version"), Some("13"));
    assert_eq!(value("upgrade"), (status == 426).then_some("websocket"));
    assert_eq!(value("allow"), (status == 405).then_some("GET"));
    let body = core::str::from_utf8(body).expect("a text");
    assert!(!rejection.faults().is_empty() && rejection.faults().is_sorted_by(|a, b| a < b));
    assert!(
        rejection.faults().iter().all(|fault| body.contains(fault.as_str())),
        "the body names every fault"
    );
}

/// A head that another parser takes apart gets the same verdict, unless it is its syntax that is at fault.
fn agrees_with_parsed(input: &[u8], limits: &Limits, rejection: &Rejection) {
    let is_syntax = |fault: &Fault| {
        use Fault::*;
        matches!(
            fault,
            LineEndMalformed | StartLineMalformed | FieldLineMalformed | HeadTooLarge | TooManyFields
        )
    };
    let mut fields = vec![httparse::EMPTY_HEADER; limits.head_fields];
    let mut request = httparse::Request::new(&mut fields);
    if rejection.faults().iter().any(is_syntax)
        || !matches!(request.parse(input), Ok(httparse::Status::Complete(_)))
    {
        return;
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return;
    };
    let fields = request.headers.iter().map(|field| (field.name, field.value));
    let again = Offer::from_headers(method, target, HttpVersion::new(1, minor), fields);
    assert_eq!(again.err().as_ref(), Some(rejection), "the same verdict on a parsed request");
}

/// Status, header fields and body of a whole reply.
pub(crate) fn parse_reply(reply: &[u8]) -> (u16, Vec<(String, String)>, &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(len)) = head.parse(reply) else {
        panic!("no reply: {}", reply.escape_ascii())
    };
    assert_eq!(head.version, Some(1));
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("we write ASCII");
    let fields = head.headers.iter().map(|field| (field.name.to_lowercase(), text(field.value)));
    (head.code.expect("a status"), fields.collect(), &reply[len..])
}

/// The value of a field that is there at most once.
fn only<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = fields.iter().filter(|field| field.0 == name).map(|field| field.1.as_str());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} is there once");
    value
}

/// Whatever an application puts into a request: what our client then writes, our server reads, and the client its
/// reply. The lines: a URI, then header fields with a colon and subprotocols without.
fn own_client_is_understood(lines: &[u8]) {
    let Ok(lines) = core::str::from_utf8(lines) else { return };
    let mut lines = lines.split('\n');
    let Ok(mut request) = Request::new(lines.next().unwrap_or_default()) else { return };
    let mut fields = Vec::new();
    for line in lines.take(50) {
        match line.split_once(':') {
            Some((name, value)) => {
                if let Ok(with_field) = request.clone().header(name, value) {
                    request = with_field;
                    fields.push((name, value));
                }
            }
            None => request = request.clone().subprotocol(line).unwrap_or(request),
        }
    }
    assert!(!request.host().is_empty() && request.port() > 0);
    let mut client = ClientHandshake::new(request.clone(), *b"the sample nonce", &Limits::default());
    let mut wire = BytesMut::from(client.request());
    let offer = match ServerHandshake::new(&Limits::default()).receive(&mut wire) {
        Ok(offer) => offer.expect("a whole request"),
        // The one header of the handshake that an application writes itself.
        Err(rejection) => return assert_eq!(rejection.faults(), [Fault::OriginRepeated]),
    };
    assert!(wire.is_empty());
    assert_eq!((offer.target(), offer.host()), (request.target(), request.authority()));
    assert!(offer.subprotocols().eq(request.subprotocols()));
    assert!(fields.iter().all(|(name, value)| offer.headers().get_all(name).any(|v| v == value.as_bytes())));

    let first = Subprotocols::by(|offer| offer.subprotocols().next());
    let answer = Answer::new().origin(OriginPolicy::any()).subprotocols(first);
    let (reply, negotiated) = offer.accept(&answer).expect("all is allowed");
    let established =
        client.receive(&mut BytesMut::from(&reply[..])).expect("a valid reply").expect("a whole one");
    assert_eq!(established.negotiated, negotiated);
    assert_eq!(negotiated.subprotocol.as_deref(), request.subprotocols().next());
}
