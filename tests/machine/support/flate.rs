//! DEFLATE (RFC 1951) as it reads, bit by bit: the naive twin of the (de)compressors in the crate. Shares nothing with
//! them, and knows how far each distance reaches.

use std::collections::HashMap;

use super::chance::Chance;

/// What a sender takes off the end of a message (RFC 7692 §7.2.1).
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Lengths of matches: the first of each code, and how many bits choose among them.
const LENGTHS: [(u16, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The same for distances.
const DISTANCES: [(u16, u32); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// The order in which the lengths of the codes for lengths are written (§3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Why bytes are not a sequence of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Invalid,
    /// A distance behind the window, or behind the beginning.
    TooFar,
    /// The end is not the end of a block.
    Unfinished,
}

/// Inflates the messages of one direction.
pub(crate) struct Inflating {
    window: usize,
    takeover: bool,
    /// All that was inflated, or what can still be referred to of it.
    history: Vec<u8>,
    /// Where the stream began: behind a last block there is a new one.
    begin: usize,
}

impl Inflating {
    pub(crate) fn new(window_bits: u8, takeover: bool) -> Self {
        Self { window: 1 << window_bits, takeover, history: Vec::new(), begin: 0 }
    }

    /// A message from its payload.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        let start = self.history.len();
        // RFC 7692 §7.2.2.
        let wire = [payload, &TAIL].concat();
        let bits = Reader { wire: &wire, at: 0 };
        let (window, begin, out) = (self.window, &mut self.begin, &mut self.history);
        let result = Blocks { bits, window, begin, out, ends_empty: None }.all();
        let message = self.history[start..].to_vec();
        if !self.takeover {
            (self.history, self.begin) = (Vec::new(), 0);
        }
        result.map(|()| message)
    }
}

struct Blocks<'a> {
    bits: Reader<'a>,
    window: usize,
    begin: &'a mut usize,
    out: &'a mut Vec<u8>,
    /// Where the length of the last block stands, if it is 0.
    ends_empty: Option<usize>,
}

impl Blocks<'_> {
    fn all(mut self) -> Result<(), Fault> {
        while !self.bits.is_at_end() {
            let is_last = self.bits.take(1)? == 1;
            self.ends_empty = None;
            match self.bits.take(2)? {
                0 => self.stored()?,
                1 => {
                    let lengths: Vec<u8> = (0..288).map(fixed_length).collect();
                    self.compressed(&Code::new(&lengths), &Code::new(&[5; 30]))?;
                }
                2 => self.dynamic()?,
                _ => return Err(Fault::Invalid),
            }
            if is_last {
                self.bits.align();
                *self.begin = self.out.len();
            }
        }
        // The tail is what was taken off, and not a part of something else.
        let end = Some(self.bits.wire.len() - TAIL.len());
        if self.ends_empty == end { Ok(()) } else { Err(Fault::Unfinished) }
    }

    fn stored(&mut self) -> Result<(), Fault> {
        self.bits.align();
        let place = self.bits.at / 8;
        let len = self.bits.take(16)?;
        self.ends_empty = (len == 0).then_some(place);
        if self.bits.take(16)? != len ^ 0xffff {
            return Err(Fault::Invalid);
        }
        for _ in 0..len {
            let byte = self.bits.take(8)?;
            self.out.push(byte as u8);
        }
        Ok(())
    }

    fn dynamic(&mut self) -> Result<(), Fault> {
        let literals = self.bits.take(5)? as usize + 257;
        let distances = self.bits.take(5)? as usize + 1;
        let count = self.bits.take(4)? as usize + 4;
        if literals > 286 || distances > 30 {
            return Err(Fault::Invalid);
        }
        let mut of_lengths = [0; 19];
        for place in &ORDER[..count] {
            of_lengths[*place] = self.bits.take(3)? as u8;
        }
        let code = Code::new(&of_lengths);
        if !code.is_complete() {
            return Err(Fault::Invalid);
        }
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match code.read(&mut self.bits)? {
                16 => (*lengths.last().ok_or(Fault::Invalid)?, 3 + self.bits.take(2)?),
                17 => (0, 3 + self.bits.take(3)?),
                18 => (0, 11 + self.bits.take(7)?),
                length => (length as u8, 1),
            };
            lengths.extend((0..times).map(|_| length));
        }
        if lengths.len() > literals + distances || lengths[256] == 0 {
            return Err(Fault::Invalid);
        }
        let (of_literals, of_distances) = (Code::new(&lengths[..literals]), Code::new(&lengths[literals..]));
        if !of_literals.is_usable() || !of_distances.is_usable() {
            return Err(Fault::Invalid);
        }
        self.compressed(&of_literals, &of_distances)
    }

    fn compressed(&mut self, literals: &Code, distances: &Code) -> Result<(), Fault> {
        loop {
            match literals.read(&mut self.bits)? {
                literal @ 0..256 => self.out.push(literal as u8),
                256 => return Ok(()),
                symbol => {
                    let (length, extra) = *LENGTHS.get(usize::from(symbol) - 257).ok_or(Fault::Invalid)?;
                    let length = usize::from(length) + self.bits.take(extra)? as usize;
                    let symbol = distances.read(&mut self.bits)?;
                    let (distance, extra) = *DISTANCES.get(usize::from(symbol)).ok_or(Fault::Invalid)?;
                    let distance = usize::from(distance) + self.bits.take(extra)? as usize;
                    if distance > (self.out.len() - *self.begin).min(self.window) {
                        return Err(Fault::TooFar);
                    }
                    for _ in 0..length {
                        self.out.push(self.out[self.out.len() - distance]);
                    }
                }
            }
        }
    }
}

