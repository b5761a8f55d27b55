//! Close codes and the payload of a Close frame. RFC 6455 §5.5.1, §7.4.

use bytes::{BufMut, Bytes};

use super::MAX_CONTROL;
use crate::{
    error::{ProtocolError, SendError},
    text::Text,
};

/// The longest reason: what a control frame holds, less the code.
const MAX_REASON: usize = MAX_CONTROL - 2;

/// Why a connection ends, as a number (§7.4).
///
/// Some codes are for the wire, some may only be *seen*, in an API: [`is_sendable`](Self::is_sendable).
///
/// ```
/// use sansocket::CloseCode;
///
/// assert!(CloseCode::NORMAL.is_sendable());
/// assert!(!CloseCode::NO_STATUS.is_sendable());
/// assert!(CloseCode::from(4000).is_sendable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that this endpoint does not accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: a Close frame without a code. Only seen.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Only seen.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that does not fit the type of its message, as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message that breaks this endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message that is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client that needed an extension which the server did not accept.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: a server that met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts; come back later.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Only seen.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Whether an endpoint may put this code into a Close frame (§7.4.1, §7.4.2).
    pub const fn is_sendable(self) -> bool {
        // §7.4.1: 1004 is reserved; 1005, 1006 and 1015 are never set in a Close frame.
        // §7.4.2: 3000–3999 are for libraries, 4000–4999 for applications; the rest is not in use.
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl core::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

/// A close code and a reason: what a Close frame with a payload says (§5.5.1).
///
/// A value of this type can always be sent: its code may be on the wire, and its reason fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Text,
}

impl CloseFrame {
    /// A Close frame with 1000 and no reason.
    pub const NORMAL: Self = Self { code: CloseCode::NORMAL, reason: Text::from_static("") };

    /// A Close frame with this code and reason.
    ///
    /// # Errors
    ///
    /// [`SendError::CodeNotSendable`], and [`SendError::ReasonTooLong`] above 123 bytes.
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<Text>) -> Result<Self, SendError> {
        let (code, reason) = (code.into(), reason.into());
        if !code.is_sendable() {
            return Err(SendError::CodeNotSendable);
        }
        if reason.as_bytes().len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        Ok(Self { code, reason })
    }

    /// A Close frame with this code and as much of the reason as fits: it is cut between two characters.
    ///
    /// # Errors
    ///
    /// [`SendError::CodeNotSendable`].
    pub fn cropped(code: impl Into<CloseCode>, reason: &str) -> Result<Self, SendError> {
        let boundary = |&at: &usize| reason.is_char_boundary(at);
        let end = (0..=MAX_REASON.min(reason.len())).rev().find(boundary).unwrap_or(0);
        Self::new(code, Text::from_validated(Bytes::copy_from_slice(&reason.as_bytes()[..end])))
    }

    /// The same code without the reason.
    pub(crate) fn without_reason(&self) -> Self {
        Self { code: self.code, reason: Text::default() }
    }

    /// What the peer is told about its breach; `None` where there is nobody left to tell.
    pub fn for_error(error: ProtocolError) -> Option<Self> {
        Self::new(error.close_code(), error.as_str()).ok()
    }

    /// Reads the payload of a Close frame; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::ControlTooLong`], [`ProtocolError::ClosePayloadOneByte`],
    /// [`ProtocolError::CloseCodeInvalid`] and [`ProtocolError::CloseReasonNotUtf8`].
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        if payload.len() > MAX_CONTROL {
            return Err(ProtocolError::ControlTooLong);
        }
        if payload.is_empty() {
            return Ok(None);
        }
        // §5.5.1: if there is a body, its first two bytes are the code.
        let Some((code, reason)) = payload.split_first_chunk() else {
            return Err(ProtocolError::ClosePayloadOneByte);
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.is_sendable() {
            return Err(ProtocolError::CloseCodeInvalid);
        }
        let reason = Text::try_from(Bytes::copy_from_slice(reason));
        // §5.5.1, §8.1: the reason is UTF-8.
        Ok(Some(Self { code, reason: reason.map_err(|_| ProtocolError::CloseReasonNotUtf8)? }))
    }

    /// Writes the payload of a Close frame.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_u16(self.code.0);
        out.put_slice(self.reason.as_bytes());
    }

    /// The code.
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, often empty. It is for logs, not for people (§5.5.1).
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
