//! The receiver's naive twin: it looks at all the bytes at once, byte by byte, and keeps no state between calls.
//! RFC 6455 §6.2.

use bytes::Bytes;
use sansocket::{CloseCode, CloseFrame, Event, Limits, Message, ProtocolError, Role, Text};

/// What a connection hears if these bytes are all that the peer sends.
pub(crate) fn reference(wire: &[u8], role: Role, limits: &Limits) -> (Vec<Event>, Option<ProtocolError>) {
    let mut reference = Reference { role, limits, wire, message: None, events: Vec::new() };
    let mut error = None;
    while !matches!(reference.events.last(), Some(Event::Close(_))) {
        match reference.frame() {
            Some(Ok(())) => {}
            Some(Err(broken)) => {
                error = Some(broken);
                break;
            }
            None => break,
        }
    }
    (reference.events, error)
}

struct Reference<'a> {
    role: Role,
    limits: &'a Limits,
    wire: &'a [u8],
    message: Option<OpenMessage>,
    events: Vec<Event>,
}

struct OpenMessage {
    is_text: bool,
    payload: Vec<u8>,
    fragments: u32,
}

impl Reference<'_> {
    /// Takes one frame; `None` if it has not all arrived and nothing speaks against it yet.
    fn frame(&mut self) -> Option<Result<(), ProtocolError>> {
        let (first, second) = (*self.wire.first()?, *self.wire.get(1)?);
        if let Err(error) = self.judge_start(first, second) {
            return Some(Err(error));
        }
        let (len, len_end) = match second & 0x7F {
            126 => (number(self.wire.get(2..4)?), 4),
            127 => (number(self.wire.get(2..10)?), 10),
            short => (short.into(), 2),
        };
        if let Err(error) = self.judge_len(first & 0xF, second & 0x7F, len) {
            return Some(Err(error));
        }
        let (key, start) = match self.role {
            Role::Client => (&[0; 4][..], len_end),
            Role::Server => (self.wire.get(len_end..len_end + 4)?, len_end + 4),
        };
        let masked = self.wire[start..].iter().take(len.try_into().unwrap_or(usize::MAX));
        let payload: Vec<u8> = masked.zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        let is_whole = payload.len() as u64 == len;
        self.wire = &self.wire[start + payload.len()..];
        if first & 0x8 != 0 {
            return is_whole.then(|| self.control(first & 0xF, payload));
        }
        Some(self.data(first, payload, is_whole)).filter(|verdict| is_whole || verdict.is_err())
    }

    fn judge_start(&self, first: u8, second: u8) -> Result<(), ProtocolError> {
        let (fin, opcode, masked) = (first & 0x80 != 0, first & 0xF, second & 0x80 != 0);
        match (opcode, &self.message) {
            (3..=7 | 11..=15, _) => Err(ProtocolError::ReservedOpCode),
            _ if !masked && self.role == Role::Server => Err(ProtocolError::UnmaskedFromClient),
            _ if masked && self.role == Role::Client => Err(ProtocolError::MaskedFromServer),
            _ if first & 0x70 != 0 => Err(ProtocolError::ReservedBit),
            (8.., _) if !fin => Err(ProtocolError::ControlFragmented),
            (8.., _) if second & 0x7F > 125 => Err(ProtocolError::ControlTooLong),
            (0, None) => Err(ProtocolError::ContinuationWithoutStart),
            (0, Some(message)) if message.fragments >= self.limits.fragments => {
                Err(ProtocolError::TooManyFragments)
            }
            (1 | 2, Some(_)) => Err(ProtocolError::MessageInsideMessage),
            _ => Ok(()),
        }
    }

    fn judge_len(&self, opcode: u8, form: u8, len: u64) -> Result<(), ProtocolError> {
        let so_far = self.message.as_ref().map_or(0, |message| message.payload.len() as u64);
        match form {
            126 if len < 126 => Err(ProtocolError::LengthNotMinimal),
            127 if len < 0x1_0000 => Err(ProtocolError::LengthNotMinimal),
            127 if len >> 63 != 0 => Err(ProtocolError::LengthOutOfRange),
            _ if opcode >= 8 => Ok(()),
            _ if len > self.limits.frame => Err(ProtocolError::FrameTooLarge),
            _ if len.saturating_add(so_far) > self.limits.message => Err(ProtocolError::MessageTooLarge),
            _ => Ok(()),
        }
    }

    fn control(&mut self, opcode: u8, payload: Vec<u8>) -> Result<(), ProtocolError> {
        self.events.push(match opcode {
            9 => Event::Ping(payload.into()),
            10 => Event::Pong(payload.into()),
            _ => Event::Close(close(&payload)?),
        });
        Ok(())
    }

    fn data(&mut self, first: u8, payload: Vec<u8>, is_whole: bool) -> Result<(), ProtocolError> {
        let new = || OpenMessage { is_text: first & 0xF == 1, payload: Vec::new(), fragments: 0 };
        let mut message = self.message.take().unwrap_or_else(new);
        message.payload.extend(payload);
        message.fragments += 1;
        let is_over = is_whole && first & 0x80 != 0;
        if message.is_text
            && let Err(error) = core::str::from_utf8(&message.payload)
            && (is_over || error.error_len().is_some())
        {
            return Err(ProtocolError::TextNotUtf8);
        }
        if is_over {
            self.events.push(Event::Data(message.finish()));
        } else {
            self.message = Some(message);
        }
        Ok(())
    }
}

impl OpenMessage {
    fn finish(self) -> Message {
        if self.is_text {
            Message::from(String::from_utf8(self.payload).expect("validated"))
        } else {
            Message::from(self.payload)
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn close(payload: &[u8]) -> Result<Option<CloseFrame>, ProtocolError> {
    match payload {
        [] => Ok(None),
        [_] => Err(ProtocolError::ClosePayloadOneByte),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // §7.4.1, §7.4.2
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(ProtocolError::CloseCodeInvalid);
            }
            let reason = Text::try_from(Bytes::copy_from_slice(reason));
            let reason = reason.map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
            Ok(CloseFrame::new(CloseCode::from(code), reason).ok())
        }
    }
}
