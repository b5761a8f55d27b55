//! The parameters of permessage-deflate: offers, answers, and what they agree on. RFC 7692 §7.1.

use alloc::{format, string::String};
use core::fmt;

use super::Direction;

/// The name of the extension (§7).
pub(crate) const NAME: &str = "permessage-deflate";

/// The size of an LZ77 window, as the base-2 logarithm of its bytes: 8 to 15, which is 256 bytes to 32 KiB (§7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// The largest window: 32 KiB.
    pub const MAX: Self = Self(15);
    /// The smallest window that the encoder can keep to: 512 bytes.
    pub(crate) const MIN_ENCODER: Self = Self(9);

    /// A window of 2 to the power of `bits` bytes; `None` outside 8 to 15.
    pub const fn new(bits: u8) -> Option<Self> {
        if matches!(bits, 8..=15) { Some(Self(bits)) } else { None }
    }

    /// The base-2 logarithm of the size in bytes.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// §7.1.2: a decimal number without leading zeros.
    fn parse(digits: &str) -> Option<Self> {
        let is_plain = matches!(digits.as_bytes(), [b'8' | b'9'] | [b'1', b'0'..=b'5']);
        digits.parse().ok().filter(|_| is_plain).and_then(Self::new)
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How the messages of each end are compressed (§7.1).
///
/// As terms of an endpoint they say what it asks for, where less memory than this is always accepted; after the
/// opening handshake they are what was agreed on. The default keeps contexts, and the largest windows.
///
/// The window of an end sizes the memory of its compressor. Inflation takes 32 KiB whatever the window of the peer is.
///
/// ```
/// use sansocket::deflate::{Params, WindowBits};
///
/// // A server that holds no state between messages, and compresses in windows of 4 KiB.
/// let params = Params::new()
///     .server_no_context_takeover()
///     .client_no_context_takeover()
///     .server_max_window_bits(WindowBits::new(12).expect("8 to 15"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    server: Direction,
    client: Direction,
}

impl Default for Params {
    fn default() -> Self {
        Self::new()
    }
}

impl Params {
    /// Context takeover at both ends, and the largest windows.
    pub const fn new() -> Self {
        let direction = Direction { takeover: true, window: WindowBits::MAX };
        Self { server: direction, client: direction }
    }

    /// The server begins each message anew (§7.1.1.1).
    pub const fn server_no_context_takeover(mut self) -> Self {
        self.server.takeover = false;
        self
    }

    /// The client begins each message anew (§7.1.1.2).
    pub const fn client_no_context_takeover(mut self) -> Self {
        self.client.takeover = false;
        self
    }

    /// The largest window of the server's compressor (§7.1.2.1).
    pub const fn server_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.server.window = bits;
        self
    }

    /// The largest window of the client's compressor (§7.1.2.2).
    pub const fn client_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.client.window = bits;
        self
    }

    /// What the server does with its messages.
    pub(crate) const fn server(&self) -> Direction {
        self.server
    }

    /// What the client does with its messages.
    pub(crate) const fn client(&self) -> Direction {
        self.client
    }

    /// A client's offer of these terms.
    pub(crate) fn offer(&self) -> String {
        let mut offer = self.write_takeover();
        if self.server.window < WindowBits::MAX {
            offer += &format!("; server_max_window_bits={}", self.server.window);
        }
        // §7.1.2.2: the hint that the client can be told a window, and the largest one that it will use.
        offer += "; client_max_window_bits";
        if self.client.window < WindowBits::MAX {
            offer += &format!("={}", self.client.window);
        }
        offer
    }

    /// A server's answer to one offer on these terms, and what is then agreed; `None` declines it.
    pub(crate) fn accept<'a>(
        &self,
        offer: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Option<(Self, String)> {
        // §7.1: an offer with a parameter that is unknown, repeated or has an invalid value is declined.
        let offer = Given::parse(offer)?;
        let agreed = Self {
            server: Direction {
                takeover: self.server.takeover && !offer.server_no_context_takeover,
                window: self.server.window.min(offer.server_window()),
            },
            client: Direction {
                takeover: self.client.takeover && !offer.client_no_context_takeover,
                window: self.client.window.min(offer.client_window()),
            },
        };
        // §7.1.2.1: a window is only promised if the encoder keeps to it.
        if agreed.server.window < WindowBits::MIN_ENCODER {
            return None;
        }
        let mut answer = agreed.write_takeover();
        // §7.1.2.1: the parameter is accepted by including it, and may be included unasked.
        if offer.server_max_window_bits.is_some() || agreed.server.window < WindowBits::MAX {
            answer += &format!("; server_max_window_bits={}", agreed.server.window);
        }
        if agreed.client.window < WindowBits::MAX {
            // §7.1.2.2: never unasked.
            offer.client_max_window_bits?;
            answer += &format!("; client_max_window_bits={}", agreed.client.window);
        }
        Some((agreed, answer))
    }

    /// What a server's answer to an offer of these terms agrees on; `None` if it is no valid answer.
    pub(crate) fn agree<'a>(
        &self,
        answer: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Option<Self> {
        // §7.1: an answer with a parameter that is unknown, repeated or has an invalid value fails the connection.
        let answer = Given::parse(answer)?;
        // §7.1.2.2: in an answer the parameter has a value.
        let client_window = answer.client_max_window_bits.unwrap_or(Some(WindowBits::MAX))?;
        let agreed = Self {
            server: Direction {
                takeover: !answer.server_no_context_takeover,
                window: answer.server_window(),
            },
            client: Direction {
                takeover: self.client.takeover && !answer.client_no_context_takeover,
                window: self.client.window.min(client_window),
            },
        };
        // §7.1.1.1, §7.1.2.1: what the client asked of the server is accepted as asked, or not at all.
        let is_kept =
            (self.server.takeover || !agreed.server.takeover) && agreed.server.window <= self.server.window;
        // §7.1.2.2: a window larger than offered is no answer to the offer.
        let is_within = answer.client_max_window_bits.is_none() || client_window <= self.client.window;
        (is_kept && is_within).then_some(agreed)
    }

    fn write_takeover(&self) -> String {
        let mut written = String::from(NAME);
        if !self.server.takeover {
            written += "; server_no_context_takeover";
        }
        if !self.client.takeover {
            written += "; client_no_context_takeover";
        }
        written
    }
}

/// The parameters that stand in an offer or in an answer.
#[derive(Debug, Default)]
struct Given {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// Without a value it is a hint, in an offer.
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Given {
    fn parse<'a>(params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Option<Self> {
        let mut given = Self::default();
        for (name, value) in params {
            let is_new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    !core::mem::replace(&mut given.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !core::mem::replace(&mut given.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(bits)) => {
                    given.server_max_window_bits.replace(WindowBits::parse(bits)?).is_none()
                }
                ("client_max_window_bits", Some(bits)) => {
                    given.client_max_window_bits.replace(Some(WindowBits::parse(bits)?)).is_none()
                }
                ("client_max_window_bits", None) => given.client_max_window_bits.replace(None).is_none(),
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(given)
    }

    fn server_window(&self) -> WindowBits {
        self.server_max_window_bits.unwrap_or(WindowBits::MAX)
    }

    fn client_window(&self) -> WindowBits {
        self.client_max_window_bits.flatten().unwrap_or(WindowBits::MAX)
    }
}
