//! The opening handshake, without a socket. RFC 6455 §4, §9.1; the bytes of HTTP/1.1 are RFC 9112.
//!
//! ```text
//!  server                                              client
//!
//!  caller's BytesMut                                   Request ─► ClientHandshake ─► request() ──► wire
//!      │ receive                                                       │
//!      ▼                                               caller's BytesMut
//!  ServerHandshake ─► Offer ─┬─ accept(&Answer)            │ receive
//!      │                     │    └─► 101, Negotiated      ▼
//!      │                     └─ or an own Rejection    ClientHandshake ─┬─► Established: 101, Negotiated
//!      └─► Rejection: every fault, and the reply                        └─► HandshakeError: every fault,
//!                                                                           or the Refusal with its body
//! ```
//!
//! A head is scanned once, as it arrives, and tokenised once, when it is whole. Then every rule is applied, so that
//! a verdict names every header that is missing or wrong and not only the first. Bytes behind a head stay in the
//! caller's input, where a [`Connection`](crate::Connection) finds them.
//!
//! A request that a framework has parsed goes through [`Offer::from_headers`], which is as strict;
//! [`is_upgrade_request`] tells it from other HTTP.

mod accept_key;
mod answer;
mod client;
mod fault;
mod grammar;
mod headers;
mod http1;
mod offer;
mod origin;
mod refusal;
mod rejection;
mod reply;
mod request;
mod server;
mod subprotocol;
mod uri;

pub use accept_key::accept_key;
pub use answer::Answer;
pub use client::{ClientHandshake, Established, HandshakeError};
pub use fault::Fault;
pub use grammar::Extension;
pub use headers::{Headers, InvalidHeader, is_upgrade_request};
pub use http1::HttpVersion;
pub use offer::Offer;
pub use origin::{InvalidOrigin, OriginPolicy};
pub use refusal::Refusal;
pub use rejection::Rejection;
pub use reply::Reply;
pub use request::Request;
pub use server::ServerHandshake;
pub use subprotocol::{InvalidSubprotocol, Subprotocols};
pub use uri::InvalidUri;
