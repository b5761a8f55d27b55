//! What a frame is for. RFC 6455 §5.2, §11.8.

use crate::error::ProtocolError;

/// The four bits that say what a frame is for (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// The next fragment of the message that is open (§5.4).
    Continuation = 0x0,
    /// A text message, or its first fragment (§5.6).
    Text = 0x1,
    /// A binary message, or its first fragment (§5.6).
    Binary = 0x2,
    /// The end of the conversation (§5.5.1).
    Close = 0x8,
    /// A question whether the peer is alive (§5.5.2).
    Ping = 0x9,
    /// The answer (§5.5.3).
    Pong = 0xA,
}

impl OpCode {
    /// Reads an opcode from the low four bits of `bits`.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::ReservedOpCode`] for 3–7 and 11–15.
    pub const fn parse(bits: u8) -> Result<Self, ProtocolError> {
        match bits & 0x0F {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            // §5.2: if an unknown opcode is received, the connection is failed.
            _ => Err(ProtocolError::ReservedOpCode),
        }
    }

    /// Whether this is a control frame: its most significant bit is 1 (§5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}
