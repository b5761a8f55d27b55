//! What a replay makes of a session: when the time is told, who said what, and where the machine differs.

use sansocket::replay::{Session, Transcript};

/// The transcript of a session whose lines are parted by semicolons.
pub(crate) fn replay(session: &str) -> Transcript {
    let text = format!("sansocket session 1\n{}", session.replace("; ", "\n"));
    text.parse::<Session>().unwrap_or_else(|error| panic!("{error}\n{text}")).replay()
}

/// Holds the transcript against these lines, in whole seconds.
pub(crate) fn check(session: &str, expected: &[&str]) {
    let shorten = |line: String| {
        let (time, what) = line.split_once(' ').unwrap();
        let (whole, decimals) = time.split_once('.').unwrap();
        assert_eq!(decimals, "000000000");
        format!("{whole} {what}")
    };
    let lines: Vec<_> = replay(session).lines().into_iter().map(shorten).collect();
    assert_eq!(lines, expected, "{session}");
}

#[test]
fn where_ticks_are_not_listed_each_deadline_is_met() {
    check(
        "role server; keepalive 10 5; 7 < 8180 00000000; 40 end",
        &["7 hears text 0", "17 says ping 0", "22 expires Pong: no answer to a keepalive ping in time"],
    );
    // A ping is due at the line itself, and behind what the line brings.
    check("role server; keepalive 10 5; 10 < 8180 00000000; 10 end", &["10 hears text 0"]);
    check("role server; keepalive 10 5; 10 end", &["10 says ping 0"]);
    check("role server; keepalive none; 1000 end", &[]);
    check("role server; keepalive 10 5; 10 > 8900; 11 end", &["10 says ping 0"]);
    // Lines of one time are one moment, before which nothing is judged.
    check("role server; keepalive 10 5; 10 < 81; 10 < 8000000000; 10 end", &["10 hears text 0"]);
    // A deadline that moves is not one that passes.
    check(
        "role client; keepalive 10 5; 9 < 8900; 9 > 8a80 00000000; 18 < 8900; 19 end",
        &["9 hears ping 0", "9 says pong 0", "18 hears ping 0", "18 says pong 0"],
    );
}

#[test]
fn pings_that_are_shown_are_answered_by_the_application() {
    check(
        "role server; pings shown; 1 < 8980 00000000; 2 > 8a00; 3 end",
        &["1 hears ping 0", "2 sends pong 0"],
    );
    check("role server; pings shown; 1 < 8980 00000000; 3 end", &["1 hears ping 0"]);
    check(
        "role server; pings answered; 1 < 8980 00000000; 2 > 8a00; 3 end",
        &["1 hears ping 0", "1 says pong 0"],
    );
}

#[test]
fn the_closing_handshake_has_its_time() {
    check(
        "role server; close_timeout 2; 1 > 880203e8; 9 end",
        &["1 sends close 1000 \"\"", "3 expires Close: closing handshake not finished in time"],
    );
    check(
        "role server; close_timeout 2; 1 > 880203e8; 2 < 8880 00000000; 9 end",
        &["1 sends close 1000 \"\"", "2 hears close"],
    );
    // It is not over while our Close frame waits.
    check(
        "role server; close_timeout 2; 1 < 8880 00000000; 9 end",
        &["1 hears close", "1 says close", "3 expires Close: closing handshake not finished in time"],
    );
    // A client waits for the end of the stream.
    check(
        "role client; close_timeout 2; 1 < 8800; 1 > 8880 00000000; 9 end",
        &["1 hears close", "1 says close", "3 expires Close: closing handshake not finished in time"],
    );
    check(
        "role client; close_timeout 2; 1 < 8800; 1 > 8880 00000000; 2 < eof; 9 end",
        &["1 hears close", "1 says close", "2 ends"],
    );
}

