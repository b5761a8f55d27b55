//! A server's terms: who may connect, and what is spoken. RFC 6455 §4.2.2.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{error::Error, fmt};

use super::{
    accept_key::accept_key,
    fault::Fault,
    grammar::is_token,
    headers::{FieldLines, InvalidHeader},
    offer::Offer,
    origin::OriginPolicy,
    rejection::Rejection,
    reply::Reply,
};
use crate::{
    config::Negotiated,
    deflate::{self, Params},
    text::Text,
};

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
    pub(super) fn apply(&self, offer: &Offer) -> Result<(Reply, Negotiated), Rejection> {
        // §4.2.2: 403 for an origin that is not acceptable.
        if !self.origin.allows(offer) {
            return Err(Fault::OriginNotAllowed.into());
        }
        let subprotocol = self.subprotocols.choose(offer)?;
        let mut fields = FieldLines::default();
        fields.write("Upgrade", b"websocket");
        fields.write("Connection", b"Upgrade");
        fields.write("Sec-WebSocket-Accept", &accept_key(offer.key()));
        if let Some(subprotocol) = subprotocol {
            fields.write("Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        let deflate = self.choose_deflate(offer);
        if let Some((_, answer)) = &deflate {
            fields.write("Sec-WebSocket-Extensions", answer.as_bytes());
        }
        fields.append(&self.fields);
        let negotiated = Negotiated {
            subprotocol: subprotocol.map(|name| Text::from(name.to_string())),
            deflate: deflate.map(|(params, _)| params),
        };
        Ok((Reply::new(101, &fields, b""), negotiated))
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

/// How a server chooses one of the subprotocols that a client offers (§1.9). The default is to choose none.
///
/// ```
/// use sansocket::handshake::Subprotocols;
///
/// let versions = Subprotocols::by_server(["chat.v2", "chat.v1"])?.required();
/// let newest = Subprotocols::by(|offer| offer.subprotocols().filter(|name| name.starts_with("chat.v")).max());
/// assert!(Subprotocols::by_client(["not a token"]).is_err());
/// # Ok::<(), sansocket::handshake::InvalidSubprotocol>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Subprotocols {
    choice: Choice,
    required: bool,
}

type ChoiceFn = dyn for<'a> Fn(&'a Offer) -> Option<&'a str> + Send + Sync;

#[derive(Clone, Default)]
enum Choice {
    #[default]
    None,
    ByServer(Vec<String>),
    ByClient(Vec<String>),
    By(Arc<ChoiceFn>),
}

impl Subprotocols {
    /// Chooses none, whatever is offered.
    pub fn none() -> Self {
        Self::default()
    }

    /// Chooses the first of these that the client offers.
    ///
    /// # Errors
    ///
    /// [`InvalidSubprotocol`] if one of them is not a token, or stands there twice.
    pub fn by_server<S: Into<String>>(
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidSubprotocol> {
        Ok(Self { choice: Choice::ByServer(unique_tokens(names)?), required: false })
    }

    /// Chooses the first that the client offers and that is one of these.
    ///
    /// # Errors
    ///
    /// [`InvalidSubprotocol`] if one of them is not a token, or stands there twice.
    pub fn by_client<S: Into<String>>(
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidSubprotocol> {
        Ok(Self { choice: Choice::ByClient(unique_tokens(names)?), required: false })
    }

    /// Chooses what the function says. A name that the client does not offer counts as none.
    pub fn by(choice: impl for<'a> Fn(&'a Offer) -> Option<&'a str> + Send + Sync + 'static) -> Self {
        Self { choice: Choice::By(Arc::new(choice)), required: false }
    }

    /// Refuses with 400 where none is chosen, instead of going on without a subprotocol.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn choose<'a>(&'a self, offer: &'a Offer) -> Result<Option<&'a str>, Fault> {
        let is_offered = |name: &&str| offer.subprotocols().any(|offered| offered == *name);
        let chosen = match &self.choice {
            Choice::None => None,
            Choice::ByServer(names) => names.iter().map(String::as_str).find(is_offered),
            Choice::ByClient(names) => {
                offer.subprotocols().find(|offered| names.iter().any(|name| name == offered))
            }
            // §4.2.2: the subprotocol is one that the client offered.
            Choice::By(choice) => choice(offer).filter(is_offered),
        };
        if chosen.is_none() && self.required { Err(Fault::SubprotocolUnknown) } else { Ok(chosen) }
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::ByServer(names) => f.debug_tuple("ByServer").field(names).finish(),
            Self::ByClient(names) => f.debug_tuple("ByClient").field(names).finish(),
            Self::By(_) => f.write_str("By"),
        }
    }
}

/// A subprotocol that cannot be negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidSubprotocol {
    /// The name is not a token.
    NotToken,
    /// The name is in the list already.
    Repeated,
}

impl fmt::Display for InvalidSubprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotToken => "subprotocol that is not a token",
            Self::Repeated => "subprotocol that is in the list already",
        })
    }
}

impl Error for InvalidSubprotocol {}

/// A list of subprotocols for the wire.
fn unique_tokens<S: Into<String>>(
    names: impl IntoIterator<Item = S>,
) -> Result<Vec<String>, InvalidSubprotocol> {
    names.into_iter().try_fold(Vec::new(), |list, name| with_subprotocol(list, name.into()))
}

/// The list with one more name.
pub(super) fn with_subprotocol(
    mut list: Vec<String>,
    name: String,
) -> Result<Vec<String>, InvalidSubprotocol> {
    if !is_token(name.as_bytes()) {
        return Err(InvalidSubprotocol::NotToken);
    }
    if list.contains(&name) {
        return Err(InvalidSubprotocol::Repeated);
    }
    list.push(name);
    Ok(list)
}
