//! RFC 9110 §5.6, RFC 6455 §9.1, §11.3.4: lists of tokens and of extensions, and the choice of a subprotocol.

use std::time::{Duration, Instant};

use sansocket::handshake::{Answer, InvalidSubprotocol, Subprotocols};

use super::{from_headers, offer, receive, request, server_verdict};

#[test]
fn subprotocols_are_unique_tokens() {
    for (value, verdict) in [
        ("chat", "101 chat"),
        ("chat, superchat", "101 chat superchat"),
        (", ,chat,\t,superchat ,", "101 chat superchat"),
        ("chat | +Sec-WebSocket-Protocol: superchat, v2", "101 chat superchat v2"),
        ("chat | +Sec-WebSocket-Protocol: ", "101 chat"),
        ("Chat, chat", "101 Chat chat"),
        ("constructor, __proto__, hasOwnProperty", "101 constructor __proto__ hasOwnProperty"),
        ("!#$%&'*+-.^_`|~09azAZ", "101 !#$%&'*+-.^_`|~09azAZ"),
        ("", "400 SubprotocolsMalformed"),
        (" , ,", "400 SubprotocolsMalformed"),
        ("a b", "400 SubprotocolsMalformed"),
        ("a;b", "400 SubprotocolsMalformed"),
        ("a/b", "400 SubprotocolsMalformed"),
        ("\"chat\"", "400 SubprotocolsMalformed"),
        ("chat, \u{fc}", "400 SubprotocolsMalformed"),
        ("chat, a=b", "400 SubprotocolsMalformed"),
        ("chat, v2, chat", "400 SubprotocolOfferedTwice"),
        ("chat | +Sec-WebSocket-Protocol: chat", "400 SubprotocolOfferedTwice"),
    ] {
        let edits = format!("+Sec-WebSocket-Protocol: {value}");
        assert_eq!(server_verdict(receive(request(&edits))), verdict, "{value}");
        assert_eq!(server_verdict(from_headers(&edits).map(Some)), verdict, "{value}, from headers");
    }
}

/// Name, and parameters with their values.
fn extensions(value: &str) -> String {
    let offer = match receive(request(&format!("+Sec-WebSocket-Extensions: {value}"))) {
        Ok(offer) => offer.unwrap(),
        Err(rejection) => return format!("{} {:?}", rejection.status(), rejection.faults()),
    };
    let mut text = String::new();
    for extension in offer.extensions() {
        text += extension.name();
        for (name, value) in extension.params() {
            text += &format!("({name}{})", value.map_or(String::new(), |value| format!("={value}")));
        }
        text += " ";
    }
    text.trim_end().into()
}

#[test]
fn extensions_are_parsed_by_their_grammar() {
    const MALFORMED: &str = "400 [ExtensionsMalformed]";
    for (value, parsed) in [
        ("permessage-deflate", "permessage-deflate"),
        ("a; b, c", "a(b) c"),
        ("a ; b = 1 ;c=\"2\",,d", "a(b=1)(c=2) d"),
        ("a; b=1 | +Sec-WebSocket-Extensions: a; b=2", "a(b=1) a(b=2)"),
        ("a; b=\"x\\y\\\\z\"", MALFORMED),
        ("a; b=\"x\\yz\"", "a(b=xyz)"),
        ("a; b=\"x,y\"", MALFORMED),
        ("a; b=\"x;y\"", MALFORMED),
        ("a; b=\"\\\"\"", MALFORMED),
        ("a; b=\"\\,\"", MALFORMED),
        ("a; b=\"\"", MALFORMED),
        ("a; b=\"x", MALFORMED),
        ("a; b=\"x\\", MALFORMED),
        ("a; b=\"x\"y", MALFORMED),
        ("a; b=", MALFORMED),
        ("a; =b", MALFORMED),
        ("a; b c", MALFORMED),
        ("a;", MALFORMED),
        ("a;;b", MALFORMED),
        (";a", MALFORMED),
        ("a b", MALFORMED),
        ("a=b", MALFORMED),
        ("\"a\"", MALFORMED),
        ("", MALFORMED),
        (",", MALFORMED),
        ("constructor; __proto__=1", "constructor(__proto__=1)"),
        (
            "permessage-deflate; client_max_window_bits, permessage-deflate",
            "permessage-deflate(client_max_window_bits) permessage-deflate",
        ),
    ] {
        assert_eq!(extensions(value), parsed, "{value}");
    }
}