#[test]
fn output_that_does_not_move_is_replayed() {
    let ticks = "role server; ticks listed; keepalive 10 5";
    // A part of a frame has left.
    check(
        &format!("{ticks}; 0 > 8105 4865; 0 tick unread > 3; 15 tick unread > 3; 15 end"),
        &["0 begins text of 5 bytes", "15 expires Write: no output taken by the peer in time"],
    );
    // Nothing has left at all.
    check(
        &format!("{ticks}; 0 tick unread > 9; 15 tick unread > 9; 15 end"),
        &["15 expires Write: no output taken by the peer in time"],
    );
    // A flush that sticks is no output.
    check(&format!("{ticks}; 0 tick unread; 15 tick unread; 15 end"), &[]);
    // A ping that was made in time leaves late, behind what waited and after a sign of life.
    let late = "0 tick; 5 < 8180 00000000; 6 tick; 20 > 8104; 20 tick > 4 ping; 24 < 8180 00000000; 24 > 61616161 8900";
    check(
        &format!("{ticks}; {late}; 24 end"),
        &["5 hears text 0", "20 sends text 4 \"aaaa\"", "20 says ping 0", "24 hears text 0"],
    );
    // What is written in the end was what waited.
    check(&format!("{ticks}; 0 tick > 3; 5 > 810161; 5 tick; 6 end"), &["0 sends text 1 \"a\""]);
}

#[test]
fn what_the_machine_says_is_compared() {
    let ping = "role server; 1 < 8981 00000000 61";
    check(
        &format!("{ping}; 1 > 8a0161; 2 < eof; 2 end"),
        &[
            "1 hears ping 1 \"a\"",
            "1 says pong 1 \"a\"",
            "2 ends",
            "2 fails 1006 EofWithoutClose: end of the stream without a close frame",
        ],
    );
    // Missing: the connection waited, or read on, without it.
    for later in ["tick", "< 8a80 00000000"] {
        let lines = replay(&format!("{ping}; 2 {later}; 2 end")).lines();
        assert_eq!(lines.last().unwrap(), "1.000000000 differs then nothing, now pong 1 \"a\"", "{later}");
    }
    // Not missing: it had no time to leave.
    for later in ["tick > 3", "tick unread > 3", "> failed", "> failed; 3 tick"] {
        assert!(replay(&format!("{ping}; 2 {later}; 3 end")).is_faithful(), "{later}");
    }
    // Superfluous: answered twice. Whoever sends an unasked pong might say the same, so it is his.
    check(
        &format!("{ping}; 1 > 8a0161 8a0161; 1 end"),
        &["1 hears ping 1 \"a\"", "1 says pong 1 \"a\"", "1 sends pong 1 \"a\""],
    );
    // Wrong: it told the peer something else.
    let breach = "role server; 1 < 8100";
    let lines = replay(&format!("{breach}; 1 > 880203ef; 1 end"));
    assert!(!lines.is_faithful());
    assert_eq!(
        lines.lines().last().unwrap(),
        "1.000000000 differs then close 1007 \"\", now close 1002 \"frame from a client without a masking key\""
    );
    // Superfluous: a keepalive ping that is not made any more.
    let ticks = "role server; ticks listed; keepalive 10 5; 3 tick; 12 tick ping";
    assert_eq!(
        replay(&format!("{ticks}; 12 > 8900; 12 end")).lines(),
        ["12.000000000 differs then ping 0, now nothing"]
    );
    assert_eq!(
        replay(&format!("{ticks}; 12 > 8900; 13 < 8980 00000000; 13 > 8a00; 13 end")).lines()[2..],
        ["12.000000000 differs then ping 0, now nothing"]
    );
    // Missing: one that was not made then.
    assert_eq!(
        replay("role server; ticks listed; keepalive 10 5; 0 tick; 12 tick; 13 tick; 13 end").lines()[1..],
        ["12.000000000 differs then nothing, now ping 0"]
    );
    // One of three is wrong, and the others are what they were.
    let pings = "role server; 1 < 8981 00000000 61 8981 00000000 62 8981 00000000 63";
    let lines = replay(&format!("{pings}; 1 > 8a0161 8a0163; 2 tick; 2 end")).lines();
    assert_eq!(lines[6..], ["1.000000000 differs then nothing, now pong 1 \"b\""]);
}

