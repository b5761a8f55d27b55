//! The table language: one line is one conversation.
//!
//! ```text
//! server < 81 85 37fa213d 7f9f4d5158                | text Hello
//! client < [text- "Hel"] [ping "p"] [cont "lo"]     | ping "p", text Hello > [pong "p"]
//! server frame=4 < [text "Hello"]                   | ! 1009 FrameTooLarge
//! client < {close 1000} (closing read) [close 1000] | close 1000 > [close 1000]
//! ```
//!
//! In front of `<` stands who we are, with limits (`message=`, `frame=`, `fragments=`, `unsent=`, `control=`,
//! `ratio=`), with `pings=shown` if we answer them, and, where `deflate` or one of its parameters (`no-takeover`, `server-no-takeover`, `client-no-takeover`,
//! `server-bits=`, `client-bits=`) stands, compression as agreed, and what of it we use: `compress=always`,
//! `compress=never` or from how many bytes, `level=`.
//!
//! Between `<` and `|`, in order, what happens:
//!
//! - bytes that come in: `81 37fa` in hex, `"Hello"` as text (`\u{20ac}` in it is a character), `00*125` or `"a"*9`
//!   repeated;
//! - `[text "Hello"]`: a frame that comes in, masked with the key of §5.7 if it comes from a client. `text-`,
//!   `binary-` and `cont-` are fragments with more to come, `[close 1000 "why"]` begins with a code, and `text+` and
//!   `text+-` have the bit that says compressed;
//! - `eof`: the stream ends;
//! - `{close 1000}`, `{ping "p"}`, `{pong "p"}`, `{text "t"}`, `{binary 00}`, `{text- "t"}`…: the application
//!   speaks; a form with `-` is a chunk with more to come, and `{text. "t"}` is the last chunk; `{text+ "t"}` is said
//!   compressed, whatever stands in front; `{post "t"}` is a text that is posted, and dropped if there is no room;
//!   `{prepared "t"}` is a text that is prepared and sent;
//! - `(closing read)`: what the connection says of itself: its state, and whether it wants `read` or `shutdown`.
//!
//! Behind `|` stand all events in order, then behind `>` all bytes that went out, then behind `!` the close code and
//! the error that ended it. An error implies the one Close frame that tells it, unless `>` has shown one.

use std::{fmt, iter::Peekable, vec::IntoIter};

use bytes::Bytes;
use sansocket::{
    Chunk, CloseFrame, Compress, Config, Event, Kind, Message, Negotiated, Pings, ProtocolError, Role,
    SendError, State, Text,
    deflate::{Params, WindowBits},
    frame::{Header, MaskingKey, OpCode},
};

/// The masking key of the examples in §5.7.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A line of a table.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) line: String,
    pub(crate) role: Role,
    pub(crate) config: Config,
    pub(crate) negotiated: Negotiated,
    pub(crate) steps: Vec<Step>,
    pub(crate) expected: Seen,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Feed(Vec<u8>),
    Eof,
    Send(Message),
    SendWith(Message, Compress),
    SendChunk(Chunk),
    SendPrepared(Message),
    Post(Message),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<CloseFrame>),
    Check { state: State, read: bool, shutdown: bool },
}

/// What a conversation looked like from our end.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) said: Vec<Said>,
    pub(crate) output: Vec<u8>,
    pub(crate) error: Option<ProtocolError>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Event(Event),
    Refused(SendError),
}

impl Fixture {
    /// All lines of a table; empty ones and those that begin with `#` are comments.
    pub(crate) fn parse_all(table: &str) -> Vec<Self> {
        let lines = table.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Self::parse).collect()
    }

    pub(crate) fn parse(line: &str) -> Self {
        Parser::new(line).line().unwrap_or_else(|what| panic!("{what}, in the line\n  {line}"))
    }

    /// All bytes that come in.
    pub(crate) fn input(&self) -> Vec<u8> {
        let feeds = self.steps.iter().filter_map(|step| match step {
            Step::Feed(bytes) => Some(&bytes[..]),
            _ => None,
        });
        feeds.collect::<Vec<_>>().concat()
    }
}

/// A frame on the wire, written by hand rather than by the crate's sender.
pub(crate) fn frame(from: Role, fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if from == Role::Client { 0x80 } else { 0 };
    let mut wire = vec![if fin { 0x80 | opcode } else { opcode }];
    match payload.len() {
        len @ 0..=125 => wire.push(mask_bit | len as u8),
        len @ 126..=0xffff => {
            wire.push(mask_bit | 126);
            wire.extend((len as u16).to_be_bytes());
        }
        len => {
            wire.push(mask_bit | 127);
            wire.extend((len as u64).to_be_bytes());
        }
    }
    if from == Role::Server {
        wire.extend(payload);
        return wire;
    }
    wire.extend(KEY);
    wire.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    wire
}