/// None is accepted, so none is in the reply.
#[test]
fn offered_extensions_are_declined() {
    let (reply, _) = offer("+Sec-WebSocket-Extensions: permessage-deflate").accept(&Answer::new()).unwrap();
    assert!(!reply.windows(10).any(|window| window.eq_ignore_ascii_case(b"extensions")));
}

fn chosen(offered: &str, subprotocols: Subprotocols) -> String {
    let edits =
        if offered.is_empty() { String::new() } else { format!("+Sec-WebSocket-Protocol: {offered}") };
    match offer(&edits).accept(&Answer::new().subprotocols(subprotocols)) {
        Ok((reply, negotiated)) => {
            let reply = String::from_utf8(reply.to_vec()).unwrap();
            let in_reply = reply.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
            assert_eq!(negotiated.subprotocol.as_deref(), in_reply);
            in_reply.unwrap_or("none").into()
        }
        Err(rejection) => format!("{} {:?}", rejection.status(), rejection.faults()),
    }
}

#[test]
fn a_subprotocol_is_chosen() {
    let by_server = || Subprotocols::by_server(["v2", "v1"]).unwrap();
    let by_client = || Subprotocols::by_client(["v2", "v1"]).unwrap();
    let newest = || Subprotocols::by(|offer| offer.subprotocols().max());
    let fixed = || Subprotocols::by(|_| Some("v9"));
    for (offered, subprotocols, verdict) in [
        ("v1, v2", Subprotocols::none(), "none"),
        ("v1, v2", by_server(), "v2"),
        ("v1, v2", by_client(), "v1"),
        ("v0, V1", by_server(), "none"),
        ("v0, V1", by_client(), "none"),
        ("", by_server(), "none"),
        ("v1, v3, v2", newest(), "v3"),
        // A name that is not offered is never in the reply.
        ("v1", fixed(), "none"),
        ("v9", fixed(), "v9"),
        ("v1", by_server().required(), "v1"),
        ("v0", by_server().required(), "400 [SubprotocolUnknown]"),
        ("", by_client().required(), "400 [SubprotocolUnknown]"),
        ("v1", fixed().required(), "400 [SubprotocolUnknown]"),
        ("v1", Subprotocols::none().required(), "400 [SubprotocolUnknown]"),
    ] {
        assert_eq!(chosen(offered, subprotocols), verdict, "{offered}");
    }
}

#[test]
fn a_server_lists_unique_tokens() {
    assert_eq!(Subprotocols::by_server(["a b"]).unwrap_err(), InvalidSubprotocol::NotToken);
    assert_eq!(Subprotocols::by_server([""]).unwrap_err(), InvalidSubprotocol::NotToken);
    assert_eq!(Subprotocols::by_client(["a", "a\r\nb"]).unwrap_err(), InvalidSubprotocol::NotToken);
    assert_eq!(Subprotocols::by_client(["a", "b", "a"]).unwrap_err(), InvalidSubprotocol::Repeated);
}

/// Each is 8 KB of what a regular expression would choke on, and takes far below a millisecond.
#[test]
fn long_lists_take_linear_time() {
    let names = (0..1600).map(|i| format!("p{i:x}")).collect::<Vec<_>>().join(", ");
    for (field, value, accepted) in [
        ("Protocol", names, true),
        ("Protocol", ",".repeat(8 << 10), false),
        ("Protocol", " ".repeat(8 << 10) + "(", false),
        ("Extensions", ",".repeat(8 << 10) + "a", true),
        ("Extensions", "a".repeat(8 << 10), true),
        ("Extensions", "a;b=\"".to_owned() + &"\\a".repeat(4 << 10), false),
        ("Extensions", "a;b=\"".to_owned() + &"\\a".repeat(4 << 10) + "\"", true),
        ("Extensions", "a;b,".repeat(2 << 10), true),
        ("Extensions", "a".to_owned() + &" \t".repeat(4 << 10) + "b", false),
    ] {
        let started = Instant::now();
        let verdict = receive(request(&format!("+Sec-WebSocket-{field}: {value}")));
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert_eq!(verdict.is_ok(), accepted, "{}", &value[..20]);
    }
}
