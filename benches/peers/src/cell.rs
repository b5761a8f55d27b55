//! What is sent in each cell of the table.

/// A cell: so many messages of such a payload, sent together.
pub struct Cell {
    len: usize,
    /// How many messages are sent together.
    pub batch: usize,
    payload: Payload,
}

#[derive(Clone, Copy)]
enum Payload {
    Binary,
    Ascii,
    Mixed,
}

/// Frames that are sent together, and what has to come back.
pub struct Batch {
    /// What is sent, masked.
    pub frames: Vec<u8>,
    /// What comes back.
    pub replies: Vec<u8>,
}

impl Cell {
    /// The cell of this name.
    pub fn named(name: &str) -> Option<Self> {
        let (len, batch, payload) = match name {
            "16" => (16, 1, Payload::Binary),
            "20" => (20, 1, Payload::Binary),
            "20x64" => (20, 64, Payload::Binary),
            "1k" => (1 << 10, 1, Payload::Binary),
            "100-ascii" => (100, 1, Payload::Ascii),
            "128-ascii" => (128, 1, Payload::Ascii),
            "4k-mixed" => (4 << 10, 1, Payload::Mixed),
            "64k" => (64 << 10, 1, Payload::Binary),
            "1m" => (1 << 20, 1, Payload::Binary),
            "16m" => (16 << 20, 1, Payload::Binary),
            "64m" => (64 << 20, 1, Payload::Binary),
            _ => return None,
        };
        Some(Self { len, batch, payload })
    }

    /// Two batches, no two messages of which are the same. Without WebSocket (`raw`) the frames themselves come back.
    pub fn batches(&self, raw: bool) -> Vec<Batch> {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut batches = Vec::new();
        for _ in 0..2 {
            let mut batch = Batch { frames: Vec::new(), replies: Vec::new() };
            for _ in 0..self.batch {
                let payload = self.payload.make(self.len, &mut random);
                let key = (random.next() as u32 | 0x0101_0101).to_le_bytes();
                self.head(0x80, &mut batch.frames);
                batch.frames.extend_from_slice(&key);
                batch.frames.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
                self.head(0, &mut batch.replies);
                batch.replies.extend_from_slice(&payload);
            }
            if raw {
                batch.replies.clone_from(&batch.frames);
            }
            batches.push(batch);
        }
        batches
    }

    fn head(&self, masked: u8, out: &mut Vec<u8>) {
        out.push(if matches!(self.payload, Payload::Binary) { 0x82 } else { 0x81 });
        match self.len {
            len @ ..126 => out.push(masked | len as u8),
            len @ ..0x1_0000 => {
                out.push(masked | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(masked | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
    }
}

impl Payload {
    fn make(self, len: usize, random: &mut Random) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len);
        let words = ["plain words, ", "Grüße aus Köln, ", "съешь ещё булок, ", "こんにちは世界、", "🦀🌊 "];
        while bytes.len() < len {
            match self {
                Self::Binary => bytes.extend_from_slice(&random.next().to_le_bytes()),
                Self::Ascii => bytes.push(b' ' + (random.next() % 95) as u8),
                Self::Mixed => {
                    let word = words[random.next() as usize % words.len()];
                    if bytes.len() + word.len() <= len {
                        bytes.extend_from_slice(word.as_bytes())
                    } else {
                        bytes.push(b'.')
                    }
                }
            }
        }
        bytes.truncate(len);
        bytes
    }
}

/// xorshift64*: the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
