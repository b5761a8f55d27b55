//! RFC 7692 §7.2.1 and §7.2.2 against other compressors: what we compress inflates elsewhere, within the window that
//! was agreed, and what was compressed elsewhere is received whole.

use std::fmt;

use bytes::Bytes;
use miniz_oxide::{
    DataFormat, MZFlush,
    deflate::{core::CompressorOxide, core::create_comp_flags_from_zip_params, stream::deflate},
    inflate::stream::{InflateState, inflate},
};
use proptest::{prelude::*, sample::Index};
use sansocket::{
    Chunk, Compress, Compression, Config, Connection, Event, Kind, Message, Negotiated, ProtocolError, Role,
    deflate::{Params, WindowBits},
    frame::{OpCode, RSV1},
};

use crate::support::{
    chance::Chance,
    flate::{Deflating, Inflating, TAIL},
    player::{Player, VIEWS, connection_with, drain},
    wire::{Hex, Said, frame, frames, peer},
};

/// How both ends compress, as both know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    /// Of the server, of the client.
    pub(crate) takeover: [bool; 2],
    pub(crate) bits: [u8; 2],
}

impl Agreed {
    pub(crate) fn negotiated(self) -> Negotiated {
        let [server, client] = self.bits.map(|bits| WindowBits::new(bits).expect("8 to 15"));
        let mut params = Params::new().server_max_window_bits(server).client_max_window_bits(client);
        if !self.takeover[0] {
            params = params.server_no_context_takeover();
        }
        if !self.takeover[1] {
            params = params.client_no_context_takeover();
        }
        let mut negotiated = Negotiated::default();
        negotiated.deflate = Some(params);
        negotiated
    }

    /// What one end does with what it sends.
    pub(crate) fn of(self, role: Role) -> (u8, bool) {
        let end = usize::from(role == Role::Client);
        (self.bits[end], self.takeover[end])
    }
}

pub(crate) fn agreed() -> impl Strategy<Value = Agreed> {
    (any::<[bool; 2]>(), [8..16u8, 8..16u8]).prop_map(|(takeover, bits)| Agreed { takeover, bits })
}

fn roles() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Client, Role::Server])
}

/// Bytes that are shown in short.
#[derive(Clone)]
pub(crate) struct Data(pub(crate) Vec<u8>);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.0.len(), Hex(&self.0))
    }
}

/// Data of some shape.
pub(crate) fn data() -> impl Strategy<Value = Data> {
    let len =
        prop_oneof![4 => 0..40usize, 3 => 40..2000usize, 2 => 2000..20_000usize, 1 => 20_000..80_000usize];
    let period = prop_oneof![Just(1), 2..10usize, 200..300usize, 400..600usize, 1000..40_000usize];
    (0..4u8, len, period, any::<u64>()).prop_map(|(shape, len, period, seed)| {
        let mut chance = Chance::new(seed);
        Data(match shape {
            // Nothing that repeats.
            0 => chance.bytes(len),
            // A stretch over and over: as far back as the windows reach, and further.
            1 => chance.bytes(period.min(len)).into_iter().cycle().take(len).collect(),
            // Few letters, in any order.
            2 => chance.bytes(len).iter().map(|byte| b'a' + byte % 5).collect(),
            _ => {
                let words = ["the ", "window ", "slides ", "€ ", "on\n", "and "];
                let text = (0..len).flat_map(|_| words[chance.below(words.len())].bytes());
                text.take(len).collect()
            }
        })
    })
}

/// A binary message, where it is cut into fragments, and whether it is to be compressed.
#[derive(Clone, Debug)]
struct Speech {
    data: Data,
    cuts: Vec<Index>,
    is_compressed: bool,
}

fn speeches() -> impl Strategy<Value = Vec<Speech>> {
    let cuts = prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(any::<Index>(), 1..5)];
    let speech = (data(), cuts, prop::bool::weighted(0.8)).prop_map(|(data, cuts, is_compressed)| Speech {
        data,
        cuts,
        is_compressed,
    });
    prop::collection::vec(speech, 1..5)
}

/// The whole in pieces, some of them empty.
pub(crate) fn pieces<'a>(whole: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
    places.push(whole.len());
    places.sort_unstable();
    let mut from = 0;
    places.into_iter().map(|to| &whole[std::mem::replace(&mut from, to)..to]).collect()
}