struct Reader<'a> {
    wire: &'a [u8],
    /// In bits.
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: u32) -> Result<u32, Fault> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.wire.get(self.at / 8).ok_or(Fault::Unfinished)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    fn is_at_end(&self) -> bool {
        self.at == 8 * self.wire.len()
    }
}

/// A Huffman code (§3.2.2): of each length, how many there are; and all symbols in the order of their codes.
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        let mut symbols: Vec<u16> =
            (0..lengths.len() as u16).filter(|symbol| lengths[usize::from(*symbol)] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        Self { counts, symbols }
    }

    /// How much of the code space is not used; negative if more than all.
    fn left(&self) -> i32 {
        self.counts[1..]
            .iter()
            .fold(1, |left, count| if left < 0 { left } else { 2 * left - i32::from(*count) })
    }

    fn is_complete(&self) -> bool {
        self.left() == 0
    }

    /// A single code may stand alone with one bit, and there may be none.
    fn is_usable(&self) -> bool {
        self.is_complete()
            || self.symbols.is_empty()
            || self.left() > 0 && self.symbols.len() == 1 && self.counts[1] == 1
    }

    fn read(&self, bits: &mut Reader<'_>) -> Result<u16, Fault> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)? as usize;
            let count = usize::from(*count);
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Fault::Invalid)
    }
}

/// §3.2.6.
fn fixed_length(symbol: u16) -> u8 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// Compresses the messages of one direction, with blocks of any type, and distances up to the end of the window.
pub(crate) struct Deflating {
    window: usize,
    takeover: bool,
    history: Vec<u8>,
    /// Where which three bytes stood last.
    places: HashMap<[u8; 3], usize>,
}

impl Deflating {
    pub(crate) fn new(window_bits: u8, takeover: bool) -> Self {
        Self { window: 1 << window_bits, takeover, history: Vec::new(), places: HashMap::new() }
    }

