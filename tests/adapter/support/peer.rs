//! A peer that speaks frames by hand, so that the adapter is not tested against itself.

use std::ops::Deref;

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Negotiated, Role,
    frame::{CloseFrame, Header, MaskingKey, OpCode},
    tokio::WebSocket,
};

use super::{Transport, Wire, transport};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The other end of a connection, by hand.
#[derive(Clone, Debug)]
pub struct Peer {
    wire: Wire,
    role: Role,
}

impl Deref for Peer {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

/// A server, and its client by hand.
pub fn server() -> (WebSocket<Transport>, Peer) {
    open(Role::Server, &Config::new())
}

/// A client, and its server by hand.
pub fn client() -> (WebSocket<Transport>, Peer) {
    open(Role::Client, &Config::new())
}

/// An open connection in this role, and its peer by hand.
pub fn open(role: Role, config: &Config) -> (WebSocket<Transport>, Peer) {
    let (io, wire) = transport();
    let mut count = 0_u32;
    let keys = move || {
        count += 1;
        count.wrapping_mul(0x9E37_79B9).to_be_bytes()
    };
    let (connection, role) = match role {
        Role::Client => (Connection::client(config, Negotiated::default(), keys), Role::Server),
        Role::Server => (Connection::server(config, Negotiated::default()), Role::Client),
    };
    (WebSocket::from_parts(io, connection, BytesMut::new()), Peer { wire, role })
}

impl Peer {
    pub fn new(wire: Wire, role: Role) -> Self {
        Self { wire, role }
    }

    pub fn text(&self, text: &str) {
        self.put(self.frame(OpCode::Text, text.as_bytes()));
    }

    pub fn ping(&self, payload: &str) {
        self.put(self.frame(OpCode::Ping, payload.as_bytes()));
    }

    pub fn pong(&self, payload: &str) {
        self.put(self.frame(OpCode::Pong, payload.as_bytes()));
    }

    pub fn close(&self, code: u16) {
        self.put(self.close_frame(code));
    }

    pub fn close_frame(&self, code: u16) -> Vec<u8> {
        self.frame(OpCode::Close, &code.to_be_bytes())
    }

    /// A frame that ends its message.
    pub fn frame(&self, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
        self.fragment(true, opcode, payload)
    }

    pub fn fragment(&self, fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
        let mut key = (self.role == Role::Client).then_some(MaskingKey::new(KEY));
        let header = Header { fin, rsv: 0, opcode, masking_key: key, payload_len: payload.len() as u64 };
        let mut frame = Vec::new();
        header.write(&mut frame);
        match &mut key {
            Some(key) => key.apply_onto(payload, &mut frame),
            None => frame.extend_from_slice(payload),
        }
        frame
    }

    /// Everything heard, a word and the payload for each frame: `text Hello`, `pong 1`, `close 1000 bye`. A frame
    /// that has not all come is the last word, `…`.
    pub fn heard(&self) -> Vec<String> {
        self.heard_in(&self.written())
    }

    /// The frames in these bytes.
    pub fn heard_in(&self, mut bytes: &[u8]) -> Vec<String> {
        let mut heard = Vec::new();
        while !bytes.is_empty() {
            let Some((header, len)) = Header::parse(bytes).expect("a valid header") else { break };
            let end = len + header.payload_len as usize;
            if bytes.len() < end {
                break;
            }
            assert_eq!(header.masking_key.is_some(), self.role == Role::Server, "masks as its role has to");
            let mut payload = bytes[len..end].to_vec();
            header.masking_key.unwrap_or_default().apply(&mut payload);
            heard.push(word(&header, &payload));
            bytes = &bytes[end..];
        }
        if !bytes.is_empty() {
            heard.push("…".into());
        }
        heard
    }
}

fn word(header: &Header, payload: &[u8]) -> String {
    let fin = if header.fin { "" } else { "+" };
    let text = String::from_utf8_lossy(payload);
    match header.opcode {
        OpCode::Continuation => format!("continuation{fin} {text}"),
        OpCode::Text => format!("text{fin} {text}"),
        OpCode::Binary if payload.len() > 64 => format!("binary{fin} of {}", payload.len()),
        OpCode::Binary => format!("binary{fin} {text}"),
        OpCode::Ping => format!("ping {text}"),
        OpCode::Pong => format!("pong {text}"),
        OpCode::Close => match CloseFrame::parse(payload).expect("a valid close frame") {
            Some(frame) if frame.reason().is_empty() => format!("close {}", frame.code()),
            Some(frame) => format!("close {} {}", frame.code(), frame.reason()),
            None => "close".into(),
        },
    }
}
