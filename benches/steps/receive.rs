//! RFC 6455 §6.2: a server takes in what a client sent.

use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};
use sansocket::{Chunk, Connection, Event, Kind, Negotiated};

use crate::support::{arrived, ascii, client, drain, mixed, server};

fn bench(bencher: Bencher<'_, '_>, size: usize, wire: &Bytes, messages: usize) {
    let mut server = server(Negotiated::default());
    let mut heard = 0;
    bencher.counter(BytesCount::new(size)).with_inputs(|| arrived(wire)).bench_local_values(|mut input| {
        heard = 0;
        while let Some(event) = server.receive(&mut input).expect("what a client sent") {
            heard += usize::from(matches!(event, Event::Data(_)));
        }
        input
    });
    assert!(heard == 0 || heard == messages, "{heard} messages");
}

fn sent(send: impl FnOnce(&mut Connection)) -> Bytes {
    let mut client = client(Negotiated::default());
    send(&mut client);
    drain(&mut client)
}

#[divan::bench(args = [16, 1 << 10, 64 << 10, 1 << 20])]
fn binary(bencher: Bencher<'_, '_>, size: usize) {
    let wire = sent(|client| client.send(vec![b'a'; size]).expect("a message"));
    bench(bencher, size, &wire, 1);
}

#[divan::bench(args = [128, 1 << 10, 64 << 10])]
fn ascii_text(bencher: Bencher<'_, '_>, size: usize) {
    let wire = sent(|client| client.send(ascii(size)).expect("a message"));
    bench(bencher, size, &wire, 1);
}

#[divan::bench(args = [128, 4 << 10, 64 << 10])]
fn mixed_text(bencher: Bencher<'_, '_>, size: usize) {
    let wire = sent(|client| client.send(mixed(size)).expect("a message"));
    bench(bencher, size, &wire, 1);
}

/// Many messages in one read.
#[divan::bench(args = [64])]
fn burst_of_20_bytes(bencher: Bencher<'_, '_>, messages: usize) {
    let wire = sent(|client| {
        for _ in 0..messages {
            client.send(vec![b'a'; 20]).expect("a message");
        }
    });
    bench(bencher, 20 * messages, &wire, messages);
}

/// One message of 64 KiB in frames of so many bytes.
#[divan::bench(args = [128, 1 << 10, 16 << 10])]
fn fragments(bencher: Bencher<'_, '_>, fragment: usize) {
    let size = 64 << 10;
    let wire = sent(|client| {
        for at in (0..size).step_by(fragment) {
            let data = Bytes::from(vec![b'a'; fragment]);
            client
                .send_chunk(Chunk { kind: Kind::Binary, data, fin: at + fragment == size })
                .expect("a chunk");
        }
    });
    bench(bencher, size, &wire, 1);
}
