//! The rooms of the chat example: who hears what, what slow members cost, and how thousands are told and closed.
#![cfg(all(feature = "deflate", feature = "tokio"))]

mod counting;
#[path = "../examples/chat/farewell.rs"]
mod farewell;
#[path = "../examples/chat/hub.rs"]
mod hub;
#[path = "../examples/chat/protocol.rs"]
mod protocol;

use std::time::Duration;

use bytes::BytesMut;
use sansocket::{
    CloseCode, CloseFrame, Config, Connection, Message, Negotiated, Overflow,
    deflate::{Params, WindowBits},
    tokio::{Ended, WebSocket},
};
use tokio::{
    io::{DuplexStream, duplex},
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};

use farewell::Farewell;
use hub::{CROWD, Counts, HISTORY, HISTORY_BYTES, Hub, News, Person};
use protocol::Line;

/// How a stream is cut: less than a message, so that all ends of it are met.
const PIPE: usize = 512;
/// What is held for who does not read: half of it may be encoded, the other half can still be dropped.
const UNSENT: usize = 128 << 10;

/// News for people, without the time.
fn write(news: &News<'_>) -> String {
    let name = |it: &Person| format!("{} {}", it.id, it.name);
    match news {
        News::Welcome { you, room } => format!("you are {} in {room}", name(you)),
        News::Here { count, people } => {
            let people: Vec<_> = people.iter().map(|it| name(it)).collect();
            format!("{count} here: {}", people.join(", "))
        }
        News::Joined(it) => format!("{} came", name(it)),
        News::Left(it) => format!("{} left", name(it)),
        News::Said { by, number, text } => format!("#{number} {}: {text}", name(by)),
    }
}

/// A hub whose members are served by tasks, over streams in memory.
struct Chat {
    hub: Hub<DuplexStream>,
    config: Config,
    served: Vec<JoinHandle<()>>,
}

/// The client's end of a member.
struct Client(WebSocket<DuplexStream>);

impl Chat {
    fn new(slow: Overflow) -> Self {
        let mut config = Config::new();
        config.limits.unsent = UNSENT;
        Self { hub: Hub::new(slow, write), config, served: Vec::new() }
    }

    fn enter(&mut self, room: &str, name: &str) -> Client {
        self.enter_with(room, name, &Negotiated::default()).expect("the hub is open")
    }

    fn enter_with(&mut self, room: &str, name: &str, negotiated: &Negotiated) -> Option<Client> {
        let (near, far) = duplex(PIPE);
        let connection = Connection::server(&self.config, negotiated.clone());
        let (sender, mut receiver) = WebSocket::from_parts(near, connection, BytesMut::new()).split();
        let member = self.hub.join(room, name, &sender)?;
        self.served.push(tokio::spawn(async move {
            while let Ok(Some(Message::Text(line))) = receiver.recv().await {
                if let Some(Line::Say(text)) = protocol::parse(&line) {
                    member.say(text);
                }
            }
        }));
        let connection = Connection::client(&Config::new(), negotiated.clone(), || [1, 2, 3, 4]);
        Some(Client(WebSocket::from_parts(far, connection, BytesMut::new())))
    }

    /// Waits until all who were served have left.
    async fn emptied(&mut self) {
        for served in self.served.drain(..) {
            served.await.unwrap();
        }
        assert_eq!(self.hub.counts().connections, 0);
    }
}

impl Client {
    async fn say(&mut self, text: &str) {
        self.0.send(format!("say {text}")).await.unwrap();
    }

    async fn hear(&mut self) -> String {
        match self.0.recv().await.unwrap() {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("expected text, got {other:?}"),
        }
    }

    async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.hear().await, *expected);
        }
    }

    /// The code that it was closed with.
    fn code(&self) -> Option<u16> {
        match self.0.ended() {
            Some(Ended::Clean { received: Some(frame), .. }) => Some(frame.code().into()),
            _ => None,
        }
    }

    /// What it hears up to the end, and the code that it is closed with.
    async fn hear_out(mut self) -> (Vec<String>, Option<u16>) {
        let mut heard = Vec::new();
        while let Ok(Some(message)) = self.0.recv().await {
            heard.push(message.as_text().unwrap().to_owned());
        }
        let code = self.code();
        (heard, code)
    }
}

