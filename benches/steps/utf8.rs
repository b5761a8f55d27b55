//! RFC 6455 §8.1.

use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};
use sansocket::{
    Text,
    utf8::{InvalidUtf8, Validator},
};

use crate::support;

const SIZES: [usize; 6] = [16, 64, 128, 1 << 10, 4 << 10, 64 << 10];
/// What a read gives of a long text.
const PIECE: usize = 4 << 10;

fn validate<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<(), InvalidUtf8> {
    let mut validator = Validator::new();
    for piece in pieces {
        validator.push(piece)?;
    }
    validator.finish()
}

fn bench(bencher: Bencher<'_, '_>, text: &str, piece: usize) {
    let verdict = || validate(black_box(text.as_bytes()).chunks(piece));
    assert_eq!(verdict(), Ok(()));
    bencher.counter(BytesCount::of_str(text)).bench(verdict);
}

#[divan::bench(args = SIZES)]
fn ascii(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, &support::ascii(size), usize::MAX);
}

#[divan::bench(args = SIZES)]
fn mixed(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, &support::mixed(size), usize::MAX);
}

/// Nothing but characters of three bytes, so that most pieces end inside of one.
#[divan::bench(args = [64 << 10, 1 << 20])]
fn cut(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, &"好".repeat(size / 3), PIECE);
}

/// `as_str` of a text that was received.
#[divan::bench(args = SIZES)]
fn read_again(bencher: Bencher<'_, '_>, size: usize) {
    let text = Text::from(support::mixed(size));
    bencher.counter(BytesCount::of_str(text.as_str())).bench(|| black_box(&text).as_str().len());
}

#[divan::bench(args = SIZES)]
fn take_over(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = Bytes::from(support::mixed(size));
    bencher.counter(BytesCount::new(bytes.len())).bench(|| Text::try_from(black_box(bytes.clone())));
}
