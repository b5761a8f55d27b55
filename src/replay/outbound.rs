//! Bytes that were written, taken apart again into the frames that were meant.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Fact, Frame, Session};
use crate::{
    config::{Config, Negotiated, Role},
    connection::Connection,
    error::ProtocolError,
    event::{Event, Kind},
    frame::{Header, MAX_CONTROL, OpCode, RSV1},
    receive::Receiver,
};

/// A frame that was written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) frame: Frame,
    /// The kind of its message; of a control frame, nothing that counts.
    pub(super) kind: Kind,
    /// Whether it is a message of its own, and compression has not made it smaller.
    pub(super) is_inflated: bool,
    /// Of a frame of which only a part was written: the length of its payload as it was announced.
    pub(super) announced: Option<u64>,
    pub(super) key: [u8; 4],
    /// Where its first byte stands in the output, and when that was written.
    pub(super) start: usize,
    pub(super) at: Duration,
}

/// The frames in some output, and where it is none any more.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) frames: Vec<Written>,
    pub(super) unreadable: Option<usize>,
}

/// Takes apart what a session has written.
pub(super) fn recorded(session: &Session) -> Output {
    let mut bytes = BytesMut::new();
    let mut starts = Vec::new();
    for line in &session.lines {
        if let Fact::Wrote(wrote) = &line.fact {
            starts.push((bytes.len(), line.at));
            bytes.extend_from_slice(wrote);
        }
    }
    let mut output = take_apart(bytes, session.role, &session.negotiated);
    let mut starts = starts.into_iter().peekable();
    let mut at = Duration::ZERO;
    for written in &mut output.frames {
        while let Some((_, later)) = starts.next_if(|(start, _)| *start <= written.start) {
            at = later;
        }
        written.at = at;
    }
    output
}

/// Takes apart the output of one end. What is left of a control frame at the end is none.
pub(super) fn take_apart(mut bytes: BytesMut, role: Role, negotiated: &Negotiated) -> Output {
    let mut peer = Peer { role, receiver: receiver(role, negotiated), kind: Kind::Binary, compressed: false };
    let mut output = Output::default();
    let mut start = 0;
    loop {
        let (header, len) = match Header::parse(&bytes) {
            Ok(Some((header, header_len))) => match usize::try_from(header.payload_len) {
                Ok(payload_len) => (header, header_len.saturating_add(payload_len)),
                Err(_) => break,
            },
            Ok(None) => break,
            Err(_) => return Output { unreadable: Some(start), ..output },
        };
        if bytes.len() < len {
            if !header.opcode.is_control() {
                output.frames.push(peer.part(&header, bytes.len(), start));
            }
            break;
        }
        match peer.take(&header, bytes.split_to(len)) {
            Ok(written) => output.frames.push(Written { start, ..written }),
            Err(_) => return Output { unreadable: Some(start), ..output },
        }
        start += len;
    }
    output
}

/// The end that hears the output of this role: it takes the data frames only, and all of them, behind a Close frame too.
struct Peer {
    role: Role,
    receiver: Receiver,
    kind: Kind,
    compressed: bool,
}

impl Peer {
    fn take(&mut self, header: &Header, bytes: BytesMut) -> Result<Written, ProtocolError> {
        let is_control = header.opcode.is_control();
        let payload = if is_control { self.unmask(header, &bytes)? } else { self.receive(bytes)? };
        let begun = kind(header.opcode);
        if let Some(kind) = begun {
            (self.kind, self.compressed) = (kind, header.rsv & RSV1 != 0);
        }
        let compressed = !is_control && self.compressed;
        let is_whole = begun.is_some() && header.fin;
        let is_inflated = compressed && is_whole && header.payload_len >= payload.len() as u64;
        let key = header.masking_key.map_or([0; 4], |key| key.to_bytes());
        let frame = Frame { opcode: header.opcode, fin: header.fin, compressed, payload };
        Ok(Written {
            frame,
            kind: self.kind,
            is_inflated,
            announced: None,
            key,
            start: 0,
            at: Duration::ZERO,
        })
    }

    /// A data frame of which `len` bytes are there. What it says is not known, but that some of it waits.
    fn part(&self, header: &Header, len: usize, start: usize) -> Written {
        let payload = vec![b'.'; len + Header::MAX_LEN].into();
        let frame = Frame { opcode: header.opcode, fin: header.fin, compressed: false, payload };
        let (key, at) = ([0; 4], Duration::ZERO);
        let (announced, kind) = (Some(header.payload_len), kind(header.opcode).unwrap_or(self.kind));
        Written { frame, kind, is_inflated: false, announced, key, start, at }
    }

    fn unmask(&self, header: &Header, bytes: &[u8]) -> Result<Bytes, ProtocolError> {
        match (header.masking_key.is_some(), self.role) {
            (true, Role::Server) => Err(ProtocolError::MaskedFromServer),
            (false, Role::Client) => Err(ProtocolError::UnmaskedFromClient),
            _ if !header.fin => Err(ProtocolError::ControlFragmented),
            _ if header.rsv != 0 => Err(ProtocolError::ReservedBit),
            _ => unmask(header, bytes),
        }
    }

    /// All that one data frame says: it ends in a flush, so nothing is left behind.
    fn receive(&mut self, mut bytes: BytesMut) -> Result<Bytes, ProtocolError> {
        let mut payload = BytesMut::new();
        while let Some(event) = self.receiver.receive_chunk(&mut bytes)? {
            if let Event::Data(chunk) = event {
                payload.extend_from_slice(&chunk.data);
            }
        }
        Ok(payload.freeze())
    }
}

/// The kind of the message that a frame begins, if it begins one.
const fn kind(opcode: OpCode) -> Option<Kind> {
    match opcode {
        OpCode::Text => Some(Kind::Text),
        OpCode::Binary => Some(Kind::Binary),
        OpCode::Continuation | OpCode::Close | OpCode::Ping | OpCode::Pong => None,
    }
}

fn unmask(header: &Header, bytes: &[u8]) -> Result<Bytes, ProtocolError> {
    let len = header.payload_len as usize;
    if len > MAX_CONTROL {
        return Err(ProtocolError::ControlTooLong);
    }
    let mut payload = BytesMut::from(&bytes[bytes.len() - len..]);
    header.masking_key.unwrap_or_default().apply(&mut payload);
    Ok(payload.freeze())
}

/// The control frames at the front of these bytes, and nothing behind anything else.
pub(super) fn control_frames(mut bytes: &[u8]) -> impl Iterator<Item = Frame> {
    core::iter::from_fn(move || {
        let (header, header_len) = Header::parse(bytes).ok().flatten()?;
        let len = header_len.checked_add(usize::try_from(header.payload_len).ok()?)?;
        let payload = unmask(&header, bytes.get(..len)?).ok()?;
        bytes = &bytes[len..];
        Some(Frame { opcode: header.opcode, fin: header.fin, compressed: false, payload })
    })
}

/// The receiver of the other end, without limits.
fn receiver(role: Role, negotiated: &Negotiated) -> Receiver {
    let mut config = Config::new().max_message(u64::MAX);
    config.limits.fragments = u32::MAX;
    let connection = match role {
        Role::Client => Connection::server(&config, negotiated.clone()),
        Role::Server => Connection::client(&config, negotiated.clone(), || [0; 4]),
    };
    connection.into_halves().0
}
