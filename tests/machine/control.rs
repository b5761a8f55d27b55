//! §5.5, control frames: their form, and the answers to pings.

use std::{fmt::Write as _, time::Duration};

use bytes::{Buf, BytesMut};
use sansocket::{Config, Connection, Event, Keepalive, Pings, Role, TimedOut, frame::OpCode};

use crate::support::{
    player::{check_table, connect, connection, drain},
    wire::{frame, frames, peer},
};

pub(crate) const TABLE: &str = r#"
    # §5.5.2: a ping is answered with its own payload, of any length that it may have.
    server < [ping ]                                     | ping "" > [pong ]
    server < [ping "p"]                                  | ping "p" > [pong "p"]
    client < [ping 00ff]                                 | ping 00ff > [pong 00ff]
    client < [ping 61*125]                               | ping 61*125 > [pong 61*125]
    server < [ping 61*125]                               | ping 61*125 > [pong 61*125]
    # A payload that looks like a message is none, wherever it is cut.
    client < [ping 8200]                                 | ping 8200 > [pong 8200]
    # §5.5.3: a pong nobody asked for is fine, and is not answered.
    server < [pong "p"]                                  | pong "p"
    client < [pong 61*125]                               | pong 61*125
    # Ten pings in one read are answered one by one, in order.
    client < [ping "0"] [ping "1"] [ping "2"] [ping "3"] [ping "4"] [ping "5"] [ping "6"] [ping "7"] [ping "8"] [ping "9"] | ping "0", ping "1", ping "2", ping "3", ping "4", ping "5", ping "6", ping "7", ping "8", ping "9" > [pong "0"] [pong "1"] [pong "2"] [pong "3"] [pong "4"] [pong "5"] [pong "6"] [pong "7"] [pong "8"] [pong "9"]
    # A ping and a close in one read: neither answer replaces the other.
    server < [ping "p"] [close 1000]                     | ping "p", close 1000 > [pong "p"] [close 1000]

    # Longer than 125 bytes: refused by the first two bytes, for each kind, also for pong and close.
    server < 89 fe                                       | ! 1002 ControlTooLong
    server < 8a fe                                       | ! 1002 ControlTooLong
    server < 88 fe                                       | ! 1002 ControlTooLong
    client < 89 7e                                       | ! 1002 ControlTooLong
    client < 8a 7f                                       | ! 1002 ControlTooLong
    client < 88 7e 007e 00*126                           | ! 1002 ControlTooLong
    client < 89 7e 0005 48656c6c6f                       | ! 1002 ControlTooLong
    client < 8a 7f 0000000000000001 61                   | ! 1002 ControlTooLong

    # Fragmented: refused, for each kind, empty or not, inside a message or not.
    server < 09 80                                       | ! 1002 ControlFragmented
    server < 0a 80                                       | ! 1002 ControlFragmented
    server < 08 80                                       | ! 1002 ControlFragmented
    client < 09 01                                       | ! 1002 ControlFragmented
    client < [text- "a"] 09 00                           | ! 1002 ControlFragmented
    client < [text- "a"] 0a 7d                           | ! 1002 ControlFragmented

    # Pings that are shown are not answered, and what the application then says is its own.
    server pings=shown < [ping "p"] [ping ] {pong "p"}    | ping "p", ping "" > [pong "p"]
    client pings=shown < [ping "a"] {pong "b"} {ping "c"} [pong "c"] | ping "a", pong "c" > [pong "b"] [ping "c"]
    server pings=shown < [text- "a"] [ping "p"] [cont "b"] {pong "p"} {text "c"} | ping "p", text ab > [pong "p"] [text "c"]
    # Close frames are answered all the same, breaches are told, and behind a Close frame there is no pong.
    server pings=shown < [ping "p"] [close 1000] {pong "p"} | ping "p", close 1000, refused Closed > [close 1000]
    client pings=shown < [ping "p"] c1 00 {pong "p"}      | ping "p", refused Closed ! 1002 ReservedBit
    client pings=shown < {close 1000} [ping "p"] {pong "p"} | ping "p", refused Closed > [close 1000]

    # Not before it is whole.
    client < 89 05 48656c6c                              |
    server < 88 82 37fa213d 34                           |
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// A million pings while nothing can be written: a few pongs wait, and behind them the answer to the latest.
#[test]
fn a_flood_of_pings_is_bounded_and_the_latest_is_answered() {
    for role in [Role::Server, Role::Client] {
        let from = if role == Role::Server { Role::Client } else { Role::Server };
        let mut end = connect(role);
        let mut input = BytesMut::new();
        let mut payload = String::new();
        for number in 0..1_000_000u32 {
            payload.clear();
            write!(payload, "{number}").unwrap();
            input.extend_from_slice(&frame(from, true, 9, payload.as_bytes()));
            assert!(matches!(end.receive(&mut input), Ok(Some(Event::Ping(_)))));
            assert!(end.unsent() < (16 << 10) + 131, "{} bytes of pongs", end.unsent());
        }
        let pongs = frames(&drain(&mut end));
        assert!(pongs.iter().all(|(header, _)| header.opcode == OpCode::Pong));
        let answers = |pongs: &[(_, Vec<u8>)]| {
            pongs.iter().map(|(_, p)| String::from_utf8_lossy(p).parse().unwrap()).collect::<Vec<u32>>()
        };
        let (latest, first) = pongs.split_last().unwrap();
        assert_eq!(answers(first), (0..first.len() as u32).collect::<Vec<_>>());
        assert_eq!(answers(std::slice::from_ref(latest)), [999_999]);
    }
}

