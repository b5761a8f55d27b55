//! Prepared messages: encoded once, sent over many connections, and on the wire what any other message is.

use bytes::{Buf, BytesMut};
use sansocket::{Config, Event, Kind, Message, Prepared, Role, SendError, frame::OpCode};

use crate::support::{
    player::{check_table, connect, connection, drain},
    wire::{frame, frames, peer},
};

pub(crate) const TABLE: &str = r#"
    server < {prepared "Hello"}                                   | > 81 05 48656c6c6f
    client < {prepared "Hello"}                                   | > 81 85 37fa213d 7f9f4d5158
    server < {prepared ""} {text ""}                              | > 81 00 81 00
    client < {prepared ""} {ping ""}                              | > [text ] [ping ]
    server < {prepared "a"*125} {prepared "b"*126}                | > [text "a"*125] [text "b"*126]
    # Below 256 bytes of frame it stands among others, above it is a segment of its own: nobody can tell on the wire.
    server < {text "-"} {prepared "a"*251} {text "-"} {prepared "b"*252} {text "-"} {prepared "c"*65536} {text "-"} | > [text "-"] [text "a"*251] [text "-"] [text "b"*252] [text "-"] [text "c"*65536] [text "-"]
    client < {text "-"} {prepared "a"*251} {text "-"} {prepared "b"*252} {text "-"} {prepared "c"*65536} {text "-"} | > [text "-"] [text "a"*251] [text "-"] [text "b"*252] [text "-"] [text "c"*65536] [text "-"]
    # What is refused to a message is refused to this one.
    server < {text- "a"} {prepared "x"} {text. "b"}               | refused MessageOpen > [text- "a"] [cont "b"]
    server < {close 1000} {prepared "x"}                          | refused Closed > [close 1000]
"#;

#[test]
fn table() {
    check_table(TABLE);
}

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// Around each form of length, and around the length from which a frame is shared.
const LENGTHS: [usize; 14] = [0, 1, 125, 126, 250, 251, 252, 253, 256, 4096, 5000, 65_535, 65_536, 200_000];

#[test]
fn it_is_the_message_that_was_prepared() {
    let text = Prepared::new("grüße");
    assert_eq!((text.kind(), text.len(), text.is_empty()), (Kind::Text, 7, false));
    assert_eq!(text.message(), Message::from("grüße"));
    for len in LENGTHS {
        let data = Prepared::from(Message::from(vec![7; len]));
        assert_eq!((data.kind(), data.len(), data.is_empty()), (Kind::Binary, len, len == 0));
        assert_eq!(data.message(), Message::from(vec![7; len]));
        let outgoing = sansocket::Outgoing::from(&data);
        assert_eq!((outgoing.message(), outgoing.len()), (Message::from(vec![7; len]), len));
        assert_eq!(outgoing.is_empty(), len == 0);
    }
}

/// Byte for byte what `send` gives, over any number of connections at either end, and that is one encoding.
#[test]
fn on_the_wire_it_is_what_send_gives() {
    for len in LENGTHS {
        for message in [Message::from(vec![b'x'; len]), Message::from("x".repeat(len))] {
            let prepared = Prepared::new(message.clone());
            for role in ROLES {
                for _ in 0..3 {
                    let mut sending = connect(role);
                    sending.send("before").unwrap();
                    sending.send(message.clone()).unwrap();
                    sending.send("behind").unwrap();
                    let mut end = connect(role);
                    end.send("before").unwrap();
                    end.send(&prepared).unwrap();
                    end.send("behind").unwrap();
                    assert_eq!(end.unsent(), sending.unsent());
                    assert_eq!(end.sent(), sending.sent());
                    assert!(drain(&mut end) == drain(&mut sending), "{len} bytes from the {role:?}");
                    assert_eq!(end.sent(), sending.sent());
                    assert_eq!(end.sent().messages, 3);
                }
            }
            assert_eq!(prepared.encodings(), 1);
        }
    }
}

