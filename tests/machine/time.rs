//! Deadlines: keepalive (§5.5.2, §5.5.3) and the closing handshake (§7.1.1). Time is what the caller says it is.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use sansocket::{Config, Connection, Keepalive, Role, SendError, State, TimedOut};

use crate::support::{
    player::{connection, drain},
    wire::{frame, peer},
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Pings after 30 s, waits 10 s for an answer, 5 s for the closing handshake.
fn end(role: Role) -> Connection {
    let keepalive = Keepalive::new(s(30), s(10));
    connection(role, &Config::new().keepalive(keepalive).close_timeout(s(5)))
}

/// The server's bytes, received by a client.
fn hear(client: &mut Connection, wire: &[u8]) {
    let mut input = BytesMut::from(wire);
    while let Ok(Some(_)) = client.receive(&mut input) {}
}

#[test]
fn a_ping_after_silence_and_a_deadline_for_the_answer() {
    // The first call starts the clock, wherever it stands.
    for start in [s(0), s(1_000_000)] {
        for role in [Role::Client, Role::Server] {
            let mut end = end(role);
            assert_eq!(end.tick(start), Ok(Some(start + s(30))));
            assert_eq!(end.tick(start + s(29)), Ok(Some(start + s(30))));
            assert_eq!(end.unsent(), 0);
            assert_eq!(end.tick(start + s(30)), Ok(Some(start + s(40))));
            assert_eq!(drain(&mut end), frame(role, true, 9, b""));
            assert_eq!(end.tick(start + s(39)), Ok(Some(start + s(40))));
            assert_eq!((end.timed_out(), end.wants_read(), end.state()), (None, true, State::Open));

            assert_eq!(end.tick(start + s(40)), Err(TimedOut::Pong));
            assert_eq!((end.timed_out(), end.state()), (Some(TimedOut::Pong), State::Closed));
            assert!(!end.wants_read() && end.wants_shutdown());
            // Over without a word, and the same error for ever.
            assert_eq!((end.unsent(), end.sent_close()), (0, None));
            assert_eq!(end.tick(start + s(41)), Err(TimedOut::Pong));
            assert_eq!(end.tick(start), Err(TimedOut::Pong));
            assert_eq!(end.send("x"), Err(SendError::Closed));
            assert_eq!(end.error(), None);
        }
    }
}

/// One ping at a time, not one for each call.
#[test]
fn a_ping_is_sent_once() {
    let mut client = end(Role::Client);
    for at in [0, 30, 30, 31, 32, 39] {
        client.tick(s(at)).unwrap();
    }
    assert_eq!(drain(&mut client), frame(Role::Client, true, 9, b""));
}

/// Whatever comes is an answer: a pong, another frame, a piece of one, a header.
#[test]
fn any_bytes_are_an_answer() {
    let pieces: [&[u8]; 5] = [b"\x8a\x00", b"\x81\x01a", b"\x82\x05", b"\x82\x05a", b"\x8a\x05"];
    for wire in pieces {
        let mut client = end(Role::Client);
        client.tick(s(0)).unwrap();
        client.tick(s(30)).unwrap();
        hear(&mut client, wire);
        assert_eq!(client.tick(s(39)), Ok(Some(s(69))), "{wire:02x?}");
        assert_eq!(client.tick(s(40)), Ok(Some(s(69))));
        drain(&mut client);
        assert_eq!(client.tick(s(69)), Ok(Some(s(79))));
        assert_eq!(client.unsent(), 6);
    }
    // A payload that drips in is heard with each byte.
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    let mut input = BytesMut::from(&b"\x82\x7d"[..]);
    for at in 0..100 {
        input.extend_from_slice(b"x");
        client.receive(&mut input).unwrap();
        client.tick(s(at * 20)).unwrap();
    }
    assert_eq!((client.unsent(), client.timed_out()), (0, None));
}

/// What is written is not heard: a peer that only takes is as silent as one that is gone.
#[test]
fn sending_is_not_hearing() {
    let mut client = end(Role::Client);
    for at in 0..40 {
        client.tick(s(at)).unwrap();
        client.send("x").unwrap();
        drain(&mut client);
    }
    assert_eq!(client.tick(s(40)), Err(TimedOut::Pong));
}

/// The deadline does not move with each message, so that a driver need not set its alarm anew; a ping comes once the
/// silence has lasted long enough.
#[test]
fn the_deadline_stays_while_messages_come() {
    let mut client = end(Role::Client);
    assert_eq!(client.tick(s(0)), Ok(Some(s(30))));
    for at in 1..30 {
        hear(&mut client, b"\x81\x01a");
        assert_eq!(client.tick(s(at)), Ok(Some(s(30))));
    }
    // It moves when it is reached: silence counts from the last message, at 29 s.
    assert_eq!(client.tick(s(30)), Ok(Some(s(59))));
    assert_eq!(client.tick(s(58)), Ok(Some(s(59))));
    assert_eq!(client.unsent(), 0);
    assert_eq!(client.tick(s(59)), Ok(Some(s(69))));
    assert_eq!(client.unsent(), 6);
}

/// A driver that sleeps until the deadline it was given, and no longer, is never told a deadline that has passed.
#[test]
fn deadlines_are_in_the_future() {
    let mut client = end(Role::Client);
    let mut now = s(0);
    for round in 0..100 {
        let next = client.tick(now).unwrap().unwrap();
        assert!(next > now, "round {round}: {next:?} at {now:?}");
        now = next;
        hear(&mut client, b"\x8a\x00");
    }
}

#[test]
fn without_keepalive_an_open_connection_has_no_deadline() {
    let mut client = connection(Role::Client, &Config::new().keepalive(None));
    assert_eq!(client.tick(s(0)), Ok(None));
    assert_eq!(client.tick(s(1_000_000)), Ok(None));
    assert_eq!((client.unsent(), client.state()), (0, State::Open));
    // The closing handshake has one all the same.
    client.close(None).unwrap();
    assert_eq!(client.tick(s(1_000_001)), Ok(Some(s(1_000_006))));
}

/// The closing handshake has its time from the call that sees it begin, and nothing that comes makes it longer.
#[test]
fn the_closing_handshake_has_a_deadline() {
    for role in [Role::Client, Role::Server] {
        let mut end = end(role);
        end.tick(s(0)).unwrap();
        end.close(None).unwrap();
        assert_eq!(end.tick(s(10)), Ok(Some(s(15))));
        drain(&mut end);
        let from = if role == Role::Client { Role::Server } else { Role::Client };
        hear(&mut end, &frame(from, true, 1, b"still talking"));
        assert_eq!(end.tick(s(14)), Ok(Some(s(15))));
        assert_eq!(end.state(), State::Closing);
        assert_eq!(end.tick(s(15)), Err(TimedOut::Close));
        assert_eq!(end.tick(s(100)), Err(TimedOut::Close));
        assert!(end.state() == State::Closed && end.wants_shutdown() && !end.wants_read());
    }
}

/// A keepalive ping that waits for its answer is forgotten once we close: only the closing deadline counts.
#[test]
fn closing_replaces_keepalive() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    client.tick(s(30)).unwrap();
    client.close(None).unwrap();
    assert_eq!(client.tick(s(38)), Ok(Some(s(43))));
    assert_eq!(client.tick(s(42)), Ok(Some(s(43))));
    assert_eq!(drain(&mut client).len(), 12);
}

