//! The client's side of the opening handshake. RFC 6455 §4.1.

use alloc::{string::ToString, vec::Vec};
use core::{error::Error, fmt};

use bytes::{Bytes, BytesMut};

use super::{
    accept_key::{accept_key, write_key},
    fault::{self, Fault, Faults},
    grammar,
    headers::Headers,
    http1::{HeadScan, HttpVersion, ReplyHead},
    refusal::{PartialRefusal, Refusal},
    request::Request,
};
use crate::{
    config::{Limits, Negotiated},
    deflate::{self, Params},
    text::Text,
};

/// Sends a request and reads the reply.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Limits, handshake::{ClientHandshake, Request}};
///
/// let request = Request::new("ws://server.example.com/chat")?;
/// let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &Limits::default());
/// assert_eq!(
///     &handshake.request()[..],
///     b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
/// );
/// let mut input = BytesMut::from(
///     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
/// );
/// let established = handshake.receive(&mut input)?.expect("a whole reply");
/// assert_eq!(established.negotiated.subprotocol, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    request: Request,
    key: [u8; 24],
    progress: Progress,
}

#[derive(Clone, Debug)]
enum Progress {
    Head(HeadScan),
    Body(PartialRefusal),
    Established,
    Failed(HandshakeError),
}

impl ClientHandshake {
    /// A handshake for this request. The nonce is chosen at random for each connection (§4.1).
    pub fn new(request: Request, nonce: [u8; 16], limits: &Limits) -> Self {
        Self { request, key: write_key(nonce), progress: Progress::Head(HeadScan::new(limits)) }
    }

    /// The request, to be transmitted.
    pub fn request(&self) -> Bytes {
        self.request.write(&self.key)
    }

    /// Takes the reply off the front of `input`; `None`: feed more bytes. A head is not taken before it is whole, and
    /// nothing behind a 101 ever. Only new bytes are scanned, so the input has to keep the old ones in front of them.
    ///
    /// There is one reply: after a 101 this gives `None`, and leaves all input where it is.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`], and the same one ever after.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Established>, HandshakeError> {
        let verdict = self.advance(input);
        match &verdict {
            Ok(Some(_)) => self.progress = Progress::Established,
            Ok(None) => {}
            Err(error) => self.progress = Progress::Failed(error.clone()),
        }
        verdict
    }

    /// Ends the handshake because the stream has ended: with the refusal, as far as its body has come, or with
    /// [`HandshakeError::UnexpectedEof`].
    pub fn receive_eof(&mut self) -> HandshakeError {
        let error = match &self.progress {
            Progress::Head(_) | Progress::Established => HandshakeError::UnexpectedEof,
            Progress::Body(refusal) => HandshakeError::Refused(refusal.clone().finish()),
            Progress::Failed(error) => error.clone(),
        };
        self.progress = Progress::Failed(error.clone());
        error
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Established>, HandshakeError> {
        loop {
            match &mut self.progress {
                Progress::Head(scan) => {
                    let Some(head) = scan.reply(input)? else { return Ok(None) };
                    match head.status {
                        101 => return self.validate(head).map(Some),
                        // §4.2.2 allows none of these, RFC 9110 §15.2 does: interim replies are read over.
                        100..200 => {}
                        _ => self.progress = Progress::Body(PartialRefusal::new(head)),
                    }
                }
                Progress::Body(refusal) => {
                    let is_whole = refusal.receive(input);
                    let refused = || Err(HandshakeError::Refused(refusal.clone().finish()));
                    return if is_whole { refused() } else { Ok(None) };
                }
                Progress::Established => return Ok(None),
                Progress::Failed(error) => return Err(error.clone()),
            }
        }
    }

    /// Applies every rule, so that the error names every fault.
    fn validate(&self, head: ReplyHead) -> Result<Established, HandshakeError> {
        let ReplyHead { version, headers, .. } = head;
        let mut faults = Faults::default();
        faults.note(http_version(version));
        faults.note(upgrade(&headers));
        faults.note(headers.connection());
        faults.note(self.accept(&headers));
        let deflate = faults.note(self.deflate(&headers));
        let subprotocol = faults.note(self.subprotocol(&headers));
        match (subprotocol, deflate) {
            (Some(subprotocol), Some(deflate)) if faults.is_empty() => {
                Ok(Established { negotiated: Negotiated { subprotocol, deflate }, headers })
            }
            _ => Err(HandshakeError::InvalidReply { faults: faults.into_sorted() }),
        }
    }

    fn accept(&self, headers: &Headers) -> Result<(), Fault> {
        let accept = headers.only("sec-websocket-accept", Fault::AcceptMissing, Fault::AcceptRepeated)?;
        // §4.1: the value is the one that belongs to the key.
        if accept == accept_key(&self.key) { Ok(()) } else { Err(Fault::AcceptWrong) }
    }

    fn deflate(&self, headers: &Headers) -> Result<Option<Params>, Fault> {
        if headers.get("sec-websocket-extensions").is_none() {
            return Ok(None);
        }
        // §11.3.2: there is at most one of these in a reply.
        let accepted = headers.only(
            "sec-websocket-extensions",
            Fault::ExtensionsMalformed,
            Fault::ExtensionsRepeated,
        )?;
        let mut accepted = grammar::extensions(accepted);
        let extension = accepted.next().ok_or(Fault::ExtensionsMalformed)?;
        let extension = extension.map_err(|_| Fault::ExtensionsMalformed)?;
        // §4.1: an extension that was not present in the client's handshake fails the connection. One at most was.
        if self.request.deflate_offers().is_empty()
            || extension.name() != deflate::NAME
            || accepted.next().is_some()
        {
            return Err(Fault::ExtensionNotOffered);
        }
        // RFC 7692 §7.1: so does an answer that is none to any of the offers.
        let agreed = self.request.deflate_offers().iter().find_map(|terms| terms.agree(extension.params()));
        agreed.map(Some).ok_or(Fault::ExtensionParamsInvalid)
    }

    fn subprotocol(&self, headers: &Headers) -> Result<Option<Text>, Fault> {
        if headers.get("sec-websocket-protocol").is_none() {
            return Ok(None);
        }
        // §11.3.4: there is at most one of these in a reply.
        let chosen = headers.only(
            "sec-websocket-protocol",
            Fault::SubprotocolNotOffered,
            Fault::SubprotocolRepeated,
        )?;
        // §4.1: a subprotocol that was not present in the client's handshake fails the connection.
        let offered = self.request.subprotocols().find(|offered| offered.as_bytes() == chosen);
        offered.map(|name| Some(Text::from(name.to_string()))).ok_or(Fault::SubprotocolNotOffered)
    }
}

