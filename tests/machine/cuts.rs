//! The same bytes, cut anywhere, taken in either view, are the same conversation. Every fixture, and random streams.

use std::collections::BTreeSet;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{Config, Connection, Event, ProtocolError, Role};

use crate::{
    TABLES,
    support::{
        chance::Chance,
        player::{Player, VIEWS, View, connection, drain, judge},
        wire::{Fixture, Said, Seen, frame, peer},
    },
};

/// What only a compressed message can break.
const DEFLATE: [ProtocolError; 2] = [ProtocolError::DeflateInvalid, ProtocolError::RatioTooHigh];

fn fixtures() -> Vec<Fixture> {
    TABLES.iter().flat_map(|(_, table)| Fixture::parse_all(table)).collect()
}

/// Where an input is worth cutting: everywhere, or, in a long one, where frames begin and end and now and then between.
fn places(len: usize) -> Vec<usize> {
    if len <= 600 {
        return (1..len).collect();
    }
    (1..len).filter(|at| *at < 40 || *at > len - 40 || at % 1999 == 0 || at % 4096 < 2).collect()
}

#[test]
fn every_fixture_cut_in_two_at_every_byte() {
    for fixture in fixtures() {
        for at in places(fixture.input().len()) {
            for view in VIEWS {
                if let Some(fault) = judge(&fixture, view, &[at]) {
                    panic!("{fault}");
                }
            }
        }
    }
}

#[test]
fn every_short_fixture_cut_in_three_at_every_pair_of_bytes() {
    for fixture in fixtures() {
        let len = fixture.input().len();
        if len > 48 {
            continue;
        }
        for first in 1..len {
            for second in first + 1..len {
                for view in VIEWS {
                    if let Some(fault) = judge(&fixture, view, &[first, second]) {
                        panic!("{fault}");
                    }
                }
            }
        }
    }
}

/// Each rule that the peer can break is broken by a fixture, and the fixture names its close code.
#[test]
fn every_error_has_a_fixture() {
    let fixtures = fixtures();
    let hit: BTreeSet<_> = fixtures.iter().filter_map(|fixture| fixture.expected.error).collect();
    let can_be_hit = |error: &&ProtocolError| cfg!(feature = "deflate") || !DEFLATE.contains(error);
    let missed: Vec<_> =
        ProtocolError::ALL.iter().filter(can_be_hit).filter(|error| !hit.contains(error)).collect();
    assert!(missed.is_empty(), "no fixture for {missed:?}");
    for fixture in &fixtures {
        if let Some(error) = fixture.expected.error {
            let code = fixture.line.rsplit_once('!').unwrap().1.split_whitespace().next().unwrap();
            assert_eq!(code, error.close_code().to_string(), "{}", fixture.line);
        }
    }
}

/// After each error: no further event, no further byte, the same error for ever, in either view.
#[test]
fn an_error_is_for_ever() {
    for fixture in fixtures().iter().filter(|fixture| fixture.expected.error.is_some()) {
        for view in VIEWS {
            let mut player = Player::play(fixture, view, &[]);
            let seen = player.seen.clone();
            for _ in 0..3 {
                for (opcode, payload) in
                    [(1, &b"text"[..]), (2, b"binary"), (9, b"ping"), (8, b"\x03\xe8"), (15, b"")]
                {
                    player.feed(&frame(peer(fixture.role), true, opcode, payload));
                }
                let _ = player.connection.receive_eof();
            }
            assert!(player.wrong.is_empty(), "{}: {:?}", fixture.line, player.wrong);
            assert_eq!(player.seen, seen, "{}", fixture.line);
            assert_eq!(player.connection.error(), fixture.expected.error);
        }
    }
}

/// Plays bytes in these pieces, to the end of the stream.
fn play(mut end: Player, wire: &[u8], cuts: &[usize]) -> Seen {
    let mut from = 0;
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (wire.len() + 1)).chain([wire.len()]).collect();
    cuts.sort_unstable();
    for to in cuts {
        end.feed(&wire[from..to]);
        from = to;
    }
    assert!(end.wrong.is_empty(), "{:?}", end.wrong);
    end.seen
}

fn small(role: Role) -> Connection {
    let mut config = Config::new().max_message(200);
    config.limits.frame = 150;
    config.limits.fragments = 5;
    connection(role, &config)
}