/// The peer closed and we answered: a client waits for the end of the stream, but not for ever.
#[test]
fn a_client_waits_for_the_end_of_the_stream_with_a_deadline() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    hear(&mut client, b"\x88\x02\x03\xe8");
    assert_eq!(client.tick(s(1)), Ok(Some(s(6))));
    drain(&mut client);
    assert_eq!(client.tick(s(2)), Ok(Some(s(6))));
    client.receive_eof().unwrap();
    assert_eq!((client.timed_out(), client.wants_shutdown()), (None, true));
}

/// After a breach there is one deadline too: the peer need not go away by itself.
#[test]
fn a_breach_has_the_closing_deadline() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    hear(&mut client, b"\xc1\x00");
    drain(&mut client);
    assert_eq!(client.tick(s(1)), Ok(Some(s(6))));
    assert_eq!(client.tick(s(6)), Err(TimedOut::Close));
    assert!(client.error().is_some());
}

/// When the stream has ended, what is still to be written has a deadline.
#[test]
fn unsent_output_at_the_end_of_the_stream_has_a_deadline() {
    let mut client = end(Role::Client);
    client.send("waits").unwrap();
    client.tick(s(0)).unwrap();
    client.receive_eof().unwrap_err();
    assert_eq!(client.tick(s(1)), Ok(Some(s(6))));
    assert_eq!(client.tick(s(6)), Err(TimedOut::Close));
    assert!(!client.transmit().has_remaining());
}

/// Who never asks for deadlines loses nothing else.
#[test]
fn a_connection_without_time_works() {
    let mut client = end(Role::Client);
    client.send("x").unwrap();
    hear(&mut client, b"\x89\x00\x81\x01a\x88\x00");
    let sent = drain(&mut client);
    assert_eq!(
        sent,
        [
            frame(Role::Client, true, 1, b"x"),
            frame(Role::Client, true, 10, b""),
            frame(Role::Client, true, 8, b"")
        ]
        .concat()
    );
    client.receive_eof().unwrap();
    assert_eq!((client.state(), client.timed_out()), (State::Closed, None));
}