/// §5.3: a client masks each copy with a key of its own.
#[test]
fn each_copy_of_a_client_has_its_own_key() {
    let mut key = 0_u8;
    let keys = move || {
        key += 1;
        [key; 4]
    };
    let mut client = sansocket::Connection::client(&Config::new(), Default::default(), keys);
    let prepared = Prepared::new("news");
    for _ in 0..3 {
        client.send(&prepared).unwrap();
    }
    let keys: Vec<_> = frames(&drain(&mut client)).iter().map(|(header, _)| header.masking_key).collect();
    assert_eq!(keys, [1, 2, 3].map(|key| Some(sansocket::frame::MaskingKey::new([key; 4]))));
}

/// Many servers queue the same bytes: a payload from 256 bytes on is copied by none of them, a small one by each.
#[test]
fn servers_share_a_frame() {
    for (len, is_shared) in
        [(100, false), (251, false), (252, true), (256, true), (5000, true), (1 << 19, true)]
    {
        let prepared = Prepared::new(vec![7; len]);
        let Message::Binary(payload) = prepared.message() else { panic!("binary") };
        let mut servers = [(); 3].map(|()| connect(Role::Server));
        for (at, server) in servers.iter_mut().enumerate() {
            // Bytes before it are no hindrance.
            server.send(vec![0; at]).unwrap();
            server.send(&prepared).unwrap();
            server.send("behind").unwrap();
            let begin = if is_shared { 0 } else { 2 + at };
            if is_shared {
                server.transmit().advance(2 + at);
            }
            let transmit = server.transmit();
            let chunk = &transmit.chunk()[begin..];
            let header_len = frame(Role::Server, true, 2, payload.as_ref()).len() - len;
            assert_eq!(chunk[header_len..].as_ptr() == payload.as_ptr(), is_shared, "{len} bytes");
            if is_shared {
                assert_eq!(chunk.len(), header_len + len);
            }
        }
        assert_eq!(prepared.encodings(), 1);
    }
}

#[test]
fn it_is_refused_at_the_limit_like_any_other() {
    let mut config = Config::new();
    config.limits.unsent = 11;
    let prepared = Prepared::new("news");
    for role in ROLES {
        let mut end = connection(role, &config);
        end.send(&prepared).unwrap();
        end.send(&prepared).unwrap();
        assert_eq!(end.send(&prepared), Err(SendError::Full));
        assert_eq!(frames(&drain(&mut end)).len(), 2);
    }
}

/// Whoever receives it has a message like any other.
#[test]
fn it_is_received() {
    for role in ROLES {
        let (mut end, mut other) = (connect(role), connect(peer(role)));
        for len in LENGTHS {
            end.send(Prepared::new(vec![len as u8; len])).unwrap();
            let mut input = BytesMut::from(&drain(&mut end)[..]);
            assert_eq!(other.receive(&mut input), Ok(Some(Event::Data(vec![len as u8; len].into()))));
        }
    }
}

/// A message that is received and sent on to many is not copied for each of them.
#[test]
fn what_is_received_can_be_prepared() {
    let mut server = connect(Role::Server);
    let mut input = BytesMut::from(&frame(Role::Client, true, 1, b"to all")[..]);
    let Ok(Some(Event::Data(message))) = server.receive(&mut input) else { panic!("a message") };
    let prepared = Prepared::from(message);
    let wire = [(); 5].map(|()| {
        let mut server = connect(Role::Server);
        server.send(&prepared).unwrap();
        drain(&mut server)
    });
    assert_eq!(wire, [(); 5].map(|()| b"\x81\x06to all".to_vec()));
    assert_eq!(frames(&wire[0])[0].0.opcode, OpCode::Text);
    assert_eq!(prepared.message().into_bytes(), "to all");
}

#[cfg(feature = "deflate")]
pub(crate) mod deflated {
    use std::{sync::Barrier, thread};

    use bytes::Bytes;
    use proptest::{prelude::*, sample::Index};
    use sansocket::{Chunk, Compress, Compression, Connection, frame::RSV1};

    use super::*;
    use crate::{
        compressor::{Agreed, Data, Elsewhere, agreed, data, pieces, unlimited},
        support::{chance::Chance, player::connection_with},
    };

