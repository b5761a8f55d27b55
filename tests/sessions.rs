//! Sessions that were recorded, replayed: each file in `tests/sessions` gives the transcript at its end, whole and with
//! its input cut anywhere. `cargo run --example replay -- FILE --fixture NAME` makes such a file.

#[path = "sessions/format.rs"]
mod format;
#[path = "sessions/judging.rs"]
mod judging;
#[cfg(feature = "tokio")]
#[path = "sessions/recording.rs"]
mod recording;
#[cfg(feature = "tokio")]
#[path = "sessions/round_trip.rs"]
mod round_trip;
#[cfg(feature = "tokio")]
#[path = "adapter/support/mod.rs"]
mod support;
#[path = "sessions/ticking.rs"]
mod ticking;

use std::{fs, path::Path};

use sansocket::{
    Role,
    replay::{Fact, Line, Session},
};

/// Every fixture that this build can replay: its name, its text and the session.
fn fixtures() -> Vec<(String, String, Session)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut fixtures = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of the fixtures") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "session") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a readable file");
        let session: Session = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        if cfg!(feature = "deflate") || session.negotiated.deflate.is_none() {
            fixtures.push((name, text, session));
        }
    }
    fixtures
}

/// The session with each piece that was read cut in two at this byte of it.
fn cut(session: &Session, from: usize) -> Session {
    let mut cut = session.clone();
    let mut start = 0;
    cut.lines = Vec::new();
    for Line { at, fact } in &session.lines {
        match fact {
            Fact::Read(bytes) if from > start && from < start + bytes.len() => {
                let (front, back) = (bytes.slice(..from - start), bytes.slice(from - start..));
                cut.lines.push(Line { at: *at, fact: Fact::Read(front) });
                cut.lines.push(Line { at: *at, fact: Fact::Read(back) });
                start += bytes.len();
            }
            Fact::Read(bytes) => {
                cut.lines.push(Line { at: *at, fact: fact.clone() });
                start += bytes.len();
            }
            fact => cut.lines.push(Line { at: *at, fact: fact.clone() }),
        }
    }
    cut
}

/// The session with its input in single bytes.
fn crumble(session: &Session) -> Session {
    let mut crumbs = session.clone();
    crumbs.lines = session.lines.iter().flat_map(crumbs_of).collect();
    crumbs
}

fn crumbs_of(line: &Line) -> Vec<Line> {
    match &line.fact {
        Fact::Read(bytes) => {
            let at = line.at;
            (0..bytes.len()).map(|i| Line { at, fact: Fact::Read(bytes.slice(i..=i)) }).collect()
        }
        _ => vec![line.clone()],
    }
}

fn heard(session: &Session) -> usize {
    session.lines.iter().map(|line| if let Fact::Read(bytes) = &line.fact { bytes.len() } else { 0 }).sum()
}

/// The transcript in lines, and where it first differs.
fn assert_expected(name: &str, session: &Session) {
    let lines = session.replay().lines();
    for (number, (line, expected)) in lines.iter().zip(&session.expected).enumerate() {
        assert_eq!(line, expected, "{name}, line {} of the transcript", number + 1);
    }
    assert_eq!(lines.len(), session.expected.len(), "{name}: {lines:#?}");
}

#[test]
fn every_fixture_gives_its_transcript() {
    for (name, _, session) in fixtures() {
        assert!(!session.expected.is_empty(), "{name} expects nothing");
        assert_expected(&name, &session);
    }
}

#[test]
fn every_fixture_cut_at_every_byte_gives_its_transcript() {
    for (name, _, session) in fixtures() {
        assert_expected(&format!("{name} in single bytes"), &crumble(&session));
        for from in 1..heard(&session) {
            assert_expected(&format!("{name} cut at {from}"), &cut(&session, from));
        }
    }
}

#[test]
fn every_fixture_is_written_as_it_stands() {
    for (name, text, session) in fixtures() {
        assert_eq!(session.to_string(), text, "{name}");
    }
}

/// Where nothing was queued before what it was written behind, the very bytes are said again.
#[test]
fn the_bytes_of_a_fixture_are_said_again() {
    let mut same = 0;
    for (name, _, session) in fixtures() {
        let mut written = Vec::new();
        for line in &session.lines {
            if let Fact::Wrote(bytes) = &line.fact {
                written.extend_from_slice(bytes);
            }
        }
        let transcript = session.replay();
        let is_reordered =
            ["server-1007-text", "server-pipelined-close", "server-stuck"].contains(&&name[..]);
        assert_eq!(transcript.output().starts_with(&written), !is_reordered, "{name}");
        same += usize::from(!is_reordered && session.role == Role::Client);
    }
    assert!(same >= 4);
}

/// The fixtures cover both ends, and every way in which a session can go.
#[test]
fn the_fixtures_cover_what_can_happen() {
    let all: String = fixtures().into_iter().map(|(_, text, _)| text).collect();
    for part in [
        "role client",
        "role server",
        "hears binary",
        "sends text+",
        "sends continuation 0",
        "says pong",
        "hears pong",
        "says ping",
        "expires Pong",
        "expires Write",
        "expires Close",
        "fails 1002",
        "fails 1006 EofWithoutClose",
        "fails 1007",
        "fails 1009",
        "sends close",
        "says close",
        "hears close",
        "begins text",
        "tick >",
        "tick unread >",
        "tick unread <",
        " ping\n",
        "< eof",
    ] {
        assert!(all.contains(part), "no fixture with {part:?}");
    }
    if cfg!(feature = "deflate") {
        assert!(all.contains("subprotocol ") && all.contains(" compressed"));
    }
}