fn too_slow() -> Overflow {
    Overflow::Close(CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too slow").unwrap())
}

fn deflate(bits: u8) -> Negotiated {
    let bits = WindowBits::new(bits).unwrap();
    let params = Params::new().server_no_context_takeover().client_no_context_takeover();
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(params.server_max_window_bits(bits));
    negotiated
}

#[tokio::test]
async fn a_room_hears_all_that_is_said_in_it_and_nothing_else() {
    let mut chat = Chat::new(too_slow());
    let mut ann = chat.enter("red", "Ann");
    let mut bob = chat.enter("red", "Bob");
    let mut cid = chat.enter("blue", "Cid");
    ann.expect(&["you are 1 Ann in red", "1 here: 1 Ann", "2 Bob came"]).await;
    bob.expect(&["you are 2 Bob in red", "2 here: 1 Ann, 2 Bob"]).await;
    cid.expect(&["you are 3 Cid in blue", "1 here: 3 Cid"]).await;

    ann.say("hello").await;
    ann.expect(&["#1 1 Ann: hello"]).await;
    cid.say("anybody?").await;
    cid.expect(&["#1 3 Cid: anybody?"]).await;
    bob.say("hi").await;
    bob.expect(&["#1 1 Ann: hello", "#2 2 Bob: hi"]).await;
    ann.expect(&["#2 2 Bob: hi"]).await;

    // Who comes later hears what was said; who leaves is missed.
    let mut dora = chat.enter("red", "Dora");
    let here = "3 here: 1 Ann, 2 Bob, 4 Dora";
    dora.expect(&["you are 4 Dora in red", here, "#1 1 Ann: hello", "#2 2 Bob: hi"]).await;
    bob.0.close(CloseFrame::NORMAL).await;
    ann.expect(&["4 Dora came", "2 Bob left"]).await;
    dora.expect(&["2 Bob left"]).await;

    let counts = chat.hub.counts();
    assert_eq!(counts, Counts { connections: 3, messages: 3, encodings: 3, ..Counts::default() });
    ann.0.close(CloseFrame::NORMAL).await;
    dora.expect(&["1 Ann left"]).await;
    drop(dora);
    cid.say("nobody").await;
    cid.expect(&["#2 3 Cid: nobody"]).await;
    drop(cid);
    chat.emptied().await;
    assert_eq!(chat.hub.counts().encodings, 4);
}

#[tokio::test]
async fn all_members_hear_the_same_order() {
    let mut chat = Chat::new(too_slow());
    let mut clients = JoinSet::new();
    for name in ["Ann", "Bob", "Cid", "Dora"] {
        let (sender, receiver) = chat.enter("red", name).0.split();
        clients.spawn(async move {
            for number in 0..100 {
                sender.send(format!("say {number}")).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        clients.spawn(async move {
            let mut receiver = receiver;
            let mut said = 0;
            while said < 400 {
                let message = receiver.recv().await.unwrap().unwrap();
                let text = message.as_text().unwrap();
                if let Some(rest) = text.strip_prefix('#') {
                    said += 1;
                    assert!(rest.starts_with(&format!("{said} ")), "{text} is not number {said}");
                }
            }
        });
    }
    clients.join_all().await;
    assert_eq!(chat.hub.counts().messages, 400);
}

#[tokio::test]
async fn ids_are_made_here_and_never_twice() {
    let mut chat = Chat::new(too_slow());
    for id in 1..=3 {
        let mut client = chat.enter("red", "7 Ann");
        assert_eq!(client.hear().await, format!("you are {id} 7 Ann in red"));
        client.0.close(CloseFrame::NORMAL).await;
        chat.emptied().await;
    }
}

#[tokio::test]
async fn history_is_bounded_and_ends_with_the_room() {
    let mut chat = Chat::new(too_slow());
    let mut ann = chat.enter("red", "Ann");
    ann.expect(&["you are 1 Ann in red", "1 here: 1 Ann"]).await;
    for number in 1..=HISTORY + 3 {
        ann.say("hello").await;
        assert_eq!(ann.hear().await, format!("#{number} 1 Ann: hello"));
    }
    let mut bob = chat.enter("red", "Bob");
    bob.expect(&["you are 2 Bob in red", "2 here: 1 Ann, 2 Bob", "#4 1 Ann: hello"]).await;
    drop(bob);
    ann.expect(&["2 Bob came", "2 Bob left"]).await;

    // Nobody can say so much that newcomers have no room for it.
    let long = "x".repeat(HISTORY_BYTES / 3);
    for _ in 0..3 {
        ann.say(&long).await;
        ann.hear().await;
    }
    let mut cid = chat.enter("red", "Cid");
    cid.expect(&["you are 3 Cid in red", "2 here: 1 Ann, 3 Cid"]).await;
    assert!(cid.hear().await.starts_with("#55 "));

    drop((ann, cid));
    chat.emptied().await;
    let messages = HISTORY as u64 + 6;
    assert_eq!(chat.hub.counts(), Counts { messages, encodings: messages, ..Counts::default() });
    let mut dora = chat.enter("red", "Dora");
    dora.say("new").await;
    dora.expect(&["you are 4 Dora in red", "1 here: 4 Dora", "#1 4 Dora: new"]).await;
}

#[tokio::test]
async fn a_crowd_is_told_its_number_now_and_then() {
    let mut chat = Chat::new(too_slow());
    let mut first = chat.enter("red", "first");
    let mut others: Vec<_> = (1..300).map(|_| chat.enter("red", "other")).collect();
    first.expect(&["you are 1 first in red", "1 here: 1 first"]).await;
    for id in 2..=CROWD {
        assert_eq!(first.hear().await, format!("{id} other came"));
    }
    let mut told: Vec<usize> = Vec::new();
    while told.last().is_none_or(|last| last * 20 < 300 * 19) {
        let heard = first.hear().await;
        told.push(heard.strip_suffix(" here: ").expect(&heard).parse().unwrap());
    }
    assert!(told[0] == CROWD + 1 && told.len() < 30, "{told:?}");

    // A crowd that has gone is known by name again.
    others.truncate(9);
    let mut heard = first.hear().await;
    while !heard.ends_with("other left") {
        if let Some(names) = heard.strip_prefix("100 here: ") {
            assert_eq!(names.split(", ").count(), 100);
        }
        heard = first.hear().await;
    }
    while chat.hub.counts().connections > 10 {
        tokio::task::yield_now().await;
    }
}

/// A room with somebody who does not read while much is said.
struct Stuck {
    chat: Chat,
    ann: Client,
    bob: Client,
    cid: Client,
    /// The numbers of what Bob hears when he reads again.
    heard: Vec<usize>,
    /// What he is closed with.
    code: Option<u16>,
}

/// How much is said before Bob comes, and in all.
const BEFORE: usize = 60;
const SAID: usize = 1000;
/// What a connection and its task take besides, and what a message does besides its payload.
const OVERHEAD: usize = 32 << 10;

async fn stuck(slow: Overflow) -> Stuck {
    let mut chat = Chat::new(slow);
    let mut ann = chat.enter("red", "Ann");
    let mut cid = chat.enter("red", "Cid");
    ann.expect(&["you are 1 Ann in red", "1 here: 1 Ann", "2 Cid came"]).await;
    cid.expect(&["you are 2 Cid in red", "2 here: 1 Ann, 2 Cid"]).await;

    let text = "x".repeat(1000);
    let (begun, mut held, mut bob) = (Instant::now(), counting::held(), None);
    for number in 1..=SAID {
        ann.say(&text).await;
        let expected = format!("#{number} 1 Ann: {text}");
        assert_eq!(ann.hear().await, expected);
        assert_eq!(cid.hear().await, expected);
        if number == BEFORE {
            held = counting::held();
            bob = Some(chat.enter("red", "Bob"));
            ann.expect(&["3 Bob came"]).await;
            cid.expect(&["3 Bob came"]).await;
        }
    }
    // Nobody was late, and what is kept for Bob is what there is room for.
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let kept = usize::try_from(counting::held() - held).unwrap_or(0);
    assert!(kept < UNSENT + OVERHEAD, "{kept} bytes are held");

    let mut bob = bob.unwrap();
    bob.expect(&["you are 3 Bob in red", "3 here: 1 Ann, 2 Cid, 3 Bob"]).await;
    let mut heard = Vec::new();
    while let Ok(Ok(Some(message))) = timeout(Duration::from_secs(1), bob.0.recv()).await {
        let number = message.as_text().unwrap()[1..].split(' ').next().unwrap();
        heard.push(number.parse().unwrap());
    }
    let code = bob.code();
    Stuck { chat, ann, bob, cid, heard, code }
}

/// The numbers that are missing between two that were heard.
fn gaps(heard: &[usize]) -> Vec<(usize, usize)> {
    let pairs = heard.iter().zip(&heard[1..]).map(|(one, next)| (one + 1, *next));
    pairs.filter(|(one, next)| one != next).collect()
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_misses_the_newest() {
    let Stuck { chat, mut ann, mut bob, mut cid, heard, code } = stuck(Overflow::DropNewest).await;
    assert_eq!((heard[0], gaps(&heard), code), (BEFORE - HISTORY + 1, vec![], None));
    let missed = SAID - heard.last().unwrap();
    assert!(missed > SAID / 2, "missed {missed}");
    assert_eq!(chat.hub.counts().dropped, missed as u64);
    ann.say("now").await;
    bob.expect(&["#1001 1 Ann: now"]).await;
    cid.expect(&["#1001 1 Ann: now"]).await;
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_misses_the_oldest() {
    let Stuck { chat, heard, code, .. } = stuck(Overflow::DropOldest).await;
    let [(from, to)] = gaps(&heard)[..] else { panic!("not one gap: {heard:?}") };
    assert_eq!((heard.last(), code), (Some(&SAID), None));
    assert!(SAID - to > 50, "heard only the last {}", SAID - to);
    assert_eq!(chat.hub.counts().dropped, (to - from) as u64);
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_is_closed() {
    let Stuck { chat, mut ann, heard, code, .. } = stuck(too_slow()).await;
    assert_eq!((heard[0], gaps(&heard), code), (BEFORE - HISTORY + 1, vec![], Some(1013)));
    let counts = chat.hub.counts();
    assert_eq!((counts.connections, counts.dropped, counts.closed_slow), (2, 0, 1));
    ann.expect(&["3 Bob left"]).await;
}

#[tokio::test(start_paused = true)]
async fn one_who_never_reads_again_is_given_up() {
    let mut chat = Chat::new(too_slow());
    let mut ann = chat.enter("red", "Ann");
    let bob = chat.enter("red", "Bob");
    ann.expect(&["you are 1 Ann in red", "1 here: 1 Ann", "2 Bob came"]).await;
    let text = "x".repeat(10_000);
    for _ in 0..20 {
        ann.say(&text).await;
        ann.hear().await;
    }
    let begun = Instant::now();
    assert_eq!(chat.hub.counts().closed_slow, 1);
    ann.expect(&["2 Bob left"]).await;
    assert_eq!(begun.elapsed().as_secs(), chat.config.close_timeout.as_secs());
    assert_eq!(chat.hub.counts().connections, 1);
    drop(bob);
}

/// As many members as asked for in one room, one of whom says something to all; then the server shuts down. Returns the
/// counts.
async fn thousands(kinds: &[Negotiated]) -> Counts {
    const MEMBERS: usize = 5000;
    const MESSAGES: u64 = 3;
    let mut chat = Chat::new(too_slow());
    let mut clients = JoinSet::new();
    let mut speaker = chat.enter("red", "speaker");
    for negotiated in kinds.iter().cycle().take(MEMBERS - 1) {
        let client = chat.enter_with("red", "listener", negotiated).unwrap();
        clients.spawn(client.hear_out());
    }
    for number in 1..=MESSAGES {
        speaker.say(&"the same to all of them; ".repeat(10)).await;
        while !speaker.hear().await.starts_with(&format!("#{number} ")) {}
    }
    let rest = tokio::spawn(speaker.hear_out());

    let begun = Instant::now();
    let farewell = chat.hub.shutdown(Duration::from_secs(60), 256).await;
    assert_eq!(farewell, Farewell { clean: MEMBERS, lost: 0, aborted: 0 });
    assert!(begun.elapsed() < Duration::from_secs(60));
    while let Some(joined) = clients.join_next().await {
        let (heard, code) = joined.unwrap();
        assert_eq!(code, Some(1001));
        let said = heard.iter().filter(|heard| heard.starts_with('#')).count() as u64;
        assert_eq!(said, MESSAGES);
    }
    assert_eq!(rest.await.unwrap(), (vec![], Some(1001)));
    chat.emptied().await;
    let counts = chat.hub.counts();
    assert_eq!((counts.messages, counts.dropped, counts.closed_slow), (MESSAGES, 0, 0));
    counts
}

#[tokio::test]
async fn thousands_hear_one_encoding_and_are_closed() {
    let counts = thousands(&[Negotiated::default()]).await;
    assert_eq!(counts.encodings, counts.messages);
}

#[tokio::test]
async fn thousands_hear_one_encoding_for_each_set_of_parameters() {
    let counts = thousands(&[deflate(15), Negotiated::default(), deflate(10), deflate(15)]).await;
    assert_eq!(counts.encodings, 3 * counts.messages);
}

/// Forty members, every eighth of whom does not answer, and a shutdown in batches of eight.
async fn farewell_of_some(close_timeout: Duration) -> (Farewell, Duration) {
    let mut chat = Chat::new(too_slow());
    chat.config.close_timeout = close_timeout;
    let mut clients: Vec<_> = (0..40).map(|_| chat.enter("red", "x")).collect();
    let stuck: Vec<_> = (0..5).rev().map(|batch| clients.remove(8 * batch)).collect();
    let begun = Instant::now();
    let others: JoinSet<_> = clients
        .into_iter()
        .map(|client| async move {
            let (_, code) = client.hear_out().await;
            (code, begun.elapsed())
        })
        .collect();
    let farewell = chat.hub.shutdown(Duration::from_secs(3), 8).await;
    let took = begun.elapsed();
    for (code, after) in others.join_all().await {
        assert_eq!(code, Some(1001));
        assert!(after < Duration::from_millis(500), "one who answers was held up for {after:?}");
    }
    chat.emptied().await;
    drop(stuck);
    (farewell, took)
}

#[tokio::test(start_paused = true)]
async fn those_who_do_not_answer_are_aborted_at_the_deadline() {
    let (farewell, took) = farewell_of_some(Duration::from_secs(5)).await;
    assert_eq!(farewell, Farewell { clean: 35, lost: 0, aborted: 5 });
    assert_eq!(took.as_millis() / 10, 300);
}

#[tokio::test(start_paused = true)]
async fn those_who_are_given_up_earlier_are_not_waited_for() {
    let (farewell, took) = farewell_of_some(Duration::from_secs(1)).await;
    assert_eq!(farewell, Farewell { clean: 35, lost: 5, aborted: 0 });
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_comes_in_while_the_others_leave() {
    let mut chat = Chat::new(too_slow());
    let mut ann = chat.enter("red", "Ann");
    let mut farewell = Box::pin({
        let hub = chat.hub.clone();
        async move { hub.shutdown(Duration::from_secs(1), 1).await }
    });
    assert!(timeout(Duration::from_millis(500), &mut farewell).await.is_err());
    assert!(chat.hub.is_closing());
    assert!(chat.enter_with("red", "Bob", &Negotiated::default()).is_none());
    // What is said now is heard by nobody, and what was said before by everybody.
    ann.0.feed("say too late").await.unwrap();
    ann.expect(&["you are 1 Ann in red", "1 here: 1 Ann"]).await;
    assert_eq!(ann.hear_out().await, (vec![], Some(1001)));
    assert_eq!(farewell.await, Farewell { clean: 1, ..Farewell::default() });
    assert_eq!(chat.hub.counts().messages, 0);
    chat.emptied().await;
}

#[test]
fn lines() {
    assert_eq!(protocol::parse("say a b "), Some(Line::Say("a b ")));
    assert_eq!(protocol::parse("ping 7"), Some(Line::Ping(7)));
    for line in ["", "say", "say ", "say \n", "ping", "ping x", "ping -1", "shout x"] {
        assert_eq!(protocol::parse(line), None, "{line:?}");
    }
    assert_eq!(protocol::pong(7), r#"{"pong":7}"#);
}

#[test]
fn news_are_json() {
    let (ann, bob) = (Person { id: 1, name: "Ann".into() }, Person { id: 2, name: "\"\\\n\u{1b}é".into() });
    for (news, json) in [
        (News::Welcome { you: &ann, room: "red" }, r#"{"welcome":{"id":1,"name":"Ann"},"room":"red"}"#),
        (News::Here { count: 101, people: &[] }, r#"{"here":{"count":101}}"#),
        (
            News::Here { count: 1, people: &[&ann] },
            r#"{"here":{"count":1,"people":[{"id":1,"name":"Ann"}]}}"#,
        ),
        (News::Joined(&bob), r#"{"joined":{"id":2,"name":"\"\\\u000a\u001bé"}}"#),
        (News::Left(&ann), r#"{"left":{"id":1,"name":"Ann"}}"#),
    ] {
        assert_eq!(protocol::write(&news), json);
    }
    let said = protocol::write(&News::Said { by: &ann, number: 3, text: "</script>" });
    assert!(said.starts_with(r#"{"said":{"id":1,"name":"Ann"},"number":3,"at":1"#), "{said}");
    assert!(said.ends_with(r#","text":"</script>"}"#), "{said}");
}

#[test]
fn parts_of_urls() {
    assert_eq!(protocol::unescape("a%20b%2Fc+%C3%A9").as_deref(), Some("a b/c+é"));
    for escaped in ["%", "%4", "%zz", "%c3", "%+1"] {
        assert_eq!(protocol::unescape(escaped), None, "{escaped}");
    }
}