/// An end that has answered one ping and keeps the next, because the answer to the first has not been written.
pub(crate) fn keeping_a_pong(role: Role) -> Connection {
    let mut config = Config::new();
    config.limits.control = 1;
    let mut end = connection(role, &config);
    for payload in ["answered", "kept"] {
        let ping = frame(peer(role), true, 9, payload.as_bytes());
        assert!(matches!(end.receive(&mut BytesMut::from(&ping[..])), Ok(Some(Event::Ping(_)))));
    }
    assert_eq!(end.transmit().remaining(), frame(role, true, 10, b"answered").len());
    end
}

fn pongs(wire: &[u8]) -> Vec<Vec<u8>> {
    let pongs = frames(wire).into_iter().filter(|(header, _)| header.opcode == OpCode::Pong);
    pongs.map(|(_, payload)| payload).collect()
}

/// A pong that waits for room is bytes that wait, as many as it will be on the wire: a driver that looks at the number
/// must not go to sleep on it.
#[test]
fn a_pong_kept_for_later_counts_as_unsent() {
    for role in [Role::Server, Role::Client] {
        let mut end = keeping_a_pong(role);
        let (mut written, unsent) = (Vec::new(), end.unsent());
        while end.unsent() > 0 {
            let len = end.transmit().chunk().len();
            assert!(len > 0, "unsent, but nothing to write");
            written.extend_from_slice(end.transmit().chunk());
            end.transmit().advance(len);
        }
        assert_eq!(pongs(&written), [&b"answered"[..], b"kept"]);
        assert_eq!(written.len(), unsent, "{role:?}");
    }
}

/// §5.5.3: where not all are answered, the order still holds: no pong overtakes a later one's.
#[test]
fn a_pong_kept_for_later_is_not_sent_behind_a_later_one() {
    let mut server = keeping_a_pong(Role::Server);
    let waiting = server.transmit().remaining();
    server.transmit().advance(waiting);
    let later = frame(Role::Client, true, 9, b"later");
    server.receive(&mut BytesMut::from(&later[..])).unwrap();
    assert_eq!(pongs(&drain(&mut server)), [b"later"]);
}

/// Output that never runs dry holds up no pong for ever: the answers wait in line, and only they are counted.
#[test]
fn a_steady_backlog_does_not_starve_the_pongs() {
    for role in [Role::Server, Role::Client] {
        let mut end = connect(role);
        end.send(vec![0; 60_000]).unwrap();
        let (mut written, mut sent) = (Vec::new(), 0);
        for number in 0..100u8 {
            end.send(vec![0; 20_000]).unwrap();
            let ping = frame(peer(role), true, 9, &[number]);
            end.receive(&mut BytesMut::from(&ping[..])).unwrap();
            while sent < 20_000 * (usize::from(number) + 1) {
                let transmit = end.transmit();
                let len = transmit.chunk().len().min(5000);
                written.extend_from_slice(&transmit.chunk()[..len]);
                transmit.advance(len);
                sent += len;
            }
            assert!(end.unsent() > 16 << 10, "a backlog above the limit, at all times");
        }
        let answered = pongs(&written);
        assert!(answered.len() > 90, "{} of 100 answered", answered.len());
        assert!(answered.is_sorted());
    }
}

/// Who answers pings itself is shown all of them, and nothing is kept of any.
#[test]
fn pings_that_are_shown_leave_nothing() {
    let mut end = connection(Role::Server, &Config::new().pings(Pings::Shown));
    let mut input = BytesMut::new();
    for number in 0..100_000_u32 {
        input.extend_from_slice(&frame(Role::Client, true, 9, &number.to_be_bytes()));
        assert!(
            matches!(end.receive(&mut input), Ok(Some(Event::Ping(payload))) if payload == number.to_be_bytes()[..])
        );
        assert_eq!((end.unsent(), end.sent().frames), (0, 0));
    }
    end.pong(99_999_u32.to_be_bytes().to_vec()).unwrap();
    assert_eq!(drain(&mut end), frame(Role::Server, true, 10, &99_999_u32.to_be_bytes()));
}

/// Keepalive asks as ever, where pings are shown; and the peer's silence is its silence.
#[test]
fn pings_that_are_shown_do_not_change_ours() {
    let s = Duration::from_secs;
    let config = Config::new().pings(Pings::Shown).keepalive(Keepalive::new(s(30), s(10)));
    let mut end = connection(Role::Server, &config);
    end.tick(s(0)).unwrap();
    assert_eq!(end.tick(s(30)), Ok(Some(s(40))));
    assert_eq!(drain(&mut end), b"\x89\x00");
    assert_eq!(end.tick(s(40)), Err(TimedOut::Pong));
}
