//! RFC 7692 §5, §7.1: offers of permessage-deflate, answers to them, and what both ends then use.

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    Limits,
    deflate::{Params, WindowBits},
    handshake::{Answer, ClientHandshake, Request},
};

use super::{client, client_verdict, error_words, offer, receive, reply, request, server_verdict};

const NAME: &str = "permessage-deflate";
const FIELD: &str = "Sec-WebSocket-Extensions: ";

/// `s` and `c`: server and client; `!` without context takeover, then the bits of the window. `s15 c15` is the default.
fn terms(words: &str) -> Params {
    let mut params = Params::new();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let (end, rest) = word.split_at(1);
        let digits = rest.trim_start_matches('!');
        let bits = WindowBits::new(digits.parse().expect("a number")).expect("8 to 15");
        params = match end {
            "s" => params.server_max_window_bits(bits),
            "c" => params.client_max_window_bits(bits),
            other => panic!("{other:?} is no end"),
        };
        if rest.starts_with('!') {
            params = if end == "s" {
                params.server_no_context_takeover()
            } else {
                params.client_no_context_takeover()
            };
        }
    }
    params
}

/// What a parameter is called, for short: `s!`, `c!`, `s=10`, `c=10`, `c`. Others stand as they are.
fn spelled(extensions: &str) -> String {
    let spell = |param: &str| match param.split_once('=') {
        None if param == "s!" => "server_no_context_takeover".to_owned(),
        None if param == "c!" => "client_no_context_takeover".to_owned(),
        None if param == "c" => "client_max_window_bits".to_owned(),
        None if param == "s" => "server_max_window_bits".to_owned(),
        Some(("s", bits)) => format!("server_max_window_bits={bits}"),
        Some(("c", bits)) => format!("client_max_window_bits={bits}"),
        Some(("s!", value)) => format!("server_no_context_takeover={value}"),
        Some(("c!", value)) => format!("client_no_context_takeover={value}"),
        _ if param == "pmd" => NAME.to_owned(),
        _ => param.to_owned(),
    };
    let extension = |words: &str| words.split_whitespace().map(spell).collect::<Vec<_>>().join("; ");
    extensions.split(',').map(extension).collect::<Vec<_>>().join(", ")
}

/// What a server of these terms answers to an offer; nothing if it declines.
fn answered(words: &str, edits: &str) -> String {
    let (reply, negotiated) = offer(edits).accept(&Answer::new().deflate(terms(words))).expect("accepted");
    let reply = String::from_utf8(reply.to_vec()).expect("ASCII");
    let mut lines = reply.lines().filter_map(|line| line.strip_prefix(FIELD));
    let answer = lines.next().unwrap_or_default().to_owned();
    assert_eq!(lines.next(), None, "answered twice");
    assert_eq!(negotiated.deflate.is_some(), !answer.is_empty());
    if let Some(agreed) = negotiated.deflate {
        // What the server uses is what it has said.
        assert_eq!(Some(agreed), heard(&answer), "{answer}");
    }
    answer
}

/// What an answer says, read by hand.
fn heard(answer: &str) -> Option<Params> {
    let mut params = Params::new();
    let mut words = answer.split("; ");
    if words.next() != Some(NAME) {
        return None;
    }
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, "15"));
        let bits = WindowBits::new(value.parse().ok()?)?;
        params = match name {
            "server_no_context_takeover" => params.server_no_context_takeover(),
            "client_no_context_takeover" => params.client_no_context_takeover(),
            "server_max_window_bits" => params.server_max_window_bits(bits),
            "client_max_window_bits" => params.client_max_window_bits(bits),
            _ => return None,
        };
    }
    Some(params)
}

