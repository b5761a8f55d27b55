//! §6.1, sending: messages, chunks, refusals, and what waits for the wire.

use bytes::{Buf, Bytes, BytesMut};
use sansocket::{Chunk, Config, Connection, Kind, Message, Role, SendError, frame::OpCode};

use crate::support::{
    player::{check_table, connect, connection, drain},
    wire::{frame, frames},
};

pub(crate) const TABLE: &str = r#"
    # A message is one frame, with the shortest form of its length.
    server < {text "Hello"}                                       | > 81 05 48656c6c6f
    client < {text "Hello"}                                       | > 81 85 37fa213d 7f9f4d5158
    server < {text ""} {binary ""}                                | > 81 00 82 00
    server < {binary 00*125}                                      | > 82 7d 00*125
    server < {binary 00*126}                                      | > 82 7e 007e 00*126
    server < {binary 00*65535}                                    | > 82 7e ffff 00*65535
    server < {binary 00*65536}                                    | > 82 7f 0000000000010000 00*65536
    client < {binary 61*65536}                                    | > [binary 61*65536]
    server < {binary 61*4095} {binary 62*4096} {binary 63*4097} {text "a"} | > [binary 61*4095] [binary 62*4096] [binary 63*4097] [text "a"]
    client < {binary 61*255} {binary 62*256} {binary 63*257}      | > [binary 61*255] [binary 62*256] [binary 63*257]

    # Chunks are fragments, control frames may go between them.
    server < {text- "Hel"} {text. "lo"}                           | > 01 03 48656c 80 02 6c6f
    server < {binary- 00} {ping "p"} {binary- 01} {pong "q"} {binary. 02} | > [binary- 00] [ping "p"] [cont- 01] [pong "q"] [cont 02]
    server < {text. "a"} {text "b"}                               | > [text "a"] [text "b"]
    server < {text- ""} {text- ""} {text. ""}                     | > [text- ] [cont- ] [cont ]
    server < {binary- 00} [ping "p"] {binary. 01}                 | ping "p" > [binary- 00] [pong "p"] [cont 01]
    # A character may be cut by chunks.
    server < {text- e2} {text- 82} {text. ac}                     | > [text- e2] [cont- 82] [cont ac]

    # Refused, and all is as it was before: the message goes on.
    server < {text- "a"} {text "b"} {text. "c"}                   | refused MessageOpen > [text- "a"] [cont "c"]
    server < {text- "a"} {binary 00} {text. "c"} {binary 00}      | refused MessageOpen > [text- "a"] [cont "c"] [binary 00]
    server < {text- "a"} {binary- 00} {binary. 00} {text. "c"}    | refused KindChanged, refused KindChanged > [text- "a"] [cont "c"]
    server < {binary- 00} {text. "c"} {binary. 01}                | refused KindChanged > [binary- 00] [cont 01]
    server < {text- e2} {text- ff} {text- 82} {text. ac}          | refused NotUtf8 > [text- e2] [cont- 82] [cont ac]
    server < {text- e2} {text. ""} {text. 82ac}                   | refused NotUtf8 > [text- e2] [cont 82ac]
    server < {text. ff} {text- c3} {text. 28} {text. bc}          | refused NotUtf8, refused NotUtf8 > [text- c3] [cont bc]
    server < {text. ed} {text "a"}                                | refused NotUtf8 > [text "a"]
    server < {binary. ff}                                         | > [binary ff]
    server < {ping 00*126} {pong 00*126} {ping 00*125} {pong 00*125} | refused ControlTooLong, refused ControlTooLong > [ping 00*125] [pong 00*125]
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// At the limit all is refused but the Close frame; below it, one message more is taken whole.
#[test]
fn unsent_output_has_a_limit() {
    for role in [Role::Server, Role::Client] {
        let mut config = Config::new();
        config.limits.unsent = 1000;
        let mut end = connection(role, &config);
        let header = frame(role, true, 2, &[0; 900]).len() - 900;
        end.send(vec![0; 999 - header]).unwrap();
        assert_eq!((end.unsent(), end.has_room()), (999, true));
        end.send(vec![0; 5000]).unwrap();
        assert!(!end.has_room());

        let waiting = end.unsent();
        let chunk = Chunk { kind: Kind::Text, data: Bytes::new(), fin: true };
        assert_eq!(end.send("x"), Err(SendError::Full));
        assert_eq!(end.send_chunk(chunk), Err(SendError::Full));
        assert_eq!(end.ping("x"), Err(SendError::Full));
        assert_eq!(end.pong("x"), Err(SendError::Full));
        assert_eq!(end.unsent(), waiting);

        end.transmit().advance(waiting - 1000);
        assert_eq!(end.send("x"), Err(SendError::Full), "at the limit");
        end.transmit().advance(1);
        end.send("x").unwrap();
        end.close(None).unwrap();
        let sent = drain(&mut end);
        assert!(sent.ends_with(&[frame(role, true, 1, b"x"), frame(role, true, 8, b"")].concat()));
    }
}

