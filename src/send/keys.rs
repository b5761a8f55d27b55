//! Where masking keys come from. RFC 6455 §5.3.

use alloc::boxed::Box;
use core::fmt;

use crate::frame::MaskingKey;

/// In two boxes: a server, which has none, is smaller for it.
type Draw = Box<dyn FnMut() -> [u8; 4] + Send + Sync>;

/// Where masking keys come from: only a client has any (§5.1).
pub(super) enum Keys {
    Server,
    Client(Box<Draw>),
}

impl Keys {
    /// The length of a control frame's header.
    pub(super) const fn header_len(&self) -> usize {
        match self {
            Self::Server => 2,
            Self::Client(_) => 6,
        }
    }

    pub(super) const fn is_client(&self) -> bool {
        matches!(self, Self::Client(_))
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<MaskingKey> {
        match self {
            Self::Server => None,
            // §5.3: each frame has a fresh key.
            Self::Client(keys) => Some(MaskingKey::new(keys())),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "Server",
            Self::Client(_) => "Client",
        })
    }
}
