//! Each step of the machine by itself, by direction and size, through the public API.

#[cfg(feature = "deflate")]
mod deflate;
mod header;
mod mask;
mod receive;
mod send;
mod support;
mod utf8;

fn main() {
    divan::main();
}