/// A message that was refused for want of room can be offered again, also in the middle of a message in chunks.
#[test]
fn a_chunk_refused_for_want_of_room_is_sent_later() {
    let mut config = Config::new();
    config.limits.unsent = 1;
    let mut server = connection(Role::Server, &config);
    let chunk = |data: &'static [u8], fin| Chunk { kind: Kind::Text, data: Bytes::from_static(data), fin };
    server.send_chunk(chunk(b"gr\xc3", false)).unwrap();
    assert_eq!(server.send_chunk(chunk(b"\xbc", true)), Err(SendError::Full));
    let mut sent = drain(&mut server);
    server.send_chunk(chunk(b"\xbc", true)).unwrap();
    sent.extend(drain(&mut server));
    assert_eq!(sent, b"\x01\x03gr\xc3\x80\x01\xbc");
}

/// Pongs and Close frames are not refused when the output is at its limit: the peer is owed them.
#[test]
fn answers_go_out_when_the_output_is_full() {
    let mut config = Config::new();
    config.limits.unsent = 1;
    let mut server = connection(Role::Server, &config);
    server.send("x").unwrap();
    let wire = [frame(Role::Client, true, 9, b"p"), frame(Role::Client, true, 8, b"\x03\xe8")].concat();
    let mut input = BytesMut::from(&wire[..]);
    server.receive(&mut input).unwrap();
    server.receive(&mut input).unwrap();
    let opcodes: Vec<_> = frames(&drain(&mut server)).iter().map(|(header, _)| header.opcode).collect();
    assert_eq!(opcodes, [OpCode::Text, OpCode::Pong, OpCode::Close]);
}

/// Whatever is queued goes out in order, however it is taken: by chunk, by vectors, or byte by byte.
#[test]
fn output_is_the_same_however_it_is_taken() {
    let speak = |end: &mut Connection| {
        for len in [0, 1, 4095, 4096, 10, 70_000, 4096, 5] {
            end.send(vec![len as u8; len]).unwrap();
        }
    };
    for role in [Role::Server, Role::Client] {
        let mut by_chunk = connect(role);
        speak(&mut by_chunk);
        let expected = drain(&mut by_chunk);

        let mut by_byte = connect(role);
        speak(&mut by_byte);
        let mut seen = Vec::new();
        while by_byte.transmit().has_remaining() {
            assert_eq!(by_byte.unsent(), expected.len() - seen.len());
            seen.push(by_byte.transmit().get_u8());
        }
        assert!(seen == expected, "{role:?} by byte");

        let mut copied = connect(role);
        speak(&mut copied);
        let len = copied.unsent();
        assert!(copied.transmit().copy_to_bytes(len) == expected, "{role:?} at once");
        assert_eq!(copied.unsent(), 0);
    }
}

#[cfg(feature = "std")]
#[test]
fn vectors_show_all_that_waits() {
    use std::io::IoSlice;

    for step in [100, 4000, 5000, usize::MAX] {
        let mut server = connect(Role::Server);
        for len in [1, 4096, 10, 70_000, 5] {
            server.send(vec![len as u8; len]).unwrap();
        }
        let whole = frames(&{
            let mut seen = Vec::new();
            while server.transmit().has_remaining() {
                let mut slices = [IoSlice::new(&[]); 3];
                let transmit = &*server.transmit();
                let count = transmit.chunks_vectored(&mut slices);
                assert!(count > 0);
                let shown: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                assert!(slices[..count].iter().all(|slice| !slice.is_empty()));
                let taken = step.min(shown.len());
                seen.extend_from_slice(&shown[..taken]);
                server.transmit().advance(taken);
            }
            seen
        });
        assert_eq!(
            whole.iter().map(|(_, payload)| payload.len()).collect::<Vec<_>>(),
            [1, 4096, 10, 70_000, 5]
        );
    }
    let mut idle = connect(Role::Server);
    assert_eq!(idle.transmit().chunks_vectored(&mut [IoSlice::new(&[])]), 0);
}

#[test]
#[should_panic(expected = "advanced past the bytes that wait")]
fn advancing_past_the_end_is_a_mistake() {
    connect(Role::Server).transmit().advance(1);
}

/// A large payload of a server goes out as it was given.
#[test]
fn a_large_payload_is_not_copied_by_a_server() {
    let payload = Bytes::from(vec![7; 5000]);
    let mut server = connect(Role::Server);
    server.send(Message::Binary(payload.clone())).unwrap();
    let header_len = server.transmit().chunk().len();
    server.transmit().advance(header_len);
    assert_eq!(server.transmit().chunk().as_ptr(), payload.as_ptr());
}

/// Small frames stand side by side: one write takes them all.
#[test]
fn small_frames_are_one_chunk() {
    for role in [Role::Server, Role::Client] {
        let mut end = connect(role);
        for _ in 0..10 {
            end.send("small").unwrap();
        }
        let unsent = end.unsent();
        assert_eq!(end.transmit().chunk().len(), unsent, "{role:?}");
    }
}