    pub(crate) const TABLE: &str = r#"
        # RFC 7692 §7.2.3.1: compressed where the others would be, and by the same rule.
        server no-takeover compress=always < {prepared "aaaaaaaaaa"} {text+ "aaaaaaaaaa"} | > [text+ 4a4c84010000] [text+ 4a4c84010000]
        client no-takeover compress=always < {prepared "aaaaaaaaaa"}  | > [text+ 4a4c84010000]
        server deflate compress=11 < {prepared "aaaaaaaaaa"} {prepared "aaaaaaaaaaa"} | > [text "aaaaaaaaaa"] [text+ 4a4c84030000]
        server deflate compress=never < {prepared "aaaaaaaaaa"}       | > [text "aaaaaaaaaa"]
        server compress=always < {prepared "aaaaaaaaaa"}              | > [text "aaaaaaaaaa"]
        # What does not get smaller goes as it is.
        server deflate compress=always < {prepared "Hello"} {prepared ""} | > [text "Hello"] [text ]
        # A window that our encoder cannot keep within: not at all.
        server server-bits=8 compress=always < {prepared "aaaaaaaaaa"} | > [text "aaaaaaaaaa"]
        # §7.2.1: what comes behind a compressed one refers to nothing before it, and behind another one to all.
        server deflate compress=always < {text "Hello"} {text "Hello"} {prepared "aaaaaaaaaa"} {text "Hello"} {text "Hello"} | > [text+ f248cdc9c90700] [text+ f200110000] [text+ 4a4c84010000] [text+ f248cdc9c90700] [text+ f200110000]
        server deflate compress=always < {text "Hello"} {prepared "xyz"} {text "Hello"} | > [text+ f248cdc9c90700] [text "xyz"] [text+ f200110000]
        # Nor does a prepared one refer to another, though the peer has it in its window.
        server deflate compress=always < {prepared "aaaaaaaaaa"} {prepared "aaaaaaaaaa"} | > [text+ 4a4c84010000] [text+ 4a4c84010000]
    "#;

    #[test]
    fn table() {
        check_table(TABLE);
    }

    fn both(bits: u8, takeover: bool) -> Agreed {
        Agreed { takeover: [takeover; 2], bits: [bits; 2] }
    }

    fn compressing(level: u8) -> Config {
        unlimited().compression(Compression::new(level, Compress::Always))
    }

    fn end(role: Role, level: u8, agreed: Agreed) -> Connection {
        connection_with(role, &compressing(level), agreed.negotiated())
    }

    fn words() -> Vec<u8> {
        let words = ["the ", "window ", "slides ", "€ ", "on\n", "and "];
        let mut chance = Chance::new(7);
        (0..3000).flat_map(|_| words[chance.below(6)].bytes()).collect()
    }

    /// One for each size of window and level, whatever else differs, and each is what `send` gives.
    #[test]
    fn there_is_one_encoding_for_each_window_and_level() {
        let message = Message::from(words());
        let prepared = Prepared::new(message.clone());
        let mut expected = 1;
        for bits in 9..16 {
            // Level 10 is taken as 9.
            for level in [0, 1, 3, 9, 10] {
                expected += usize::from(level < 10);
                for role in ROLES {
                    for takeover in [false, true] {
                        let mut sending = end(role, level, both(bits, takeover));
                        sending.send(message.clone()).unwrap();
                        let mut end = end(role, level, both(bits, takeover));
                        end.send(&prepared).unwrap();
                        assert_eq!(prepared.encodings(), expected, "{bits} {level} {role:?} {takeover}");
                        let sent = drain(&mut sending);
                        let wire = drain(&mut end);
                        // With nothing before it, the only difference is that takeover sends what did not get smaller.
                        if level > 0 {
                            assert!(wire == sent, "{bits} {level} {role:?} {takeover}");
                            assert_eq!(frames(&wire)[0].0.rsv, RSV1);
                        } else {
                            assert_eq!(frames(&wire)[0].0.rsv, 0);
                        }
                    }
                }
            }
        }
        // Those that are no smaller are remembered as that.
        let prepared = Prepared::new("Hello");
        for _ in 0..3 {
            end(Role::Server, 3, both(15, true)).send(&prepared).unwrap();
        }
        assert_eq!(prepared.encodings(), 2);
    }

