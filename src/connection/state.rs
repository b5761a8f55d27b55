//! How far a conversation has come. RFC 6455 §7.

/// How far the conversation has come. Derived from two facts: whether the peer has closed, and whether we have.
///
/// ```text
///                      we have not sent Close     we have sent Close
/// peer has not         Open                       Closing: data is still delivered, none is accepted
/// peer has             (answered in the call)     Closed
/// ```
///
/// A breach of the protocol, an end of the stream without a Close frame, and a deadline that passed lead to
/// `Closed` as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Both ends may send.
    Open,
    /// We have sent a Close frame, or can send nothing any more, and wait for the peer's.
    Closing,
    /// Nothing more will be received or sent, but for what waits in [`Connection::transmit`](crate::Connection::transmit).
    Closed,
}