/// A stream that is mostly right: messages in fragments with control frames between them.
fn streams(from: Role) -> impl Strategy<Value = Vec<u8>> {
    let payloads = prop_oneof![
        3 => "[a-zé€😀]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (100..160usize).prop_map(|len| vec![b'x'; len]),
    ];
    let message =
        (any::<bool>(), prop::collection::vec(payloads, 1..5)).prop_map(move |(text, fragments)| {
            let last = fragments.len() - 1;
            let frames = fragments.iter().enumerate().map(|(i, payload)| {
                let opcode = if i > 0 {
                    0
                } else if text {
                    1
                } else {
                    2
                };
                let between =
                    if payload.len() % 3 == 1 { frame(from, true, 9, &payload[..1]) } else { Vec::new() };
                [frame(from, i == last, opcode, payload), between].concat()
            });
            frames.collect::<Vec<_>>().concat()
        });
    let control = (8..11u8, prop::collection::vec(any::<u8>(), 0..4));
    let control = control.prop_map(move |(opcode, payload)| frame(from, true, opcode, &payload));
    prop::collection::vec(prop_oneof![5 => message, 1 => control], 0..6).prop_map(|parts| parts.concat())
}

/// The same with a few bits changed.
fn mutated(from: Role) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 0..4);
    (streams(from), changes).prop_map(|(mut wire, changes)| {
        for (at, bit) in changes {
            if !wire.is_empty() {
                let at = at.index(wire.len());
                wire[at] ^= 1 << bit;
            }
        }
        wire
    })
}

fn same_however_cut(role: Role, wire: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let whole = play(Player::new(small(role), View::Messages), wire, &[]);
    let every_byte: Vec<_> = (0..wire.len()).collect();
    for view in VIEWS {
        for cuts in [cuts, &[], &every_byte] {
            prop_assert_eq!(
                &whole,
                &play(Player::new(small(role), view), wire, cuts),
                "{:?} at {:?}",
                view,
                cuts
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_is_the_same_to_a_server(
        wire in mutated(Role::Client), cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        same_however_cut(Role::Server, &wire, &cuts)?;
    }

    #[test]
    fn a_stream_cut_anywhere_is_the_same_to_a_client(
        wire in mutated(Role::Server), cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        same_however_cut(Role::Client, &wire, &cuts)?;
    }

    #[test]
    fn any_bytes_cut_anywhere_are_the_same(
        wire in prop::collection::vec(any::<u8>(), 0..64), cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        same_however_cut(Role::Client, &wire, &cuts)?;
        same_however_cut(Role::Server, &wire, &cuts)?;
    }

    /// Whoever changes between the views at random loses what he skips and nothing else: whole messages are messages of
    /// the stream, in order, and pings, closes, errors and answers are what they were.
    #[test]
    fn any_mix_of_views_hears_the_same_conversation(
        wire in mutated(Role::Server), cuts in prop::collection::vec(any::<usize>(), 0..12), seed in any::<u64>(),
    ) {
        let whole = play(Player::new(small(Role::Client), View::Messages), &wire, &[]);
        let mut chance = Chance::new(seed);
        let mut client = small(Role::Client);
        let (mut input, mut output, mut events) = (BytesMut::new(), Vec::new(), Vec::new());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (wire.len() + 1)).chain([wire.len()]).collect();
        cuts.sort_unstable();
        let mut from = 0;
        for to in cuts {
            input.extend_from_slice(&wire[from..to]);
            from = to;
            // Twice nothing, once in each view: more bytes are wanted.
            let mut silent = [false; 2];
            while silent != [true; 2] {
                let as_chunks = chance.below(2);
                let received = match as_chunks {
                    0 => client.receive(&mut input),
                    _ => client.receive_chunk(&mut input).map(|event| event.and_then(|event| match event {
                        Event::Data(_) => None,
                        Event::Ping(payload) => Some(Event::Ping(payload)),
                        Event::Pong(payload) => Some(Event::Pong(payload)),
                        Event::Close(frame) => Some(Event::Close(frame)),
                        other => panic!("{other:?}"),
                    })),
                };
                output.extend(drain(&mut client));
                match received {
                    Ok(Some(event)) => (silent, _) = ([false; 2], events.push(Said::Event(event))),
                    Ok(None) | Err(_) => silent[as_chunks] = true,
                }
            }
        }
        prop_assert_eq!(client.error(), whole.error);
        prop_assert_eq!(output, whole.output);
        let mut expected = whole.said.into_iter();
        for event in events {
            let skipped = expected.by_ref().take_while(|said| *said != event);
            let skipped: Vec<_> = skipped.filter(|said| !matches!(said, Said::Event(Event::Data(_)))).collect();
            prop_assert_eq!(skipped, vec![], "before {:?}", event);
        }
        prop_assert!(expected.all(|said| matches!(said, Said::Event(Event::Data(_)))));
    }
}
