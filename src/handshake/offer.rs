//! What a client asks for, and the rules that make it a valid opening handshake. RFC 6455 §4.2.1.

use alloc::vec::Vec;
use core::{ops::Range, str};

use super::{
    accept_key::parse_key,
    fault::{Fault, Faults},
    grammar::{self, Extension},
    headers::{Headers, lists},
    http1::{HttpVersion, RequestHead},
    rejection::Rejection,
    uri::{Authority, Target},
};

/// A valid request to become a WebSocket.
///
/// It comes from [`ServerHandshake`](super::ServerHandshake), or from [`from_headers`](Self::from_headers) where
/// somebody else has parsed the request. The server [accepts](Self::accept) it, or answers with a [`Rejection`].
#[derive(Clone, Debug)]
pub struct Offer {
    target: Range<usize>,
    headers: Headers,
    key: [u8; 24],
}

impl Offer {
    /// Validates a request that somebody else has parsed, as strictly as one that came as bytes.
    ///
    /// ```
    /// use sansocket::handshake::{HttpVersion, Offer};
    ///
    /// let offer = Offer::from_headers("GET", "/chat?room=1", HttpVersion::HTTP_11, [
    ///     ("Host", "server.example.com"),
    ///     ("Upgrade", "websocket"),
    ///     ("Connection", "keep-alive, Upgrade"),
    ///     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ///     ("Sec-WebSocket-Version", "13"),
    /// ])?;
    /// assert_eq!((offer.path(), offer.query()), ("/chat", Some("room=1")));
    /// # Ok::<(), sansocket::handshake::Rejection>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with every fault of the request.
    pub fn from_headers<N: AsRef<str>, V: AsRef<[u8]>>(
        method: &str,
        target: &str,
        version: HttpVersion,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, Rejection> {
        let ([method, target], headers) = Headers::from_fields([method, target], headers)?;
        Self::validate(RequestHead { method, target, version, headers })
    }

    /// The request target as sent: path and query, or a whole URI.
    pub fn target(&self) -> &str {
        str::from_utf8(self.headers.part(&self.target)).expect("a valid target is ASCII")
    }

    /// The path of the target, percent-encoded as sent.
    pub fn path(&self) -> &str {
        self.parsed_target().path
    }

    /// What stands behind the `?` of the target.
    pub fn query(&self) -> Option<&str> {
        self.parsed_target().query
    }

    /// The host that the client asks for, with the port if it names one.
    pub fn host(&self) -> &str {
        // RFC 9112 §3.2.2: the authority of a target in absolute-form overrides the Host header.
        self.parsed_target().authority.or_else(|| self.value("host")).expect("a valid request has one host")
    }

    /// The page that connects; `None`: the client is no browser.
    pub fn origin(&self) -> Option<&str> {
        self.value("origin")
    }

    /// The subprotocols offered, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        let tokens = self.headers.get_all("sec-websocket-protocol").flat_map(grammar::tokens);
        tokens.filter_map(|token| str::from_utf8(token.ok()?).ok())
    }

    /// The extensions offered, the preferred one first; one may be offered several times with other parameters.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        self.headers.get_all("sec-websocket-extensions").flat_map(grammar::extensions).filter_map(Result::ok)
    }

    /// All header fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    pub(super) const fn key(&self) -> &[u8; 24] {
        &self.key
    }

    /// Applies every rule, so that the rejection names every fault.
    pub(super) fn validate(head: RequestHead) -> Result<Self, Rejection> {
        let RequestHead { method, target, version, headers } = head;
        let mut faults = Faults::default();
        faults.note(http_version(version));
        faults.note(self::method(headers.part(&method)));
        faults.note(self::target(headers.part(&target)));
        faults.note(host(&headers));
        faults.note(upgrade(&headers));
        faults.note(headers.connection());
        faults.note(self::version(&headers));
        faults.note(origin(&headers));
        faults.note(subprotocols(&headers));
        faults.note(extensions(&headers));
        faults.note(body(&headers));
        match faults.note(key(&headers)) {
            Some(key) if faults.is_empty() => Ok(Self { target, headers, key }),
            _ => Err(faults.into()),
        }
    }

    fn parsed_target(&self) -> Target<'_> {
        Target::parse(self.target()).expect("a valid request has a valid target")
    }

    fn value(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.headers.get(name)?).ok()
    }
}

