//! RFC 6455 §5.3.

use divan::{Bencher, black_box, counter::BytesCount};

use crate::support::KEY;

const SIZES: [usize; 8] = [16, 20, 128, 256, 1 << 10, 4 << 10, 64 << 10, 1 << 20];

#[divan::bench(args = SIZES)]
fn in_place(bencher: Bencher<'_, '_>, size: usize) {
    let mut payload = vec![b'a'; size];
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let mut key = black_box(KEY);
        key.apply(black_box(&mut payload));
        key
    });
}

/// The loop for any processor: what is shorter than 256 bytes is given to it.
#[divan::bench(args = SIZES)]
fn in_place_portable(bencher: Bencher<'_, '_>, size: usize) {
    let mut payload = vec![b'a'; size];
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let mut key = black_box(KEY);
        black_box(&mut payload).chunks_mut(240).for_each(|piece| key.apply(piece));
        key
    });
}

#[divan::bench(args = SIZES)]
fn onto_a_buffer(bencher: Bencher<'_, '_>, size: usize) {
    let payload = vec![b'a'; size];
    let mut out = Vec::with_capacity(size);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        black_box(KEY).apply_onto(black_box(&payload), &mut out);
    });
}
