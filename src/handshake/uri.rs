//! The parts of a URI that a handshake compares: authority and request target. RFC 3986 §3, RFC 9112 §3.2, RFC 6455 §3.

use core::{error::Error, fmt, net::Ipv6Addr};

/// A URI that no connection can be made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidUri {
    /// A space, a control character or one outside ASCII: it has to be percent-encoded.
    Character,
    /// The scheme is neither `ws` nor `wss`.
    Scheme,
    /// A fragment, which has no meaning here: `#` has to be percent-encoded (§3).
    Fragment,
    /// User information: credentials belong in an `Authorization` header.
    UserInfo,
    /// The host is missing, or neither a name nor an address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
}

impl fmt::Display for InvalidUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "uri with a character that has to be percent-encoded",
            Self::Scheme => "uri with a scheme other than ws and wss",
            Self::Fragment => "uri with a fragment",
            Self::UserInfo => "uri with user information, which belongs in an authorization header",
            Self::Host => "uri without a valid host",
            Self::Port => "uri with a port that is not a number from 1 to 65535",
        })
    }
}

impl Error for InvalidUri {}

/// `uri-host [ ":" port ]`, the value of a `Host` header.
///
/// User information is no part of it, and neither is a colon without a port, which the grammar allows and no client
/// sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    /// The name or address, an IPv6 address in its brackets.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, InvalidUri> {
        // The colons of an IPv6 address stand before its closing bracket.
        let bytes = text.as_bytes();
        let address_len = bytes.iter().rposition(|byte| *byte == b']').map_or(0, |bracket| bracket + 1);
        let colon = bytes[address_len..].iter().position(|byte| *byte == b':');
        let host_len = colon.map_or(text.len(), |colon| address_len + colon);
        let (host, port) = text.split_at(host_len);
        if !is_host(host) {
            return Err(InvalidUri::Host);
        }
        let port =
            port.strip_prefix(':').map(|digits| parse_port(digits).ok_or(InvalidUri::Port)).transpose()?;
        Ok(Self { host, port })
    }

    /// Whether both name the same host, and the same port where `default_port` stands for one that is not named.
    pub(super) fn is_same(&self, other: &Self, default_port: Option<u16>) -> bool {
        let same_address = || ipv6(self.host).is_some_and(|address| ipv6(other.host) == Some(address));
        (self.host.eq_ignore_ascii_case(other.host) || same_address())
            && self.port.or(default_port) == other.port.or(default_port)
    }
}

/// What a request is for (RFC 9112 §3.2), in origin-form or in absolute-form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// The authority of an absolute-form, which overrides the `Host` header (RFC 9112 §3.2.2).
    pub(super) authority: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        // §3: a fragment is no part of a request, and all else outside visible ASCII is percent-encoded.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return None;
        }
        if text.starts_with('/') {
            return Some(Self::split(None, text));
        }
        // §4.2.1: or an absolute HTTP/HTTPS URI.
        let (scheme, rest) = text.split_once("://")?;
        let is_known = ["http", "https", "ws", "wss"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
        let (authority, resource) = split_authority(rest);
        (is_known && Authority::parse(authority).is_ok()).then(|| Self::split(Some(authority), resource))
    }

    fn split(authority: Option<&'a str>, resource: &'a str) -> Self {
        let (path, query) = match resource.bytes().position(|byte| byte == b'?') {
            Some(mark) => (&resource[..mark], Some(&resource[mark + 1..])),
            None => (resource, None),
        };
        Self { authority, path: if path.is_empty() { "/" } else { path }, query }
    }
}

/// What stands behind `://`, cut where the authority ends.
pub(super) fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// The port that a scheme stands for.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("http") || is("ws") {
        Some(80)
    } else if is("https") || is("wss") {
        Some(443)
    } else {
        None
    }
}

/// RFC 3986 §3.2.2: an IPv6 address in brackets, or a registered name, which an IPv4 address also is.
fn is_host(host: &str) -> bool {
    ipv6(host).is_some() || is_registered_name(host.as_bytes())
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// `1*( unreserved / pct-encoded / sub-delims )`
fn is_registered_name(mut name: &[u8]) -> bool {
    let is_empty = name.is_empty();
    while let [first, rest @ ..] = name {
        name = match (first, rest) {
            (byte, _) if byte.is_ascii_alphanumeric() => rest,
            (b'%', [high, low, rest @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            (b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=', _) => rest,
            _ => return false,
        };
    }
    !is_empty
}

fn parse_port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port != 0)
}
