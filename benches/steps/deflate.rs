//! RFC 7692 §7.2: JSON, no message like the one before, from a server to a client.

use divan::{Bencher, counter::BytesCount};
use sansocket::{Event, Message, Negotiated, Text, deflate::Params};

use crate::support::{arrived, client, discard, drain, server};

const SIZES: [usize; 3] = [128, 1 << 10, 64 << 10];
const TAKEOVER: Params = Params::new();
const NO_TAKEOVER: Params = Params::new().server_no_context_takeover();

/// Messages of one size.
struct Messages {
    size: usize,
    number: u64,
}

impl Messages {
    const fn of(size: usize) -> Self {
        Self { size, number: 0 }
    }

    fn next(&mut self) -> Message {
        let mut text = String::with_capacity(self.size + 128);
        while text.len() < self.size {
            self.number += 1;
            let (id, price) =
                (self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40, self.number * 7919 % 100_003);
            text += &format!(r#"{{"id":{id},"symbol":"ABC{}","price":{price},"open":true}},"#, id % 97);
        }
        text.truncate(self.size);
        Message::Text(Text::from(text))
    }
}

fn negotiated(params: Params) -> Negotiated {
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(params);
    negotiated
}

fn send(bencher: Bencher<'_, '_>, size: usize, params: Params) {
    let (mut server, mut messages) = (server(negotiated(params)), Messages::of(size));
    bencher.counter(BytesCount::new(size)).with_inputs(|| messages.next()).bench_local_values(|message| {
        server.send(message).expect("a message");
        discard(&mut server);
    });
}

fn receive(bencher: Bencher<'_, '_>, size: usize, params: Params) {
    let (mut server, mut client) = (server(negotiated(params)), client(negotiated(params)));
    let mut messages = Messages::of(size);
    let wire = || {
        server.send(messages.next()).expect("a message");
        arrived(&drain(&mut server))
    };
    bencher.counter(BytesCount::new(size)).with_inputs(wire).bench_local_values(|mut input| {
        let event = client.receive(&mut input).expect("what a server sent");
        assert!(matches!(event, Some(Event::Data(_))));
        event
    });
}

#[divan::bench(args = SIZES)]
fn deflate_with_takeover(bencher: Bencher<'_, '_>, size: usize) {
    send(bencher, size, TAKEOVER);
}

#[divan::bench(args = SIZES)]
fn deflate_without_takeover(bencher: Bencher<'_, '_>, size: usize) {
    send(bencher, size, NO_TAKEOVER);
}

#[divan::bench(args = SIZES)]
fn inflate_with_takeover(bencher: Bencher<'_, '_>, size: usize) {
    receive(bencher, size, TAKEOVER);
}

#[divan::bench(args = SIZES)]
fn inflate_without_takeover(bencher: Bencher<'_, '_>, size: usize) {
    receive(bencher, size, NO_TAKEOVER);
}
