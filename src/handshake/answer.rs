//! A server's terms: who may connect, and what is spoken. RFC 6455 §4.2.2.

use alloc::string::{String, ToString};

use super::{
    accept_key::accept_key,
    fault::Fault,
    headers::{FieldLines, InvalidHeader},
    offer::Offer,
    origin::OriginPolicy,
    rejection::Rejection,
    reply::Reply,
    subprotocol::Subprotocols,
};
use crate::{
    config::Negotiated,
    deflate::{self, Params},
    text::Text,
};

/// What a reply of 101 begins with, up to the value that proves it.
const UPGRADE_AND_ACCEPT: &[u8] = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";

/// The terms on which a server accepts. One serves all connections.
///
/// The default is safe to expose: only pages from the same host, no subprotocol, no further headers.
///
/// ```
/// use sansocket::handshake::{Answer, OriginPolicy, Subprotocols};
///
/// let answer = Answer::new()
///     .origin(OriginPolicy::any())
///     .subprotocols(Subprotocols::by_server(["chat.v2", "chat.v1"])?)
///     .header("Set-Cookie", "seen=1")?;
/// assert!(answer.header("Set-Cookie", "seen=1\r\nX: injected").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Answer {
    origin: OriginPolicy,
    subprotocols: Subprotocols,
    deflate: Option<Params>,
    fields: FieldLines,
}

impl Answer {
    /// The default terms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which origins may connect.
    pub fn origin(mut self, policy: OriginPolicy) -> Self {
        self.origin = policy;
        self
    }

    /// Sets how a subprotocol is chosen.
    pub fn subprotocols(mut self, subprotocols: Subprotocols) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// Accepts compression (RFC 7692) where a client offers it on these terms: the first of its offers that fits.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, terms: Params) -> Self {
        self.deflate = Some(terms);
        self
    }

    /// Adds a header to the reply.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`], and the header is neither added nor changed into a valid one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.fields.push(name, value)?;
        Ok(self)
    }

    /// Holds an offer against the terms, and writes the reply.
    fn apply(&self, offer: &Offer) -> Result<(Reply, Negotiated), Rejection> {
        // §4.2.2: 403 for an origin that is not acceptable.
        if !self.origin.allows(offer) {
            return Err(Fault::OriginNotAllowed.into());
        }
        let subprotocol = self.subprotocols.choose(offer)?;
        let deflate = self.choose_deflate(offer);
        let mut agreed = FieldLines::default();
        if let Some(subprotocol) = subprotocol {
            agreed.write("Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        if let Some((_, answer)) = &deflate {
            agreed.write("Sec-WebSocket-Extensions", answer.as_bytes());
        }
        let accept = accept_key(offer.key());
        let lines: [&[u8]; 5] =
            [UPGRADE_AND_ACCEPT, &accept, b"\r\n", agreed.as_bytes(), self.fields.as_bytes()];
        let negotiated = Negotiated {
            subprotocol: subprotocol.map(|name| Text::from(name.to_string())),
            deflate: deflate.map(|(params, _)| params),
        };
        Ok((Reply::new(101, &lines, b""), negotiated))
    }

    /// RFC 7692 §5: the offers are in the client's order of preference.
    fn choose_deflate(&self, offer: &Offer) -> Option<(Params, String)> {
        let terms = self.deflate?;
        offer
            .extensions()
            .filter(|offered| offered.name() == deflate::NAME)
            .find_map(|offered| terms.accept(offered.params()))
    }
}

impl Offer {
    /// Accepts: the 101 reply, and what was agreed on.
    ///
    /// ```
    /// use sansocket::handshake::{Answer, HttpVersion, Offer};
    /// # let offer = Offer::from_headers("GET", "/chat", HttpVersion::HTTP_11, [
    /// #     ("Host", "server.example.com"),
    /// #     ("Upgrade", "websocket"),
    /// #     ("Connection", "Upgrade"),
    /// #     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    /// #     ("Sec-WebSocket-Version", "13"),
    /// # ])?;
    ///
    /// let (reply, _negotiated) = offer.accept(&Answer::default())?;
    /// assert_eq!(
    ///     &reply[..],
    ///     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    ///       Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    /// );
    /// # Ok::<(), sansocket::handshake::Rejection>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if the answer's terms do not allow the origin, or require a subprotocol that is not offered.
    pub fn accept(&self, answer: &Answer) -> Result<(Reply, Negotiated), Rejection> {
        answer.apply(self)
    }
}
