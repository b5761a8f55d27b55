//! `Writer`: one message in fragments as it is written.

use std::{io::ErrorKind, pin::pin, task::Poll};

use sansocket::{
    Chunk, CloseFrame, Config, Kind, Limits, Role, SendError,
    frame::OpCode,
    tokio::{Error, WebSocket},
};
use tokio::io::AsyncWriteExt;

use crate::support::{Bell, Transport, at_once, open, poll_once, poll_times, poll_with, server, waits};

const ROLES: [Role; 2] = [Role::Server, Role::Client];
const ABANDONED: &str = "close 1011 message abandoned";

/// A server that takes in no more than a message.
fn narrow() -> (WebSocket<Transport>, crate::support::Peer) {
    let mut limits = Limits::default();
    limits.unsent = 1;
    open(Role::Server, &Config::new().limits(limits))
}

/// What is done to a writer whose fragments hold 4 bytes, and what the peer hears of it.
fn written() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        // A letter is a write, `,` a flush, `.` the end; without it the writer is dropped.
        (".", &["text "]),
        ("a.", &["text a"]),
        ("abcd.", &["text abcd"]),
        ("abcde.", &["text+ abcd", "continuation e"]),
        ("abcdefgh.", &["text+ abcd", "continuation efgh"]),
        ("abcdefghi.", &["text+ abcd", "continuation+ efgh", "continuation i"]),
        ("a,.", &["text+ a", "continuation "]),
        ("a,b,c.", &["text+ a", "continuation+ b", "continuation c"]),
        ("abcd,e.", &["text+ abcd", "continuation e"]),
        ("abcd,,,e.", &["text+ abcd", "continuation e"]),
        (",,.", &["text "]),
        ("abc,def.", &["text+ abc", "continuation def"]),
        ("", &[]),
        ("abcd", &[]),
        (",,", &[]),
        ("a,", &["text+ a", ABANDONED]),
        ("abcde", &["text+ abcd", ABANDONED]),
        ("a,b", &["text+ a", ABANDONED]),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_is_written_leaves_in_fragments() {
    for role in ROLES {
        for (script, heard) in written() {
            for by_shutdown in [false, true] {
                let (mut websocket, peer) = open(role, &Config::new());
                let mut writer = websocket.writer(Kind::Text).fragment(4);
                for action in script.trim_end_matches('.').bytes() {
                    match action {
                        b',' => at_once(writer.flush()).unwrap(),
                        letter => assert_eq!(at_once(writer.write(&[letter])).unwrap(), 1),
                    }
                }
                match script.ends_with('.') {
                    true if by_shutdown => {
                        at_once(writer.shutdown()).unwrap();
                        drop(writer);
                    }
                    true => at_once(writer.finish()).unwrap(),
                    false => drop(writer),
                }
                let _ = at_once(websocket.flush());
                assert_eq!(peer.heard(), heard, "{script}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_takes_what_fits_a_fragment() {
    let (mut websocket, peer) = server();
    let mut writer = websocket.writer(Kind::Binary).fragment(4);
    assert_eq!(at_once(writer.write(b"abcdefghij")).unwrap(), 4);
    assert!(peer.log().is_empty(), "a full fragment waits for the next write");
    assert_eq!(at_once(writer.write(b"")).unwrap(), 0);
    assert_eq!(at_once(writer.write(b"efghij")).unwrap(), 4);
    at_once(writer.write_all(b"ij")).unwrap();
    at_once(writer.finish()).unwrap();
    assert_eq!(peer.heard(), ["binary+ abcd", "continuation+ efgh", "continuation ij"]);
    // A fragment holds at least a byte.
    let mut writer = websocket.writer(Kind::Binary).fragment(0);
    at_once(writer.write_all(b"ab")).unwrap();
    at_once(writer.finish()).unwrap();
    assert_eq!(peer.heard()[3..], ["binary+ a", "continuation b"]);
}

#[tokio::test(start_paused = true)]
async fn a_fragment_holds_16_kib_and_a_message_that_fits_is_one_frame() {
    for (len, heard) in [
        (16 << 10, vec!["binary of 16384"]),
        ((16 << 10) + 1, vec!["binary+ of 16384", "continuation \u{7}"]),
    ] {
        let (mut websocket, peer) = server();
        let mut writer = websocket.writer(Kind::Binary);
        at_once(writer.write_all(&vec![7; len])).unwrap();
        at_once(writer.finish()).unwrap();
        assert_eq!(peer.heard(), heard);
    }
}

#[tokio::test(start_paused = true)]
async fn fragments_are_queued_and_leave_with_a_flush_or_the_end() {
    let (mut websocket, peer) = server();
    let mut writer = websocket.writer(Kind::Text).fragment(1);
    at_once(writer.write_all(b"abc")).unwrap();
    assert!(peer.log().is_empty());
    at_once(writer.flush()).unwrap();
    assert_eq!((peer.heard().len(), peer.writes()), (3, 1));
    peer.stop_reading();
    at_once(writer.write_all(b"de")).unwrap();
    assert!(waits(writer.flush()));
    // What was dropped is not said twice.
    assert!(waits(writer.flush()));
    let mut shutdown = pin!(writer.shutdown());
    assert!(waits(shutdown.as_mut()));
    peer.open(usize::MAX);
    at_once(shutdown).unwrap();
    let heard = ["text+ a", "continuation+ b", "continuation+ c", "continuation+ d", "continuation+ e"];
    assert_eq!(peer.heard(), [&heard[..], &["continuation "]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_was_shut_down_takes_nothing_more() {
    let (mut websocket, peer) = server();
    let mut writer = websocket.writer(Kind::Text);
    at_once(writer.write_all(b"all")).unwrap();
    for _ in 0..3 {
        at_once(writer.shutdown()).unwrap();
        at_once(writer.flush()).unwrap();
        let late = at_once(writer.write(b"late")).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::BrokenPipe);
    }
    at_once(writer.finish()).unwrap();
    at_once(websocket.send("next")).unwrap();
    assert_eq!(peer.heard(), ["text all", "text next"]);
}

#[tokio::test(start_paused = true)]
async fn text_may_be_cut_within_a_character() {
    for role in ROLES {
        for fragment in 1..8 {
            let (mut websocket, peer) = open(role, &Config::new());
            let mut writer = websocket.writer(Kind::Text).fragment(fragment);
            for byte in "a€😀".bytes() {
                at_once(writer.write_all(&[byte])).unwrap();
            }
            at_once(writer.finish()).unwrap();
            assert_eq!(peer.heard().len(), 8_usize.div_ceil(fragment));
            at_once(websocket.send("b")).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn text_that_is_none_is_refused_and_never_looks_like_a_whole() {
    // Within a later fragment: a part has been said, and cannot be taken back.
    for (begin, bad) in [(&b"begun"[..], &b"\xff"[..]), (b"\xe2\x82", b"a"), (b"begun", b"\xc0\x80")] {
        let (mut websocket, peer) = server();
        let mut writer = websocket.writer(Kind::Text);
        at_once(writer.write_all(begin)).unwrap();
        at_once(writer.flush()).unwrap();
        at_once(writer.write_all(bad)).unwrap();
        let refused = at_once(writer.flush()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        let refused = refused.into_inner().unwrap().downcast::<Error>().unwrap();
        assert!(matches!(*refused, Error::Send(SendError::NotUtf8)), "{refused:?}");
        // What comes behind the piece that is missing is not said.
        at_once(writer.write_all(b"good")).unwrap_or_default();
        at_once(writer.flush()).unwrap_err();
        at_once(writer.shutdown()).unwrap_err();
        drop(writer);
        let _ = at_once(websocket.flush());
        let heard = peer.heard();
        assert_eq!((heard.len(), heard.last().unwrap().as_str()), (2, ABANDONED), "{heard:?}");
    }
    // At the end.
    let (mut websocket, peer) = server();
    let mut writer = websocket.writer(Kind::Text);
    at_once(writer.write_all(b"\xe2\x82")).unwrap();
    at_once(writer.flush()).unwrap();
    assert!(matches!(at_once(writer.finish()), Err(Error::Send(SendError::NotUtf8))));
    let _ = at_once(websocket.flush());
    assert_eq!(peer.heard().last().unwrap(), ABANDONED);
    // In the first fragment: nothing has been said, and nothing happens.
    for by_write in [false, true] {
        let (mut websocket, peer) = server();
        let mut writer = websocket.writer(Kind::Text).fragment(2);
        at_once(writer.write_all(b"\xff!")).unwrap();
        let refused = if by_write { at_once(writer.write_all(b"good")) } else { at_once(writer.flush()) };
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        at_once(writer.write_all(b"g")).unwrap_or_default();
        assert!(at_once(writer.finish()).is_err());
        at_once(websocket.send("next")).unwrap();
        assert_eq!(peer.heard(), ["text next"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_goes_on_with_a_message_that_was_begun_in_chunks() {
    let chunk = |data: &'static str, fin| Chunk { kind: Kind::Text, data: data.into(), fin };
    let (mut websocket, peer) = server();
    at_once(websocket.send_chunk(chunk("a", false))).unwrap();
    let mut writer = websocket.writer(Kind::Text);
    at_once(writer.write_all(b"b")).unwrap();
    at_once(writer.finish()).unwrap();
    assert_eq!(peer.heard(), ["text+ a", "continuation b"]);
    // Of another kind it is refused; then a piece is missing.
    at_once(websocket.send_chunk(chunk("a", false))).unwrap();
    let mut writer = websocket.writer(Kind::Binary);
    at_once(writer.write_all(b"b")).unwrap();
    assert!(matches!(at_once(writer.finish()), Err(Error::Send(SendError::KindChanged))));
    let _ = at_once(websocket.flush());
    assert_eq!(peer.heard().last().unwrap(), ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn control_frames_go_between_fragments() {
    for role in ROLES {
        let (websocket, peer) = open(role, &Config::new());
        let (mut sender, mut receiver) = websocket.split();
        let other = sender.clone();
        let mut writer = sender.writer(Kind::Text);
        at_once(writer.write_all(b"a")).unwrap();
        at_once(writer.flush()).unwrap();
        peer.ping("1");
        assert!(waits(receiver.recv()));
        at_once(other.ping("2")).unwrap();
        assert!(waits(other.send("later")));
        at_once(writer.write_all(b"b")).unwrap();
        at_once(writer.finish()).unwrap();
        at_once(other.send("c")).unwrap();
        assert_eq!(peer.heard(), ["text+ a", "pong 1", "ping 2", "continuation b", "text c"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_room_and_is_woken() {
    let (mut websocket, peer) = narrow();
    peer.stop_reading();
    let bell = Bell::new();
    let mut writer = websocket.writer(Kind::Text).fragment(3);
    at_once(writer.write_all(b"one")).unwrap();
    assert_eq!(at_once(writer.write(b"two")).unwrap(), 3, "there is room for a fragment");
    {
        let mut write = pin!(writer.write(b"three"));
        assert!(poll_with(write.as_mut(), &bell).is_pending());
        assert_eq!(bell.rings(), 0);
        peer.ping("1");
        assert_eq!(bell.rings(), 1);
        assert!(poll_with(write.as_mut(), &bell).is_pending());
        assert!(peer.is_drained(), "it keeps the connection going");
        peer.open(4);
        assert_eq!(bell.rings(), 1);
        assert!(poll_with(write.as_mut(), &bell).is_pending());
        peer.open(100);
        assert_eq!(bell.rings(), 1);
        assert!(matches!(poll_with(write.as_mut(), &bell), Poll::Ready(Ok(3))));
    }
    at_once(writer.finish()).unwrap();
    assert_eq!(peer.heard(), ["text+ one", "pong 1", "continuation+ two", "continuation thr"]);
}

#[tokio::test(start_paused = true)]
async fn a_finish_that_is_dropped_has_ended_the_message_or_closes_the_connection() {
    // With room the end is accepted at the first poll.
    let (mut websocket, peer) = server();
    peer.stop_reading();
    let mut writer = websocket.writer(Kind::Text);
    at_once(writer.write_all(b"all")).unwrap();
    assert!(waits(writer.finish()));
    peer.open(usize::MAX);
    at_once(websocket.send("next")).unwrap();
    assert_eq!(peer.heard(), ["text all", "text next"]);
    // Without, nothing is accepted, whether something was said before or not.
    for begins in [false, true] {
        let (mut websocket, peer) = narrow();
        peer.stop_reading();
        if !begins {
            at_once(websocket.feed("full")).unwrap();
        }
        let mut writer = websocket.writer(Kind::Text);
        at_once(writer.write_all(b"begun")).unwrap();
        assert!(waits(writer.flush()));
        at_once(writer.write_all(b"more")).unwrap();
        assert!(poll_times(writer.finish(), 3).is_pending());
        peer.open(usize::MAX);
        let _ = at_once(websocket.flush());
        let heard: &[&str] = if begins { &["text+ begun", ABANDONED] } else { &["text full"] };
        assert_eq!(peer.heard(), heard);
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_on_a_connection_that_closes_says_why() {
    let (mut websocket, peer) = server();
    let mut writer = websocket.writer(Kind::Binary).fragment(2);
    at_once(writer.write_all(b"ab")).unwrap();
    at_once(writer.flush()).unwrap();
    drop(writer);
    let mut writer = websocket.writer(Kind::Binary).fragment(2);
    at_once(writer.write_all(b"ab")).unwrap();
    assert_eq!(at_once(writer.write_all(b"cd")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(at_once(writer.shutdown()).is_err());
    assert_eq!(peer.heard(), ["binary+ ab"]);

    let (mut websocket, peer) = server();
    peer.fail_writes(ErrorKind::ConnectionReset);
    let mut writer = websocket.writer(Kind::Binary);
    at_once(writer.write_all(b"ab")).unwrap();
    assert_eq!(at_once(writer.flush()).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(
        matches!(at_once(writer.finish()), Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset)
    );

    let (mut websocket, peer) = server();
    peer.eof();
    assert!(matches!(at_once(websocket.recv()), Err(Error::Vanished)));
    let mut writer = websocket.writer(Kind::Binary);
    at_once(writer.write_all(b"ab")).unwrap();
    assert_eq!(at_once(writer.shutdown()).unwrap_err().kind(), ErrorKind::UnexpectedEof);

    // Closed by ourselves within the message: it was cut off, not abandoned.
    let (websocket, peer) = server();
    let (mut sender, _receiver) = websocket.split();
    let other = sender.clone();
    let mut writer = sender.writer(Kind::Text);
    at_once(writer.write_all(b"begun")).unwrap();
    at_once(writer.flush()).unwrap();
    other.start_close(CloseFrame::NORMAL);
    assert!(matches!(at_once(writer.finish()), Err(Error::Send(SendError::Closed))));
    let _ = poll_once(other.closed());
    assert_eq!(peer.heard(), ["text+ begun", "close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn dropped_writes_lose_and_repeat_nothing() {
    for role in ROLES {
        for polls in 1..12 {
            let mut limits = Limits::default();
            limits.unsent = 10;
            let (mut websocket, peer) = open(role, &Config::new().limits(limits));
            peer.cut(1);
            peer.stall();
            let mut writer = websocket.writer(Kind::Binary).fragment(7);
            let bytes: Vec<u8> = (0..200).collect();
            let mut rest = &bytes[..];
            let mut turn = 0;
            while !rest.is_empty() {
                turn += 1;
                if turn % 5 == 0 {
                    let _ = poll_times(writer.flush(), polls);
                }
                if let Poll::Ready(taken) = poll_times(writer.write(rest), polls) {
                    rest = &rest[taken.unwrap()..];
                }
            }
            while poll_times(writer.shutdown(), polls).is_pending() {}
            let heard = payload(&peer.written());
            assert_eq!(heard, bytes, "{role:?}, {polls}");
        }
    }
}

/// The payload of the one message in these bytes.
fn payload(mut wire: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    while !wire.is_empty() {
        let (header, begin) = sansocket::frame::Header::parse(wire).unwrap().unwrap();
        let (data, rest) = wire[begin..].split_at(header.payload_len as usize);
        let mut data = data.to_vec();
        header.masking_key.unwrap_or_default().apply(&mut data);
        assert_eq!(header.opcode == OpCode::Continuation, !payload.is_empty());
        assert_eq!(header.fin, rest.is_empty());
        payload.extend(data);
        wire = rest;
    }
    payload
}

#[cfg(feature = "deflate")]
mod compressed {
    use bytes::BytesMut;
    use sansocket::{Compress, Compression, Connection, Event, Message, Negotiated, deflate::Params};

    use super::*;
    use crate::support::transport;

    /// What a client hears that has agreed to compression.
    fn heard(wire: &[u8]) -> Vec<Message> {
        let mut client = Connection::client(&Config::new(), agreed(), || [0; 4]);
        let mut input = BytesMut::from(wire);
        let mut messages = Vec::new();
        while let Some(event) = client.receive(&mut input).unwrap() {
            messages.extend(if let Event::Data(message) = event { Some(message) } else { None });
        }
        assert!(input.is_empty());
        messages
    }

    fn agreed() -> Negotiated {
        let mut negotiated = Negotiated::default();
        negotiated.deflate = Some(Params::new());
        negotiated
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_compressed_as_its_first_fragment_says() {
        for (when, fragment) in
            [(Compress::Always, 16), (Compress::Above(1000), 1 << 14), (Compress::Never, 16)]
        {
            let config = Config::new().compression(Compression::new(6, when));
            let (io, wire) = transport();
            let mut websocket =
                WebSocket::from_parts(io, Connection::server(&config, agreed()), BytesMut::new());
            let text = "€ in, € out, ".repeat(1000);
            for _ in 0..3 {
                let mut writer = websocket.writer(Kind::Text).fragment(fragment);
                at_once(writer.write_all(text.as_bytes())).unwrap();
                at_once(writer.flush()).unwrap();
                at_once(writer.write_all(b"")).unwrap();
                at_once(writer.finish()).unwrap();
            }
            // Whatever comes behind it, compressed or not.
            let mut writer = websocket.writer(Kind::Text);
            at_once(writer.write_all("€ in".as_bytes())).unwrap();
            at_once(writer.finish()).unwrap();
            at_once(websocket.send("€ out")).unwrap();
            let is_compressed = wire.written()[0] & 0x40 != 0;
            assert_eq!(is_compressed, when != Compress::Never);
            assert_eq!(
                wire.written().len() < text.len(),
                when == Compress::Above(1000),
                "{}",
                wire.written().len()
            );
            let expected = [&text[..], &text, &text, "€ in", "€ out"].map(|it| Message::from(it.to_owned()));
            assert_eq!(heard(&wire.written()), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn text_that_is_none_leaves_no_trace_in_the_window() {
        let config = Config::new().compression(Compression::new(6, Compress::Always));
        let (io, wire) = transport();
        let mut websocket = WebSocket::from_parts(io, Connection::server(&config, agreed()), BytesMut::new());
        let mut writer = websocket.writer(Kind::Text);
        at_once(writer.write_all(b"Hello\xff")).unwrap();
        assert!(at_once(writer.finish()).is_err());
        at_once(websocket.send("Hello, Hello")).unwrap();
        assert_eq!(heard(&wire.written()), [Message::from("Hello, Hello")]);
    }
}
