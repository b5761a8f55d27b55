//! Posting: messages that wait for room, that give way to others, or that end the connection, where a sender would be
//! refused. What leaves, and in which order, is known at every moment.

use std::{collections::VecDeque, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use proptest::prelude::*;
use sansocket::{
    Chunk, CloseFrame, Compress, Config, Connection, Keepalive, Kind, Message, Outgoing, Overflow, Posted,
    Prepared, Role, SendError, State, TimedOut,
};

use crate::support::{
    player::{check_table, connect, connection, drain},
    wire::{close_payload, frame, frames, peer},
};

pub(crate) const TABLE: &str = r#"
    # What is posted leaves in order, also behind what is sent.
    server < {post "a"} {text "b"} {post "c"} {text- "d"} {text. "e"} | > [text "a"] [text "b"] [text "c"] [text- "d"] [cont "e"]
    client < {post "Hello"}                                       | > 81 85 37fa213d 7f9f4d5158
    # It waits for the end of a message in chunks, which control frames do not.
    server < {text- "a"} {post "x"} {ping "p"} {text- "b"} {post "y"} [ping "q"] {pong "r"} {text. "c"} {text "z"} | ping "q" > [text- "a"] [ping "p"] [cont- "b"] [pong "q"] [pong "r"] [cont "c"] [text "x"] [text "y"] [text "z"]
    client < {text- "a"} {post "x"} {text "y"} {text. "b"}        | refused MessageOpen > [text- "a"] [cont "b"] [text "x"]
    # A message that does not end lets nothing out behind it, and keeps no connection from its end.
    server < {text- "a"} {post "x"} {close 1000} (closing read) [close 1000] (closed shutdown) | close 1000 > [text- "a"] [close 1000]
    server < {text- "a"} {post "x"} [close 1000] (closed shutdown) | close 1000 > [text- "a"] [close 1000]
    server < {text- "a"} {post "x"} c1 80 (closed read shutdown) | > [text- "a"] ! 1002 ReservedBit
    server < {text- "a"} {post "x"} eof (closed shutdown)         | > [text- "a"] ! 1006 EofWithoutClose
    # Nothing is posted behind the end.
    server < {close 1000} {post "x"}                              | refused Closed > [close 1000]
    server < [close 1000] {post "x"}                              | close 1000, refused Closed > [close 1000]
    client < c1 00 {post "x"}                                     | refused Closed ! 1002 ReservedBit
    client < eof {post "x"}                                       | refused Closed ! 1006 EofWithoutClose
"#;

#[test]
fn table() {
    check_table(TABLE);
}

const ROLES: [Role; 2] = [Role::Server, Role::Client];
/// What a posted message takes besides its payload.
const ENTRY: usize = 256;
/// What is encoded ahead.
const WINDOW: usize = 64 << 10;

fn limited(role: Role, unsent: usize) -> Connection {
    let mut config = Config::new();
    config.limits.unsent = unsent;
    connection(role, &config)
}

fn closing() -> Overflow {
    Overflow::Close(CloseFrame::new(1013, "too slow").unwrap())
}

fn chunk(data: &'static [u8], fin: bool) -> Chunk {
    Chunk { kind: Kind::Text, data: Bytes::from_static(data), fin }
}

/// The payloads of data frames.
fn payloads(wire: &[u8]) -> Vec<String> {
    let data = frames(wire).into_iter().filter(|(header, _)| !header.opcode.is_control());
    data.map(|(_, payload)| String::from_utf8(payload).unwrap()).collect()
}

/// Posts numbers until there is no room, and what is then posted under this policy.
fn fill(end: &mut Connection) -> usize {
    let mut count = 0;
    while end.has_room() {
        assert_eq!(end.post(format!("{count:03}"), Overflow::DropNewest), Ok(Posted::Queued));
        count += 1;
        assert_eq!(end.unsent(), count * (ENTRY + 3));
        assert!(count < 1000, "nothing ends it");
    }
    count
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{number:03}")).collect()
}

#[test]
fn at_the_limit_the_newest_is_dropped() {
    for role in ROLES {
        let mut end = limited(role, 10 * (ENTRY + 3));
        assert_eq!(fill(&mut end), 10, "at the limit there is no room, below it there is");
        for _ in 0..3 {
            let unsent = end.unsent();
            assert_eq!(end.post("dropped", Overflow::DropNewest), Ok(Posted::Dropped));
            assert_eq!(end.unsent(), unsent);
        }
        assert_eq!(payloads(&drain(&mut end)), numbers(0..10));
        assert_eq!(end.unsent(), 0);
        assert_eq!(end.post("again", Overflow::DropNewest), Ok(Posted::Queued));
    }
}

#[test]
fn at_the_limit_the_oldest_make_room() {
    for role in ROLES {
        let mut end = limited(role, 10 * (ENTRY + 3));
        assert_eq!(fill(&mut end), 10);
        assert_eq!(end.post("010", Overflow::DropOldest), Ok(Posted::Replaced(1)));
        assert_eq!(end.post("011", Overflow::DropOldest), Ok(Posted::Replaced(1)));
        assert_eq!(end.unsent(), 10 * (ENTRY + 3));
        // One message goes over the limit, and for what then comes the oldest go until there is room.
        assert_eq!(end.post("x".repeat(7 * (ENTRY + 3)), Overflow::DropOldest), Ok(Posted::Replaced(1)));
        assert_eq!(end.post("013", Overflow::DropOldest), Ok(Posted::Replaced(7)));
        let left = ["010".to_owned(), "011".to_owned(), "x".repeat(7 * (ENTRY + 3)), "013".to_owned()];
        assert_eq!(payloads(&drain(&mut end)), left);
    }
}

#[test]
fn at_the_limit_the_connection_is_closed_and_the_posted_are_dropped() {
    for role in ROLES {
        let mut end = limited(role, 10 * (ENTRY + 3));
        end.send("sent").unwrap();
        for _ in 0..9 {
            assert_eq!(end.post("posted", closing()), Ok(Posted::Queued));
        }
        assert!(end.has_room());
        assert_eq!(end.post("posted", closing()), Ok(Posted::Queued));
        assert_eq!(end.post("one too many", closing()), Ok(Posted::Closed));
        assert_eq!(end.state(), State::Closing);
        assert_eq!(end.sent_close().flatten().map(CloseFrame::reason), Some("too slow"));
        let close = frame(role, true, 8, &close_payload(1013, "too slow"));
        let expected = [frame(role, true, 1, b"sent"), close].concat();
        assert_eq!(end.unsent(), expected.len());
        for overflow in [Overflow::DropNewest, Overflow::DropOldest, closing()] {
            assert_eq!(end.post("late", overflow), Err(SendError::Closed));
        }
        assert_eq!(drain(&mut end), expected);
    }
}

/// What has begun to leave is not dropped: up to a window, and the message that fills it.
#[test]
fn what_is_encoded_is_not_dropped() {
    for overflow in [Overflow::DropOldest, closing()] {
        let mut server = limited(Role::Server, 200_000);
        for number in 0..20 {
            let text = format!("{number:03}").repeat(5000);
            let posted = server.post(text, Overflow::DropNewest).unwrap();
            assert_eq!(posted == Posted::Queued, number < 14, "{number}");
        }
        // Five of 15,004 bytes are the first to reach the window.
        assert_eq!(server.transmit().remaining(), 5 * 15_004);
        server.transmit().advance(15_004);
        assert_eq!(server.transmit().remaining(), 5 * 15_004);
        assert_eq!(server.unsent(), 5 * 15_004 + 8 * (15_000 + ENTRY));
        assert_eq!(server.post("fits", Overflow::DropNewest), Ok(Posted::Queued));
        assert!(server.has_room());
        assert_eq!(server.post("x".repeat(10_000), Overflow::DropNewest), Ok(Posted::Queued));
        let posted = server.post("last", overflow.clone()).unwrap();
        let left = payloads(&drain(&mut server));
        let begun: Vec<_> = left[..5].iter().map(|text| text[..3].to_owned()).collect();
        assert_eq!(begun, numbers(1..6));
        if overflow == Overflow::DropOldest {
            assert_eq!(posted, Posted::Replaced(1));
            assert_eq!(left[5][..3], *"007");
            assert_eq!(left.len(), 5 + 7 + 3);
            assert_eq!(left.last().unwrap(), "last");
        } else {
            assert_eq!((posted, left.len()), (Posted::Closed, 5));
        }
    }
}

/// Up to the window, and not at it.
#[test]
fn a_full_window_takes_no_more() {
    for (len, behind) in [(WINDOW - 5, 3), (WINDOW - 4, 0)] {
        let mut server = connect(Role::Server);
        assert_eq!(server.post(vec![0; len], Overflow::DropNewest), Ok(Posted::Queued));
        assert_eq!(server.post("x", Overflow::DropNewest), Ok(Posted::Queued));
        assert_eq!(server.transmit().remaining(), len + 4 + behind);
    }
}

/// The latest is kept with any limit, also where what cannot be dropped is over it.
#[test]
fn the_latest_is_kept_with_any_limit() {
    for limit in [0, 1, ENTRY, ENTRY + 5, 100] {
        let mut server = limited(Role::Server, limit);
        for number in 0..50 {
            let posted = server.post(format!("{number:03}"), Overflow::DropOldest).unwrap();
            assert!(matches!(posted, Posted::Queued | Posted::Replaced(1)), "{posted:?} at {number}");
            assert!(server.unsent() < limit.max(1) + ENTRY + 3);
        }
        let left = payloads(&drain(&mut server));
        assert_eq!(left.last().unwrap(), "049");

        server.send("x".repeat(200)).unwrap();
        for number in 0..50 {
            let posted = server.post(format!("{number:03}"), Overflow::DropOldest).unwrap();
            assert_eq!(posted, if number == 0 { Posted::Queued } else { Posted::Replaced(1) });
            assert_eq!(server.post("no", Overflow::DropNewest), Ok(Posted::Dropped));
        }
        assert_eq!(payloads(&drain(&mut server)), ["x".repeat(200), "049".into()]);
    }
}

/// One for whom all is too much still gets one message at a time.
#[test]
fn with_a_limit_of_zero_one_message_is_taken() {
    let mut server = limited(Role::Server, 0);
    for _ in 0..3 {
        assert_eq!(server.post("one", Overflow::DropNewest), Ok(Posted::Queued));
        assert_eq!(server.post("two", Overflow::DropNewest), Ok(Posted::Dropped));
        assert_eq!(server.send("three"), Err(SendError::Full));
        assert_eq!(drain(&mut server), b"\x81\x03one");
    }
    assert_eq!(server.post("one", closing()), Ok(Posted::Queued));
    assert_eq!(server.post("two", closing()), Ok(Posted::Closed));
    assert_eq!(payloads(&drain(&mut server)), [""; 0]);
}

/// Posted messages take room from all others, and what they take is given back as they leave.
#[test]
fn posted_messages_count_as_unsent() {
    let mut server = limited(Role::Server, 1000);
    let count = 1000 / (100 + ENTRY) + 1;
    for _ in 0..count {
        assert_eq!(server.post("x".repeat(100), Overflow::DropNewest), Ok(Posted::Queued));
    }
    assert_eq!(server.unsent(), count * (100 + ENTRY));
    assert_eq!(server.post("y", Overflow::DropNewest), Ok(Posted::Dropped));
    assert_eq!(server.check_send(), Err(SendError::Full));
    assert_eq!(server.send("y"), Err(SendError::Full));
    assert_eq!(server.ping("y"), Err(SendError::Full));
    assert_eq!(server.pong("y"), Err(SendError::Full));
    assert_eq!(server.send_chunk(chunk(b"y", true)), Err(SendError::Full));
    // Encoded they take a header, and no entry.
    assert_eq!(server.transmit().remaining(), count * 102);
    assert_eq!(server.unsent(), count * 102);
    server.send("y").unwrap();
}

/// What is posted behind a message in chunks must not keep it from its end: what waits for the end would wait for ever.
#[test]
fn a_message_in_chunks_can_end_whatever_is_posted_behind_it() {
    for role in ROLES {
        let mut end = limited(role, ENTRY + 100);
        end.send_chunk(chunk(b"a", false)).unwrap();
        assert_eq!(fill_behind(&mut end), 2);
        assert_eq!(end.post("x", Overflow::DropNewest), Ok(Posted::Dropped));
        // There is output that the peer can take first: a chunk waits for that, and for no more.
        assert_eq!(end.send_chunk(chunk(b"b", false)), Err(SendError::Full));
        assert_eq!(end.check_send(), Err(SendError::Full));
        assert_eq!(drain(&mut end), frame(role, false, 1, b"a"));
        assert_eq!((end.unsent(), end.has_room()), (2 * (ENTRY + 50), false));
        assert_eq!(end.check_send(), Err(SendError::MessageOpen));
        end.send_chunk(chunk(b"b", false)).unwrap();
        assert_eq!(end.send_chunk(chunk(b"c", false)), Err(SendError::Full));
        assert_eq!(drain(&mut end), frame(role, false, 0, b"b"));
        end.ping("p").unwrap();
        assert_eq!(drain(&mut end), frame(role, true, 9, b"p"));
        end.send_chunk(chunk(b"c", true)).unwrap();
        assert_eq!(payloads(&drain(&mut end)), ["c".to_owned(), "x".repeat(50), "x".repeat(50)]);
    }
}

fn fill_behind(end: &mut Connection) -> usize {
    (0..10).filter(|_| end.post("x".repeat(50), Overflow::DropNewest) == Ok(Posted::Queued)).count()
}

/// The stream has ended inside a message in chunks: what was posted behind it can never leave, and is not waited for.
#[test]
fn the_end_of_the_stream_drops_what_waits_for_a_message_that_will_not_end() {
    let mut server = connect(Role::Server);
    server.send_chunk(chunk(b"a", false)).unwrap();
    let _ = server.post("x", Overflow::DropNewest).unwrap();
    server.receive_eof().unwrap_err();
    assert_eq!(drain(&mut server), b"\x01\x01a");
    assert_eq!((server.unsent(), server.wants_shutdown()), (0, true));

    // Without one it leaves: the stream has ended in one direction only.
    let mut server = connect(Role::Server);
    let _ = server.post("x", Overflow::DropNewest).unwrap();
    server.receive_eof().unwrap_err();
    assert!(!server.wants_shutdown());
    assert_eq!(drain(&mut server), b"\x81\x01x");
    assert!(server.wants_shutdown());
}

/// A chunk that is refused changes nothing: what was posted can still be dropped, and takes what it took.
#[test]
fn a_refused_chunk_encodes_nothing() {
    let mut server = limited(Role::Server, 3 * (ENTRY + 3));
    for number in ["000", "001"] {
        let _ = server.post(number, Overflow::DropNewest).unwrap();
    }
    let before = (server.unsent(), server.sent());
    assert_eq!(server.send_chunk(chunk(b"\xff", false)), Err(SendError::NotUtf8));
    assert_eq!((server.unsent(), server.sent()), before);
    assert_eq!(server.post("002", Overflow::DropOldest), Ok(Posted::Queued));
    assert_eq!(server.post("003", Overflow::DropOldest), Ok(Posted::Replaced(1)));
    assert_eq!(payloads(&drain(&mut server)), numbers(1..4));
}

/// Who closes, or is closed, or is told of a breach, has said before what was posted before.
#[test]
fn an_end_with_a_word_is_behind_what_was_posted() {
    type Ending = fn(&mut Connection);
    let endings: [(Ending, u16); 3] = [
        (|end| end.close(CloseFrame::NORMAL).unwrap(), 1000),
        (
            |end| {
                let close = frame(Role::Client, true, 8, &close_payload(1001, "bye"));
                assert!(end.receive(&mut BytesMut::from(&close[..])).is_ok());
            },
            1001,
        ),
        (|end| assert!(end.receive(&mut BytesMut::from(&b"\x81\x00"[..])).is_err()), 1002),
    ];
    for (ending, code) in endings {
        let mut server = limited(Role::Server, 3 << 16);
        let texts = ["a".repeat(60_000), "b".repeat(60_000), "c".repeat(60_000)];
        for text in &texts {
            assert_eq!(server.post(text.clone(), Overflow::DropNewest), Ok(Posted::Queued));
        }
        ending(&mut server);
        let unsent = server.unsent();
        let sent = drain(&mut server);
        assert_eq!(sent.len(), unsent, "all is encoded");
        assert_eq!(payloads(&sent), texts);
        let (close, payload) = frames(&sent).pop().unwrap();
        assert!(close.opcode.is_control() && payload.starts_with(&code.to_be_bytes()));
        assert_eq!(server.unsent(), 0);
    }
}

/// However a message is sent, it is behind what was posted.
#[test]
fn what_is_sent_is_behind_what_was_posted() {
    let sayings: [fn(&mut Connection); 4] = [
        |end| end.send("b").unwrap(),
        |end| end.send(Prepared::new("b")).unwrap(),
        |end| end.send_with("b", Compress::Always).unwrap(),
        |end| end.send_chunk(chunk(b"b", true)).unwrap(),
    ];
    for say in sayings {
        let mut server = connect(Role::Server);
        assert_eq!(server.post("a", Overflow::DropNewest), Ok(Posted::Queued));
        say(&mut server);
        assert_eq!(server.post("c", Overflow::DropNewest), Ok(Posted::Queued));
        assert_eq!(server.unsent(), 6 + ENTRY + 1);
        assert_eq!(drain(&mut server), b"\x81\x01a\x81\x01b\x81\x01c");
    }
}

#[test]
fn what_was_posted_to_a_dead_stream_is_dropped() {
    let mut server = connect(Role::Server);
    let _ = server.post("x", Overflow::DropNewest).unwrap();
    server.abandon();
    assert_eq!((server.unsent(), server.transmit().remaining()), (0, 0));
    assert_eq!(server.post("y", Overflow::DropOldest), Err(SendError::Closed));
}

/// What is posted and does not leave is a reason to give a peer up, as anything that does not; and it is dropped then.
#[test]
fn posted_messages_that_do_not_leave_time_out() {
    let s = Duration::from_secs;
    let mut server = connection(Role::Server, &Config::new().keepalive(Keepalive::new(s(30), s(10))));
    server.tick(s(0)).unwrap();
    let _ = server.post("x", Overflow::DropNewest).unwrap();
    server.tick(s(1)).unwrap();
    for at in 2..41 {
        server.receive(&mut BytesMut::from(&frame(Role::Client, true, 10, b"here")[..])).unwrap();
        server.tick(s(at)).unwrap();
        assert_eq!(server.transmit().remaining(), 3);
    }
    assert_eq!(server.tick(s(41)), Err(TimedOut::Write));
    assert_eq!((server.unsent(), server.state()), (0, State::Closed));
    assert_eq!(server.post("y", Overflow::DropNewest), Err(SendError::Closed));
}

/// What waits for the end of a message in chunks is not held against a peer that takes all there is.
#[test]
fn posted_messages_that_wait_for_us_do_not_time_out() {
    let s = Duration::from_secs;
    let mut server = connection(Role::Server, &Config::new().keepalive(Keepalive::new(s(30), s(10))));
    server.send_chunk(chunk(b"a", false)).unwrap();
    let _ = server.post("x", Overflow::DropNewest).unwrap();
    drain(&mut server);
    for at in 0..1000 {
        server.receive(&mut BytesMut::from(&frame(Role::Client, true, 10, b"here")[..])).unwrap();
        assert!(server.tick(s(at)).is_ok(), "{at}");
    }
    server.send_chunk(chunk(b"b", true)).unwrap();
    server.tick(s(1000)).unwrap();
    server.receive(&mut BytesMut::from(&frame(Role::Client, true, 10, b"here")[..])).unwrap();
    server.tick(s(1039)).unwrap();
    server.receive(&mut BytesMut::from(&frame(Role::Client, true, 10, b"here")[..])).unwrap();
    assert_eq!(server.tick(s(1040)), Err(TimedOut::Write));
}

/// The messages of either kind: what is prepared is posted like any other, and counts with its whole length.
#[test]
fn prepared_messages_are_posted_too() {
    let news = Prepared::new("news".repeat(100));
    for role in ROLES {
        let mut end = limited(role, 1000);
        assert_eq!(end.post(&news, Overflow::DropNewest), Ok(Posted::Queued));
        assert_eq!(end.unsent(), ENTRY + 400);
        assert_eq!(end.post("between", Overflow::DropNewest), Ok(Posted::Queued));
        assert_eq!(end.post(news.clone(), Overflow::DropNewest), Ok(Posted::Queued));
        assert_eq!(payloads(&drain(&mut end)), ["news".repeat(100), "between".into(), "news".repeat(100)]);
    }
}

/// What may happen to an end.
#[derive(Clone, Debug)]
enum Happening {
    Post {
        len: usize,
        overflow: Overflow,
        is_prepared: bool,
    },
    Send(usize),
    Chunk(usize, bool),
    /// We ping or pong.
    Control(u8, usize),
    /// The peer pings.
    Hear(usize),
    /// As many bytes leave, at the most.
    Leave(usize),
    /// The application looks at what waits.
    Look,
    Close,
    HearClose,
    HearNonsense,
    Eof,
    Abandon,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let len =
        || prop_oneof![5 => 0..30usize, 2 => 100..300usize, 1 => 4000..5000usize, 1 => 30_000..70_000usize];
    let overflow =
        prop_oneof![8 => Just(Overflow::DropNewest), 8 => Just(Overflow::DropOldest), 1 => Just(closing())];
    let middle = prop_oneof![
        10 => (len(), overflow, any::<bool>())
            .prop_map(|(len, overflow, is_prepared)| Happening::Post { len, overflow, is_prepared }),
        3 => len().prop_map(Happening::Send),
        4 => (len(), any::<bool>()).prop_map(|(len, fin)| Happening::Chunk(len, fin)),
        2 => (9..11u8, 0..126usize).prop_map(|(opcode, len)| Happening::Control(opcode, len)),
        1 => (0..126usize).prop_map(Happening::Hear),
        4 => prop_oneof![1..20usize, 50..500usize, 10_000..200_000usize].prop_map(Happening::Leave),
        1 => Just(Happening::Look),
    ];
    let end = prop_oneof![
        4 => Just(Happening::Close),
        1 => Just(Happening::HearClose),
        1 => Just(Happening::HearNonsense),
        1 => Just(Happening::Eof),
        1 => Just(Happening::Abandon),
    ];
    let talk = |most| prop::collection::vec(middle.clone(), 0..most);
    (talk(60), prop::collection::vec(end, 0..2), talk(10))
        .prop_map(|(talk, end, behind)| [talk, end, behind].concat())
}

/// What an end should do, in the simplest words.
struct Model {
    role: Role,
    limit: usize,
    /// Every byte that should leave, and how many of them have.
    wire: Vec<u8>,
    left: usize,
    queue: VecDeque<Vec<u8>>,
    is_open: bool,
    is_closed: bool,
}

impl Model {
    fn waiting(&self) -> usize {
        self.wire.len() - self.left
    }

    fn unsent(&self) -> usize {
        self.waiting() + self.queue.iter().map(|payload| ENTRY + payload.len()).sum::<usize>()
    }

    fn has_room(&self) -> bool {
        self.unsent() == 0 || self.unsent() < self.limit
    }

    fn obstacle(&self) -> Option<SendError> {
        if self.is_closed {
            return Some(SendError::Closed);
        }
        let is_stalled = self.is_open && self.waiting() == 0;
        (!self.has_room() && !is_stalled).then_some(SendError::Full)
    }

    fn write(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        self.wire.extend(frame(self.role, fin, opcode, payload));
    }

    fn encode(&mut self, window: usize) {
        while !self.is_open && self.waiting() < window {
            let Some(payload) = self.queue.pop_front() else { return };
            self.write(true, 2, &payload);
        }
    }

    fn post(&mut self, payload: Vec<u8>, overflow: &Overflow) -> Result<Posted, SendError> {
        if self.is_closed {
            return Err(SendError::Closed);
        }
        if !self.has_room() {
            match overflow {
                Overflow::DropNewest => return Ok(Posted::Dropped),
                Overflow::DropOldest => {}
                Overflow::Close(close) => {
                    self.queue.clear();
                    self.close(&close_payload(close.code().into(), close.reason()));
                    return Ok(Posted::Closed);
                }
            }
        }
        let before = self.queue.len();
        while !self.has_room() && self.queue.pop_front().is_some() {}
        let dropped = before - self.queue.len();
        self.queue.push_back(payload);
        Ok(if dropped > 0 { Posted::Replaced(dropped) } else { Posted::Queued })
    }

    fn close(&mut self, payload: &[u8]) {
        if !self.is_closed {
            self.encode(usize::MAX);
            self.queue.clear();
            self.write(true, 8, payload);
            self.is_closed = true;
        }
    }

    fn eof(&mut self) {
        self.is_closed = true;
        if self.is_open {
            self.queue.clear();
        }
    }
}

/// An end beside its model.
struct Twins {
    end: Connection,
    model: Model,
    /// What has left.
    wire: Vec<u8>,
    /// The peer can be heard.
    hears: bool,
    is_abandoned: bool,
    number: u8,
}

impl Twins {
    fn new(role: Role, limit: usize) -> Self {
        let mut config = Config::new();
        (config.limits.unsent, config.limits.control) = (limit, usize::MAX);
        let end = connection(role, &config);
        let (wire, queue) = (Vec::new(), VecDeque::new());
        let model = Model { role, limit, wire, left: 0, queue, is_open: false, is_closed: false };
        Self { end, model, wire: Vec::new(), hears: true, is_abandoned: false, number: 0 }
    }

    /// A payload that looks like no other.
    fn payload(&mut self, len: usize) -> Vec<u8> {
        self.number = self.number.wrapping_add(1);
        vec![self.number; len]
    }

    fn receive(&mut self, opcode: u8, payload: &[u8]) {
        let wire = frame(peer(self.model.role), true, opcode, payload);
        let _ = self.end.receive(&mut BytesMut::from(&wire[..]));
    }

    fn happen(&mut self, happening: Happening) -> Result<(), TestCaseError> {
        match happening {
            Happening::Post { len, overflow, is_prepared } => {
                let payload = self.payload(len);
                let message: Outgoing =
                    if is_prepared { Prepared::new(payload.clone()).into() } else { payload.clone().into() };
                prop_assert_eq!(
                    self.end.post(message, overflow.clone()),
                    self.model.post(payload, &overflow)
                );
            }
            Happening::Send(len) => {
                let payload = self.payload(len);
                let is_open = self.model.is_open.then_some(SendError::MessageOpen);
                let obstacle = self.model.obstacle().or(is_open);
                prop_assert_eq!(self.end.check_send().err(), obstacle);
                prop_assert_eq!(self.end.send(payload.clone()).err(), obstacle);
                if obstacle.is_none() {
                    self.model.encode(usize::MAX);
                    self.model.write(true, 2, &payload);
                }
            }
            Happening::Chunk(len, fin) => {
                let data = self.payload(len);
                let obstacle = self.model.obstacle();
                let chunk = Chunk { kind: Kind::Binary, data: data.clone().into(), fin };
                prop_assert_eq!(self.end.send_chunk(chunk).err(), obstacle);
                if obstacle.is_none() {
                    self.model.encode(usize::MAX);
                    self.model.write(fin, if self.model.is_open { 0 } else { 2 }, &data);
                    self.model.is_open = !fin;
                }
            }
            Happening::Control(opcode, len) => {
                let (payload, obstacle) = (self.payload(len), self.model.obstacle());
                let say = if opcode == 9 { Connection::ping } else { Connection::pong };
                prop_assert_eq!(say(&mut self.end, payload.clone()).err(), obstacle);
                if obstacle.is_none() {
                    self.model.write(true, opcode, &payload);
                }
            }
            Happening::Hear(len) => {
                let payload = self.payload(len);
                self.receive(9, &payload);
                if self.hears && !self.is_abandoned {
                    self.model.write(true, 10, &payload);
                }
            }
            Happening::Leave(most) => self.leave(most)?,
            Happening::Look => self.look()?,
            ending => self.finish(&ending),
        }
        prop_assert_eq!(self.end.unsent(), self.model.unsent());
        prop_assert_eq!(self.end.has_room(), self.model.has_room());
        prop_assert_eq!(self.end.is_message_open(), self.model.is_open);
        Ok(())
    }

    /// One of the ways to end.
    fn finish(&mut self, ending: &Happening) {
        match ending {
            Happening::Close => {
                let was_closed = self.model.is_closed;
                assert_eq!(self.end.close(CloseFrame::NORMAL).is_err(), was_closed);
                self.model.close(b"\x03\xe8");
            }
            Happening::HearClose => {
                self.receive(8, b"\x03\xe9");
                self.model.close(b"\x03\xe9");
                self.hears = false;
            }
            Happening::HearNonsense => {
                self.receive(3, b"");
                let error = self.end.error().expect("a breach");
                self.model.close(&close_payload(1002, error.as_str()));
                self.hears = false;
            }
            Happening::Eof => {
                let _ = self.end.receive_eof();
                self.model.eof();
                self.hears = false;
            }
            _ => {
                self.end.abandon();
                self.model.is_closed = true;
                self.model.queue.clear();
                self.model.wire.truncate(self.model.left);
                self.is_abandoned = true;
            }
        }
    }

    fn look(&mut self) -> Result<(), TestCaseError> {
        self.model.encode(WINDOW);
        prop_assert_eq!(self.end.transmit().remaining(), self.model.waiting());
        Ok(())
    }

    fn leave(&mut self, most: usize) -> Result<(), TestCaseError> {
        self.look()?;
        let bytes = self.end.transmit().copy_to_bytes(most.min(self.model.waiting()));
        self.wire.extend_from_slice(&bytes);
        self.model.left += bytes.len();
        prop_assert!(self.wire == self.model.wire[..self.model.left]);
        prop_assert_eq!(self.end.sent().bytes, self.model.left as u64);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is posted, sent, heard and taken, in whatever order: what leaves, what is refused and what waits is what
    /// the model says.
    #[test]
    fn posted_messages_leave_as_the_model_says(
        role in prop::sample::select(ROLES.to_vec()),
        limit in prop_oneof![0..100usize, 100..2000usize, 50_000..300_000usize],
        happenings in happenings(),
    ) {
        let mut twins = Twins::new(role, limit);
        for happening in happenings {
            twins.happen(happening)?;
        }
        while twins.model.waiting() > 0 || !twins.model.is_open && !twins.model.queue.is_empty() {
            twins.leave(usize::MAX)?;
        }
        prop_assert_eq!(twins.end.transmit().remaining(), 0);
        prop_assert!(twins.end.unsent() == 0 || twins.model.is_open && !twins.model.is_closed);
    }
}

#[test]
fn a_message_is_a_message_however_it_is_posted() {
    let mut server = connect(Role::Server);
    for message in [Outgoing::from("text"), Message::from(vec![1, 2]).into(), Prepared::new("news").into()] {
        assert_eq!(server.post(message, Overflow::DropNewest), Ok(Posted::Queued));
    }
    assert_eq!(drain(&mut server), b"\x81\x04text\x82\x02\x01\x02\x81\x04news");
}
