//! Random conversations, recorded at both ends and replayed at once: the replay hears what the application heard, and
//! the machine says what it said.

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    Chunk, CloseFrame, Compression, Config, Connection, Event, Keepalive, Kind, Message, Negotiated, Role,
    TimedOut,
    deflate::{Params, WindowBits},
    frame::OpCode,
    replay::{Entry, Fact, Line, Session, Transcript, What},
    tokio::{Receiver, Recorded, Sender, WebSocket},
};
use tokio::{
    io::{DuplexStream, duplex},
    runtime::Builder,
    time::{sleep, timeout},
};

use crate::{assert_expected, crumble};

type Stream = Recorded<DuplexStream, Vec<u8>>;
type End = WebSocket<Stream>;

/// What an application does.
#[derive(Clone, Debug)]
enum Act {
    /// Receives for so many milliseconds.
    Listen(u64),
    /// Does something else for so many milliseconds.
    Work(u64),
    Send(Message),
    Feed(Message),
    Chunks(Kind, Vec<usize>),
    Ping(&'static str),
    Pong,
    Flush,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Close,
    Drop,
}

#[derive(Clone, Debug)]
struct Conversation {
    config: Config,
    negotiated: Negotiated,
    /// How many bytes are on their way at the most.
    room: usize,
    acts: [Vec<Act>; 2],
    /// Which ends send and receive in two tasks.
    split: [bool; 2],
    ending: Ending,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let messages = || {
        prop_oneof![
            "[a-zäß€ ]{0,40}".prop_map(Message::from),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(Message::from),
            (60..400_usize).prop_map(|len| "word ".repeat(len / 5).into()),
            (4000..9000_usize).prop_map(|len| vec![7; len].into()),
        ]
    };
    let kinds = prop::sample::select(vec![Kind::Text, Kind::Binary]);
    let act = prop_oneof![
        4 => (0..60_u64).prop_map(Act::Listen),
        1 => (0..150_u64).prop_map(Act::Work),
        3 => messages().prop_map(Act::Send),
        3 => messages().prop_map(Act::Feed),
        2 => (kinds, prop::collection::vec(0..90_usize, 1..4)).prop_map(|(kind, lens)| Act::Chunks(kind, lens)),
        2 => prop::sample::select(vec!["", "ping"]).prop_map(Act::Ping),
        1 => Just(Act::Pong),
        1 => Just(Act::Flush),
    ];
    prop::collection::vec(act, 0..12)
}

fn conversations() -> impl Strategy<Value = Conversation> {
    let rooms = prop::sample::select(vec![5, 64, 1000, 100_000]);
    let endings = prop::sample::select(vec![Ending::Close, Ending::Drop]);
    let terms = prop::sample::select(vec![
        None,
        Some(Params::new()),
        Some(Params::new().server_no_context_takeover().client_no_context_takeover()),
        Some(Params::new().client_max_window_bits(WindowBits::new(9).unwrap())),
    ]);
    let always = any::<bool>();
    (any::<bool>(), always, terms, rooms, [acts(), acts()], any::<[bool; 2]>(), endings).prop_map(
        |(alive, always, deflate, room, acts, split, ending)| {
            let millis = Duration::from_millis;
            let keepalive = alive.then_some(Keepalive::new(millis(40), millis(50)));
            let mut config = Config::new().keepalive(keepalive).close_timeout(millis(70));
            config.limits.unsent = 3000;
            if always {
                config = config.compression(Compression::new(6, sansocket::Compress::Always));
            }
            let mut negotiated = Negotiated::default();
            negotiated.deflate = deflate.filter(|_| cfg!(feature = "deflate"));
            Conversation { config, negotiated, room, acts, split, ending }
        },
    )
}

/// Receives for a while; false when the connection is over.
async fn listen(end: &mut End, millis: u64, heard: &mut Vec<Message>) -> bool {
    let listening = async {
        while let Ok(Some(message)) = end.recv().await {
            heard.push(message);
        }
    };
    timeout(Duration::from_millis(millis), listening).await.is_err()
}

/// Does one thing; false when the connection is over.
async fn act(end: &mut End, act: &Act, heard: &mut Vec<Message>) -> bool {
    let result = match act {
        Act::Listen(millis) => return listen(end, *millis, heard).await,
        Act::Work(millis) => {
            sleep(Duration::from_millis(*millis)).await;
            Ok(())
        }
        Act::Send(message) => end.send(message.clone()).await,
        Act::Feed(message) => end.feed(message.clone()).await,
        Act::Chunks(kind, lens) => {
            let mut result = Ok(());
            for (i, len) in lens.iter().enumerate() {
                let chunk = Chunk { kind: *kind, data: vec![b'c'; *len].into(), fin: i + 1 == lens.len() };
                result = result.and(end.feed_chunk(chunk).await);
            }
            result
        }
        Act::Ping(payload) => end.ping(*payload).await,
        Act::Pong => end.pong("unasked").await,
        Act::Flush => end.flush().await,
    };
    result.is_ok()
}

/// Receives as often and as long as the acts say.
async fn receive(receiver: &mut Receiver<Stream>, acts: &[Act], heard: &mut Vec<Message>) {
    for act in acts {
        let listening = async {
            while let Ok(Some(message)) = receiver.recv().await {
                heard.push(message);
            }
        };
        match act {
            Act::Listen(millis) => drop(timeout(Duration::from_millis(*millis), listening).await),
            Act::Work(millis) => sleep(Duration::from_millis(*millis)).await,
            _ => {}
        }
    }
}

/// Sends what the acts say, until the connection is over.
async fn send(sender: &mut Sender<Stream>, acts: &[Act]) {
    for act in acts {
        let result = match act {
            Act::Listen(_) => Ok(()),
            Act::Work(millis) => {
                sleep(Duration::from_millis(*millis)).await;
                Ok(())
            }
            Act::Send(message) => sender.send(message.clone()).await,
            Act::Feed(message) => sender.feed(message.clone()).await,
            Act::Chunks(kind, lens) => {
                let mut result = Ok(());
                for (i, len) in lens.iter().enumerate() {
                    let chunk =
                        Chunk { kind: *kind, data: vec![b'c'; *len].into(), fin: i + 1 == lens.len() };
                    result = result.and(sender.send_chunk(chunk).await);
                }
                result
            }
            Act::Ping(payload) => sender.ping(*payload).await,
            Act::Pong => sender.pong("unasked").await,
            Act::Flush => sender.flush().await,
        };
        if result.is_err() {
            return;
        }
    }
}

/// Does all that the acts say, in two tasks.
async fn act_in_halves(end: End, acts: &[Act], heard: &mut Vec<Message>) -> End {
    let (mut sender, mut receiver) = end.split();
    tokio::join!(send(&mut sender, acts), receive(&mut receiver, acts, heard));
    receiver.reunite(sender).expect("both halves")
}

/// What became of one end.
struct Life {
    heard: Vec<Message>,
    timed_out: Option<TimedOut>,
    session: Session,
}

/// The life of one end.
async fn live(mut end: End, acts: &[Act], split: bool, ending: Option<Ending>) -> Life {
    let mut heard = Vec::new();
    if split {
        end = act_in_halves(end, acts, &mut heard).await;
    } else {
        for step in acts {
            if !act(&mut end, step, &mut heard).await {
                break;
            }
        }
    }
    match ending {
        Some(Ending::Close) => drop(end.close(CloseFrame::new(4000, "enough").unwrap()).await),
        Some(Ending::Drop) => {}
        None => drop(listen(&mut end, 100_000, &mut heard).await),
    }
    let timed_out = end.connection().timed_out();
    let (_, log) = end.into_parts().0.finish();
    let session = String::from_utf8(log.unwrap()).unwrap().parse().unwrap();
    Life { heard, timed_out, session }
}

/// Lets both ends talk, and gives what became of each, the client first; `None` where they would wait for ever.
fn hold(conversation: &Conversation) -> Option<[Life; 2]> {
    let Conversation { config, negotiated, room, acts, split, ending } = conversation;
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (here, there) = duplex(*room);
        let mut key = 0_u32;
        let keys = move || {
            key = key.wrapping_add(0x9E37_79B9);
            key.to_be_bytes()
        };
        let client = Connection::client(config, negotiated.clone(), keys);
        let server = Connection::server(config, negotiated.clone());
        let client = WebSocket::from_parts(here, client, BytesMut::new()).record(config, Vec::new());
        let server = WebSocket::from_parts(there, server, BytesMut::new()).record(config, Vec::new());
        let client = live(client, &acts[0], split[0], Some(*ending));
        let server = live(server, &acts[1], split[1], None);
        let both = timeout(Duration::from_secs(1000), async { tokio::join!(client, server) });
        // Two ends that only send, and no keepalive.
        both.await.ok().map(|(client, server)| [client, server])
    })
}