    /// The payload of a message, without the tail; chance chooses the blocks.
    pub(crate) fn message(&mut self, data: &[u8], chance: &mut Chance) -> Vec<u8> {
        let mut writer = Writer::default();
        let mut rest = data;
        while !rest.is_empty() || chance.below(8) == 0 {
            let (block, behind) =
                rest.split_at(chance.below(rest.len().min(9000) + 1).max(rest.len().min(1)));
            rest = behind;
            let is_last = chance.below(10) == 0;
            writer.put(u32::from(is_last), 1);
            match chance.below(4) {
                0 => self.stored(&mut writer, block),
                1 => self.compressed(
                    &mut writer,
                    block,
                    &(0..288).map(fixed_length).collect::<Vec<_>>(),
                    &[5; 30],
                ),
                _ => self.dynamic(&mut writer, block),
            }
            if is_last {
                writer.align();
                self.forget();
            }
        }
        // RFC 7692 §7.2.1: an empty block without compression, of which the tail is not sent.
        writer.put(0, 3);
        writer.align();
        if !self.takeover {
            self.forget();
        }
        writer.bytes
    }

    fn forget(&mut self) {
        self.history.clear();
        self.places.clear();
    }

    fn remember(&mut self, byte: u8) {
        self.history.push(byte);
        if let Some((_, last)) = self.history.split_last_chunk::<3>() {
            self.places.insert(*last, self.history.len() - 3);
        }
    }

    fn stored(&mut self, writer: &mut Writer, block: &[u8]) {
        writer.put(0, 2);
        writer.align();
        writer.put(block.len() as u32, 16);
        writer.put(block.len() as u32 ^ 0xffff, 16);
        for byte in block {
            writer.put((*byte).into(), 8);
            self.remember(*byte);
        }
    }

    /// A dynamic block whose codes are nearly alike, and complete.
    fn dynamic(&mut self, writer: &mut Writer, block: &[u8]) {
        let literals: Vec<u8> = (0..286).map(|symbol| if symbol < 226 { 8 } else { 9 }).collect();
        let distances: Vec<u8> = (0..30).map(|symbol| if symbol < 2 { 4 } else { 5 }).collect();
        writer.put(2, 2);
        writer.put(29, 5);
        writer.put(29, 5);
        writer.put(15, 4);
        let of_lengths: Vec<u8> =
            (0..19).map(|length| if [4, 5, 8, 9].contains(&length) { 2 } else { 0 }).collect();
        ORDER.iter().for_each(|place| writer.put(of_lengths[*place].into(), 3));
        let codes = codes(&of_lengths);
        literals.iter().chain(&distances).for_each(|length| writer.put_code(codes[usize::from(*length)]));
        self.symbols(writer, block, &literals, &distances);
    }

    fn compressed(&mut self, writer: &mut Writer, block: &[u8], literals: &[u8], distances: &[u8]) {
        writer.put(1, 2);
        self.symbols(writer, block, literals, distances);
    }

    fn symbols(&mut self, writer: &mut Writer, mut block: &[u8], literals: &[u8], distances: &[u8]) {
        let (literals, distances) = (codes(literals), codes(distances));
        while let Some(first) = block.first() {
            let Some((length, distance)) = self.find(block) else {
                writer.put_code(literals[usize::from(*first)]);
                self.remember(*first);
                block = &block[1..];
                continue;
            };
            let symbol =
                LENGTHS.iter().rposition(|(first, _)| usize::from(*first) <= length).expect("at least 3");
            writer.put_code(literals[257 + symbol]);
            writer.put((length - usize::from(LENGTHS[symbol].0)) as u32, LENGTHS[symbol].1);
            let symbol =
                DISTANCES.iter().rposition(|(first, _)| usize::from(*first) <= distance).expect("at least 1");
            writer.put_code(distances[symbol]);
            writer.put((distance - usize::from(DISTANCES[symbol].0)) as u32, DISTANCES[symbol].1);
            block[..length].iter().for_each(|byte| self.remember(*byte));
            block = &block[length..];
        }
        writer.put_code(literals[256]);
    }

    /// A match for the front of the block: length and distance.
    fn find(&self, block: &[u8]) -> Option<(usize, usize)> {
        let place = *self.places.get(block.first_chunk::<3>()?)?;
        let distance = self.history.len() - place;
        let before = self.history[place..].iter().cycle();
        let length = block.iter().zip(before).take(258).take_while(|(a, b)| a == b).count();
        (distance <= self.window).then_some((length, distance))
    }
}