/// The payload of a Close frame with any code, also one that the crate would not write.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Takes a byte stream apart into its frames, unmasked; what is not a whole frame is not there.
pub(crate) fn frames(mut wire: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((header, len)) = Header::parse(wire).expect("frames that we wrote") {
        let end = len + header.payload_len as usize;
        let Some(payload) = wire.get(len..end) else { break };
        let mut payload = payload.to_vec();
        header.masking_key.unwrap_or(MaskingKey::new([0; 4])).apply(&mut payload);
        frames.push((header, payload));
        wire = &wire[end..];
    }
    frames
}

pub(crate) fn peer(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Mark(char),
}

struct Parser {
    line: String,
    tokens: Peekable<IntoIter<Token>>,
}

type Parsed<T> = Result<T, String>;

impl Parser {
    fn new(line: &str) -> Self {
        Self { line: line.to_owned(), tokens: tokens(line).into_iter().peekable() }
    }

    fn line(mut self) -> Parsed<Fixture> {
        let role = match self.word()?.as_str() {
            "server" => Role::Server,
            "client" => Role::Client,
            other => return Err(format!("{other:?} is no role")),
        };
        let (mut config, mut negotiated) = (Config::new(), Negotiated::default());
        while !self.skip('<') {
            let term = self.word()?;
            if !set_deflate(&mut config, &mut negotiated, &term)? {
                set_limit(&mut config, &term)?;
            }
        }
        let mut steps = Vec::new();
        while !self.skip('|') {
            let step = self.step(role)?;
            // Bytes beside bytes are one stream.
            match (steps.last_mut(), step) {
                (Some(Step::Feed(before)), Step::Feed(bytes)) => before.extend(bytes),
                (_, step) => steps.push(step),
            }
        }
        let expected = self.expectation(role)?;
        Ok(Fixture { line: self.line, role, config, negotiated, steps, expected })
    }

    fn step(&mut self, role: Role) -> Parsed<Step> {
        if self.skip('[') {
            return Ok(Step::Feed(self.frame(peer(role))?));
        }
        if self.skip('{') {
            return self.call();
        }
        if self.skip('(') {
            return self.check();
        }
        if self.tokens.next_if_eq(&Token::Word("eof".into())).is_some() {
            return Ok(Step::Eof);
        }
        Ok(Step::Feed(self.bytes()?))
    }

    /// `text- "Hel"]`
    fn frame(&mut self, from: Role) -> Parsed<Vec<u8>> {
        let name = self.word()?;
        let unfinished = name.trim_end_matches('-');
        let rsv1 = if unfinished.ends_with('+') { 0x40 } else { 0 };
        let opcode = match unfinished.trim_end_matches('+') {
            "cont" => OpCode::Continuation,
            "text" => OpCode::Text,
            "binary" => OpCode::Binary,
            "close" => OpCode::Close,
            "ping" => OpCode::Ping,
            "pong" => OpCode::Pong,
            other => return Err(format!("{other:?} is no frame")),
        };
        let mut payload = Vec::new();
        if opcode == OpCode::Close
            && let Some(code) = self.code()?
        {
            payload.extend(code.to_be_bytes());
        }
        while !self.skip(']') {
            payload.extend(self.bytes()?);
        }
        Ok(frame(from, !name.ends_with('-'), rsv1 | opcode as u8, &payload))
    }

    /// `ping "p"}`
    fn call(&mut self) -> Parsed<Step> {
        let name = self.word()?;
        let code = if name == "close" { self.code()? } else { None };
        let mut payload = Vec::new();
        while !self.skip('}') {
            payload.extend(self.bytes()?);
        }
        let data = Bytes::from(payload);
        let (kind, fin) = match name.as_str() {
            "close" => {
                let Some(code) = code else { return Ok(Step::Close(None)) };
                let close = CloseFrame::new(code, text(data)?).map_err(|error| error.to_string())?;
                return Ok(Step::Close(Some(close)));
            }
            "ping" => return Ok(Step::Ping(data)),
            "pong" => return Ok(Step::Pong(data)),
            "text" => return Ok(Step::Send(Message::Text(text(data)?))),
            "binary" => return Ok(Step::Send(Message::Binary(data))),
            "text+" => return Ok(Step::SendWith(Message::Text(text(data)?), Compress::Always)),
            "binary+" => return Ok(Step::SendWith(Message::Binary(data), Compress::Always)),
            "prepared" => return Ok(Step::SendPrepared(Message::Text(text(data)?))),
            "post" => return Ok(Step::Post(Message::Text(text(data)?))),
            "text-" => (Kind::Text, false),
            "text." => (Kind::Text, true),
            "binary-" => (Kind::Binary, false),
            "binary." => (Kind::Binary, true),
            other => return Err(format!("{other:?} is nothing to say")),
        };
        Ok(Step::SendChunk(Chunk { kind, data, fin }))
    }