#[test]
fn what_the_application_said_is_not_the_machines() {
    // A ping with a payload, one without a silence before it, one without a keepalive, and an unasked pong.
    check("role server; keepalive 10 5; 12 > 890161; 12 end", &["10 says ping 0", "12 sends ping 1 \"a\""]);
    check("role server; keepalive 10 5; 9 > 8900; 9 end", &["9 sends ping 0"]);
    check("role server; keepalive none; 12 > 8900; 12 end", &["12 sends ping 0"]);
    check("role server; 1 > 8a0161; 1 end", &["1 sends pong 1 \"a\""]);
    // A Close frame before and behind the peer's.
    check(
        "role server; 1 > 880203e9; 2 < 8882 00000000 03e8; 2 end",
        &["1 sends close 1001 \"\"", "2 hears close 1000 \"\""],
    );
    // Pings are answered behind our Close frame too.
    check(
        "role server; 1 > 8800; 2 < 8980 00000000; 2 > 8a00; 3 < 8880 00000000; 3 end",
        &["1 sends close", "2 hears ping 0", "2 says pong 0", "3 hears close"],
    );
}

#[test]
fn the_order_of_the_two_voices_does_not_count() {
    // The message was queued before the ping came, or behind it.
    for output in ["810161 8a00", "8a00 810161"] {
        assert!(
            replay(&format!(
                "role server; 1 < 8980 00000000; 1 > {output}; 2 < 8880 00000000; 2 > 8800; 2 end"
            ))
            .is_faithful()
        );
    }
    // It was queued before the Close frame, which came in the same piece as what it answers.
    check(
        "role server; 1 < 8181 00000000 61 8880 00000000; 2 > 810161 8800; 2 end",
        &["1 hears text 1 \"a\"", "1 hears close", "1 sends text 1 \"a\"", "1 says close"],
    );
    // What had room then has room now: the pong came when the message was queued already.
    let payload = "61".repeat(20);
    let ping = format!("role server; limits.unsent 10; 1 < 8994 00000000 {payload}");
    assert!(replay(&format!("{ping}; 1 > 810162 8a14 {payload}; 1 end")).is_faithful());
    // Cut anywhere on its way out, too.
    let bytes = ["81", "01", "61", "8a", "00", "82", "01", "00"];
    for cut in 1..bytes.len() {
        let (front, back) = (bytes[..cut].concat(), bytes[cut..].concat());
        let transcript = replay(&format!("role server; 1 < 8980 00000000; 1 > {front}; 1 > {back}; 1 end"));
        let whole = replay(&format!("role server; 1 < 8980 00000000; 1 > {}; 1 end", bytes.concat()));
        assert_eq!(transcript, whole);
        assert!(whole.is_faithful());
    }
}

#[test]
fn output_that_is_not_frames_is_told() {
    check(
        "role server; 1 > 810161; 2 > 8161; 3 > 00ff; 3 end",
        &["1 sends text 1 \"a\"", "2 begins text of 97 bytes"],
    );
    check(
        "role server; 1 > 810161 83ff; 3 end",
        &["1 sends text 1 \"a\"", "3 unreadable from byte 3 of the output on"],
    );
    // A server does not mask, and a client does.
    check("role server; 1 > 8181 00000000 61; 1 end", &["1 unreadable from byte 0 of the output on"]);
    check("role client; 1 > 810161; 1 end", &["1 unreadable from byte 0 of the output on"]);
    for (role, output) in [
        ("server", "8880 00000000"),
        ("client", "8800"),
        ("server", "0900"),
        ("server", "c900"),
        ("server", "897e0080"),
    ] {
        let filler = "00".repeat(128);
        let lines = replay(&format!("role {role}; 1 > {output}{filler}; 1 end")).lines();
        assert_eq!(lines, ["1.000000000 unreadable from byte 0 of the output on"], "{output}");
    }
    check("role server; 1 > 8101ff; 1 end", &["1 unreadable from byte 0 of the output on"]);
    check("role server; 1 > 890161", &["1 sends ping 1 \"a\"", "1 cut off"]);
    assert!(!replay("role server; 1 > 83ff; 1 end").is_faithful());
}