    /// A client and a server whose directions differ ask for what each of them has to keep to.
    #[test]
    fn the_window_is_that_of_the_sending_end() {
        let prepared = Prepared::new(words());
        let agreed = Agreed { takeover: [true, false], bits: [9, 15] };
        end(Role::Server, 3, agreed).send(&prepared).unwrap();
        assert_eq!(prepared.encodings(), 2);
        end(Role::Server, 3, both(9, true)).send(&prepared).unwrap();
        assert_eq!(prepared.encodings(), 2);
        end(Role::Client, 3, agreed).send(&prepared).unwrap();
        assert_eq!(prepared.encodings(), 3);
        end(Role::Server, 3, both(15, false)).send(&prepared).unwrap();
        assert_eq!(prepared.encodings(), 3);
    }

    /// Compression is for who asks for it: who does not has none made.
    #[test]
    fn nothing_is_compressed_before_it_is_asked_for() {
        let prepared = Prepared::new(words());
        let never = unlimited().compression(Compression::new(3, Compress::Never));
        connection_with(Role::Server, &never, both(15, true).negotiated()).send(&prepared).unwrap();
        let short = unlimited().compression(Compression::new(3, Compress::Above(words().len() + 1)));
        connection_with(Role::Server, &short, both(15, true).negotiated()).send(&prepared).unwrap();
        end(Role::Server, 3, both(8, true)).send(&prepared).unwrap();
        connect(Role::Server).send(&prepared).unwrap();
        assert_eq!(prepared.encodings(), 1);
        let copy = prepared.clone();
        end(Role::Server, 3, both(15, true)).send(&prepared).unwrap();
        assert_eq!((prepared.encodings(), copy.encodings()), (2, 2), "a clone is the same");
    }

    /// A compressed frame is shared as a plain one is.
    #[test]
    fn servers_share_a_compressed_frame() {
        let prepared = Prepared::new(words());
        let shown = [(); 3].map(|()| {
            let mut server = end(Role::Server, 3, both(15, true));
            server.send(&prepared).unwrap();
            let transmit = server.transmit();
            let chunk = transmit.chunk();
            assert!(chunk.len() > 256);
            chunk.as_ptr()
        });
        assert_eq!([shown[0]; 3], shown);
    }

    /// Who comes while it is being made waits for it, and does not make it again.
    #[test]
    fn threads_that_ask_at_once_get_one_encoding() {
        let prepared = Prepared::new(words().repeat(30));
        let start = Barrier::new(8);
        let wires: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut server = end(Role::Server, 9, both(15, true));
                        start.wait();
                        server.send(&prepared).unwrap();
                        let transmit = server.transmit();
                        let chunk = transmit.chunk();
                        (chunk.as_ptr() as usize, chunk.len())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(prepared.encodings(), 2);
        assert!(wires.iter().all(|wire| *wire == wires[0]), "{wires:?}");
    }

    /// One message, and the way it is sent.
    #[derive(Clone, Debug)]
    enum Speech {
        /// As the configuration says: compressed from 30 bytes on.
        Own(Data),
        With(Data, bool),
        Chunks(Data, Vec<Index>),
        Prepared(Data),
        Posted(Data),
        /// The first thing that was prepared, again.
        Again,
    }

    fn speech() -> impl Strategy<Value = Speech> {
        prop_oneof![
            3 => data().prop_map(Speech::Own),
            1 => (data(), any::<bool>()).prop_map(|(data, compress)| Speech::With(data, compress)),
            2 => (data(), prop::collection::vec(any::<Index>(), 1..4))
                .prop_map(|(data, cuts)| Speech::Chunks(data, cuts)),
            4 => data().prop_map(Speech::Prepared),
            1 => data().prop_map(Speech::Posted),
            1 => Just(Speech::Again),
        ]
    }

