//! Every future may be dropped at any await: what was received is kept, what was accepted leaves once.

use std::time::Duration;

use sansocket::{Chunk, Config, Kind, Limits, Message, Role, frame::OpCode, tokio::Ended};
use tokio::time::{interval, sleep};

use crate::support::{Peer, Transport, at_once, open, poll_times, server};

type WebSocket = sansocket::tokio::WebSocket<Transport>;

/// How often each future of a session is polled before it is dropped: always so often, or by turns.
#[derive(Clone, Copy)]
enum Patience {
    Always(usize),
    Turns(u64),
}

impl Patience {
    fn next(&mut self) -> usize {
        match self {
            Self::Always(polls) => *polls,
            Self::Turns(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                1 + (*state % 9) as usize
            }
        }
    }
}

/// What the application may do that has to be finished by asking again.
async fn again<T>(mut patience: impl FnMut() -> usize, mut ask: impl AsyncFnMut() -> T) -> T {
    loop {
        if let std::task::Poll::Ready(output) = poll_times(ask(), patience()) {
            return output;
        }
    }
}

async fn receive(websocket: &mut WebSocket, patience: &mut Patience) -> Option<Message> {
    again(|| patience.next(), async || websocket.recv().await).await.unwrap()
}

/// What a peer says: every length of header, a message in fragments with a ping inside.
fn said(peer: &Peer) -> (Vec<u8>, Vec<Message>) {
    let frames = [
        peer.frame(OpCode::Text, b"one"),
        peer.frame(OpCode::Ping, b"a"),
        peer.fragment(false, OpCode::Text, b"frag"),
        peer.frame(OpCode::Ping, b"b"),
        peer.fragment(true, OpCode::Continuation, b"ments"),
        peer.frame(OpCode::Binary, b""),
        peer.frame(OpCode::Binary, &[7; 300]),
        peer.frame(OpCode::Text, b"last"),
        peer.close_frame(1000),
    ];
    let messages = ["one".into(), "fragments".into(), vec![].into(), vec![7; 300].into(), "last".into()];
    (frames.concat(), messages.into())
}