/// What was said is not bounded by what may be heard.
#[test]
fn a_message_of_ours_may_be_longer_than_one_of_theirs() {
    let fragments = "000161".repeat(1 << 17);
    let transcript = replay(&format!("role server; limits.message 1; 1 > 010161 {fragments} 8000; 1 end"));
    assert!(transcript.is_faithful());
    assert_eq!(transcript.entries().len(), (1 << 17) + 2);
}

#[test]
fn a_stream_that_fails_is_given_up() {
    // The pong is not made, for nobody could hear it.
    check("role server; 1 > failed; 2 < 8980 00000000; 2 end", &["1 breaks", "2 hears ping 0"]);
    check(
        "role server; 1 < failed; 1 end",
        &["1 ends", "1 fails 1006 EofWithoutClose: end of the stream without a close frame"],
    );
    // What still waits is dropped, and nobody waits for it.
    let gone = "role server; close_timeout 2; 1 < 8980 00000000; 1 < eof; 9 end";
    assert_eq!(
        replay(gone).lines()[3..],
        ["1.000000000 fails 1006 EofWithoutClose: end of the stream without a close frame"]
    );
    check(
        "role client; close_timeout 2; 1 < 8800; 1 < failed; 9 end",
        &["1 hears close", "1 says close", "1 ends"],
    );
    // A client that has heard all, and still has to say its Close frame, waits for that.
    check(
        "role client; close_timeout 2; 1 < 8800; 1 < eof; 9 end",
        &[
            "1 hears close",
            "1 says close",
            "1 ends",
            "3 expires Close: closing handshake not finished in time",
        ],
    );
    // Frames of ours that were given up are not missed: neither one that waits behind a pong now, and did not then.
    assert!(replay("role server; 1 < 8980 00000000; 1 > 810161 8a; 2 > failed; 2 end").is_faithful());
    let ticks = "role server; ticks listed; keepalive 10 5; 0 tick";
    let given_up =
        format!("{ticks}; 1 > 8104 61; 1 tick > 3; 11 tick > 3 ping; 11 tick > 5; 16 tick > 5; 16 end");
    assert!(replay(&given_up).is_faithful(), "{}", replay(&given_up));
}

#[test]
fn what_is_refused_now_is_told() {
    // A message behind a Close frame.
    let transcript = replay("role server; 1 > 8800; 2 > 810161; 2 end");
    assert!(!transcript.is_faithful());
    assert_eq!(
        transcript.lines()[1..],
        [
            "2.000000000 sends text 1 \"a\"",
            "2.000000000 refuses Closed: the connection is closed for sending"
        ]
    );
}

/// A payload is shown so that a person can read it, and so that no change of it goes unseen.
#[test]
fn payloads_are_shown_whole_or_with_a_fingerprint() {
    let shown = |payload: &[u8]| {
        let mut hex = String::new();
        payload.iter().for_each(|byte| hex += &format!("{byte:02x}"));
        let len = if payload.len() < 126 {
            format!("{:02x}", payload.len())
        } else {
            format!("7e{:04x}", payload.len())
        };
        replay(&format!("role client; 0 < 82{len} {hex}; 0 end")).lines().remove(0)
    };
    assert!(shown(b"a \"b\" \\ \n").ends_with(r#" hears binary 9 "a \"b\" \\ \n""#));
    assert!(shown("€\u{2028}".as_bytes()).ends_with(r#" 6 "€\u{2028}""#));
    assert!(shown(b"\x00\xff").ends_with(" 2 00ff"));
    assert!(shown(b"a\x07").ends_with(" 2 6107"));
    let long = |byte: u8| shown(&[&[b'x'; 120][..], &[byte], &[b'x'; 120]].concat());
    assert_ne!(long(b'y'), long(b'z'));
    assert!(long(b'y').contains("…") && long(b'y').len() < 220, "{}", long(b'y'));
    assert_ne!(long(0xff), long(0xfe));
    // A character is not cut.
    assert!(shown("ä".repeat(100).as_bytes()).contains("ä\"…\"ä"));
}
