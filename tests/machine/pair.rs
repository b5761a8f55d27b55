//! Two machines talk: what one says the other hears, in order, and both end closed.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sansocket::{
    Chunk, CloseFrame, Config, Connection, Event, Keepalive, Kind, Message, ProtocolError, Role, State, Text,
};

use crate::support::{
    link::{End, Link},
    player::{View, connection},
};

/// What may happen to one of the two ends.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Send(Kind, usize),
    Chunk(Kind, usize, bool),
    Ping(u8),
    Pong(u8),
    Close,
    Tick(u64),
    SendSome,
    Arrive(usize),
}

/// Time enough that nothing but a ping ever falls due.
fn config() -> Config {
    let age = Duration::from_secs(1 << 40);
    let mut config = Config::new().keepalive(Keepalive::new(Duration::from_secs(1), age)).close_timeout(age);
    config.limits.control = 200;
    config.limits.unsent = 20_000;
    config
}

/// A text whose characters are cut by most chunkings.
fn payload(kind: Kind, len: usize) -> Vec<u8> {
    match kind {
        Kind::Binary => (0..len).map(|i| (i * 7) as u8).collect(),
        Kind::Text => "a€é😀".chars().cycle().take(len / 2).collect::<String>().into_bytes(),
    }
}

fn message(kind: Kind, payload: Vec<u8>) -> Message {
    match kind {
        Kind::Binary => Message::Binary(payload.into()),
        Kind::Text => Message::Text(Text::try_from(Bytes::from(payload)).expect("text that we made")),
    }
}

/// Says something, and notes what the peer is to hear of it.
fn happen(link: &mut Link, who: usize, happening: Happening) {
    let now = &mut link.now;
    let end = &mut link.ends[who];
    match happening {
        Happening::Send(kind, len) => {
            let message = message(kind, payload(kind, len));
            if end.connection().send(message.clone()).is_ok() {
                end.said.push(Event::Data(message));
            }
        }
        Happening::Chunk(kind, len, fin) => say_chunk(end, kind, payload(kind, len), fin),
        Happening::Ping(number) => {
            let payload = Bytes::from(vec![b'!', number]);
            if end.connection().ping(payload.clone()).is_ok() {
                end.said.push(Event::Ping(payload));
            }
        }
        Happening::Pong(number) => {
            let payload = Bytes::from(vec![b'?', number]);
            if end.connection().pong(payload.clone()).is_ok() {
                end.said.push(Event::Pong(payload));
            }
        }
        Happening::Close => {
            let _ = end.connection().close(CloseFrame::NORMAL);
        }
        Happening::Tick(millis) => {
            *now += Duration::from_millis(millis);
            end.player.connection.tick(*now).expect("nothing falls due");
        }
        Happening::SendSome => {
            link.send_some(who);
        }
        Happening::Arrive(most) => {
            link.arrive(who, most);
        }
    }
}

fn say_chunk(end: &mut End, kind: Kind, data: Vec<u8>, fin: bool) {
    let chunk = Chunk { kind, data: Bytes::from(data.clone()), fin };
    if end.connection().send_chunk(chunk).is_err() {
        return;
    }
    let (kind, mut so_far) = end.open.take().unwrap_or((kind, Vec::new()));
    so_far.extend(data);
    if fin {
        end.said.push(Event::Data(message(kind, so_far)));
    } else {
        end.open = Some((kind, so_far));
    }
}

/// Whether the application said this, or the machine by itself: keepalive pings are empty, answers carry a ping's payload.
fn is_of_the_application(event: &Event) -> bool {
    match event {
        Event::Data(_) => true,
        Event::Ping(payload) => !payload.is_empty(),
        Event::Pong(payload) => payload.first() == Some(&b'?'),
        _ => false,
    }
}

fn pings(events: &[&Event]) -> Vec<Bytes> {
    events
        .iter()
        .filter_map(|event| if let Event::Ping(payload) = event { Some(payload.clone()) } else { None })
        .collect()
}

/// All that one end said, the other heard; and its pings were answered in order, some by the answer to a later one.
fn agree(speaker: &End, hearer: &End) -> Result<(), TestCaseError> {
    let heard: Vec<_> = hearer.heard().filter(|event| is_of_the_application(event)).collect();
    prop_assert_eq!(heard, speaker.said.iter().collect::<Vec<_>>());
    let asked = pings(&hearer.heard().collect::<Vec<_>>());
    let mut asked = asked.iter();
    let answers = speaker.heard().filter_map(|event| match event {
        Event::Pong(payload) if payload.first() != Some(&b'?') => Some(payload),
        _ => None,
    });
    for answer in answers {
        prop_assert!(asked.any(|ping| ping == answer), "an answer out of order: {:?}", answer);
    }
    Ok(())
}

