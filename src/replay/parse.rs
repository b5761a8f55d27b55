//! Text as a session.

use alloc::{string::String, vec::Vec};
use core::{error::Error, fmt, str::FromStr};

use bytes::Bytes;

use super::{Fact, Line, Session, Tick, Ticks, head, time::seconds, write::FORMAT};
use crate::config::{Config, Negotiated, Role};

/// Text that is not a session, and where.
///
/// ```
/// use sansocket::replay::Session;
///
/// let error = "sansocket session 1\nrole server\n0.5 < 8g".parse::<Session>().unwrap_err();
/// assert_eq!(error.line(), 3);
/// assert_eq!(error.to_string(), "line 3: bytes that are not pairs of hexadecimal digits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    line: usize,
    reason: &'static str,
}

impl ParseError {
    /// The number of the line that cannot be read, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl Error for ParseError {}

/// What has been read.
struct Reader {
    role: Option<Role>,
    ticks: Option<Ticks>,
    keys: Vec<String>,
    session: Session,
}

impl FromStr for Session {
    type Err = ParseError;

    /// Reads a session.
    ///
    /// # Errors
    ///
    /// The first line that cannot be read, and why.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |line, reason| ParseError { line, reason };
        let mut lines = text.lines().map(str::trim_end).enumerate();
        if lines.next().is_none_or(|(_, first)| first != FORMAT) {
            return Err(error(1, "not a session, or one of another format"));
        }
        let session = Self::new(Role::Server, &Config::new(), &Negotiated::default());
        let mut reader = Reader { role: None, ticks: None, keys: Vec::new(), session };
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            reader.line(line).map_err(|reason| error(number + 1, reason))?;
        }
        let role = reader.role.ok_or_else(|| error(text.lines().count(), "a session without a role"))?;
        Ok(Self { role, ticks: reader.ticks.unwrap_or_default(), ..reader.session })
    }
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(expected) = line.strip_prefix('=') {
            self.session.expected.push(expected.strip_prefix(' ').unwrap_or(expected).into());
            return Ok(());
        }
        if !self.session.expected.is_empty() {
            return Err("something behind the transcript");
        }
        if line.starts_with(|c: char| c.is_ascii_digit()) { self.fact(line) } else { self.head(line) }
    }

    fn head(&mut self, line: &str) -> Result<(), &'static str> {
        if !self.session.lines.is_empty() {
            return Err("neither a time nor a line of the transcript");
        }
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if self.keys.iter().any(|known| known == key) {
            return Err("a key that was given before");
        }
        self.keys.push(key.into());
        match (key, value) {
            ("role", "client") => self.role = Some(Role::Client),
            ("role", "server") => self.role = Some(Role::Server),
            ("ticks", "listed") => self.ticks = Some(Ticks::Listed),
            ("ticks", "deadlines") => self.ticks = Some(Ticks::Deadlines),
            _ => head::read(&mut self.session.config, &mut self.session.negotiated, key, value)
                .ok_or("a key or a value that is not known")?,
        }
        Ok(())
    }

    fn fact(&mut self, line: &str) -> Result<(), &'static str> {
        let (time, what) = line.split_once(' ').unwrap_or((line, ""));
        let at = seconds(time).ok_or("a time that is not a number of seconds")?;
        let last = self.session.lines.last();
        if last.is_some_and(|last| last.at > at) {
            return Err("a time before that of the line before it");
        }
        if last.is_some_and(|last| last.fact == Fact::End) {
            return Err("something behind the end");
        }
        let fact = fact(what)?;
        self.session.lines.push(Line { at, fact });
        Ok(())
    }
}

fn fact(what: &str) -> Result<Fact, &'static str> {
    Ok(match what {
        "< eof" => Fact::ReadEnd,
        "< failed" => Fact::ReadFailed,
        "> failed" => Fact::WriteFailed,
        "tick" => Fact::Tick(Tick::default()),
        "end" => Fact::End,
        what => match what.split_once(' ') {
            Some(("<", digits)) => Fact::Read(hex(digits)?),
            Some((">", digits)) => Fact::Wrote(hex(digits)?),
            Some(("tick", what)) => Fact::Tick(tick(what).ok_or("a tick of which something is not known")?),
            _ => return Err("neither bytes nor anything else that can happen"),
        },
    })
}

/// What holds of a tick, in this order: `unread < COUNT > COUNT closing ping`.
fn tick(what: &str) -> Option<Tick> {
    let mut words = what.split_whitespace().peekable();
    let unread = words.next_if_eq(&"unread").is_some();
    let mut count = |sign| match words.next_if_eq(&sign) {
        Some(_) => words.next()?.parse().ok(),
        None => Some(0),
    };
    let (unheard, unsent) = (count("<")?, count(">")?);
    let closing = words.next_if_eq(&"closing").is_some();
    let ping = words.next_if_eq(&"ping").is_some();
    words.next().is_none().then_some(Tick { unread, unheard, unsent, closing, ping })
}

/// Pairs of digits, with spaces anywhere between the digits.
fn hex(digits: &str) -> Result<Bytes, &'static str> {
    const REASON: &str = "bytes that are not pairs of hexadecimal digits";
    let digit = |c: char| c.to_digit(16).map(|digit| digit as u8).ok_or(REASON);
    let digits = digits.chars().filter(|c| *c != ' ').map(digit).collect::<Result<Vec<_>, _>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(REASON);
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
