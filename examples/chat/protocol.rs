//! What the page and the server say to each other, in text messages.
//!
//! The page says `say TEXT`, or `ping NUMBER` to see how long an answer takes. The server says JSON, one object each:
//!
//! ```json
//! {"welcome":{"id":7,"name":"Ann"},"room":"lobby"}
//! {"here":{"count":2,"people":[{"id":3,"name":"Bob"},{"id":7,"name":"Ann"}]}}
//! {"here":{"count":4999}}
//! {"joined":{"id":8,"name":"Cid"}}
//! {"left":{"id":3,"name":"Bob"}}
//! {"said":{"id":8,"name":"Cid"},"number":12,"at":1700000000000,"text":"hello"}
//! {"pong":42}
//! ```

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use super::hub::{News, Person};

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Something to all in the room.
    Say(&'a str),
    /// Something to nobody, which the server says back.
    Ping(u64),
}

/// What a client means; `None` if it is nothing that a page of ours says.
pub(crate) fn parse(line: &str) -> Option<Line<'_>> {
    match line.split_once(' ')? {
        ("say", text) if !text.trim().is_empty() => Some(Line::Say(text)),
        ("ping", number) => number.parse().ok().map(Line::Ping),
        _ => None,
    }
}

pub(crate) fn pong(number: u64) -> String {
    format!(r#"{{"pong":{number}}}"#)
}

pub(crate) fn write(news: &News<'_>) -> String {
    match news {
        News::Welcome { you, room } => {
            format!(r#"{{"welcome":{},"room":{}}}"#, person(you), quoted(room))
        }
        News::Here { count, people: [] } => format!(r#"{{"here":{{"count":{count}}}}}"#),
        News::Here { count, people } => {
            let people: Vec<_> = people.iter().map(|it| person(it)).collect();
            format!(r#"{{"here":{{"count":{count},"people":[{}]}}}}"#, people.join(","))
        }
        News::Joined(it) => format!(r#"{{"joined":{}}}"#, person(it)),
        News::Left(it) => format!(r#"{{"left":{}}}"#, person(it)),
        News::Said { by, number, text } => {
            let (by, at, text) = (person(by), now(), quoted(text));
            format!(r#"{{"said":{by},"number":{number},"at":{at},"text":{text}}}"#)
        }
    }
}

fn person(person: &Person) -> String {
    format!(r#"{{"id":{},"name":{}}}"#, person.id, quoted(&person.name))
}

/// Milliseconds since 1970.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// A string of JSON. RFC 8259 §7.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            '\0'..='\x1f' => write!(json, "\\u{:04x}", u32::from(char)).expect("a string takes it all"),
            _ => json.push(char),
        }
    }
    json.push('"');
    json
}

/// Reads a part of a URL (RFC 3986 §2.1); `None` if it is not UTF-8.
pub(crate) fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push((digit(high)? * 16 + digit(low)?) as u8);
                rest = behind;
            }
            (b'%', _) => return None,
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}
