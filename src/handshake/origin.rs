//! Which pages may connect: the defence of a server against scripts from elsewhere. RFC 6455 §10.2, RFC 6454 §6.2.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{error::Error, fmt};

use super::{
    offer::Offer,
    uri::{Authority, default_port},
};

/// Which origins a server accepts.
///
/// Browsers say in the `Origin` header which page connects, and send the cookies of the *server* whatever the page
/// is; a server that does not look is open to every page on the web. Other programs can write any origin, or none,
/// so a policy protects people with browsers and is no authentication. A request without an origin is not from a
/// browser, and passes all policies but a [`predicate`](Self::predicate).
///
/// ```
/// use sansocket::handshake::{Answer, OriginPolicy};
///
/// let answer = Answer::new().origin(OriginPolicy::listed(["https://example.com", "https://dev.example.com:8443"])?);
/// assert!(OriginPolicy::listed(["example.com"]).is_err());
/// # Ok::<(), sansocket::handshake::InvalidOrigin>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy(Policy);

#[derive(Clone, Default)]
enum Policy {
    #[default]
    SameHost,
    Listed(Vec<String>),
    Any,
    Predicate(Arc<dyn Fn(&Offer) -> bool + Send + Sync>),
}

impl OriginPolicy {
    /// Pages from the host and port that the request names, which is the default.
    ///
    /// The scheme is not compared, since a server behind a proxy does not know its own; a port that is not named is
    /// the default one of the origin's scheme.
    pub fn same_host() -> Self {
        Self(Policy::SameHost)
    }

    /// Pages from any of these origins: scheme, host, and port where it is not the default one.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] if one of them is not such an origin.
    pub fn listed<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Result<Self, InvalidOrigin> {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        let all_valid = origins.iter().all(|origin| Origin::parse(origin).is_some());
        if all_valid { Ok(Self(Policy::Listed(origins))) } else { Err(InvalidOrigin) }
    }

    /// Any page on the web. For services that are meant for all of them and know people by other means than cookies.
    pub fn any() -> Self {
        Self(Policy::Any)
    }

    /// Whatever the function says, also where there is no origin.
    pub fn predicate(predicate: impl Fn(&Offer) -> bool + Send + Sync + 'static) -> Self {
        Self(Policy::Predicate(Arc::new(predicate)))
    }

    /// Whether the origin of a request may connect.
    pub(super) fn allows(&self, offer: &Offer) -> bool {
        let by_origin = |rule: &dyn Fn(&Origin<'_>) -> bool| {
            offer.origin().is_none_or(|origin| Origin::parse(origin).is_some_and(|origin| rule(&origin)))
        };
        match &self.0 {
            Policy::SameHost => by_origin(&|origin| origin.is_at(offer.host())),
            Policy::Listed(list) => by_origin(&|origin| {
                list.iter().filter_map(|listed| Origin::parse(listed)).any(|o| o.is_same(origin))
            }),
            Policy::Any => true,
            Policy::Predicate(predicate) => predicate(offer),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameHost => f.write_str("SameHost"),
            Self::Listed(origins) => f.debug_tuple("Listed").field(origins).finish(),
            Self::Any => f.write_str("Any"),
            Self::Predicate(_) => f.write_str("Predicate"),
        }
    }
}

/// `scheme "://" host [ ":" port ]`. The origin `null`, of sandboxed pages and files, is none.
#[derive(Clone, Copy)]
struct Origin<'a> {
    scheme: &'a str,
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        // RFC 3986 §3.1: ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let authority = Authority::parse(authority).ok()?;
        is_scheme.then_some(Self { scheme, authority })
    }

    fn is_at(&self, host: &str) -> bool {
        Authority::parse(host).is_ok_and(|host| self.authority.is_same(&host, default_port(self.scheme)))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.authority.is_same(&other.authority, default_port(self.scheme))
    }
}

/// An origin that is not a scheme, a host and maybe a port, as `https://example.com:8443` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvalidOrigin;

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("origin that is not a scheme, a host and maybe a port")
    }
}

impl Error for InvalidOrigin {}