    /// Says it, and returns what is to be heard.
    fn say(end: &mut Connection, speech: &Speech, first: &Prepared) -> Vec<u8> {
        let data = match speech {
            Speech::Own(data) => {
                end.send(data.0.clone()).unwrap();
                data
            }
            Speech::With(data, compress) => {
                let compress = if *compress { Compress::Always } else { Compress::Never };
                end.send_with(data.0.clone(), compress).unwrap();
                data
            }
            Speech::Chunks(data, cuts) => {
                let pieces = pieces(&data.0, cuts);
                let last = pieces.len() - 1;
                for (at, piece) in pieces.into_iter().enumerate() {
                    let data = Bytes::copy_from_slice(piece);
                    end.send_chunk(Chunk { kind: Kind::Binary, data, fin: at == last }).unwrap();
                }
                data
            }
            Speech::Prepared(data) => {
                end.send(Prepared::new(data.0.clone())).unwrap();
                data
            }
            Speech::Posted(data) => {
                let posted = end.post(Prepared::new(data.0.clone()), sansocket::Overflow::DropNewest);
                assert_eq!(posted, Ok(sansocket::Posted::Queued));
                data
            }
            Speech::Again => {
                end.send(first).unwrap();
                return first.message().into_bytes().to_vec();
            }
        };
        data.0.clone()
    }

    /// The messages on the wire, as another implementation inflates them.
    fn heard_elsewhere(wire: &[u8], elsewhere: &mut Elsewhere) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        let (mut open, mut is_compressed) = (Vec::new(), false);
        for (header, payload) in frames(wire) {
            if open.is_empty() {
                is_compressed = header.rsv == RSV1;
            }
            open.push(payload);
            if header.fin {
                let fragments = std::mem::take(&mut open);
                let parts = if is_compressed { elsewhere.message(&fragments) } else { fragments };
                messages.push(parts.concat());
            }
        }
        messages
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Prepared messages among all others, both ways, with any windows and with takeover or not: another
        /// implementation and our own peer hear what was said.
        #[test]
        fn prepared_messages_do_not_confuse_the_window(
            agreed in agreed(), levels in [0..10u8, 0..10u8],
            speeches in prop::collection::vec((0..2usize, speech()), 1..8), first in data(),
        ) {
            let roles = [Role::Server, Role::Client];
            let first = Prepared::new(first.0);
            let mut ends = [0, 1].map(|at| {
                let config = unlimited().compression(Compression::new(levels[at], Compress::Above(30)));
                connection_with(roles[at], &config, agreed.negotiated())
            });
            let mut elsewhere = roles.map(|role| Elsewhere::new(agreed.of(role)));
            for (from, speech) in speeches {
                let expected = say(&mut ends[from], &speech, &first);
                let wire = drain(&mut ends[from]);
                prop_assert!(heard_elsewhere(&wire, &mut elsewhere[from]) == [&expected[..]], "{speech:?}");
                let mut input = BytesMut::from(&wire[..]);
                let heard = ends[1 - from].receive(&mut input);
                prop_assert!(heard == Ok(Some(Event::Data(expected.into()))), "{speech:?} {:?}", ends[1 - from].error());
                prop_assert_eq!(ends[from].sent(), ends[1 - from].received());
            }
        }
    }

    /// Long conversations, so that the windows are full, with each window and either kind of takeover.
    #[test]
    fn every_window_keeps_what_the_peer_has_in_it() {
        for bits in 9..16 {
            for takeover in [false, true] {
                for role in ROLES {
                    let agreed = both(bits, takeover);
                    let mut speaker = end(role, 6, agreed);
                    let mut elsewhere = Elsewhere::new(agreed.of(role));
                    let mut other = end(peer(role), 6, agreed);
                    let prepared = [words(), words()[..200].to_vec(), words().repeat(3)].map(Prepared::new);
                    for round in 0..20 {
                        let expected = if round % 2 == 0 {
                            speaker.send(words()).unwrap();
                            words()
                        } else {
                            speaker.send(&prepared[round / 2 % 3]).unwrap();
                            prepared[round / 2 % 3].message().into_bytes().to_vec()
                        };
                        let wire = drain(&mut speaker);
                        assert!(wire.len() < expected.len());
                        assert!(heard_elsewhere(&wire, &mut elsewhere) == [&expected[..]]);
                        let heard = other.receive(&mut BytesMut::from(&wire[..]));
                        assert!(
                            heard == Ok(Some(Event::Data(expected.into()))),
                            "{bits} {takeover} {role:?}"
                        );
                    }
                }
            }
        }
    }
}