    /// `closing read)`
    fn check(&mut self) -> Parsed<Step> {
        let state = match self.word()?.as_str() {
            "open" => State::Open,
            "closing" => State::Closing,
            "closed" => State::Closed,
            other => return Err(format!("{other:?} is no state")),
        };
        let (mut read, mut shutdown) = (false, false);
        while !self.skip(')') {
            match self.word()?.as_str() {
                "read" => read = true,
                "shutdown" => shutdown = true,
                other => return Err(format!("{other:?} is nothing to want")),
            }
        }
        Ok(Step::Check { state, read, shutdown })
    }

    fn expectation(&mut self, role: Role) -> Parsed<Seen> {
        let mut seen = Seen::default();
        while let Some(Token::Word(_)) = self.tokens.peek() {
            seen.said.push(self.said()?);
            self.skip(',');
        }
        if self.skip('>') {
            while !matches!(self.tokens.peek(), None | Some(Token::Mark('!'))) {
                let bytes = if self.skip('[') { self.frame(role)? } else { self.bytes()? };
                seen.output.extend(bytes);
            }
        }
        if self.skip('!') {
            let code = self.code()?.ok_or("no close code behind `!`")?;
            let name = self.word()?;
            let error = ProtocolError::ALL.iter().find(|error| format!("{error:?}") == name);
            let error = *error.ok_or(format!("{name:?} is no error"))?;
            let told = frames(&seen.output).iter().any(|(header, _)| header.opcode == OpCode::Close);
            // §7.4.1: 1006 is never on the wire.
            if !told && code != 1006 {
                let payload = close_payload(code, error.as_str());
                seen.output.extend(frame(role, true, OpCode::Close as u8, &payload));
            }
            seen.error = Some(error);
        }
        match self.tokens.next() {
            None => Ok(seen),
            Some(token) => Err(format!("{token:?} where the line should end")),
        }
    }

    fn said(&mut self) -> Parsed<Said> {
        let name = self.word()?;
        if name == "refused" {
            let refusal = self.word()?;
            let found = SEND_ERRORS.iter().find(|error| format!("{error:?}") == refusal);
            return Ok(Said::Refused(*found.ok_or(format!("{refusal:?} is no refusal"))?));
        }
        let code = if name == "close" { self.code()? } else { None };
        let mut payload = Vec::new();
        while let Some(token) =
            self.tokens.next_if(|token| matches!(token, Token::Word(_) | Token::Quoted(_)))
        {
            match token {
                Token::Word(word) if name == "text" => payload.extend(word.bytes()),
                token => payload.extend(bytes(&token)?),
            }
        }
        let data = Bytes::from(payload);
        Ok(Said::Event(match name.as_str() {
            "text" => Event::Data(Message::Text(text(data)?)),
            "binary" => Event::Data(Message::Binary(data)),
            "ping" => Event::Ping(data),
            "pong" => Event::Pong(data),
            "close" => match code {
                None => Event::Close(None),
                Some(code) => {
                    Event::Close(Some(CloseFrame::new(code, text(data)?).map_err(|e| e.to_string())?))
                }
            },
            other => return Err(format!("{other:?} is no event")),
        }))
    }

    fn skip(&mut self, mark: char) -> bool {
        self.tokens.next_if_eq(&Token::Mark(mark)).is_some()
    }

    fn word(&mut self) -> Parsed<String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(format!("{other:?} where a word should be")),
        }
    }

    /// A close code, in decimal.
    fn code(&mut self) -> Parsed<Option<u16>> {
        let Some(Token::Word(word)) = self.tokens.next_if(|token| matches!(token, Token::Word(_))) else {
            return Ok(None);
        };
        word.parse().map(Some).map_err(|_| format!("{word:?} is no close code"))
    }

    fn bytes(&mut self) -> Parsed<Vec<u8>> {
        let token = self.tokens.next().ok_or("the line ends too early")?;
        bytes(&token)
    }
}