/// Time that stands still, or runs backwards, times nobody out.
#[test]
fn time_that_does_not_pass_is_harmless() {
    let mut client = end(Role::Client);
    for at in [100, 100, 0, 50, 100, 129] {
        assert_eq!(client.tick(s(at)), Ok(Some(s(130))), "{at}");
    }
    assert_eq!(client.tick(Duration::MAX), Ok(Some(Duration::MAX)));
    assert_eq!(drain(&mut client).len(), 6);
}

/// Output that waits has to move, whatever the peer says; while nothing is read, that is all that it has to do.
#[test]
fn output_that_does_not_move_is_a_reason_to_give_up() {
    let mut server = end(Role::Server);
    server.send("stuck").unwrap();
    let mut input = BytesMut::new();
    for at in 0..40 {
        server.tick(s(at)).unwrap();
        input.extend_from_slice(&frame(Role::Client, true, 10, b"here"));
        while let Ok(Some(_)) = server.receive(&mut input) {}
    }
    assert_eq!(server.tick(s(40)), Err(TimedOut::Write));

    let mut server = end(Role::Server);
    server.send("slow").unwrap();
    for at in (0..=195).step_by(39) {
        server.tick_unread(s(at)).unwrap();
        let left = usize::from(server.unsent() > 1);
        server.transmit().advance(left);
    }
    assert_eq!(server.unsent(), 1);
    assert!(server.tick_unread(s(234)).is_ok());
    assert_eq!(server.tick_unread(s(235)), Err(TimedOut::Write));
}

fn pong(role: Role, payload: &[u8]) -> Vec<u8> {
    frame(peer(role), true, 10, payload)
}

/// From the tick that knew of the ping to the tick that knew of its pong, of either end and whoever asked.
#[test]
fn a_round_trip_is_measured_from_tick_to_tick() {
    for role in [Role::Client, Role::Server] {
        let mut end = end(role);
        end.tick(s(0)).unwrap();
        assert_eq!(end.round_trip(), None);
        end.ping("one").unwrap();
        end.tick(s(1)).unwrap();
        end.tick(s(2)).unwrap();
        hear(&mut end, &pong(role, b"one"));
        assert_eq!(end.round_trip(), None, "nobody has said what time it is");
        end.tick(s(4)).unwrap();
        assert_eq!(end.round_trip(), Some(s(3)));
        // It stays until there is another.
        end.tick(s(5)).unwrap();
        hear(&mut end, &pong(role, b"one"));
        end.tick(s(6)).unwrap();
        assert_eq!(end.round_trip(), Some(s(3)), "asked once, answered once");
        end.ping("").unwrap();
        end.tick(s(10)).unwrap();
        hear(&mut end, &pong(role, b""));
        end.tick(s(10)).unwrap();
        assert_eq!(end.round_trip(), Some(s(0)));
    }
}

/// A keepalive ping is known to the tick that sends it.
#[test]
fn a_keepalive_ping_is_measured() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    client.tick(s(30)).unwrap();
    hear(&mut client, &pong(Role::Client, b""));
    client.tick(s(32)).unwrap();
    assert_eq!(client.round_trip(), Some(s(2)));
}

/// A pong that nobody asked for, or that answers something else, measures nothing and spoils nothing.
#[test]
fn a_pong_that_was_not_asked_for_measures_nothing() {
    let mut client = end(Role::Client);
    hear(&mut client, &pong(Role::Client, b""));
    client.tick(s(0)).unwrap();
    client.ping("ping").unwrap();
    client.tick(s(1)).unwrap();
    for other in [&b""[..], b"pin", b"pingg", b"gnip", b"Ping", b"pink"] {
        hear(&mut client, &pong(Role::Client, other));
        client.tick(s(2)).unwrap();
        assert_eq!(client.round_trip(), None, "{other:?}");
    }
    hear(&mut client, &pong(Role::Client, b"ping"));
    client.tick(s(3)).unwrap();
    assert_eq!(client.round_trip(), Some(s(2)));
    // What the peer asks is no answer.
    client.ping("p").unwrap();
    client.tick(s(4)).unwrap();
    hear(&mut client, &frame(Role::Server, true, 9, b"p"));
    hear(&mut client, &frame(Role::Server, true, 1, b"p"));
    client.tick(s(5)).unwrap();
    assert_eq!(client.round_trip(), Some(s(2)));
}

