//! The server's side of the opening handshake. RFC 6455 §4.2.

use bytes::BytesMut;

use super::{http1::HeadScan, offer::Offer, rejection::Rejection};
use crate::config::Limits;

/// Reads the request of a client.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Limits, handshake::{Answer, ServerHandshake}};
///
/// let mut handshake = ServerHandshake::new(&Limits::default());
/// let mut input = BytesMut::from("GET /chat HTTP/1.1\r\nHost: server.example.com\r\n");
/// assert!(handshake.receive(&mut input)?.is_none());
/// input.extend_from_slice(
///     b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///       Sec-WebSocket-Version: 13\r\n\r\n\x89\x80\0\0\0\0",
/// );
/// let offer = handshake.receive(&mut input)?.expect("a whole request");
/// let (reply, negotiated) = offer.accept(&Answer::default())?;
/// assert!(reply.starts_with(b"HTTP/1.1 101 "));
/// assert_eq!(&input[..], b"\x89\x80\0\0\0\0"); // the first frame is still there
/// # Ok::<(), sansocket::handshake::Rejection>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandshake(Progress);

#[derive(Clone, Debug)]
enum Progress {
    Head(HeadScan),
    Offered,
    Refused(Rejection),
}

impl ServerHandshake {
    /// A handshake that has received nothing yet.
    pub fn new(limits: &Limits) -> Self {
        Self(Progress::Head(HeadScan::new(limits)))
    }

    /// Takes the request off the front of `input`; `None`: feed more bytes. Nothing is taken before it is whole, and
    /// nothing behind it ever. Only new bytes are scanned, so the input has to keep the old ones in front of them.
    ///
    /// There is one request: after it this gives `None`, and leaves all input where it is.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with every fault of the request, and the same one ever after. [`Rejection::response`] is the
    /// reply; then the connection is to be closed.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Offer>, Rejection> {
        let verdict = match &mut self.0 {
            Progress::Head(scan) => receive(scan, input),
            Progress::Offered => return Ok(None),
            Progress::Refused(rejection) => return Err(rejection.clone()),
        };
        match &verdict {
            Ok(Some(_)) => self.0 = Progress::Offered,
            Ok(None) => {}
            Err(rejection) => self.0 = Progress::Refused(rejection.clone()),
        }
        verdict
    }
}

fn receive(scan: &mut HeadScan, input: &mut BytesMut) -> Result<Option<Offer>, Rejection> {
    scan.request(input)?.map(Offer::validate).transpose()
}
