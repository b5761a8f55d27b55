//! Sessions as text: what is read, what is refused, and that nothing is lost.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sansocket::{
    Compress, Compression, Config, Keepalive, Limits, Negotiated, Role,
    deflate::{Params, WindowBits},
    replay::{Fact, Line, Session, Tick, Ticks},
};

const HEAD: &str = "sansocket session 1\nrole server\n";

#[test]
fn every_line_that_cannot_be_read_is_refused_with_its_number() {
    for (text, expected) in [
        ("", "line 1: not a session, or one of another format"),
        ("sansocket session 2\nrole server\n", "line 1: not a session, or one of another format"),
        ("sansocket session 1\n", "line 1: a session without a role"),
        ("sansocket session 1\n\n0.0 end\n", "line 3: a session without a role"),
        ("sansocket session 1\nrole proxy", "line 2: a key or a value that is not known"),
        ("sansocket session 1\nrole server\nrole server", "line 3: a key that was given before"),
        ("sansocket session 1\nrole server\nrole client", "line 3: a key that was given before"),
        ("+ticks seldom", "line 3: a key or a value that is not known"),
        ("+colour blue", "line 3: a key or a value that is not known"),
        ("+subprotocol", "line 3: a key or a value that is not known"),
        ("+limits.message", "line 3: a key or a value that is not known"),
        ("+limits.message many", "line 3: a key or a value that is not known"),
        ("+limits.message -1", "line 3: a key or a value that is not known"),
        ("+limits.ratio all", "line 3: a key or a value that is not known"),
        ("+limits.message 1\nlimits.message 2", "line 4: a key that was given before"),
        ("+keepalive 5", "line 3: a key or a value that is not known"),
        ("+keepalive 5 x", "line 3: a key or a value that is not known"),
        ("+close_timeout 1.", "line 3: a key or a value that is not known"),
        ("+compression.when above", "line 3: a key or a value that is not known"),
        ("+pings ignored", "line 3: a key or a value that is not known"),
        ("+compression.level 256", "line 3: a key or a value that is not known"),
        ("+deflate server_max_window_bits", "line 3: a key or a value that is not known"),
        ("+deflate server_max_window_bits=16", "line 3: a key or a value that is not known"),
        ("+deflate client_no_context_takeover=9", "line 3: a key or a value that is not known"),
        ("+deflate fast", "line 3: a key or a value that is not known"),
        ("+0.5\n", "line 3: neither bytes nor anything else that can happen"),
        ("+0.5 ? 00\n", "line 3: neither bytes nor anything else that can happen"),
        ("+0.5 ticks\n", "line 3: neither bytes nor anything else that can happen"),
        ("+0.5 tick ?\n", "line 3: a tick of which something is not known"),
        ("+0.5 tick >\n", "line 3: a tick of which something is not known"),
        ("+0.5 tick < -1\n", "line 3: a tick of which something is not known"),
        ("+0.5 tick > 1 < 1\n", "line 3: a tick of which something is not known"),
        ("+0.5 tick > 1 unread\n", "line 3: a tick of which something is not known"),
        ("+0.5 tick ping closing\n", "line 3: a tick of which something is not known"),
        ("+0.5 tick ping ping\n", "line 3: a tick of which something is not known"),
        ("+0.5 tick <1\n", "line 3: a tick of which something is not known"),
        ("+ticks waits", "line 3: a key or a value that is not known"),
        ("+0.5 <\n", "line 3: neither bytes nor anything else that can happen"),
        ("+0.5 < 8\n", "line 3: bytes that are not pairs of hexadecimal digits"),
        ("+0.5 > zz\n", "line 3: bytes that are not pairs of hexadecimal digits"),
        ("+0.5 > ä\n", "line 3: bytes that are not pairs of hexadecimal digits"),
        ("+0.5 > eof\n", "line 3: bytes that are not pairs of hexadecimal digits"),
        ("+0.5.5 end\n", "line 3: a time that is not a number of seconds"),
        ("+0.1234567890 end\n", "line 3: a time that is not a number of seconds"),
        ("+1e3 end\n", "line 3: a time that is not a number of seconds"),
        ("+99999999999999999999 end\n", "line 3: a time that is not a number of seconds"),
        ("+0.5 < 00\n0.4 < 00\n", "line 4: a time before that of the line before it"),
        ("+0.5 end\n\n# more\n0.5 < 00\n", "line 6: something behind the end"),
        ("+0.5 < 00\nlimits.message 1", "line 4: neither a time nor a line of the transcript"),
        ("+0.5 < 00\n > 00", "line 4: neither a time nor a line of the transcript"),
        ("+= 0.5 hears ping 0\n0.5 < 00", "line 4: something behind the transcript"),
    ] {
        let text = text.strip_prefix('+').map_or(text.to_owned(), |rest| format!("{HEAD}{rest}"));
        assert_eq!(text.parse::<Session>().unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn a_session_is_read_as_it_reads() {
    let session: Session = "sansocket session 1\r
role client
ticks listed
# Whitespace parts digits, and nothing else.

keepalive none
compression.when above 7
0 < 81 05 48 656c6C 6f
1.5 tick  < 3 > 7 closing
1.5 tick unread ping
1.5 tick
1.500000001 > failed
2 < eof
2 end
=  two spaces
=
"
    .parse()
    .unwrap();
    let line = |nanos, fact| Line { at: Duration::from_nanos(nanos), fact };
    assert_eq!(session.role, Role::Client);
    assert_eq!(session.ticks, Ticks::Listed);
    assert_eq!(session.config.keepalive, None);
    assert_eq!(session.config.compression.when, Compress::Above(7));
    assert_eq!(
        session.lines,
        [
            line(0, Fact::Read(Bytes::from_static(b"\x81\x05Hello"))),
            line(
                1_500_000_000,
                Fact::Tick(Tick { unread: false, unheard: 3, unsent: 7, closing: true, ping: false })
            ),
            line(
                1_500_000_000,
                Fact::Tick(Tick { unread: true, unheard: 0, unsent: 0, closing: false, ping: true })
            ),
            line(1_500_000_000, Fact::Tick(Tick::default())),
            line(1_500_000_001, Fact::WriteFailed),
            line(2_000_000_000, Fact::ReadEnd),
            line(2_000_000_000, Fact::End),
        ]
    );
    assert_eq!(session.expected, [" two spaces", ""]);
}

#[test]
fn the_head_names_what_differs_from_the_default_and_nothing_else() {
    let mut config =
        Config::new().keepalive(Keepalive::new(Duration::from_millis(2500), Duration::from_secs(1)));
    config.limits.ratio = Some(7);
    let mut negotiated = Negotiated::default();
    negotiated.subprotocol = Some("chat".into());
    negotiated.deflate = Some(Params::new().client_max_window_bits(WindowBits::new(9).unwrap()));
    let session = Session::new(Role::Server, &config, &negotiated).ticks(Ticks::Listed);
    let text = "sansocket session 1\nrole server\nticks listed\nsubprotocol chat\ndeflate client_max_window_bits=9\n\
                limits.ratio 7\nkeepalive 2.500000000 1.000000000\n\n";
    assert_eq!(session.to_string(), text);
    let plain = Session::new(Role::Client, &Config::new(), &Negotiated::default());
    assert_eq!(plain.to_string(), "sansocket session 1\nrole client\n\n");
}

fn configs() -> impl Strategy<Value = Config> {
    let times = || any::<(u32, u16)>().prop_map(|(secs, nanos)| Duration::new(secs.into(), nanos.into()));
    let limits = (any::<(u64, u64, Option<u32>, u32)>(), any::<(usize, usize, usize, usize)>());
    let limits =
        limits.prop_map(|((message, frame, ratio, fragments), (head, head_fields, unsent, control))| {
            let mut limits = Limits::default();
            (limits.message, limits.frame, limits.ratio, limits.fragments) =
                (message, frame, ratio, fragments);
            (limits.head, limits.head_fields, limits.unsent, limits.control) =
                (head, head_fields, unsent, control);
            limits
        });
    let when =
        prop_oneof![Just(Compress::Never), Just(Compress::Always), any::<usize>().prop_map(Compress::Above)];
    let keepalive = prop::option::of((times(), times()).prop_map(|(a, b)| Keepalive::new(a, b)));
    (limits, keepalive, any::<u8>(), when, times(), times()).prop_map(
        |(limits, keepalive, level, when, handshake, close)| {
            let config = Config::new().limits(limits).keepalive(keepalive);
            let config = config.compression(Compression::new(level, when));
            config.handshake_timeout(handshake).close_timeout(close)
        },
    )
}

fn negotiations() -> impl Strategy<Value = Negotiated> {
    let params = (any::<[bool; 2]>(), [8..=15_u8, 8..=15_u8]).prop_map(|(takeover, bits)| {
        let [server, client] = bits.map(|bits| WindowBits::new(bits).unwrap());
        let mut params = Params::new().server_max_window_bits(server).client_max_window_bits(client);
        params = if takeover[0] { params } else { params.server_no_context_takeover() };
        if takeover[1] { params } else { params.client_no_context_takeover() }
    });
    (prop::option::of("[a-z.]{1,8}"), prop::option::of(params)).prop_map(|(subprotocol, deflate)| {
        let mut negotiated = Negotiated::default();
        (negotiated.subprotocol, negotiated.deflate) = (subprotocol.map(Into::into), deflate);
        negotiated
    })
}

fn facts() -> impl Strategy<Value = Fact> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..40).prop_map(Bytes::from);
    let counts = || prop_oneof![Just(0), 1..9_usize, any::<usize>()];
    prop_oneof![
        1 => bytes().prop_map(Fact::Read),
        1 => bytes().prop_map(Fact::Wrote),
        1 => Just(Fact::ReadEnd),
        1 => Just(Fact::ReadFailed),
        1 => Just(Fact::WriteFailed),
        3 => (any::<bool>(), counts(), counts(), any::<bool>(), any::<bool>()).prop_map(|(unread, unheard, unsent, closing, ping)| {
            Fact::Tick(Tick { unread, unheard, unsent, closing, ping })
        }),
    ]
}

/// Any session at all, most of which no connection could have.
pub(crate) fn sessions() -> impl Strategy<Value = Session> {
    let lines = prop::collection::vec((0..40_000_000_000_u64, facts()), 0..12);
    let roles = prop::sample::select(vec![Role::Client, Role::Server]);
    let ticks = prop::sample::select(vec![Ticks::Deadlines, Ticks::Listed]);
    (roles, ticks, configs(), negotiations(), lines, any::<bool>()).prop_map(
        |(role, ticks, config, negotiated, lines, ends)| {
            let mut session = Session::new(role, &config, &negotiated).ticks(ticks);
            let mut at = Duration::ZERO;
            for (later, fact) in lines {
                at += Duration::from_nanos(later);
                session.lines.push(Line { at, fact });
            }
            session.lines.extend(ends.then_some(Line { at, fact: Fact::End }));
            session
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(session in sessions()) {
        prop_assert_eq!(session.to_string().parse(), Ok(session));
    }

    #[test]
    fn any_text_is_read_or_refused(lines in prop::collection::vec("[0-9a-f.<>= eoflimtskcunrdpg]{0,20}", 0..8)) {
        let _ = format!("{HEAD}{}", lines.join("\n")).parse::<Session>();
    }

    /// Whatever is in it, it comes to an end, and the same one each time, and its transcript can be read again.
    #[test]
    fn any_session_is_replayed(session in sessions()) {
        let transcript = session.replay();
        prop_assert_eq!(&transcript, &session.replay());
        let fixture = session.expect(&transcript);
        prop_assert_eq!(fixture.to_string().parse(), Ok(fixture));
    }
}