/// Pings that look the same are timed from the first of them; another one is timed in place of the one before, whose
/// pong then measures nothing.
#[test]
fn the_first_ping_and_the_latest_are_timed() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    for at in [1, 2, 3] {
        client.ping("same").unwrap();
        client.tick(s(at)).unwrap();
    }
    hear(&mut client, &pong(Role::Client, b"same"));
    client.tick(s(4)).unwrap();
    assert_eq!(client.round_trip(), Some(s(3)));
    hear(&mut client, &pong(Role::Client, b"same"));
    client.tick(s(9)).unwrap();
    assert_eq!(client.round_trip(), Some(s(3)), "the other two measure nothing");

    // The first without an answer is timed, and the latest.
    for (at, ping) in [(10, "first"), (11, "between"), (12, "latest")] {
        client.ping(ping).unwrap();
        client.tick(s(at)).unwrap();
    }
    hear(&mut client, &pong(Role::Client, b"first"));
    client.tick(s(14)).unwrap();
    assert_eq!(client.round_trip(), Some(s(4)));
    hear(&mut client, &pong(Role::Client, b"between"));
    client.tick(s(15)).unwrap();
    assert_eq!(client.round_trip(), Some(s(4)), "nobody looked at the clock for it");
    hear(&mut client, &pong(Role::Client, b"latest"));
    client.tick(s(17)).unwrap();
    assert_eq!(client.round_trip(), Some(s(5)));

    // A peer may answer the latest only (§5.5.3): the first is not waited for any more.
    for (at, ping) in [(20, "first"), (21, "latest")] {
        client.ping(ping).unwrap();
        client.tick(s(at)).unwrap();
    }
    hear(&mut client, &pong(Role::Client, b"latest"));
    client.tick(s(22)).unwrap();
    assert_eq!(client.round_trip(), Some(s(1)));
    hear(&mut client, &pong(Role::Client, b"first"));
    client.tick(s(29)).unwrap();
    assert_eq!(client.round_trip(), Some(s(1)));
}

/// Each time with another payload, and faster than the answers come.
#[test]
fn one_who_pings_without_a_pause_gets_a_figure() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    for at in 1..20 {
        client.ping(format!("{at}")).unwrap();
        client.tick(s(at)).unwrap();
        if let Some(answered) = at.checked_sub(5).filter(|answered| *answered > 0) {
            hear(&mut client, &pong(Role::Client, format!("{answered}").as_bytes()));
            client.tick(s(at)).unwrap();
            assert_eq!(client.round_trip(), Some(s(5)), "{at}");
        }
    }
}

/// However late: a pong is an answer as long as the connection lives.
#[test]
fn a_late_pong_is_measured() {
    let mut client = connection(Role::Client, &Config::new().keepalive(None));
    client.tick(s(0)).unwrap();
    client.ping("late").unwrap();
    client.tick(s(0)).unwrap();
    client.close(None).unwrap();
    client.tick(s(1)).unwrap();
    hear(&mut client, &pong(Role::Client, b"late"));
    client.tick(s(4)).unwrap();
    assert_eq!(client.round_trip(), Some(s(4)));
}

/// Without a tick between ping and pong there is nothing to measure from, and a clock that runs backwards measures nothing
/// less than no time.
#[test]
fn what_no_clock_has_seen_is_not_measured() {
    let mut client = end(Role::Client);
    client.tick(s(9)).unwrap();
    client.ping("p").unwrap();
    hear(&mut client, &pong(Role::Client, b"p"));
    client.tick(s(10)).unwrap();
    assert_eq!(client.round_trip(), None);
    client.ping("p").unwrap();
    client.tick(s(10)).unwrap();
    hear(&mut client, &pong(Role::Client, b"p"));
    client.tick(s(5)).unwrap();
    assert_eq!(client.round_trip(), Some(s(0)));
}

/// A ping that was dropped on its way is not answered by a pong that looks like it.
#[test]
fn a_ping_that_is_given_up_is_not_timed() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    client.ping("p").unwrap();
    client.tick(s(1)).unwrap();
    client.abandon();
    hear(&mut client, &pong(Role::Client, b"p"));
    client.tick(s(2)).unwrap();
    assert_eq!(client.round_trip(), None);
}

/// A ping that was refused is not timed, and spoils no measurement.
#[test]
fn a_refused_ping_is_not_timed() {
    let mut client = end(Role::Client);
    client.tick(s(0)).unwrap();
    client.ping("p").unwrap();
    client.tick(s(1)).unwrap();
    assert_eq!(client.ping(vec![0; 126]), Err(SendError::ControlTooLong));
    hear(&mut client, &pong(Role::Client, b"p"));
    client.tick(s(2)).unwrap();
    assert_eq!(client.round_trip(), Some(s(1)));
}
