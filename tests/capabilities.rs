//! `capabilities.md` lists what users of WebSocket libraries are promised. Here the page is held: no row is missing, and
//! what it names exists.

use std::{collections::BTreeSet, fs, path::Path};

const PAGE: &str = include_str!("capabilities.md");

/// How many capabilities each of the five sources names.
const SOURCES: [(&str, usize); 5] = [("000", 8), ("001", 15), ("002", 5), ("003", 12), ("004", 19)];

/// The cells of each row, without the headings.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split(" | ").map(str::trim).collect::<Vec<_>>());
    rows.filter(|row| row[0] != "No." && !row[0].starts_with("---")).collect()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// Whether this is an example that exists, or a test that does.
fn exists(reference: &str) -> bool {
    let Some((file, function)) = reference.split_once("::") else {
        return reference.starts_with("examples/") && read(reference).is_some();
    };
    let is_test = |source: String| {
        let start = source.find(&format!("fn {function}()"))?;
        let line = source[..start].trim_end_matches("async ").trim_end();
        Some(line.ends_with(']'))
    };
    read(&format!("tests/{file}")).and_then(is_test).unwrap_or(false)
}

#[test]
fn every_capability_has_its_row() {
    let rows = rows(PAGE);
    let listed: BTreeSet<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    let named =
        SOURCES.iter().flat_map(|(source, count)| (1..=*count).map(move |no| format!("{source}-{no}")));
    assert_eq!(listed, named.collect());
    assert_eq!(listed.len(), rows.len(), "a row stands twice");
}

#[test]
fn what_shows_a_capability_exists() {
    for row in rows(PAGE) {
        let [number, _, _, shown_by] = row[..] else { panic!("four cells: {row:?}") };
        if shown_by == "Later" {
            assert!(["001-12", "001-13"].contains(&number), "{number} is owed");
            continue;
        }
        for reference in shown_by.split(", ") {
            let reference = reference.trim_matches('`');
            assert!(exists(reference), "{number}: there is no `{reference}`");
        }
    }
}

#[test]
fn what_does_not_exist_is_seen() {
    assert!(exists("capabilities.rs::what_does_not_exist_is_seen"));
    assert!(exists("examples/echo.rs"));
    assert!(!exists("capabilities.rs::rows"));
    assert!(!exists("capabilities.rs::there_is_no_such_test"));
    assert!(!exists("no_such_file.rs::test"));
    assert!(!exists("examples/no_such_example.rs"));
    assert!(!exists("Cargo.toml"));
}