/// What a plain connection makes of what was read, without times.
fn reference(session: &Session) -> Vec<Event> {
    let mut connection = match session.role {
        Role::Client => Connection::client(&session.config, session.negotiated.clone(), || [0; 4]),
        Role::Server => Connection::server(&session.config, session.negotiated.clone()),
    };
    let mut input = BytesMut::new();
    for line in &session.lines {
        if let Fact::Read(bytes) = &line.fact {
            input.extend_from_slice(bytes);
        }
    }
    std::iter::from_fn(|| connection.receive(&mut input).ok().flatten()).collect()
}

fn messages(transcript: &Transcript) -> Vec<Message> {
    let data = transcript.events().filter_map(|event| match event {
        Event::Data(message) => Some(message.clone()),
        _ => None,
    });
    data.collect()
}

/// The payload of all data frames that the application has sent, in a row.
fn sent(transcript: &Transcript) -> Vec<u8> {
    let mut payload = Vec::new();
    for entry in transcript.entries() {
        match &entry.what {
            What::Sends(frame) if !frame.opcode.is_control() => payload.extend_from_slice(&frame.payload),
            _ => {}
        }
    }
    payload
}

/// When the machine made a keepalive ping, as it was recorded.
fn pings(session: &Session) -> Vec<Duration> {
    let is_ping = |line: &&Line| matches!(line.fact, Fact::Tick(tick) if tick.ping);
    session.lines.iter().filter(is_ping).map(|line| line.at).collect()
}