fn http_version(version: HttpVersion) -> Result<(), Fault> {
    // RFC 9110 §7.8: HTTP/1.0 knows no Upgrade.
    if version == HttpVersion::HTTP_11 { Ok(()) } else { Err(Fault::HttpVersionUnsupported) }
}

fn upgrade(headers: &Headers) -> Result<(), Fault> {
    let upgrade = headers.only("upgrade", Fault::UpgradeMissing, Fault::UpgradeNotWebSocket)?;
    // §4.1: the value is "websocket", in any case, and nothing else.
    if upgrade.eq_ignore_ascii_case(b"websocket") { Ok(()) } else { Err(Fault::UpgradeNotWebSocket) }
}

/// A connection that is a WebSocket now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Established {
    /// What both ends agreed on.
    pub negotiated: Negotiated,
    /// The header fields of the reply.
    pub headers: Headers,
}

/// Why a client got no WebSocket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The reply is not HTTP/1.
    Malformed(Fault),
    /// The heads of the reply, interim ones included, are over a limit: [`Limits::head`], [`Limits::head_fields`].
    HeadTooLarge,
    /// The stream ended before the reply did.
    UnexpectedEof,
    /// The reply has another status than 101.
    Refused(Refusal),
    /// The reply says 101 and is not valid.
    InvalidReply {
        /// Everything that is missing or wrong.
        faults: Vec<Fault>,
    },
}

impl From<Fault> for HandshakeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::HeadTooLarge | Fault::TooManyFields => Self::HeadTooLarge,
            fault => Self::Malformed(fault),
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(fault) => fmt::Display::fmt(fault, f),
            Self::HeadTooLarge => f.write_str("head over the limit"),
            Self::UnexpectedEof => f.write_str("end of the stream before the end of the reply"),
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::InvalidReply { faults } => fault::write_list(faults, f),
        }
    }
}

impl Error for HandshakeError {}