/// Each row: the terms of the server, what the client offers, and the answer.
#[test]
fn a_server_answers_the_first_offer_that_fits() {
    for (words, offered, answer) in [
        ("", "pmd", "pmd"),
        // §7.1.1.1: the client may ask for it, and the server may do it unasked.
        ("", "pmd s!", "pmd s!"),
        ("s!15", "pmd", "pmd s!"),
        ("s!15", "pmd s!", "pmd s!"),
        // §7.1.1.2: the client may hint at it, and the server may ask for it without a hint.
        ("", "pmd c!", "pmd c!"),
        ("c!15", "pmd", "pmd c!"),
        ("c!15 s!15", "pmd c!", "pmd s! c!"),
        // §7.1.2.1: the smaller of both; what is asked is answered.
        ("", "pmd s=10", "pmd s=10"),
        ("", "pmd s=15", "pmd s=15"),
        ("s12", "pmd", "pmd s=12"),
        ("s12", "pmd s=10", "pmd s=10"),
        ("s12", "pmd s=12", "pmd s=12"),
        ("s12", "pmd s=15", "pmd s=12"),
        ("", "pmd s=9", "pmd s=9"),
        // It has no encoder for the smallest window.
        ("", "pmd s=8", ""),
        ("s8", "pmd", ""),
        ("", "pmd s=8, pmd", "pmd"),
        // §7.1.2.2: only if the client knows the parameter.
        ("", "pmd c", "pmd"),
        ("", "pmd c=15", "pmd"),
        ("", "pmd c=10", "pmd c=10"),
        ("", "pmd c=8", "pmd c=8"),
        ("c12", "pmd c", "pmd c=12"),
        ("c12", "pmd c=10", "pmd c=10"),
        ("c12", "pmd c=15", "pmd c=12"),
        ("c8", "pmd c", "pmd c=8"),
        ("c12", "pmd", ""),
        ("c12", "pmd s=10", ""),
        ("c12", "pmd, pmd c", "pmd c=12"),
        ("c12 s!15", "pmd s=10, pmd c!, pmd c s=11", "pmd s! s=11 c=12"),
        ("s!9 c!9", "pmd s! c! s=15 c=15", "pmd s! c! s=9 c=9"),
        // What browsers offer.
        ("", "pmd c", "pmd"),
        ("s!15 c!15", "pmd c", "pmd s! c!"),
        // §7.1: declined, each of them: numbers that are none,
        ("", "pmd s=0", ""),
        ("", "pmd s=7", ""),
        ("", "pmd s=16", ""),
        ("", "pmd s=08", ""),
        ("", "pmd s=010", ""),
        ("", "pmd s=+8", ""),
        ("", "pmd s=-9", ""),
        ("", "pmd s=9.", ""),
        ("", "pmd s=1e1", ""),
        ("", "pmd s=a", ""),
        ("", "pmd s=256", ""),
        ("", "pmd s=266", ""),
        ("", "pmd s=99999999999999999999999999", ""),
        ("", "pmd c=0", ""),
        ("", "pmd c=7", ""),
        ("", "pmd c=16", ""),
        ("", "pmd c=08", ""),
        ("", "pmd c=+8", ""),
        ("", "pmd c=18446744073709551624", ""),
        // a value missing, or one that should not be there,
        ("", "pmd s", ""),
        ("", "pmd s!=1", ""),
        ("", "pmd c!=true", ""),
        // a parameter twice, also if both say the same,
        ("", "pmd s! s!", ""),
        ("", "pmd c! c!", ""),
        ("", "pmd s=10 s=10", ""),
        ("", "pmd c c", ""),
        ("", "pmd c c=10", ""),
        ("", "pmd c=10 c", ""),
        // or one that is unknown, also in another case.
        ("", "pmd x", ""),
        ("", "pmd mem_level=8", ""),
        ("", "pmd Server_no_context_takeover", ""),
        ("", "pmd server_max_window_bits_=10", ""),
        // §6455 9.1: a quoted value is the same value.
        ("", "pmd s=\"10\"", "pmd s=10"),
        ("", "pmd c=\"8\"", "pmd c=8"),
        ("", "pmd c=\"\\1\\0\"", "pmd c=10"),
        ("", "pmd c=\"08\"", ""),
        // §5: the first that fits, in the order of the client, whatever stands between.
        ("", "pmd s=10, pmd s=11", "pmd s=10"),
        ("", "pmd x, pmd s=11", "pmd s=11"),
        ("", "pmd s=7, pmd c=16, pmd s! s!, pmd c!", "pmd c!"),
        ("", "x-webkit-deflate-frame, mux a=1, pmd c", "pmd"),
        ("", "permessage-bzip2, pmd-x, Permessage-Deflate, permessage-deflate2", ""),
        ("", "x-webkit-deflate-frame", ""),
    ] {
        let edits = format!("+{FIELD}{}", spelled(offered));
        let expected = if answer.is_empty() { String::new() } else { spelled(answer) };
        assert_eq!(answered(words, &edits), expected, "{words:?}: {offered}");
    }
}

