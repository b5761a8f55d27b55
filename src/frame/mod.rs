//! The values on the wire: pure functions on slices that allocate nothing. RFC 6455 §5.
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-------+-+-------------+-------------------------------+
//!  |F|R|R|R|opcode |M|  length     |  extended length, 2 or 8 bytes
//!  |I|S|S|S|       |A|  0–125      |  when length is 126 or 127
//!  |N|V|V|V|       |S|  126        +-------------------------------+
//!  | |1|2|3|       |K|  127        |  masking key, 4 bytes, when MASK
//!  +-+-+-+-+-------+-+-------------+-------------------------------+
//!  └──── Start: two bytes ─────────┘        then the payload, masked
//! ```
//!
//! For proxies, analysers and tests. A [`Connection`](crate::Connection) is what most programs want.

mod close;
mod header;
mod mask;
mod opcode;

pub use close::{CloseCode, CloseFrame};
pub use header::{Header, Start};
pub use mask::MaskingKey;
pub use opcode::OpCode;

/// The longest payload of a control frame, in bytes (§5.5).
pub const MAX_CONTROL: usize = 125;

/// RSV1, which marks a compressed message (RFC 7692 §6), as a value of [`Header::rsv`].
pub const RSV1: u8 = 0b100;
