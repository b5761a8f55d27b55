//! What went each way, counted: frames, messages and bytes.

use bytes::{Buf, Bytes, BytesMut};
use sansocket::{Chunk, Config, Connection, Kind, Overflow, Prepared, Role, Traffic};

use crate::support::{
    player::{connect, connection, drain},
    wire::{frame, peer},
};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn traffic(frames: u64, messages: u64, bytes: usize) -> Traffic {
    let mut traffic = Traffic::default();
    (traffic.frames, traffic.messages, traffic.bytes) = (frames, messages, bytes as u64);
    traffic
}

fn chunk(data: &'static [u8], fin: bool) -> Chunk {
    Chunk { kind: Kind::Text, data: Bytes::from_static(data), fin }
}

fn hear(end: &mut Connection, input: &mut BytesMut, wire: &[u8]) {
    input.extend_from_slice(wire);
    while let Ok(Some(_)) = end.receive(input) {}
}

/// Frames and messages when they are encoded, bytes when they have left.
#[test]
fn what_is_sent_counts() {
    for role in ROLES {
        let mut end = connect(role);
        assert_eq!(end.sent(), Traffic::default());
        type Saying = fn(&mut Connection);
        let sayings: [(Saying, u64, u64); 9] = [
            (|end| end.send("a").unwrap(), 1, 1),
            (|end| end.send(Prepared::new("bb")).unwrap(), 2, 2),
            (|end| end.send(Prepared::new(vec![0; 5000])).unwrap(), 3, 3),
            (|end| end.send(vec![0; 100_000]).unwrap(), 4, 4),
            (|end| end.send_chunk(chunk(b"c", false)).unwrap(), 5, 4),
            (|end| end.ping("p").unwrap(), 6, 4),
            (|end| end.send_chunk(chunk(b"", true)).unwrap(), 7, 5),
            (|end| end.pong("q").unwrap(), 8, 5),
            (|end| end.close(None).unwrap(), 9, 5),
        ];
        for (say, frames, messages) in sayings {
            let before = end.sent().bytes;
            say(&mut end);
            assert_eq!(end.sent(), traffic(frames, messages, before as usize), "encoded, and still here");
            let waiting = end.unsent();
            end.transmit().advance(1);
            assert_eq!(end.sent().bytes, before + 1);
            assert_eq!(drain(&mut end).len(), waiting - 1);
            assert_eq!(end.sent(), traffic(frames, messages, before as usize + waiting));
        }
    }
}

/// What is posted counts when it is encoded, and what is dropped never does.
#[test]
fn what_is_posted_counts_when_it_is_encoded() {
    let mut config = Config::new();
    config.limits.unsent = 0;
    let mut server = connection(Role::Server, &config);
    for _ in 0..5 {
        let _ = server.post("news", Overflow::DropOldest).unwrap();
        let _ = server.post("news", Overflow::DropNewest).unwrap();
    }
    assert_eq!(server.sent(), Traffic::default());
    assert_eq!(server.transmit().remaining(), 6);
    assert_eq!(server.sent(), traffic(1, 1, 0));
    drain(&mut server);
    assert_eq!(server.sent(), traffic(1, 1, 6));
}

/// What is given up does not leave, and does not count as if it had.
#[test]
fn what_is_given_up_has_not_left() {
    let mut server = connect(Role::Server);
    server.send("away").unwrap();
    server.transmit().advance(2);
    server.abandon();
    assert_eq!(server.sent(), traffic(1, 1, 2));
    assert_eq!(drain(&mut server), b"");
    assert_eq!(server.sent(), traffic(1, 1, 2));
}

