//! A session as text.

use core::fmt;

use super::{Fact, Line, Session, Tick, Ticks, head, time::Seconds};
use crate::config::Role;

/// The first line of every session.
pub(super) const FORMAT: &str = "sansocket session 1";

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORMAT}")?;
        writeln!(f, "role {}", if self.role == Role::Client { "client" } else { "server" })?;
        if self.ticks == Ticks::Listed {
            writeln!(f, "ticks listed")?;
        }
        head::write_negotiated(f, &self.negotiated)?;
        head::write_config(f, &self.config)?;
        writeln!(f)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if !self.expected.is_empty() {
            writeln!(f)?;
        }
        self.expected.iter().try_for_each(|line| writeln!(f, "= {line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", Seconds(self.at))?;
        match &self.fact {
            Fact::Read(bytes) => write!(f, "< {}", Hex(bytes)),
            Fact::ReadEnd => f.write_str("< eof"),
            Fact::ReadFailed => f.write_str("< failed"),
            Fact::Wrote(bytes) => write!(f, "> {}", Hex(bytes)),
            Fact::WriteFailed => f.write_str("> failed"),
            Fact::Tick(tick) => write_tick(f, tick),
            Fact::End => f.write_str("end"),
        }
    }
}

fn write_tick(f: &mut fmt::Formatter<'_>, tick: &Tick) -> fmt::Result {
    f.write_str(if tick.unread { "tick unread" } else { "tick" })?;
    for (sign, count) in [('<', tick.unheard), ('>', tick.unsent)] {
        if count > 0 {
            write!(f, " {sign} {count}")?;
        }
    }
    f.write_str(if tick.closing { " closing" } else { "" })?;
    f.write_str(if tick.ping { " ping" } else { "" })
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
