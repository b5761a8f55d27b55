//! Which subprotocol is spoken. RFC 6455 §1.9, §4.2.2.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{error::Error, fmt};

use super::{fault::Fault, grammar::is_token, offer::Offer};

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

    pub(super) fn choose<'a>(&'a self, offer: &'a Offer) -> Result<Option<&'a str>, Fault> {
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
