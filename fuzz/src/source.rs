//! Reads an input from the front: settings first, then what the target works on.

/// What is left of an input. Behind its end it reads as zeros, so that every input means something.
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    /// The next bytes, fewer at the end.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A count up to 7, and as many lengths of pieces.
    pub(crate) fn cuts(&mut self) -> Cuts<'a> {
        let count = self.byte() & 7;
        Cuts(self.bytes(count.into()))
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Where to cut: the lengths of the pieces, over and over. Without any, each piece is one byte. What is longer than
/// 512 bytes has longer pieces, so that there are never more than some hundred of them.
#[derive(Clone, Copy)]
pub(crate) struct Cuts<'a>(&'a [u8]);

impl<'a> Cuts<'a> {
    pub(crate) const EVERYWHERE: Self = Self(&[]);

    /// `whole` in pieces, some of them empty.
    pub(crate) fn pieces<'b>(self, mut whole: &'b [u8]) -> impl Iterator<Item = &'b [u8]> + use<'a, 'b> {
        let scale = 1 + whole.len() / 512;
        let lengths = if self.0.iter().all(|len| *len == 0) { &[1] } else { self.0 };
        let mut lengths = lengths.iter().cycle();
        core::iter::from_fn(move || {
            let len = (scale * usize::from(*lengths.next()?)).min(whole.len());
            let (piece, rest) = whole.split_at(len);
            let is_over = whole.is_empty();
            whole = rest;
            (!is_over).then_some(piece)
        })
    }
}