#[test]
fn offers_stand_in_several_headers() {
    let edits = format!("+{FIELD}{} | +{FIELD}a, {} | +{FIELD}b", spelled("pmd x"), spelled("pmd c!, pmd"));
    assert_eq!(answered("", &edits), spelled("pmd c!"));
    assert_eq!(answered("", ""), "", "nothing is offered");
    let nothing = format!("+{FIELD}{}", spelled("pmd")).replacen(NAME, "other", 1);
    assert_eq!(answered("", &nothing), "");
}

/// A list that is malformed is no offer at all, even where a good one stands in it.
#[test]
fn a_malformed_list_is_refused() {
    for value in [
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate;",
        "permessage-deflate; c=\"10",
        "",
    ] {
        assert_eq!(
            server_verdict(receive(request(&format!("+{FIELD}{value}")))),
            "400 ExtensionsMalformed",
            "{value}"
        );
    }
}

/// A server that was not told to compress does not.
#[test]
fn compression_is_off_until_asked_for() {
    let (reply, negotiated) = offer(&format!("+{FIELD}{NAME}")).accept(&Answer::new()).unwrap();
    assert_eq!(negotiated.deflate, None);
    assert!(!String::from_utf8_lossy(&reply).contains("Extensions"));
    assert!(!String::from_utf8_lossy(&client("ws://a", &[]).request()).contains("Extensions"));
}

fn offering(all: &[Params]) -> ClientHandshake {
    let request = all.iter().fold(Request::new("ws://a").unwrap(), |request, terms| request.deflate(*terms));
    ClientHandshake::new(request, *b"the sample nonce", &Limits::default())
}

/// The terms as they are offered, the preferred ones first.
#[test]
fn a_client_offers_its_terms_in_order() {
    for (all, offered) in [
        (&[""][..], "pmd c"),
        (&["s!15"], "pmd s! c"),
        (&["c!15"], "pmd c! c"),
        (&["s10"], "pmd s=10 c"),
        (&["c10"], "pmd c=10"),
        (&["c8 s8"], "pmd s=8 c=8"),
        (&["s!9 c!14"], "pmd s! c! s=9 c=14"),
        (&["s!15", "s9", ""], "pmd s! c, pmd s=9 c, pmd c"),
    ] {
        let all: Vec<_> = all.iter().map(|words| terms(words)).collect();
        let request = String::from_utf8(offering(&all).request().to_vec()).unwrap();
        let lines: Vec<_> = request.lines().filter_map(|line| line.strip_prefix(FIELD)).collect();
        assert_eq!(lines, [spelled(offered)]);
    }
}

