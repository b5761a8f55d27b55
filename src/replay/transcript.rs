//! What a replay gives: what the connection heard, and what was said.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, time::Duration};

use bytes::Bytes;

use super::{time::Seconds, write::Hex};
use crate::{
    error::{ProtocolError, SendError, TimedOut},
    event::{Event, Message},
    frame::{CloseFrame, OpCode},
};

/// A longer payload is shown with its middle left out.
const SHOWN: usize = 160;

/// What a connection heard and said, with times.
///
/// [`Display`](fmt::Display) writes a line for each entry.
///
/// ```
/// use sansocket::replay::Session;
///
/// let session: Session = "\
/// sansocket session 1
/// role client
/// 0.25 < 8900
/// 0.25 > 8a80 00000000
/// 0.5 > 8182 37fa213d 5f93
/// 0.5 end
/// "
/// .parse()?;
/// assert_eq!(session.replay().to_string(), "\
/// 0.250000000 hears ping 0
/// 0.250000000 says pong 0
/// 0.500000000 sends text 2 \"hi\"
/// ");
/// assert!(session.replay().is_faithful());
/// # Ok::<(), sansocket::replay::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    pub(super) entries: Vec<Entry>,
    pub(super) output: Bytes,
}

/// What happened at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time since the recording began.
    pub at: Duration,
    /// What happened.
    pub what: What,
}

/// What can happen in a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// `hears`: an event, with messages whole.
    Hears(Event),
    /// `says`: a frame that the machine makes by itself.
    Says(Frame),
    /// `sends`: a frame of the application, recovered from the recording.
    Sends(Frame),
    /// `begins`: a frame of the application, announced with a payload of this length and never written to its end.
    Begins(OpCode, u64),
    /// `ends`: the stream has ended, or cannot be read.
    Ends,
    /// `breaks`: the stream cannot be written to.
    Breaks,
    /// `fails`: the peer broke a rule.
    Fails(ProtocolError),
    /// `expires`: a deadline passed.
    Expires(TimedOut),
    /// `refuses`: what the application sent then is not accepted now.
    Refuses(SendError),
    /// `differs`: a frame of the recording and the one that is sent now; `None` for none.
    Differs(Option<Frame>, Option<Frame>),
    /// `unreadable`: the bytes written, from this one on, are no frames of this role.
    Unreadable(usize),
    /// `cut off`: the recording has no end.
    CutOff,
}

/// A frame as it was meant: unmasked, and inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the frame is for.
    pub opcode: OpCode,
    /// Whether it ends its message.
    pub fin: bool,
    /// Whether its message is compressed.
    pub compressed: bool,
    /// The payload.
    pub payload: Bytes,
}

impl Transcript {
    /// What happened, in the order in which the connection was told; differences stand behind.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the connection heard, without the times.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            What::Hears(event) => Some(event),
            _ => None,
        })
    }

    /// A line for each entry.
    pub fn lines(&self) -> Vec<String> {
        self.entries.iter().map(ToString::to_string).collect()
    }

    /// All that is said now, as bytes, in the order of now: where both voices speak in the order of the recording, it begins
    /// with what was written, masking keys included.
    ///
    /// ```
    /// use sansocket::replay::Session;
    ///
    /// let session: Session = "sansocket session 1\nrole server\n0.5 < 898000000000\n0.5 end".parse()?;
    /// assert_eq!(session.replay().output(), &b"\x8a\x00"[..]);
    /// # Ok::<(), sansocket::replay::ParseError>(())
    /// ```
    pub const fn output(&self) -> &Bytes {
        &self.output
    }

    /// Whether the machine says now what it said when it was recorded.
    pub fn is_faithful(&self) -> bool {
        let is_fault =
            |what: &What| matches!(what, What::Refuses(_) | What::Differs(..) | What::Unreadable(_));
        !self.entries.iter().any(|entry| is_fault(&entry.what))
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Seconds(self.at), self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hears(event) => write_event(f, event),
            Self::Says(frame) => write!(f, "says {frame}"),
            Self::Sends(frame) => write!(f, "sends {frame}"),
            Self::Begins(opcode, len) => write!(f, "begins {} of {len} bytes", name(*opcode)),
            Self::Ends => f.write_str("ends"),
            Self::Breaks => f.write_str("breaks"),
            Self::Fails(error) => write!(f, "fails {} {error:?}: {error}", error.close_code()),
            Self::Expires(timed_out) => write!(f, "expires {timed_out:?}: {timed_out}"),
            Self::Refuses(error) => write!(f, "refuses {error:?}: {error}"),
            Self::Differs(then, now) => write!(f, "differs then {}, now {}", Named(then), Named(now)),
            Self::Unreadable(from) => write!(f, "unreadable from byte {from} of the output on"),
            Self::CutOff => f.write_str("cut off"),
        }
    }
}