/// A whole session of a connection over which every byte stalls, each future dropped after some polls.
async fn session(role: Role, mut patience: Patience) {
    let (mut websocket, peer) = open(role, &Config::new());
    let (bytes, messages) = said(&peer);
    peer.cut(1);
    peer.stall();
    peer.eof_on_shutdown();
    peer.put(bytes);
    if role == Role::Client {
        peer.eof();
    }
    let patience = &mut patience;
    let chunk = |data: &'static str, fin| Chunk { kind: Kind::Text, data: data.into(), fin };

    // Whatever is dropped of these was accepted at the first poll.
    let _ = poll_times(websocket.send("A"), patience.next());
    assert_eq!(receive(&mut websocket, patience).await.as_ref(), Some(&messages[0]));
    let _ = poll_times(websocket.feed("B"), patience.next());
    let _ = poll_times(websocket.send("C"), patience.next());
    let _ = poll_times(websocket.ping("p"), patience.next());
    assert_eq!(receive(&mut websocket, patience).await.as_ref(), Some(&messages[1]));
    let _ = poll_times(websocket.send_chunk(chunk("D", false)), patience.next());
    let _ = poll_times(websocket.ping("q"), patience.next());
    let _ = poll_times(websocket.send_chunk(chunk("E", true)), patience.next());
    let _ = poll_times(websocket.flush(), patience.next());
    for message in &messages[2..] {
        assert_eq!(receive(&mut websocket, patience).await.as_ref(), Some(message));
        let _ = poll_times(websocket.send(format!("{}", message.len())), patience.next());
    }
    again(|| patience.next(), async || websocket.flush().await).await.unwrap();
    let ended = again(|| patience.next(), async || websocket.close(None).await).await;
    assert!(matches!(ended, Ended::Clean { .. }), "{ended:?}");
    assert_eq!(peer.shutdowns(), 1);

    let heard = peer.heard();
    let pongs: Vec<_> = heard.iter().filter(|word| word.starts_with("pong")).collect();
    assert_eq!(pongs, ["pong a", "pong b"]);
    let rest = heard.iter().filter(|word| !word.starts_with("pong")).collect::<Vec<_>>();
    let (close, rest) = rest.split_last().unwrap();
    assert!(close.starts_with("close"), "{heard:?}");
    let said = ["text A", "text B", "text C", "ping p", "text+ D", "ping q", "continuation E"];
    assert_eq!(rest[..7], said);
    assert_eq!(rest[7..], ["text 0", "text 300", "text 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_futures_are_all_dropped_after_so_many_polls() {
    for role in [Role::Server, Role::Client] {
        for polls in (1..40).chain([100, 1000, 10_000]) {
            session(role, Patience::Always(polls)).await;
        }
        for seed in 1..60 {
            session(role, Patience::Turns(seed * 0x9E37_79B9)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn large_messages_are_kept_as_well() {
    for cut in [100, 1000, 7000, 16_383, 16_384, 16_385, 65_536] {
        for polls in [1, 2, 3, 5] {
            let (mut websocket, peer) = server();
            peer.cut(cut);
            peer.stall();
            let mut bytes = Vec::new();
            let messages: Vec<Vec<u8>> = [4095, 4096, 16_385, 70_000, 1, 200_000, 0, 65_536]
                .into_iter()
                .enumerate()
                .map(|(i, len)| (0..len).map(|at| (at % 251 + i) as u8).collect())
                .collect();
            for message in &messages {
                bytes.extend(peer.frame(OpCode::Binary, message));
                bytes.extend(peer.frame(OpCode::Ping, b"p"));
            }
            peer.put(bytes);
            for message in messages {
                let received = receive(&mut websocket, &mut Patience::Always(polls)).await;
                assert!(received == Some(message.into()), "cut {cut}, polls {polls}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_that_never_found_room_is_not_sent() {
    let mut limits = Limits::default();
    limits.unsent = 1;
    let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    peer.stop_reading();
    assert!(poll_times(websocket.send("accepted"), 1).is_pending());
    for polls in 0..10 {
        assert!(poll_times(websocket.send("refused"), polls).is_pending());
        assert!(poll_times(websocket.feed("refused"), polls).is_pending());
        assert!(poll_times(websocket.ping("refused"), polls).is_pending());
        let chunk = Chunk { kind: Kind::Text, data: "refused".into(), fin: false };
        assert!(poll_times(websocket.send_chunk(chunk), polls).is_pending());
    }
    peer.open(usize::MAX);
    at_once(websocket.send("next")).unwrap();
    assert_eq!(peer.heard(), ["text accepted", "text next"]);
}

#[tokio::test(start_paused = true)]
async fn with_little_room_what_arrives_is_whole_once_and_in_order() {
    let mut limits = Limits::default();
    limits.unsent = 10;
    for polls in 1..25 {
        let (mut websocket, peer) = open(Role::Client, &Config::new().limits(limits));
        peer.cut(1);
        peer.stall();
        let mut must = Vec::new();
        for i in 0..50 {
            let message = format!("{i}");
            if poll_times(websocket.send(message.clone()), polls).is_ready() {
                must.push(format!("text {message}"));
            }
        }
        again(|| 3, async || websocket.flush().await).await.unwrap();
        let heard = peer.heard();
        let number = |word: &String| word.strip_prefix("text ").unwrap().parse::<u32>().unwrap();
        assert!(heard.is_sorted_by(|a, b| number(a) < number(b)), "{heard:?}");
        assert!(must.iter().all(|word| heard.contains(word)));
    }
}

#[tokio::test(start_paused = true)]
async fn recv_in_a_select_with_a_timer() {
    let (mut websocket, peer) = server();
    let (bytes, messages) = said(&peer);
    let speaking = async {
        for byte in bytes {
            peer.put([byte]);
            sleep(Duration::from_micros(1700)).await;
        }
    };
    let receiving = async {
        let mut received = Vec::new();
        let mut ticks = interval(Duration::from_millis(1));
        loop {
            tokio::select! {
                message = websocket.recv() => match message.unwrap() {
                    Some(message) => received.push(message),
                    None => return received,
                },
                _ = ticks.tick() => websocket.feed("tick").await.unwrap(),
            }
        }
    };
    let (received, ()) = tokio::join!(receiving, speaking);
    assert_eq!(received, messages);
    let heard = peer.heard();
    assert!(heard.iter().filter(|word| *word == "text tick").count() > 300);
    assert_eq!(heard.last().unwrap(), "close 1000");
    assert!(!heard.contains(&"…".into()));
}

#[tokio::test(start_paused = true)]
async fn sending_and_receiving_are_dropped_by_turns() {
    let (mut websocket, peer) = server();
    peer.cut(1);
    peer.stall();
    let mut received = 0;
    for i in 0..200 {
        peer.text(&format!("{i}"));
        let _ = poll_times(websocket.send(format!("{i}")), 1 + i % 5);
        let _ = poll_times(websocket.flush(), 1 + i % 3);
        if let std::task::Poll::Ready(message) = poll_times(websocket.recv(), 1 + i % 7) {
            assert_eq!(message.unwrap(), Some(format!("{received}").into()));
            received += 1;
        }
    }
    while received < 200 {
        let message = receive(&mut websocket, &mut Patience::Always(1)).await;
        assert_eq!(message, Some(format!("{received}").into()));
        received += 1;
    }
    again(|| 1, async || websocket.flush().await).await.unwrap();
    assert_eq!(peer.heard(), (0..200).map(|i| format!("text {i}")).collect::<Vec<_>>());
}