/// Says it in one frame, or in as many as it has pieces.
fn say(end: &mut Connection, speech: &Speech) {
    let compress = if speech.is_compressed { Compress::Always } else { Compress::Never };
    if speech.cuts.is_empty() {
        return end.send_with(speech.data.0.clone(), compress).expect("room");
    }
    let pieces = pieces(&speech.data.0, &speech.cuts);
    let last = pieces.len() - 1;
    for (i, piece) in pieces.into_iter().enumerate() {
        let data = Bytes::copy_from_slice(piece);
        end.send_chunk(Chunk { kind: Kind::Binary, data, fin: i == last }).expect("room");
    }
}

/// One direction as another implementation inflates it.
pub(crate) struct Elsewhere {
    naive: Inflating,
    takeover: bool,
    state: Box<InflateState>,
}

impl Elsewhere {
    pub(crate) fn new((bits, takeover): (u8, bool)) -> Self {
        let state = InflateState::new_boxed(DataFormat::Raw);
        Self { naive: Inflating::new(bits, takeover), takeover, state }
    }

    /// All that comes out of these bytes.
    fn inflate(&mut self, mut wire: &[u8]) -> Vec<u8> {
        let mut inflated = Vec::new();
        loop {
            let mut output = vec![0; 8192];
            let result = inflate(&mut self.state, wire, &mut output, MZFlush::None);
            inflated.extend_from_slice(&output[..result.bytes_written]);
            wire = &wire[result.bytes_consumed..];
            if wire.is_empty() && result.bytes_written < output.len() {
                return inflated;
            }
            assert!(result.status.is_ok(), "{result:?}");
        }
    }

    /// A compressed message from its fragments, each of which can be inflated when it has come.
    pub(crate) fn message(&mut self, fragments: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let (last, before) = fragments.split_last().expect("a fragment");
        let mut parts: Vec<_> = before.iter().map(|fragment| self.inflate(fragment)).collect();
        parts.push(self.inflate(&[last, &TAIL[..]].concat()));
        assert_eq!(self.naive.message(&fragments.concat()).as_ref(), Ok(&parts.concat()));
        if !self.takeover {
            self.state = InflateState::new_boxed(DataFormat::Raw);
        }
        parts
    }
}

/// What this end sends is what was said, compressed or not as it was asked.
fn is_said_well(
    speech: &Speech,
    wire: &[u8],
    (bits, takeover): (u8, bool),
    elsewhere: &mut Elsewhere,
) -> Result<(), TestCaseError> {
    let (headers, fragments): (Vec<_>, Vec<_>) = frames(wire).into_iter().unzip();
    let expected = pieces(&speech.data.0, &speech.cuts);
    let is_compressed = headers[0].rsv == RSV1;
    for (i, header) in headers.iter().enumerate() {
        let (opcode, rsv) = if i == 0 { (OpCode::Binary, headers[0].rsv) } else { (OpCode::Continuation, 0) };
        prop_assert_eq!((header.opcode, header.rsv, header.fin), (opcode, rsv, i + 1 == headers.len()));
    }
    prop_assert_eq!(fragments.len(), expected.len());
    let may_be_left = speech.cuts.is_empty() && !takeover;
    prop_assert!(is_compressed == (speech.is_compressed && bits > 8) || may_be_left && !is_compressed);
    let heard = if is_compressed { elsewhere.message(&fragments) } else { fragments.clone() };
    prop_assert!(heard == expected, "{} bytes in {} pieces", speech.data.0.len(), expected.len());
    if is_compressed && may_be_left {
        prop_assert!(fragments[0].len() < speech.data.0.len());
    }
    Ok(())
}

/// Another implementation that compresses one direction: the naive twin in the window that was agreed, or miniz.
enum Compressor {
    Naive(Box<Deflating>),
    Miniz { state: Box<CompressorOxide>, level: u8, takeover: bool },
}

impl Compressor {
    fn new(level: u8, (bits, takeover): (u8, bool)) -> Self {
        // It knows no window but the largest.
        if level > 10 || bits < 15 {
            return Self::Naive(Box::new(Deflating::new(bits, takeover)));
        }
        Self::Miniz { state: Self::miniz(level), level, takeover }
    }

    fn miniz(level: u8) -> Box<CompressorOxide> {
        Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(level.into(), -15, 0)))
    }

    fn message(&mut self, data: &[u8], chance: &mut Chance) -> Vec<u8> {
        let (state, level, takeover) = match self {
            Self::Naive(deflating) => return deflating.message(data, chance),
            Self::Miniz { state, level, takeover } => (state, *level, *takeover),
        };
        // §7.2.3.6: it has no flush behind a flush.
        if data.is_empty() {
            return vec![0];
        }
        let mut output = vec![0; 2 * data.len() + 1000];
        let result = deflate(state, data, &mut output, MZFlush::Sync);
        assert_eq!(result.bytes_consumed, data.len());
        output.truncate(result.bytes_written);
        assert!(output.ends_with(&TAIL));
        output.truncate(output.len() - TAIL.len());
        if !takeover {
            *state = Self::miniz(level);
        }
        output
    }
}