/// Each row: what the client offers, the answer, and what is then agreed, or why the connection fails.
#[test]
fn a_client_takes_only_an_answer_to_its_offer() {
    for (all, answer, verdict) in [
        (&[""][..], "pmd", "s15 c15"),
        (&[""], "pmd s!", "s!15 c15"),
        (&[""], "pmd c!", "s15 c!15"),
        (&[""], "pmd s=10", "s10 c15"),
        (&[""], "pmd s=8", "s8 c15"),
        (&[""], "pmd s=15 c=15", "s15 c15"),
        (&[""], "pmd c=10", "s15 c10"),
        (&[""], "pmd c=8 s! c! s=9", "s!9 c!8"),
        (&[""], "pmd c=\"9\"", "s15 c9"),
        // What was asked of the server is in the answer.
        (&["s!15"], "pmd s!", "s!15 c15"),
        (&["s!15"], "pmd", "ExtensionParamsInvalid"),
        (&["s!15"], "pmd c!", "ExtensionParamsInvalid"),
        (&["s10"], "pmd s=10", "s10 c15"),
        (&["s10"], "pmd s=9", "s9 c15"),
        (&["s10"], "pmd s=11", "ExtensionParamsInvalid"),
        (&["s10"], "pmd", "ExtensionParamsInvalid"),
        (&["s15"], "pmd", "s15 c15"),
        // What the client wants for itself it does, whether it is answered or not.
        (&["c!15"], "pmd", "s15 c!15"),
        (&["c!15"], "pmd c!", "s15 c!15"),
        (&["c10"], "pmd", "s15 c10"),
        (&["c10"], "pmd c=10", "s15 c10"),
        (&["c10"], "pmd c=9", "s15 c9"),
        (&["c10"], "pmd c=11", "ExtensionParamsInvalid"),
        // An answer to any of the offers will do.
        (&["s!15", ""], "pmd", "s15 c15"),
        (&["s!15", "s10"], "pmd s=10", "s10 c15"),
        (&["s!15", "s10"], "pmd s!", "s!15 c15"),
        (&["s!15", "s10"], "pmd", "ExtensionParamsInvalid"),
        (&["s!15", "s10"], "pmd s=11", "ExtensionParamsInvalid"),
        // §7.1: no valid answer at all.
        (&[""], "pmd s", "ExtensionParamsInvalid"),
        (&[""], "pmd c", "ExtensionParamsInvalid"),
        (&[""], "pmd s=7", "ExtensionParamsInvalid"),
        (&[""], "pmd s=0", "ExtensionParamsInvalid"),
        (&[""], "pmd s=16", "ExtensionParamsInvalid"),
        (&[""], "pmd s=08", "ExtensionParamsInvalid"),
        (&[""], "pmd c=7", "ExtensionParamsInvalid"),
        (&[""], "pmd c=16", "ExtensionParamsInvalid"),
        (&[""], "pmd c=+9", "ExtensionParamsInvalid"),
        (&[""], "pmd c=99999999999999999999", "ExtensionParamsInvalid"),
        (&[""], "pmd s!=1", "ExtensionParamsInvalid"),
        (&[""], "pmd c!=1", "ExtensionParamsInvalid"),
        (&[""], "pmd s! s!", "ExtensionParamsInvalid"),
        (&[""], "pmd s=9 s=9", "ExtensionParamsInvalid"),
        (&[""], "pmd c=9 c=9", "ExtensionParamsInvalid"),
        (&[""], "pmd x", "ExtensionParamsInvalid"),
        // What was not offered, or more than once.
        (&[""], "pmd, pmd", "ExtensionNotOffered"),
        (&["s!15", ""], "pmd s!, pmd", "ExtensionNotOffered"),
        (&[""], "mux", "ExtensionNotOffered"),
        (&[""], "pmd, mux", "ExtensionNotOffered"),
        (&[""], "mux, pmd", "ExtensionNotOffered"),
        (&[""], "Permessage-Deflate", "ExtensionNotOffered"),
        (&[""], "x-webkit-deflate-frame", "ExtensionNotOffered"),
        (&[], "pmd", "ExtensionNotOffered"),
        (&[], "pmd x", "ExtensionNotOffered"),
    ] {
        let all: Vec<_> = all.iter().map(|words| terms(words)).collect();
        let mut input = BytesMut::from(&reply(&format!("+{FIELD}{}", spelled(answer)))[..]);
        match offering(&all).receive(&mut input) {
            Ok(established) => {
                assert_eq!(
                    established.unwrap().negotiated.deflate,
                    Some(terms(verdict)),
                    "{all:?}: {answer}"
                );
            }
            Err(error) => assert_eq!(error_words(&error), format!("invalid {verdict}"), "{all:?}: {answer}"),
        }
    }
}

#[test]
fn an_answer_stands_once() {
    for (edits, verdict) in [
        ("", "101"),
        ("+Sec-WebSocket-Extensions: permessage-deflate", "101"),
        ("+Sec-WebSocket-Extensions: , permessage-deflate,", "101"),
        (
            "+Sec-WebSocket-Extensions: permessage-deflate | +Sec-WebSocket-Extensions: permessage-deflate",
            "invalid ExtensionsRepeated",
        ),
        (
            "+Sec-WebSocket-Extensions: permessage-deflate | +Sec-WebSocket-Extensions: ",
            "invalid ExtensionsRepeated",
        ),
        ("+Sec-WebSocket-Extensions: ", "invalid ExtensionsMalformed"),
        ("+Sec-WebSocket-Extensions: ,", "invalid ExtensionsMalformed"),
        ("+Sec-WebSocket-Extensions: permessage-deflate;", "invalid ExtensionsMalformed"),
        ("+Sec-WebSocket-Extensions: permessage deflate", "invalid ExtensionsMalformed"),
        ("+Sec-WebSocket-Extensions: permessage-deflate; s=", "invalid ExtensionsMalformed"),
    ] {
        assert_eq!(client_verdict(offering(&[Params::new()]), reply(edits)), verdict, "{edits}");
    }
    // It is no fault of a server to decline.
    let established = offering(&[Params::new()]).receive(&mut BytesMut::from(&reply("")[..])).unwrap();
    assert_eq!(established.unwrap().negotiated.deflate, None);
}

