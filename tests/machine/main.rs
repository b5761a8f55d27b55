//! The machine, through its public API: bytes in, events and bytes out. The files are named after the sections of
//! RFC 6455; the language of the tables is described in `support/wire.rs`.

mod closing;
#[cfg(feature = "deflate")]
mod compressor;
mod control;
mod counting;
mod cuts;
#[cfg(feature = "deflate")]
mod deflate;
mod fragmentation;
mod framing;
mod limits;
mod masking;
mod oracle;
mod pair;
mod posting;
mod prepared;
mod sending;
mod support;
mod text;
mod time;
mod whole;

/// Every table of the suite.
const TABLES: &[(&str, &str)] = &[
    ("framing", framing::TABLE),
    ("masking", masking::TABLE),
    ("fragmentation", fragmentation::TABLE),
    ("control", control::TABLE),
    ("closing", closing::TABLE),
    ("text", text::TABLE),
    ("limits", limits::TABLE),
    ("sending", sending::TABLE),
    ("posting", posting::TABLE),
    ("prepared", prepared::TABLE),
    #[cfg(feature = "deflate")]
    ("deflate", deflate::TABLE),
    #[cfg(feature = "deflate")]
    ("prepared and deflated", prepared::deflated::TABLE),
];
