//! RFC 6455 §5.2.

use divan::{Bencher, black_box, counter::ItemsCount};
use sansocket::frame::{Header, OpCode};

use crate::support::KEY;

/// A length in seven bits, in sixteen, in sixty-four.
const LENGTHS: [u64; 3] = [20, 1024, 1 << 20];

fn header(payload_len: u64) -> Header {
    Header { fin: true, rsv: 0, opcode: OpCode::Binary, masking_key: Some(KEY), payload_len }
}

#[divan::bench(args = LENGTHS)]
fn parse(bencher: Bencher<'_, '_>, payload_len: u64) {
    let mut wire = Vec::new();
    header(payload_len).write(&mut wire);
    bencher.counter(ItemsCount::new(1u32)).bench(|| Header::parse(black_box(&wire)));
}

#[divan::bench(args = LENGTHS)]
fn write(bencher: Bencher<'_, '_>, payload_len: u64) {
    let header = header(payload_len);
    let mut wire = Vec::with_capacity(Header::MAX_LEN);
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        wire.clear();
        black_box(&header).write(&mut wire);
    });
}
