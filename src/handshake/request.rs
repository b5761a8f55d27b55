//! What a client asks for. RFC 6455 §3, §4.1.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;

use super::{
    headers::{FieldLines, InvalidHeader},
    http1,
    subprotocol::{InvalidSubprotocol, with_subprotocol},
    uri::{Authority, InvalidUri, split_authority},
};
use crate::deflate::Params;

/// A client's request: where to, which subprotocols, which headers.
///
/// ```
/// use sansocket::handshake::Request;
///
/// let request = Request::new("wss://example.com/chat?room=1")?
///     .subprotocol("chat")?
///     .header("Authorization", "Bearer 123")?;
/// assert_eq!((request.host(), request.port(), request.is_secure()), ("example.com", 443, true));
/// assert_eq!((request.authority(), request.target()), ("example.com", "/chat?room=1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    scheme: Scheme,
    /// Without a port that the scheme implies.
    authority: String,
    target: String,
    subprotocols: Vec<String>,
    deflate: Vec<Params>,
    fields: FieldLines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Ws,
    Wss,
}

impl Request {
    /// A request for a `ws` or `wss` URI.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`] says which part of it is wrong.
    pub fn new(uri: &str) -> Result<Self, InvalidUri> {
        if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidUri::Character);
        }
        let (scheme, rest) = uri.split_once(':').ok_or(InvalidUri::Scheme)?;
        let scheme = Scheme::parse(scheme)?;
        let (authority, resource) = split_authority(rest.strip_prefix("//").ok_or(InvalidUri::Host)?);
        // §3: fragment identifiers are meaningless in these URIs and not used on them.
        if resource.contains('#') {
            return Err(InvalidUri::Fragment);
        }
        if authority.contains('@') {
            return Err(InvalidUri::UserInfo);
        }
        let authority = scheme.shorten(Authority::parse(authority)?);
        // §3: an empty path is "/".
        let slash = if resource.starts_with('/') { "" } else { "/" };
        let target = [slash, resource].concat();
        Ok(Self {
            scheme,
            authority,
            target,
            subprotocols: Vec::new(),
            deflate: Vec::new(),
            fields: FieldLines::default(),
        })
    }

    /// Offers one more subprotocol, after those before it.
    ///
    /// # Errors
    ///
    /// [`InvalidSubprotocol`] if it is not a token, or is offered already.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, InvalidSubprotocol> {
        // §4.1: tokens, each of them unique.
        self.subprotocols = with_subprotocol(self.subprotocols, name.to_string())?;
        Ok(self)
    }

    /// Offers compression (RFC 7692) on these terms, or on those offered before it, which the server is to prefer.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, terms: Params) -> Self {
        self.deflate.push(terms);
        self
    }

    /// Adds a header, as `Origin`, `Authorization` or `Cookie`.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`], and the header is neither added nor changed into a valid one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.fields.push(name, value)?;
        Ok(self)
    }

    /// The name or address to connect to, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.parsed_authority().host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to: the one of the URI, or 80 for `ws` and 443 for `wss`.
    pub fn port(&self) -> u16 {
        self.parsed_authority().port.unwrap_or(self.scheme.port())
    }

    /// Whether the connection is to be made over TLS.
    pub const fn is_secure(&self) -> bool {
        matches!(self.scheme, Scheme::Wss)
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The subprotocols offered, in order.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.subprotocols.iter().map(String::as_str)
    }

    /// The terms of compression offered, in order.
    pub(super) fn deflate_offers(&self) -> &[Params] {
        &self.deflate
    }

    /// The head of the request with this key.
    pub(super) fn write(&self, key: &[u8; 24]) -> Bytes {
        let mut fields = FieldLines::default();
        fields.write("Host", self.authority.as_bytes());
        fields.write("Upgrade", b"websocket");
        fields.write("Connection", b"Upgrade");
        fields.write("Sec-WebSocket-Key", key);
        fields.write("Sec-WebSocket-Version", b"13");
        if !self.subprotocols.is_empty() {
            fields.write("Sec-WebSocket-Protocol", self.subprotocols.join(", ").as_bytes());
        }
        if !self.deflate.is_empty() {
            let offers: Vec<String> = self.deflate.iter().map(Params::offer).collect();
            fields.write("Sec-WebSocket-Extensions", offers.join(", ").as_bytes());
        }
        fields.append(&self.fields);
        http1::write_request(&self.target, &fields)
    }

    fn parsed_authority(&self) -> Authority<'_> {
        Authority::parse(&self.authority).expect("a request has a valid authority")
    }
}

impl Scheme {
    fn parse(name: &str) -> Result<Self, InvalidUri> {
        // §3: ws and wss, in any case.
        if name.eq_ignore_ascii_case("ws") {
            Ok(Self::Ws)
        } else if name.eq_ignore_ascii_case("wss") {
            Ok(Self::Wss)
        } else {
            Err(InvalidUri::Scheme)
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// §4.1: the port is named in the Host header only if it is not the default one.
    fn shorten(self, Authority { host, port }: Authority<'_>) -> String {
        match port.filter(|port| *port != self.port()) {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        }
    }
}