/// The code of each symbol: its bits, and how many.
fn codes(lengths: &[u8]) -> Vec<(u32, u32)> {
    let mut next = 0;
    let mut codes = vec![(0, 0); lengths.len()];
    for length in 1..16 {
        next <<= 1;
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, other)| **other == length) {
            codes[symbol] = (next, length.into());
            next += 1;
        }
    }
    codes
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Bits of the last byte that are written.
    used: u32,
}

impl Writer {
    fn put(&mut self, value: u32, count: u32) {
        for place in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().expect("a byte") |= ((value >> place & 1) as u8) << self.used;
            self.used = (self.used + 1) % 8;
        }
    }

    /// Huffman codes stand with their first bit first.
    fn put_code(&mut self, (code, count): (u32, u32)) {
        (0..count).rev().for_each(|place| self.put(code >> place & 1, 1));
    }

    fn align(&mut self) {
        self.used = 0;
    }
}

/// The twin itself: it would prove nothing if it only agreed with itself.
mod twin {
    use super::*;

    fn unhex(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn it_inflates_the_examples_of_the_rfc() {
        for payload in
            ["f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000", "f24805000000ffffcac9c90700"]
        {
            let mut inflating = Inflating::new(15, true);
            assert_eq!(inflating.message(&unhex(payload)).as_deref(), Ok(&b"Hello"[..]), "{payload}");
        }
        let mut inflating = Inflating::new(15, true);
        assert!(inflating.message(&unhex("f248cdc9c90700")).is_ok());
        assert_eq!(inflating.message(&unhex("f200110000")).as_deref(), Ok(&b"Hello"[..]));
        assert_eq!(Inflating::new(15, true).message(&unhex("f200110000")), Err(Fault::TooFar));
        assert_eq!(Inflating::new(15, true).message(&unhex("000900f6ff48")), Err(Fault::Unfinished));
        assert_eq!(Inflating::new(15, true).message(&unhex("000500faff48")), Err(Fault::Unfinished));
        assert_eq!(Inflating::new(15, true).message(&unhex("f348cdc9c90700")), Err(Fault::Unfinished));
        assert_eq!(Inflating::new(15, true).message(&[0xff]), Err(Fault::Invalid));
        assert_eq!(Inflating::new(15, true).message(&[0x01]), Ok(Vec::new()));
    }

    #[test]
    fn it_knows_its_window() {
        let data = Chance::new(1).bytes(300);
        let twice = [&data[..], &data].concat();
        let payloads = (0..).map(|seed| Deflating::new(9, true).message(&twice, &mut Chance::new(seed)));
        let mut payload = payloads.into_iter().find(|payload| payload.len() < 400).unwrap();
        assert_eq!(Inflating::new(9, true).message(&payload).unwrap().len(), 600);
        assert_eq!(Inflating::new(8, true).message(&payload), Err(Fault::TooFar));
        payload.pop();
        assert!(Inflating::new(9, true).message(&payload).is_err());
    }

    /// What it writes another reads, and what another writes it reads.
    #[test]
    fn it_agrees_with_others() {
        for seed in 0..200 {
            let mut chance = Chance::new(seed);
            let mut data = chance.bytes(seed as usize);
            data.extend_from_within(..data.len() / 2);
            data.extend(vec![b'a'; 3 * seed as usize]);
            let payload =
                [&Deflating::new(15, true).message(&data, &mut chance)[..], &[1, 0, 0, 0xff, 0xff]].concat();
            assert_eq!(Inflating::new(15, true).message(&payload[..payload.len() - 5]).as_ref(), Ok(&data));
            let level = seed as u8 % 11;
            let theirs = miniz_oxide::deflate::compress_to_vec(&data, level);
            assert_eq!(
                Inflating::new(15, true).message(&[&theirs[..], &[0]].concat()).as_ref(),
                Ok(&data),
                "{seed}"
            );
        }
    }
}