fn write_event(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    match event {
        Event::Data(Message::Text(text)) => write!(f, "hears text {}", Payload(text.as_bytes())),
        Event::Data(Message::Binary(data)) => write!(f, "hears binary {}", Payload(data)),
        Event::Ping(payload) => write!(f, "hears ping {}", Payload(payload)),
        Event::Pong(payload) => write!(f, "hears pong {}", Payload(payload)),
        Event::Close(frame) => write!(f, "hears close{}", Close(frame.as_ref())),
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (OpCode::Close, Ok(frame)) = (self.opcode, CloseFrame::parse(&self.payload)) {
            return write!(f, "close{}", Close(frame.as_ref()));
        }
        let (more, compressed) =
            (if self.fin { "" } else { "+" }, if self.compressed { " compressed" } else { "" });
        write!(f, "{}{more} {}{compressed}", name(self.opcode), Payload(&self.payload))
    }
}

const fn name(opcode: OpCode) -> &'static str {
    match opcode {
        OpCode::Continuation => "continuation",
        OpCode::Text => "text",
        OpCode::Binary => "binary",
        OpCode::Close => "close",
        OpCode::Ping => "ping",
        OpCode::Pong => "pong",
    }
}

/// A frame, or none.
struct Named<'a>(&'a Option<Frame>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(frame) => frame.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

struct Close<'a>(Option<&'a CloseFrame>);

impl fmt::Display for Close<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(frame) => write!(f, " {} {}", frame.code(), Quoted(frame.reason())),
            None => Ok(()),
        }
    }
}

/// The length, and the bytes: in quotes if they are text, else as digits.
struct Payload<'a>(&'a [u8]);

impl fmt::Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.len())?;
        let is_readable =
            |text: &&str| !text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
        let text = core::str::from_utf8(self.0).ok().filter(is_readable);
        match text {
            Some("") => Ok(()),
            Some(text) if text.len() <= SHOWN => write!(f, " {}", Quoted(text)),
            Some(text) => {
                let (front, back) = (floor(text, SHOWN / 2), floor(text, text.len() - SHOWN / 4));
                write!(f, " {}…{}", Quoted(&text[..front]), Quoted(&text[back..]))
            }
            None if self.0.len() <= SHOWN => write!(f, " {}", Hex(self.0)),
            None => write!(f, " {}…{}", Hex(&self.0[..SHOWN / 2]), Hex(&self.0[self.0.len() - SHOWN / 4..])),
        }?;
        // What is left out counts all the same.
        if self.0.len() > SHOWN { write!(f, " #{:016x}", fingerprint(self.0)) } else { Ok(()) }
    }
}

/// The last boundary between two characters up to here.
fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// FNV-1a, 64 bits: not against malice, but against a change.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Text in quotes on one line, escaped in a way that no version of Unicode changes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            // Line separators end a line for some readers.
            if c.is_control() || matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}') {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        f.write_str("\"")
    }
}
