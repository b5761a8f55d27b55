//! The head of a session: what the connection was told, where it differs from the default.

use alloc::{
    format,
    string::{String, ToString},
};
use core::{fmt, time::Duration};

use super::time::{Seconds, seconds};
use crate::{
    config::{Compress, Config, Keepalive, Negotiated, Pings},
    deflate::{Params, WindowBits},
    text::Text,
};

/// A value of the configuration: its key, how it is written, and how it is read.
struct Key {
    name: &'static str,
    write: fn(&Config) -> String,
    read: fn(&mut Config, &str) -> Option<()>,
}

/// A value that is a number.
macro_rules! number {
    ($name:literal, $($field:tt)+) => {
        Key {
            name: $name,
            write: |config| config.$($field)+.to_string(),
            read: |config, value| value.parse().ok().map(|value| config.$($field)+ = value),
        }
    };
}

/// A value that is a time.
macro_rules! time {
    ($name:literal, $($field:tt)+) => {
        Key {
            name: $name,
            write: |config| Seconds(config.$($field)+).to_string(),
            read: |config, value| seconds(value).map(|value| config.$($field)+ = value),
        }
    };
}

const KEYS: [Key; 14] = [
    number!("limits.message", limits.message),
    number!("limits.frame", limits.frame),
    Key {
        name: "limits.ratio",
        write: |config| config.limits.ratio.map_or("none".into(), |ratio| ratio.to_string()),
        read: |config, value| {
            optional(value, |value| value.parse().ok()).map(|ratio| config.limits.ratio = ratio)
        },
    },
    number!("limits.fragments", limits.fragments),
    number!("limits.head", limits.head),
    number!("limits.head_fields", limits.head_fields),
    number!("limits.unsent", limits.unsent),
    number!("limits.control", limits.control),
    Key {
        name: "keepalive",
        write: |config| config.keepalive.map_or("none".into(), write_keepalive),
        read: |config, value| optional(value, read_keepalive).map(|keepalive| config.keepalive = keepalive),
    },
    number!("compression.level", compression.level),
    Key {
        name: "compression.when",
        write: |config| write_compress(config.compression.when),
        read: |config, value| read_compress(value).map(|when| config.compression.when = when),
    },
    Key {
        name: "pings",
        write: |config| write_pings(config.pings).into(),
        read: |config, value| read_pings(value).map(|pings| config.pings = pings),
    },
    time!("handshake_timeout", handshake_timeout),
    time!("close_timeout", close_timeout),
];

/// Writes what differs from the default configuration.
pub(super) fn write_config(f: &mut fmt::Formatter<'_>, config: &Config) -> fmt::Result {
    let default = Config::default();
    KEYS.iter().try_for_each(|key| {
        let value = (key.write)(config);
        if value == (key.write)(&default) { Ok(()) } else { writeln!(f, "{} {value}", key.name) }
    })
}

/// Writes what was agreed on.
pub(super) fn write_negotiated(f: &mut fmt::Formatter<'_>, negotiated: &Negotiated) -> fmt::Result {
    if let Some(subprotocol) = &negotiated.subprotocol {
        writeln!(f, "subprotocol {subprotocol}")?;
    }
    match &negotiated.deflate {
        Some(params) => writeln!(f, "deflate{}", write_params(params)),
        None => Ok(()),
    }
}

/// Reads a value of the configuration, or what was agreed on; `None` for a key or a value that is neither.
pub(super) fn read(config: &mut Config, negotiated: &mut Negotiated, key: &str, value: &str) -> Option<()> {
    match key {
        "subprotocol" if !value.is_empty() => {
            negotiated.subprotocol = Some(Text::from(String::from(value)));
            Some(())
        }
        "deflate" => read_params(value).map(|params| negotiated.deflate = Some(params)),
        key => (KEYS.iter().find(|known| known.name == key)?.read)(config, value),
    }
}

fn optional<V>(value: &str, read: impl FnOnce(&str) -> Option<V>) -> Option<Option<V>> {
    if value == "none" { Some(None) } else { read(value).map(Some) }
}

fn write_keepalive(keepalive: Keepalive) -> String {
    format!("{} {}", Seconds(keepalive.interval), Seconds(keepalive.timeout))
}

fn read_keepalive(value: &str) -> Option<Keepalive> {
    let (interval, timeout): (Duration, Duration) = value
        .split_once(' ')
        .and_then(|(interval, timeout)| Some((seconds(interval)?, seconds(timeout)?)))?;
    Some(Keepalive::new(interval, timeout))
}

fn write_compress(when: Compress) -> String {
    match when {
        Compress::Never => "never".into(),
        Compress::Above(least) => format!("above {least}"),
        Compress::Always => "always".into(),
    }
}

fn read_compress(value: &str) -> Option<Compress> {
    match value {
        "never" => Some(Compress::Never),
        "always" => Some(Compress::Always),
        value => value.strip_prefix("above ")?.parse().ok().map(Compress::Above),
    }
}

fn write_pings(pings: Pings) -> &'static str {
    match pings {
        Pings::Answered => "answered",
        Pings::Shown => "shown",
    }
}

fn read_pings(value: &str) -> Option<Pings> {
    [Pings::Answered, Pings::Shown].into_iter().find(|pings| write_pings(*pings) == value)
}

fn write_params(params: &Params) -> String {
    let mut written = String::new();
    for (end, direction) in [("server", params.server()), ("client", params.client())] {
        if !direction.takeover {
            written += &format!(" {end}_no_context_takeover");
        }
        if direction.window < WindowBits::MAX {
            written += &format!(" {end}_max_window_bits={}", direction.window);
        }
    }
    written
}

fn read_params(value: &str) -> Option<Params> {
    value.split_whitespace().try_fold(Params::new(), |params, word| {
        let (name, bits) = word.split_once('=').unwrap_or((word, ""));
        let bits = bits.parse().ok().and_then(WindowBits::new);
        Some(match (name, bits) {
            ("server_no_context_takeover", None) => params.server_no_context_takeover(),
            ("client_no_context_takeover", None) => params.client_no_context_takeover(),
            ("server_max_window_bits", Some(bits)) => params.server_max_window_bits(bits),
            ("client_max_window_bits", Some(bits)) => params.client_max_window_bits(bits),
            _ => return None,
        })
    })
}