fn happenings() -> impl Strategy<Value = Vec<(usize, Happening)>> {
    let kind = prop::sample::select(vec![Kind::Text, Kind::Binary]);
    let len = prop_oneof![3 => 0..20usize, 1 => 100..300usize, 1 => 4000..5000usize];
    let happening = prop_oneof![
        3 => (kind.clone(), len.clone()).prop_map(|(kind, len)| Happening::Send(kind, len)),
        4 => (kind, len, any::<bool>()).prop_map(|(kind, len, fin)| Happening::Chunk(kind, len, fin)),
        2 => any::<u8>().prop_map(Happening::Ping),
        1 => any::<u8>().prop_map(Happening::Pong),
        1 => (0..1500u64).prop_map(Happening::Tick),
        5 => Just(Happening::SendSome),
        5 => (1..200usize).prop_map(Happening::Arrive),
    ];
    let close = prop::collection::vec((0..2usize, Just(Happening::Close)), 0..2);
    let talk = || prop::collection::vec((0..2usize, happening.clone()), 0..40);
    (talk(), close, talk()).prop_map(|(before, close, after)| [before, close, after].concat())
}

fn link(views: [bool; 2], seed: u64, config: &Config) -> Link {
    let view = |chunks| if chunks { View::Chunks } else { View::Messages };
    let ends: [Connection; 2] = [Role::Client, Role::Server].map(|role| connection(role, config));
    let [client, server] = ends;
    Link::new([(client, view(views[0])), (server, view(views[1]))], seed)
}

proptest! {
    #[test]
    fn two_ends_agree_on_what_was_said_and_end_closed(
        happenings in happenings(), views in any::<[bool; 2]>(), closer in 0..2usize, seed in any::<u64>(),
    ) {
        let mut link = link(views, seed, &config());
        for (who, happening) in happenings {
            happen(&mut link, who, happening);
        }
        happen(&mut link, closer, Happening::Close);
        link.settle();

        prop_assert!(link.is_over(), "{:?}", link.ends.each_ref().map(|end| end.player.connection.state()));
        for end in &link.ends {
            let connection = &end.player.connection;
            prop_assert_eq!(&end.player.wrong, &Vec::<String>::new());
            prop_assert_eq!((connection.error(), connection.timed_out(), connection.unsent()), (None, None, 0));
            prop_assert!(connection.received_close().is_some() && connection.sent_close().is_some());
            prop_assert!(!connection.wants_read() || end.player.connection.state() == State::Open);
        }
        agree(&link.ends[0], &link.ends[1])?;
        agree(&link.ends[1], &link.ends[0])?;
        let [client, server] = link.ends.each_ref().map(|end| &end.player.connection);
        for (sent, received) in [(client.sent(), server.received()), (server.sent(), client.received())] {
            prop_assert_eq!(sent.messages, received.messages);
            // Behind a Close frame there may be pongs, which nobody looks at.
            prop_assert!(sent.frames >= received.frames && sent.bytes >= received.bytes);
            prop_assert!(sent.frames != received.frames || sent.bytes == received.bytes);
        }
    }

    /// The stream may break anywhere: what was heard is the beginning of what was said, and the end is told as what it is.
    #[test]
    fn a_broken_stream_loses_only_what_had_not_arrived(
        happenings in happenings(), views in any::<[bool; 2]>(), seed in any::<u64>(),
    ) {
        let mut link = link(views, seed, &config());
        for (who, happening) in happenings {
            happen(&mut link, who, happening);
        }
        for end in &mut link.ends {
            let clean = end.player.connection.received_close().is_some();
            let ended = end.connection().receive_eof();
            prop_assert_eq!(ended, if clean { Ok(()) } else { Err(ProtocolError::EofWithoutClose) });
            prop_assert_eq!(end.connection().state(), State::Closed);
            prop_assert!(end.connection().send("x").is_err());
        }
        for (speaker, hearer) in [(0, 1), (1, 0)] {
            let heard: Vec<_> = link.ends[hearer].heard().filter(|event| is_of_the_application(event)).collect();
            let said: Vec<_> = link.ends[speaker].said.iter().take(heard.len()).collect();
            prop_assert_eq!(heard, said);
        }
    }
}
