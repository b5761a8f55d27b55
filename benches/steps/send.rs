//! RFC 6455 §6.1: a message until it has left.

use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};
use sansocket::{Chunk, Connection, Kind, Message, Negotiated};

use crate::support::{client, discard, server};

const SIZES: [usize; 5] = [16, 128, 1 << 10, 64 << 10, 1 << 20];

fn bench(bencher: Bencher<'_, '_>, size: usize, mut from: Connection) {
    let payload = Bytes::from(vec![b'a'; size]);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        from.send(Message::Binary(payload.clone())).expect("a message");
        discard(&mut from);
    });
}

/// Small payloads are copied behind their header, large ones are shared.
#[divan::bench(args = SIZES)]
fn by_a_server(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, server(Negotiated::default()));
}

/// Every payload is masked.
#[divan::bench(args = SIZES)]
fn by_a_client(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, client(Negotiated::default()));
}

/// One message of 1 MiB in chunks of so many bytes.
#[divan::bench(args = [1 << 10, 16 << 10])]
fn in_chunks_by_a_client(bencher: Bencher<'_, '_>, chunk: usize) {
    let size = 1 << 20;
    let mut client = client(Negotiated::default());
    let data = Bytes::from(vec![b'a'; chunk]);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        for at in (0..size).step_by(chunk) {
            let chunk = Chunk { kind: Kind::Binary, data: data.clone(), fin: at + chunk == size };
            client.send_chunk(chunk).expect("a chunk");
            discard(&mut client);
        }
    });
}
