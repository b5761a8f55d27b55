//! Random conversations, recorded at both ends and replayed at once: the replay hears what the application heard, and
//! the machine says what it said.

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    Chunk, CloseFrame, Compression, Config, Connection, Event, Keepalive, Kind, Message, Negotiated, Role,
    deflate::{Params, WindowBits},
    replay::{Fact, Session, Transcript, What},
    tokio::{Recorded, WebSocket},
};
use tokio::{
    io::{DuplexStream, duplex},
    runtime::Builder,
    time::{sleep, timeout},
};

use crate::{assert_expected, crumble};

type End = WebSocket<Recorded<DuplexStream, Vec<u8>>>;

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
    Ping,
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
        1 => Just(Act::Ping),
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
    (any::<bool>(), always, terms, rooms, [acts(), acts()], endings).prop_map(
        |(alive, always, deflate, room, mut acts, ending)| {
            if alive {
                // While a message is held for an application that sends, the machine is told the time without a trace in
                // the stream: here nothing is held.
                acts[1].retain(|act| matches!(act, Act::Listen(_) | Act::Work(_)));
            }
            let millis = Duration::from_millis;
            let keepalive = alive.then_some(Keepalive::new(millis(40), millis(50)));
            let mut config = Config::new().keepalive(keepalive).close_timeout(millis(70));
            config.limits.unsent = 3000;
            if always {
                config = config.compression(Compression::new(6, sansocket::Compress::Always));
            }
            let mut negotiated = Negotiated::default();
            negotiated.deflate = deflate.filter(|_| cfg!(feature = "deflate"));
            Conversation { config, negotiated, room, acts, ending }
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
async fn act(end: &mut End, act: &Act, name: &str, heard: &mut Vec<Message>) -> bool {
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
        Act::Ping => end.ping(format!("from the {name}")).await,
        Act::Flush => end.flush().await,
    };
    result.is_ok()
}

/// The life of one end: what it heard, and what was recorded.
async fn live(mut end: End, acts: &[Act], ending: Option<Ending>, name: &str) -> (Vec<Message>, Session) {
    let mut heard = Vec::new();
    for step in acts {
        if !act(&mut end, step, name, &mut heard).await {
            break;
        }
    }
    match ending {
        Some(Ending::Close) => drop(end.close(CloseFrame::new(4000, "enough").unwrap()).await),
        Some(Ending::Drop) => {}
        None => drop(listen(&mut end, 100_000, &mut heard).await),
    }
    let (_, log) = end.into_parts().0.finish();
    (heard, String::from_utf8(log.unwrap()).unwrap().parse().unwrap())
}

/// Lets both ends talk, and gives what each heard and recorded, the client first.
fn hold(conversation: &Conversation) -> [(Vec<Message>, Session); 2] {
    let Conversation { config, negotiated, room, acts, ending } = conversation;
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
        let client = live(client, &acts[0], Some(*ending), "client");
        let server = live(server, &acts[1], None, "server");
        let both = timeout(Duration::from_secs(1000), async { tokio::join!(client, server) });
        // Two ends that only send, and no keepalive: they would wait for ever.
        both.await
            .map_or_else(|_| [empty(conversation), empty(conversation)], |(client, server)| [client, server])
    })
}

fn empty(conversation: &Conversation) -> (Vec<Message>, Session) {
    (Vec::new(), Session::new(Role::Server, &conversation.config, &conversation.negotiated))
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

fn replays(conversation: &Conversation) -> Result<(), TestCaseError> {
    let [(client_heard, client), (server_heard, server)] = hold(conversation);
    if client.lines.is_empty() {
        return Ok(());
    }
    let transcripts = [client.replay(), server.replay()];
    for (session, transcript, heard) in
        [(&client, &transcripts[0], &client_heard), (&server, &transcripts[1], &server_heard)]
    {
        prop_assert!(transcript.is_faithful(), "{session}\n{transcript}");
        let events: Vec<_> = transcript.events().cloned().collect();
        prop_assert_eq!(&events, &reference(session), "{}\n{}", session, transcript);
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
        ending: Ending::Drop,
    };
    let [(_, client), (_, server)] = hold(&conversation);
    assert_eq!(
        client.replay().lines(),
        ["0.040000000 says ping 0", "0.090000000 expires Pong: no answer to a keepalive ping in time"]
    );
    assert_eq!(server.replay().lines()[0], "0.500000000 hears ping 0", "{server}");
}