/// Frames when their header has come, messages when they are whole, bytes as they are taken in.
#[test]
fn what_is_received_counts() {
    for role in ROLES {
        let from = peer(role);
        let frames = [
            (frame(from, true, 1, b"Hello"), 1),
            (frame(from, false, 2, b"a"), 0),
            (frame(from, true, 9, b"p"), 0),
            (frame(from, false, 0, b""), 0),
            (frame(from, true, 10, b""), 0),
            (frame(from, true, 0, b""), 1),
            (frame(from, true, 2, &[7; 300]), 1),
            (frame(from, false, 1, b""), 0),
            (frame(from, true, 0, b"x"), 1),
            (frame(from, true, 8, b"\x03\xe8"), 0),
        ];
        let mut byte_by_byte = connect(role);
        let mut at_once = connect(role);
        let mut in_chunks = connect(role);
        let (mut input, mut heard) = (BytesMut::new(), Traffic::default());
        for (wire, messages) in &frames {
            let before = heard;
            let header_len = wire.len() - payload_len(from, wire);
            for (at, byte) in wire.iter().enumerate() {
                hear(&mut byte_by_byte, &mut input, &[*byte]);
                // A header is taken in at once.
                let bytes = if at + 1 < header_len { 0 } else { at + 1 };
                let is_there = u64::from(bytes > 0);
                let is_whole = u64::from(at + 1 == wire.len());
                heard = traffic(
                    before.frames + is_there,
                    before.messages + messages * is_whole,
                    before.bytes as usize + bytes,
                );
                assert_eq!(byte_by_byte.received(), heard, "{role:?} {wire:02x?} {at}");
            }
            hear(&mut at_once, &mut BytesMut::new(), wire);
            assert_eq!(at_once.received(), heard);
            let mut input = BytesMut::from(&wire[..]);
            while let Ok(Some(_)) = in_chunks.receive_chunk(&mut input) {}
            assert_eq!(in_chunks.received(), heard);
        }
        assert_eq!(heard.messages, 4);
        assert_eq!(at_once.sent().frames, 2, "a pong and a close");
        // Nothing behind the end is looked at.
        hear(&mut at_once, &mut BytesMut::new(), &frames[0].0);
        assert_eq!(at_once.received(), heard);
    }
}

fn payload_len(from: Role, wire: &[u8]) -> usize {
    let key_len = if from == Role::Client { 4 } else { 0 };
    let length_len = if wire[1] & 0x7f == 126 { 2 } else { 0 };
    wire.len() - 2 - length_len - key_len
}

/// A message whose rest is skipped has come all the same.
#[test]
fn what_is_skipped_counts() {
    let mut client = connect(Role::Client);
    let mut input = BytesMut::from(&frame(Role::Server, false, 1, b"skip")[..]);
    while let Ok(Some(_)) = client.receive_chunk(&mut input) {}
    hear(&mut client, &mut input, &frame(Role::Server, true, 0, b"ped"));
    assert_eq!(client.received(), traffic(2, 1, 6 + 5));
    hear(&mut client, &mut input, &frame(Role::Server, true, 1, b""));
    assert_eq!(client.received(), traffic(3, 2, 13));
}

/// A frame that is refused at its header was not taken in; one that is refused in its payload was no message.
#[test]
fn what_is_refused_is_no_message() {
    let mut client = connect(Role::Client);
    hear(&mut client, &mut BytesMut::new(), b"\x81\x01a\xc1\x01a");
    assert_eq!(client.received(), traffic(1, 1, 3));
    let mut client = connect(Role::Client);
    hear(&mut client, &mut BytesMut::new(), b"\x81\x01a\x81\x02\xff\xff\x81\x01a");
    assert_eq!(client.received(), traffic(2, 1, 7));
}

/// Bytes are those on the wire, and a message is one however far it inflates.
#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_count_as_they_are_on_the_wire() {
    use sansocket::{Compress, Negotiated, deflate::Params};

    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(Params::new());
    let mut server = Connection::server(&Config::new(), negotiated.clone());
    let mut client = Connection::client(&Config::new(), negotiated, || [1; 4]);
    let mut input = BytesMut::new();
    for round in 1..4_u64 {
        server.send_with(vec![7; 100_000], Compress::Always).unwrap();
        server.send(Prepared::new(vec![8; 100_000])).unwrap();
        server
            .send_chunk(chunk(b"some text, and some more, and so on, which is compressed: text, text", false))
            .unwrap();
        server.send_chunk(chunk(b"", true)).unwrap();
        let sent = drain(&mut server);
        assert!(sent.len() < 1000);
        for byte in sent {
            hear(&mut client, &mut input, &[byte]);
        }
        assert_eq!((server.sent().frames, server.sent().messages), (4 * round, 3 * round));
        assert_eq!(client.received(), server.sent());
    }
}