fn any_terms() -> impl Strategy<Value = String> {
    (any::<[bool; 2]>(), [8..16u8, 8..16u8]).prop_map(|(takeover, bits)| {
        let word =
            |end: usize| format!("{}{}{}", ["s", "c"][end], if takeover[end] { "" } else { "!" }, bits[end]);
        format!("{} {}", word(0), word(1))
    })
}

/// Takeover and bits of the server and of the client.
fn read(words: &str) -> [(bool, u8); 2] {
    let mut ends = words.split(' ').map(|word| {
        let digits = word[1..].trim_start_matches('!');
        (digits.len() == word.len() - 1, digits.parse().expect("a number"))
    });
    [ends.next().expect("the server's"), ends.next().expect("the client's")]
}

proptest! {
    /// Whatever the server's terms and the client's offers: both know the same, nobody has more than it asked for, and it
    /// is the first offer that the server can take.
    #[test]
    fn both_ends_agree_within_the_terms_of_both(
        server in any_terms(), all in prop::collection::vec(any_terms(), 0..4),
    ) {
        let mut handshake = offering(&all.iter().map(|words| terms(words)).collect::<Vec<_>>());
        let received = receive(handshake.request()).unwrap().unwrap();
        let (reply, negotiated) = received.accept(&Answer::new().deflate(terms(&server))).unwrap();
        let established = handshake.receive(&mut BytesMut::from(&reply[..])).unwrap().unwrap();
        prop_assert_eq!(established.negotiated.deflate, negotiated.deflate, "{}", String::from_utf8_lossy(&reply));

        let [own, of_client] = read(&server);
        let least = all.iter().map(|words| read(words)).map(|[s, c]| {
            [(own.0 && s.0, own.1.min(s.1)), (of_client.0 && c.0, of_client.1.min(c.1))]
        });
        // It can take all but what its encoder cannot keep to.
        let first = least.into_iter().find(|[s, _]| s.1 > 8);
        let expected = first.map(|[s, c]| {
            let word = |name, (takeover, bits): (bool, u8)| format!("{name}{}{bits}", if takeover { "" } else { "!" });
            terms(&format!("{} {}", word("s", s), word("c", c)))
        });
        prop_assert_eq!(negotiated.deflate, expected);
    }

    /// An answer is taken exactly if it is one to an offer, as the RFC has it.
    #[test]
    fn answers_are_judged_by_the_relations_of_the_rfc(
        offered in any_terms(), takeover in any::<[bool; 2]>(),
        bits in [prop::option::of(8..16u8), prop::option::of(8..16u8)],
    ) {
        let mut answer = "pmd".to_owned();
        for (end, name) in ["s", "c"].into_iter().enumerate() {
            answer += &if takeover[end] { String::new() } else { format!(" {name}!") };
            answer += &bits[end].map_or(String::new(), |bits| format!(" {name}={bits}"));
        }
        let [s, c] = read(&offered);
        // §7.1.1.1: asked for, it is answered. §7.1.2.1: the same or smaller, if asked for. §7.1.2.2: the same or smaller.
        let is_valid = (s.0 || !takeover[0])
            && (s.1 == 15 || bits[0].is_some_and(|bits| bits <= s.1))
            && bits[1].is_none_or(|bits| bits <= c.1);
        let mut input = BytesMut::from(&reply(&format!("+{FIELD}{}", spelled(&answer)))[..]);
        let established = offering(&[terms(&offered)]).receive(&mut input);
        prop_assert_eq!(established.is_ok(), is_valid, "{} to {}", answer, offered);
        if let Ok(Some(established)) = established {
            let expected = Params::new();
            let server = bits[0].unwrap_or(15);
            let client = bits[1].unwrap_or(15).min(c.1);
            let mut expected = expected
                .server_max_window_bits(WindowBits::new(server).unwrap())
                .client_max_window_bits(WindowBits::new(client).unwrap());
            if !takeover[0] {
                expected = expected.server_no_context_takeover();
            }
            if !takeover[1] || !c.0 {
                expected = expected.client_no_context_takeover();
            }
            prop_assert_eq!(established.negotiated.deflate, Some(expected));
        }
    }
}