const SEND_ERRORS: [SendError; 8] = [
    SendError::Closed,
    SendError::Full,
    SendError::ControlTooLong,
    SendError::ReasonTooLong,
    SendError::CodeNotSendable,
    SendError::MessageOpen,
    SendError::KindChanged,
    SendError::NotUtf8,
];

fn set_limit(config: &mut Config, limit: &str) -> Parsed<()> {
    if limit == "pings=shown" {
        config.pings = Pings::Shown;
        return Ok(());
    }
    let wrong = || format!("{limit:?} is no limit");
    let (name, number) = limit.split_once('=').ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match name {
        "message" => config.limits.message = number,
        "frame" => config.limits.frame = number,
        "fragments" => config.limits.fragments = number as u32,
        "unsent" => config.limits.unsent = number as usize,
        "control" => config.limits.control = number as usize,
        _ => return Err(wrong()),
    }
    Ok(())
}

/// Whether the word is about compression; if so, it is set.
fn set_deflate(config: &mut Config, negotiated: &mut Negotiated, term: &str) -> Parsed<bool> {
    let (name, value) = term.split_once('=').unwrap_or((term, ""));
    let number = || value.parse().map_err(|_| format!("{term:?} has no number"));
    let bits = || WindowBits::new(number()? as u8).ok_or(format!("{term:?} is no window"));
    let params = negotiated.deflate.unwrap_or_default();
    let agreed = match name {
        "deflate" => params,
        "no-takeover" => params.server_no_context_takeover().client_no_context_takeover(),
        "server-no-takeover" => params.server_no_context_takeover(),
        "client-no-takeover" => params.client_no_context_takeover(),
        "server-bits" => params.server_max_window_bits(bits()?),
        "client-bits" => params.client_max_window_bits(bits()?),
        _ => {
            match name {
                "ratio" => config.limits.ratio = Some(number()? as u32),
                "level" => config.compression.level = number()? as u8,
                "compress" if value == "always" => config.compression.when = Compress::Always,
                "compress" if value == "never" => config.compression.when = Compress::Never,
                "compress" => config.compression.when = Compress::Above(number()?),
                _ => return Ok(false),
            }
            return Ok(true);
        }
    };
    negotiated.deflate = Some(agreed);
    Ok(true)
}

fn text(data: Bytes) -> Parsed<Text> {
    Text::try_from(data).map_err(|error| error.to_string())
}

/// `37fa213d`, `"Hello"`, and either of them repeated: `00*125`.
fn bytes(token: &Token) -> Parsed<Vec<u8>> {
    let (spelled, times) = match token {
        Token::Quoted(quoted) => return Ok(quoted.clone().into_bytes()),
        Token::Word(word) => match word.split_once('*') {
            Some((hex, times)) => (hex, times.parse().map_err(|_| format!("{times:?} times"))?),
            None => (word.as_str(), 1),
        },
        Token::Mark(mark) => return Err(format!("{mark:?} where bytes should be")),
    };
    let pairs = spelled.as_bytes().chunks(2);
    let hex = pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap_or("-"), 16));
    let bytes = hex.collect::<Result<Vec<u8>, _>>().map_err(|_| format!("{spelled:?} is not hex"))?;
    if spelled.len() % 2 != 0 {
        return Err(format!("{spelled:?} ends inside a byte"));
    }
    Ok(bytes.repeat(times))
}

fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (quoted, behind) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            let times_len = match behind.strip_prefix('*') {
                Some(times) => 1 + times.find(|c: char| !c.is_ascii_digit()).unwrap_or(times.len()),
                None => 0,
            };
            let times = behind[..times_len].trim_start_matches('*').parse().unwrap_or(1);
            tokens.push(Token::Quoted(unescape(quoted).repeat(times)));
            rest = &behind[times_len..];
        } else if is_mark(first) {
            tokens.push(Token::Mark(first));
            rest = &rest[1..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || is_mark(c) || c == '"').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    tokens
}

/// `\u{20ac}` for a character that cannot be seen.
fn unescape(quoted: &str) -> String {
    let mut pieces = quoted.split("\\u{");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, behind) = piece.split_once('}').unwrap_or((piece, ""));
        text.extend(u32::from_str_radix(number, 16).ok().and_then(char::from_u32));
        text.push_str(behind);
    }
    text
}