fn http_version(version: HttpVersion) -> Result<(), Fault> {
    // §4.2.1: an HTTP/1.1 or higher GET request. A higher one has another way to open a WebSocket (RFC 8441).
    if version == HttpVersion::HTTP_11 { Ok(()) } else { Err(Fault::HttpVersionUnsupported) }
}

fn method(method: &[u8]) -> Result<(), Fault> {
    // §4.1: the method is GET. RFC 9110 §9.1: methods are case-sensitive.
    if method == b"GET" { Ok(()) } else { Err(Fault::MethodNotGet) }
}

fn target(target: &[u8]) -> Result<(), Fault> {
    // §4.2.1: a path, or an absolute HTTP/HTTPS URI.
    let target = str::from_utf8(target).ok().and_then(Target::parse);
    target.map(drop).ok_or(Fault::TargetInvalid)
}

fn host(headers: &Headers) -> Result<(), Fault> {
    // §4.2.1: a Host header with the server's authority. RFC 9112 §3.2: 400 if there is another number of them.
    let host = headers.only("host", Fault::HostMissing, Fault::HostRepeated)?;
    let host = str::from_utf8(host).map_err(|_| Fault::HostInvalid)?;
    Authority::parse(host).map(drop).map_err(|_| Fault::HostInvalid)
}

fn upgrade(headers: &Headers) -> Result<(), Fault> {
    let mut values = headers.get_all("upgrade").peekable();
    values.peek().ok_or(Fault::UpgradeMissing)?;
    // §4.2.1: an Upgrade header that includes "websocket", in any case.
    if lists(values.flat_map(grammar::protocols), b"websocket") {
        Ok(())
    } else {
        Err(Fault::UpgradeNotWebSocket)
    }
}

fn version(headers: &Headers) -> Result<(), Fault> {
    let version = headers.only("sec-websocket-version", Fault::VersionMissing, Fault::VersionRepeated)?;
    // §4.2.1: with a value of 13.
    if version == b"13" { Ok(()) } else { Err(Fault::VersionUnsupported) }
}

fn key(headers: &Headers) -> Result<[u8; 24], Fault> {
    // §11.3.1: the key is there once.
    let key = headers.only("sec-websocket-key", Fault::KeyMissing, Fault::KeyRepeated)?;
    parse_key(key).ok_or(Fault::KeyInvalid)
}

fn origin(headers: &Headers) -> Result<(), Fault> {
    if headers.get("origin").is_none() {
        return Ok(());
    }
    let origin = headers.only("origin", Fault::OriginInvalid, Fault::OriginRepeated)?;
    // RFC 6454 §7.1: whatever it says, it says it in ASCII.
    if grammar::is_field_value(origin) { Ok(()) } else { Err(Fault::OriginInvalid) }
}

fn subprotocols(headers: &Headers) -> Result<(), Fault> {
    if headers.get("sec-websocket-protocol").is_none() {
        return Ok(());
    }
    let list = headers.get_all("sec-websocket-protocol").flat_map(grammar::tokens);
    let mut names = list.collect::<Result<Vec<_>, _>>().map_err(|_| Fault::SubprotocolsMalformed)?;
    // §4.1: 1#token, one at least.
    if names.is_empty() {
        return Err(Fault::SubprotocolsMalformed);
    }
    names.sort_unstable();
    // §4.1: and all of them unique.
    if names.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(Fault::SubprotocolOfferedTwice) }
}

fn extensions(headers: &Headers) -> Result<(), Fault> {
    if headers.get("sec-websocket-extensions").is_none() {
        return Ok(());
    }
    let mut list = headers.get_all("sec-websocket-extensions").flat_map(grammar::extensions);
    // §9.1: a list that is not according to the grammar fails the handshake.
    let count = list.try_fold(0, |count, extension| extension.map(|_| count + 1));
    // §11.3.2: and neither is one without an element.
    if matches!(count, Ok(1..)) { Ok(()) } else { Err(Fault::ExtensionsMalformed) }
}

fn body(headers: &Headers) -> Result<(), Fault> {
    // A body would be taken for frames, or frames for a body by a proxy in between.
    let is_empty = headers.get_all("content-length").all(|length| length == b"0");
    if is_empty && headers.get("transfer-encoding").is_none() { Ok(()) } else { Err(Fault::BodyAnnounced) }
}