/// The frames of a message from this end, with a ping behind each but the last.
fn message_of(from: Role, is_compressed: bool, payload: &[u8], cuts: &[Index]) -> Vec<u8> {
    let pieces = pieces(payload, cuts);
    let last = pieces.len() - 1;
    let mut wire = Vec::new();
    for (i, piece) in pieces.into_iter().enumerate() {
        let opcode = match i {
            0 if is_compressed => 0x42,
            0 => 0x02,
            _ => 0x00,
        };
        wire.extend(frame(from, i == last, opcode, piece));
        if i < last {
            wire.extend(frame(from, true, 9, b"p"));
        }
    }
    wire
}

fn binaries(player: &Player) -> Vec<Vec<u8>> {
    let binaries = player.seen.said.iter().filter_map(|said| match said {
        Said::Event(Event::Data(Message::Binary(data))) => Some(data.to_vec()),
        _ => None,
    });
    binaries.collect()
}

pub(crate) fn unlimited() -> Config {
    let mut config = Config::new();
    config.limits.unsent = usize::MAX;
    config.limits.control = usize::MAX;
    config
}

/// Output that fills a step exactly, that is a byte short or more, and that is still to come when the last byte of the
/// payload has been taken.
#[test]
fn messages_of_each_length_around_the_steps() {
    let agreed = Agreed { takeover: [false; 2], bits: [15; 2] };
    let lengths = (200..800).chain(1780..1800).chain(3830..3850).chain(16_120..16_140).chain(32_500..32_520);
    for len in lengths {
        for (level, data) in [(9, vec![b'a'; len]), (1, b"ab".iter().copied().cycle().take(len).collect())] {
            let payload = Compressor::new(level, (15, false)).message(&data, &mut Chance::new(0));
            let wire = message_of(Role::Server, true, &payload, &[]);
            for view in VIEWS {
                let connection = connection_with(Role::Client, &unlimited(), agreed.negotiated());
                let mut player = Player::new(connection, view);
                player.feed(&wire);
                player.feed(&wire);
                assert_eq!((player.seen.error, &player.wrong), (None, &Vec::new()), "{len}");
                assert!(binaries(&player) == [&data[..], &data], "{len} bytes");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_we_compress_is_inflated_elsewhere(
        role in roles(), agreed in agreed(), level in 0..11u8, speeches in speeches(),
    ) {
        let mut elsewhere = Elsewhere::new(agreed.of(role));
        // Whole messages say for themselves whether they are compressed, pieces do not.
        let config = |when| unlimited().compression(Compression::new(level, when));
        let mut end = connection_with(role, &config(Compress::Always), agreed.negotiated());
        for mut speech in speeches {
            speech.is_compressed |= !speech.cuts.is_empty();
            say(&mut end, &speech);
            is_said_well(&speech, &drain(&mut end), agreed.of(role), &mut elsewhere)?;
        }
    }

    #[test]
    fn what_is_compressed_elsewhere_is_received(
        role in roles(), agreed in agreed(), level in 0..16u8, speeches in speeches(), seed in any::<u64>(),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let mut chance = Chance::new(seed);
        let mut compressor = Compressor::new(level, agreed.of(peer(role)));
        let mut wire = Vec::new();
        for speech in &speeches {
            let payload = if speech.is_compressed {
                compressor.message(&speech.data.0, &mut chance)
            } else {
                speech.data.0.clone()
            };
            wire.extend(message_of(peer(role), speech.is_compressed, &payload, &speech.cuts));
        }
        let expected: Vec<_> = speeches.iter().map(|speech| speech.data.0.clone()).collect();
        for view in VIEWS {
            let mut player = Player::new(connection_with(role, &unlimited(), agreed.negotiated()), view);
            pieces(&wire, &cuts).iter().for_each(|piece| player.feed(piece));
            prop_assert_eq!((player.seen.error, &player.wrong), (None, &Vec::new()));
            prop_assert!(binaries(&player) == expected, "{:?} {:?}", view, agreed);
            let pings: usize = speeches.iter().map(|speech| speech.cuts.len()).sum();
            prop_assert_eq!(frames(&player.seen.output).len(), pings);
        }
    }

    #[test]
    fn two_of_us_agree(
        agreed in agreed(), levels in [0..10u8, 0..10u8], speeches in speeches(), views in [0..2usize, 0..2usize],
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let mut ends = [0, 1].map(|end| {
            let role = [Role::Client, Role::Server][end];
            let config = unlimited().compression(Compression::new(levels[end], Compress::Above(30)));
            Player::holding_back(connection_with(role, &config, agreed.negotiated()), VIEWS[views[end]])
        });
        // What one has heard it says again, and the first one hears its own words.
        let mut expected = Vec::new();
        for speech in &speeches {
            expected.push(speech.data.0.clone());
            say(&mut ends[0].connection, speech);
            for (from, to) in [(0, 1), (1, 0)] {
                let wire = drain(&mut ends[from].connection);
                pieces(&wire, &cuts).iter().for_each(|piece| ends[to].feed(piece));
                prop_assert_eq!((ends[to].seen.error, &ends[to].wrong), (None, &Vec::new()));
                prop_assert!(binaries(&ends[to]) == expected, "heard by {to}");
                if to == 1 {
                    let echo = Speech { data: speech.data.clone(), cuts: cuts.clone(), ..*speech };
                    say(&mut ends[1].connection, &echo);
                }
            }
        }
    }

    /// Bytes that are DEFLATE, or nearly, or not at all: the same verdict as that of the twin, with the same message.
    #[test]
    fn any_bytes_inflate_as_they_do_to_the_twin(
        base in data(), seed in any::<u64>(), changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        is_random in prop::bool::weighted(0.2), cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let base = &base.0[..base.0.len().min(3000)];
        let mut payload = if is_random {
            base[..base.len().min(50)].to_vec()
        } else {
            Deflating::new(15, true).message(base, &mut Chance::new(seed))
        };
        for (at, byte) in changes {
            if !payload.is_empty() {
                let at = at.index(payload.len());
                payload[at] ^= byte;
            }
        }
        let agreed = Agreed { takeover: [true; 2], bits: [15; 2] };
        let expected = Inflating::new(15, true).message(&payload).map_err(|_| ProtocolError::DeflateInvalid);
        for view in VIEWS {
            let mut player = Player::new(connection_with(Role::Client, &unlimited(), agreed.negotiated()), view);
            player.feed(&message_of(Role::Server, true, &payload, &cuts));
            let seen = player.seen.error.map_or_else(|| Ok(binaries(&player).concat()), Err);
            prop_assert_eq!(&seen, &expected);
        }
    }

    /// Compressed messages that may be wrong in any way are the same conversation, however they are cut.
    #[test]
    fn a_compressed_stream_cut_anywhere_is_the_same(
        bases in prop::collection::vec((data(), any::<bool>()), 1..3), seed in any::<u64>(), takeover in any::<bool>(),
        changes in prop::collection::vec((any::<Index>(), 0..8u8), 0..3), truncated in prop::option::of(any::<Index>()),
        limit in prop_oneof![Just(u64::MAX), 0..3000u64], ratio in prop::option::of(1..2000u32),
        fragments in prop::collection::vec(any::<Index>(), 0..3), cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let mut deflating = Deflating::new(15, takeover);
        let mut wire = Vec::new();
        for (base, is_text) in &bases {
            let base = &base.0[..base.0.len().min(3000)];
            let mut payload = deflating.message(base, &mut Chance::new(seed));
            for (at, bit) in &changes {
                let at = at.index(payload.len());
                payload[at] ^= 1 << bit;
            }
            payload.truncate(truncated.map_or(payload.len(), |at| at.index(payload.len() + 1)));
            let mut message = message_of(Role::Server, true, &payload, &fragments);
            message[0] ^= if *is_text { 3 } else { 0 };
            wire.extend(message);
        }
        let mut config = unlimited();
        (config.limits.message, config.limits.ratio) = (limit, ratio);
        let negotiated = Agreed { takeover: [takeover; 2], bits: [15; 2] }.negotiated();
        let play = |view, pieces: Vec<&[u8]>| {
            let mut player = Player::new(connection_with(Role::Client, &config, negotiated.clone()), view);
            pieces.into_iter().for_each(|piece| player.feed(piece));
            assert!(player.wrong.is_empty(), "{:?}", player.wrong);
            player.seen
        };
        let whole = play(VIEWS[0], vec![&wire]);
        for view in VIEWS {
            for pieces in [vec![&wire[..]], pieces(&wire, &cuts), wire.chunks(1).collect()] {
                prop_assert_eq!(&play(view, pieces), &whole, "{:?}", view);
            }
        }
    }
}
