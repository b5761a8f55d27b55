//! The properties that every input must keep, as plain functions that panic where one is broken.
//!
//! The fuzz targets call them with what the fuzzer invents, `tests/corpus.rs` with the committed corpus. They use
//! the public API of the crate only, and read their input by hand ([`source`]), so that the tests of the crate can
//! include them without another dependency.

mod deflate;
mod header;
mod mask;
mod pair;
mod receive;
mod reference;
mod request;
mod response;
mod source;
mod utf8;

pub use deflate::deflate;
pub use header::header;
pub use mask::mask;
pub use pair::pair;
pub use receive::receive;
pub use request::request;
pub use response::response;
pub use utf8::utf8;

/// Panics if the input breaks it.
pub type Property = fn(&[u8]);

/// Every target: its name, which is that of its corpus directory, and its property.
pub const TARGETS: &[(&str, Property)] = &[
    ("deflate", deflate),
    ("header", header),
    ("mask", mask),
    ("pair", pair),
    ("receive", receive),
    ("request", request),
    ("response", response),
    ("utf8", utf8),
];