/// When the machine makes one in the replay.
fn made(transcript: &Transcript) -> Vec<Duration> {
    let is_ping = |entry: &&Entry| matches!(&entry.what, What::Says(frame) if frame.opcode == OpCode::Ping);
    transcript.entries().iter().filter(is_ping).map(|entry| entry.at).collect()
}

fn replays(conversation: &Conversation) -> Result<(), TestCaseError> {
    let Some(lives) = hold(conversation) else { return Ok(()) };
    let transcripts = lives.each_ref().map(|life| life.session.replay());
    for (Life { heard, timed_out, session }, transcript) in lives.iter().zip(&transcripts) {
        prop_assert!(transcript.is_faithful(), "{session}\n{transcript}");
        let expired = transcript.entries().iter().find_map(|entry| match entry.what {
            What::Expires(timed_out) => Some(timed_out),
            _ => None,
        });
        prop_assert_eq!(expired, *timed_out, "{}\n{}", session, transcript);
        let events: Vec<_> = transcript.events().cloned().collect();
        let all = reference(session);
        // What stands behind a message that was held to the last is not heard before it is too late.
        let is_all = events == all || expired.is_some() && all.starts_with(&events);
        prop_assert!(is_all, "{all:?}\n{session}\n{transcript}");
        prop_assert_eq!(pings(session), made(transcript), "{}\n{}", session, transcript);
        // What came behind the application's last look, or while it closed, it did not see.
        prop_assert!(messages(transcript).starts_with(heard), "{session}\n{transcript}");
        prop_assert!(!transcript.entries().iter().any(|entry| entry.what == What::CutOff));
        assert_expected("in single bytes", &crumble(&session.clone().expect(transcript)));
        let reparsed: Session = session.to_string().parse().unwrap();
        prop_assert_eq!(&reparsed.replay(), transcript);
    }
    // What one end has said is what the other has heard, as far as it came.
    for (from, to) in [(0, 1), (1, 0)] {
        let heard: Vec<u8> = messages(&transcripts[to]).iter().flat_map(|m| m.as_bytes().to_vec()).collect();
        prop_assert!(sent(&transcripts[from]).starts_with(&heard));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_random_conversation_is_replayed_as_it_was(conversation in conversations()) {
        replays(&conversation)?;
    }
}

/// The times of the replay are those of the machine: what expired then expires now, at the same time.
#[test]
fn deadlines_come_when_they_came() {
    let conversation = Conversation {
        config: Config::new().keepalive(Keepalive::new(Duration::from_millis(40), Duration::from_millis(50))),
        negotiated: Negotiated::default(),
        room: 1000,
        // The client hears nothing because the server is busy, and gives up.
        acts: [vec![Act::Listen(1000)], vec![Act::Work(500)]],
        split: [false, false],
        ending: Ending::Drop,
    };
    let [client, server] = hold(&conversation).unwrap().map(|life| life.session);
    assert_eq!(
        client.replay().lines(),
        ["0.040000000 says ping 0", "0.090000000 expires Pong: no answer to a keepalive ping in time"]
    );
    assert_eq!(server.replay().lines()[0], "0.500000000 hears ping 0", "{server}");
}