fn is_mark(c: char) -> bool {
    "<|>![]{}(),".contains(c)
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for said in &self.said {
            match said {
                Said::Event(Event::Data(message)) => {
                    write!(f, "{:?} {}", message.kind(), Hex(message.as_bytes()))
                }
                Said::Event(Event::Ping(payload)) => write!(f, "Ping {}", Hex(payload)),
                Said::Event(Event::Pong(payload)) => write!(f, "Pong {}", Hex(payload)),
                Said::Event(Event::Close(Some(close))) => {
                    write!(f, "Close {} {:?}", close.code(), close.reason())
                }
                said => write!(f, "{said:?}"),
            }?;
            write!(f, ", ")?;
        }
        write!(f, "> {}", Hex(&self.output))?;
        match self.error {
            Some(error) => write!(f, " ! {} {error:?}", error.close_code()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes in hex, the middle of many left out.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.len() > 96 { 48 } else { self.0.len() };
        self.0[..shown].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if shown < self.0.len() {
            write!(f, "… ({} bytes) …", self.0.len())?;
            self.0[self.0.len() - 16..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

/// The language itself: a line that is read wrongly would prove nothing.
mod language {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_reads() {
        let fixture =
            Fixture::parse(r#"server message=9 < 81 85 37fa213d "ab"*2 00*3 | text Hello > [pong 61]"#);
        assert_eq!((fixture.role, fixture.config.limits.message), (Role::Server, 9));
        assert_eq!(fixture.input(), b"\x81\x85\x37\xfa\x21\x3dabab\0\0\0");
        assert_eq!(fixture.expected.said, [Said::Event(Event::Data(Message::from("Hello")))]);
        assert_eq!(fixture.expected.output, b"\x8a\x01a");
        assert_eq!(fixture.expected.error, None);
    }

    #[test]
    fn frames_from_a_client_are_masked_and_frames_from_a_server_are_not() {
        let masked = Fixture::parse(r#"server < [text "Hello"] |"#);
        assert_eq!(masked.input(), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        let bare = Fixture::parse(r#"client < [text- "Hel"] [cont "lo"] |"#);
        assert_eq!(bare.input(), b"\x01\x03Hel\x80\x02lo");
    }

    #[test]
    fn compression_is_agreed_in_front_and_marked_on_frames() {
        let fixture = Fixture::parse(
            r#"server no-takeover client-bits=9 compress=70 level=1 ratio=5 < [text+- "Hel"] [cont+ ] {text+ "a"} |"#,
        );
        let params = Params::new().server_no_context_takeover().client_no_context_takeover();
        let params = params.client_max_window_bits(WindowBits::new(9).unwrap());
        assert_eq!(fixture.negotiated.deflate, Some(params));
        let Config { limits, compression, .. } = &fixture.config;
        assert_eq!((limits.ratio, compression.level, compression.when), (Some(5), 1, Compress::Above(70)));
        assert_eq!(fixture.input()[..2], [0x41, 0x83]);
        assert_eq!(fixture.input()[9..11], [0xc0, 0x80]);
        assert!(matches!(fixture.steps[1], Step::SendWith(Message::Text(_), Compress::Always)));
        assert_eq!(Fixture::parse("client < |").negotiated.deflate, None);
        assert_eq!(Fixture::parse("client deflate < |").negotiated.deflate, Some(Params::new()));
    }

    #[test]
    fn an_error_implies_its_close_frame_unless_one_was_shown() {
        let sentence = ProtocolError::ReservedBit.as_str();
        let told = Fixture::parse("server < | ! 1002 ReservedBit").expected;
        assert_eq!(told.output, frame(Role::Server, true, 8, &close_payload(1002, sentence)));
        let shown = Fixture::parse("server < {close 1000} | > [close 1000] ! 1002 ReservedBit").expected;
        assert_eq!(shown.output, b"\x88\x02\x03\xe8");
        let never = Fixture::parse("server < eof | ! 1006 EofWithoutClose").expected;
        assert_eq!(never.output, b"");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_refused() {
        for line in [
            "proxy < 81 |",
            "server < 8 |",
            "server < zz |",
            "server < [texd 00] |",
            "server < 81",
            "server < 81 | ! 1002 NoSuchRule",
            "server < 81 | text a ! 1002 ReservedBit more",
            "server size=3 < 81 |",
            "server server-bits=7 < 81 |",
            "server compress=some < 81 |",
        ] {
            assert!(Parser::new(line).line().is_err(), "{line}");
        }
    }
}
