//! `rules.md` lists the rules of RFC 6455 and RFC 7692, the promises beyond them, and what holds each of them. Here the
//! page itself is held: a row has all its cells, what it names exists, and every error and fault of the crate is named.

use std::{fs, path::Path};

use sansocket::{ProtocolError, handshake::Fault};

const PAGE: &str = include_str!("rules.md");

const HEADER: [&str; 6] = ["§", "Keyword", "Rule", "Binds", "Breach", "Held by"];
/// The heading of the promises, and the columns of their tables.
const BEYOND: &str = "Beyond the RFCs";
const PROMISE: [&str; 2] = ["Promise", "Held by"];
const KEYWORDS: [&str; 9] =
    ["MUST", "MUST NOT", "SHALL", "SHOULD", "SHOULD NOT", "RECOMMENDED", "must", "should", "is"];
const BOUND: [&str; 4] = ["client", "server", "both", "others"];

/// A line of a table.
#[derive(Debug)]
struct Row<'a> {
    /// The RFC, by the heading above the table, or else that heading.
    rfc: &'a str,
    /// Where it stands on the page.
    line: usize,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn section(&self) -> &'a str {
        self.cells[0]
    }

    /// `7.1.2` as numbers, to be put in order; `None` if it is no section.
    fn numbers(&self) -> Option<Vec<u32>> {
        self.section().split('.').map(|number| number.parse().ok()).collect()
    }

    fn rule(&self) -> &'a str {
        self.cells[2]
    }

    /// The names of the errors of a peer that breaks the rule.
    fn breaches(&self) -> Vec<&'a str> {
        spans(self.cells[4]).unwrap_or_default()
    }

    fn held_by(&self) -> &'a str {
        self.cells[5]
    }
}

/// The rules of the page, whatever is wrong with them.
fn rows(page: &str) -> Vec<Row<'_>> {
    let mut rows = all_rows(page);
    rows.retain(|row| row.rfc != BEYOND);
    rows
}

/// The promises of the page, whatever is wrong with them.
fn promises(page: &str) -> Vec<Row<'_>> {
    let mut rows = all_rows(page);
    rows.retain(|row| row.rfc == BEYOND);
    rows
}

/// The rows of all tables.
fn all_rows(page: &str) -> Vec<Row<'_>> {
    let mut rfc = "";
    let mut rows = Vec::new();
    for (at, text) in page.lines().enumerate() {
        if let Some(heading) = text.strip_prefix("## ") {
            rfc = heading.strip_prefix("RFC ").unwrap_or(heading);
        }
        let is_rule = text.starts_with('|') && !text.starts_with("|--") && !text.starts_with("| --");
        let cells = || text.trim().trim_start_matches('|').trim_end_matches('|').split('|').map(str::trim);
        if is_rule && cells().ne(HEADER) && cells().ne(PROMISE) {
            rows.push(Row { rfc, line: at + 1, cells: cells().collect() });
        }
    }
    rows
}

/// The code spans of a cell, parted by commas; `None` if there is anything else in it.
fn spans(cell: &str) -> Option<Vec<&str>> {
    let mut spans = Vec::new();
    let mut rest = cell;
    loop {
        let (span, behind) = rest.strip_prefix('`')?.split_once('`')?;
        spans.push(span);
        match behind.strip_prefix(", ") {
            Some(more) => rest = more,
            None => return behind.is_empty().then_some(spans),
        }
    }
}

/// A file below `tests`, as it is on the disk.
fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)).ok()
}

type Files<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The text of a fixture: a whole test, `file.rs::function`, or a line of a table, `file.rs: the line`.
fn fixture(reference: &str, files: Files<'_>) -> Result<String, String> {
    let missing = || format!("no fixture `{reference}`");
    if let Some((path, function)) = reference.split_once(".rs::") {
        let source = files(&format!("{path}.rs")).ok_or_else(missing)?;
        return tests(&source).find(|(name, _)| *name == function).map(|(_, body)| body).ok_or_else(missing);
    }
    let (path, fragment) = reference.split_once(".rs: ").ok_or(format!("`{reference}` is no fixture"))?;
    let source = files(&format!("{path}.rs")).ok_or_else(missing)?;
    table_lines(&source).find(|line| is_named(line, fragment)).map(String::from).ok_or_else(missing)
}

/// Whether a fragment names a line of a table: it is all that stands before the first `|` in a conversation, and in
/// any other table it has a whole literal in it.
fn is_named(line: &str, fragment: &str) -> bool {
    if ["server", "client"].iter().any(|role| line.starts_with(role)) {
        return line.split_once('|').is_some_and(|(conversation, _)| conversation.trim() == fragment);
    }
    fragment.matches('"').count() >= 2 && line.contains(fragment)
}

/// The tests of a file that are run: name, and text from the name to the closing brace.
fn tests(source: &str) -> impl Iterator<Item = (&str, String)> {
    items(source).filter(|item| item.is_test).map(|item| (item.name, item.lines.join("\n")))
}

/// The lines of all tables: of constants that a test names, and of tests. Comments are no fixtures.
fn table_lines(source: &str) -> impl Iterator<Item = &str> {
    let run: String = tests(source).map(|(_, body)| body).collect();
    let items =
        items(source).filter(move |item| item.is_test || !item.is_function && run.contains(item.name));
    let lines = items.flat_map(|item| item.lines).map(str::trim);
    lines.filter(|line| !line.starts_with("//") && !line.starts_with('#'))
}

/// A function or a constant.
struct Item<'a> {
    name: &'a str,
    is_function: bool,
    /// Whether it is a function that the test harness runs.
    is_test: bool,
    lines: Vec<&'a str>,
}

/// The functions and constants of a file, each from its name to the line that closes it.
fn items(source: &str) -> impl Iterator<Item = Item<'_>> {
    let lines: Vec<&str> = source.lines().collect();
    (0..lines.len()).filter_map(move |at| {
        let text = lines[at].trim_start();
        let indent = &lines[at][..lines[at].len() - text.len()];
        let text = text.trim_start_matches("pub(crate) ").trim_start_matches("async ");
        let is_function = text.starts_with("fn ");
        let name = text.strip_prefix("fn ").or_else(|| text.strip_prefix("const "))?;
        let name = &name[..name.find(|c: char| !c.is_alphanumeric() && c != '_')?];
        let ends = |line: &&str| {
            let close = line.strip_prefix(indent).unwrap_or("");
            if is_function { close == "}" } else { ["];", "\"#;"].contains(&close) }
        };
        let is_whole = lines[at].ends_with(';') || lines[at].ends_with('}');
        let len = if is_whole { 0 } else { lines[at..].iter().position(ends)? };
        let above = lines[..at].iter().rev().map(|line| line.trim_start());
        let attributes: Vec<_> =
            above.take_while(|line| ["#[", "//"].contains(&line.get(..2).unwrap_or(""))).collect();
        let has = |start: &str| attributes.iter().any(|line| line.starts_with(start));
        let is_run = (has("#[test]") || has("#[tokio::test")) && !has("#[ignore");
        Some(Item { name, is_function, is_test: is_function && is_run, lines: lines[at..=at + len].to_vec() })
    })
}

/// Whether a cell gives a reason: whom the rule is for instead, and why.
fn is_reason(cell: &str) -> bool {
    let Some((whom, why)) = cell.strip_prefix("For ").and_then(|reason| reason.split_once(": ")) else {
        return false;
    };
    (1..=5).contains(&whom.split(' ').count()) && why.split(' ').count() >= 5 && why.ends_with('.')
}

/// What is wrong with a row by itself.
fn wrong_row(row: &Row<'_>, files: Files<'_>) -> Vec<String> {
    if row.cells.len() != HEADER.len() {
        return vec![format!("{} cells", row.cells.len())];
    }
    let mut wrong = Vec::new();
    for (name, cell) in HEADER.iter().zip(&row.cells) {
        if cell.is_empty() {
            wrong.push(format!("nothing under {name:?}"));
        }
    }
    if row.numbers().is_none() {
        wrong.push(format!("{:?} is no section", row.section()));
    }
    for (at, allowed) in [(1, &KEYWORDS[..]), (3, &BOUND)] {
        if !allowed.contains(&row.cells[at]) {
            wrong.push(format!("{:?} under {:?}", row.cells[at], HEADER[at]));
        }
    }
    if row.cells[4] != "—" && spans(row.cells[4]).is_none() {
        wrong.push(format!("{:?} under \"Breach\"", row.cells[4]));
    }
    wrong.extend(wrong_holding(row, files));
    wrong
}

/// What is wrong with the fixtures of a row, or with the reason for having none.
fn wrong_holding(row: &Row<'_>, files: Files<'_>) -> Vec<String> {
    let Some(references) = spans(row.held_by()) else {
        let is_held = is_reason(row.held_by()) && row.breaches().is_empty();
        return if is_held { Vec::new() } else { vec![format!("{:?} is no reason", row.held_by())] };
    };
    let fixtures: Vec<_> = references.into_iter().map(|reference| fixture(reference, files)).collect();
    let text: String = fixtures.iter().flatten().flat_map(|text| [text, "\n"]).collect();
    let mut wrong: Vec<_> = fixtures.into_iter().filter_map(Result::err).collect();
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
    for breach in row.breaches() {
        if !known().any(|(_, name)| name == breach) {
            wrong.push(format!("{breach:?} is neither a ProtocolError nor a Fault"));
        } else if !words.contains(&breach) {
            wrong.push(format!("no fixture of the row ends in {breach}"));
        }
    }
    wrong
}

/// What is wrong with a promise: fixtures hold it, and nothing else does.
fn wrong_promise(row: &Row<'_>, files: Files<'_>) -> Vec<String> {
    let [promise, held_by] = row.cells[..] else {
        return vec![format!("{} cells", row.cells.len())];
    };
    let Some(references) = spans(held_by) else {
        return vec![format!("{held_by:?} is no fixture")];
    };
    let unnamed = promise.is_empty().then(|| "nothing under \"Promise\"".to_owned());
    let missing = references.into_iter().filter_map(|reference| fixture(reference, files).err());
    unnamed.into_iter().chain(missing).collect()
}

/// Every error and every fault of a peer: the RFC and section where its rule stands, if it says so, and its name.
fn known() -> impl Iterator<Item = (Option<(&'static str, &'static str)>, String)> {
    let errors = ProtocolError::ALL.iter().map(|error| {
        let section = error.section();
        (Some(section.split_once(' ').unwrap_or(("6455", section))), format!("{error:?}"))
    });
    errors.chain(Fault::ALL.iter().map(|fault| (None, format!("{fault:?}"))))
}

/// What is wrong with the page.
fn wrong(page: &str, files: Files<'_>) -> Vec<String> {
    let rows = rows(page);
    let promises = promises(page);
    let in_rows = rows.iter().map(|row| (row.line, wrong_row(row, files)));
    let in_promises = promises.iter().map(|row| (row.line, wrong_promise(row, files)));
    let in_both = in_rows.chain(in_promises);
    let wrong = in_both
        .flat_map(|(line, wrong)| wrong.into_iter().map(move |what| format!("rules.md:{line}: {what}")));
    wrong.chain(wrong_order(&rows)).chain(unnamed(&rows)).collect()
}

/// Rows that do not stand where they belong, or stand there again.
fn wrong_order(rows: &[Row<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for pair in rows.windows(2).filter(|pair| pair[0].rfc == pair[1].rfc) {
        if pair[1].numbers() < pair[0].numbers() {
            let [before, after] = [&pair[0], &pair[1]].map(Row::section);
            wrong.push(format!("rules.md:{}: §{after} behind §{before}", pair[1].line));
        }
    }
    let whole: Vec<_> = rows.iter().filter(|row| row.cells.len() == HEADER.len()).collect();
    for (at, row) in whole.iter().enumerate() {
        if whole[..at].iter().any(|earlier| (earlier.rfc, earlier.rule()) == (row.rfc, row.rule())) {
            wrong.push(format!("rules.md:{}: the rule stands there twice", row.line));
        }
    }
    wrong
}

/// The errors that no row names, or none that stands where the error says its rule does.
fn unnamed(rows: &[Row<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, name) in known() {
        let is_there = |row: &&Row<'_>| {
            place.is_none_or(|(rfc, section)| row.rfc == rfc && is_in(row.section(), section))
        };
        let whole = rows.iter().filter(|row| row.cells.len() == HEADER.len());
        if !whole.filter(is_there).any(|row| row.breaches().contains(&&name[..])) {
            let place = place.map_or(String::new(), |(rfc, section)| format!(" of RFC {rfc} §{section}"));
            wrong.push(format!("rules.md: no rule{place} names {name}"));
        }
    }
    wrong
}

/// Whether a section is another one or a part of it.
fn is_in(section: &str, whole: &str) -> bool {
    section.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[test]
fn every_rule_is_held() {
    let wrong = wrong(PAGE, &read);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for rfc in ["6455", "7692"] {
        let of_rfc: Vec<_> = rows(PAGE).into_iter().filter(|row| row.rfc == rfc).collect();
        let by_fixtures = of_rfc.iter().filter(|row| spans(row.held_by()).is_some()).count();
        println!("RFC {rfc}: {} rules, {by_fixtures} of them held by fixtures", of_rfc.len());
        assert!(by_fixtures > 0, "no table for RFC {rfc}");
    }
    println!("Beyond: {} promises", promises(PAGE).len());
    assert!(!promises(PAGE).is_empty(), "no promises");
}

/// What no output can show, that nobody foresees a key (§4.1, §5.3, §10.3), is seen in the source: all randomness of the
/// crate is the operating system's, and whatever the adapter draws is drawn there.
#[test]
fn keys_come_from_the_operating_system() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let with = |word: &str| {
        let having = sources.iter().filter(|(_, text)| text.contains(word));
        having.map(|(path, _)| &path[..]).collect::<Vec<_>>()
    };
    for word in ["rand::", "SysRng", "TryRng"] {
        assert_eq!(with(word), ["tokio/entropy.rs"], "{word}");
    }
    let entropy = &sources.iter().find(|(path, _)| path == "tokio/entropy.rs").unwrap().1;
    assert!(entropy.contains("\nuse rand::{TryRng, rngs::SysRng};\n"), "no other generator");
    assert!(entropy.contains("SysRng.try_fill_bytes(pool)"));
    // Where a nonce or a source of keys is asked for, and that nothing else is given.
    for asked in ["ClientHandshake::new(", "Connection::client("] {
        for (path, text) in sources.iter().filter(|(path, _)| path.starts_with("tokio/")) {
            for call in text.split(asked).skip(1).map(|call| call.split(';').next().unwrap()) {
                assert!(call.contains("entropy::random"), "{path}: {asked}{call}");
            }
        }
        assert_eq!(with(asked).iter().filter(|path| path.starts_with("tokio/")).count(), 1, "{asked}");
    }
}

/// The files of a folder and of those in it: path from there, and text without comments.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let below = self::sources(&path);
            sources.extend(below.into_iter().map(|(path, text)| (format!("{name}/{path}"), text)));
        } else {
            let text = fs::read_to_string(&path).expect("text");
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            sources.push((name, lines.flat_map(|line| [line, "\n"]).collect()));
        }
    }
    sources
}

/// The check itself: a page that is wrong must not pass.
mod check {
    use super::*;

    const SOURCE: &str = r##"
const TABLE: &str = r#"
    # server < 90 80 | ! 1002 ReservedBit
    server < c1 80                | ! 1002 ReservedBit
    client < [text- "a"] 83 00    | ! 1002 ReservedOpCode
"#;

const UNUSED: &str = r#"
    server < 8f 80                | ! 1002 ReservedOpCode
"#;

/// Plays it.
#[test]
fn table() {
    check_table(TABLE);
    // ("-Host", "400 HostMissing"),
    ("-Upgrade", "426 UpgradeMissing"),
}

#[tokio::test(start_paused = true)]
async fn with_a_clock() {
    assert_eq!(error, Some(ReservedBit));
}

proptest! {
    #[test]
    fn of_any_bytes(wire in any()) {
        Header::parse(&wire);
    }
}

#[test]
#[ignore]
fn ignored() {
    ReservedBit;
}

fn helper() {
    ("-Key", "400 KeyMissing"),
}
"##;

    fn of_row(row: &str) -> Vec<String> {
        let files = |path: &str| (path == "machine/framing.rs").then(|| SOURCE.to_owned());
        let page =
            format!("## RFC 6455\n\n| § | Keyword | Rule | Binds | Breach | Held by |\n|---|---|\n{row}\n");
        let rows = rows(&page);
        assert_eq!(rows.len(), 1, "{row}");
        wrong_row(&rows[0], &files)
    }

    fn held_by(cell: &str) -> Vec<String> {
        of_row(&format!("| 5.2 | MUST | Bits are 0. | both | — | {cell} |"))
    }

    #[test]
    fn fixtures_that_exist_are_found() {
        for reference in [
            "`machine/framing.rs::table`",
            "`machine/framing.rs::with_a_clock`",
            "`machine/framing.rs::of_any_bytes`",
            "`machine/framing.rs: server < c1 80`",
            "`machine/framing.rs: client < [text- \"a\"] 83 00`",
            "`machine/framing.rs: (\"-Upgrade\", \"426 UpgradeMissing\")`",
            "`machine/framing.rs::table`, `machine/framing.rs: server < c1 80`",
            "For intermediaries: an endpoint forwards no frames of others.",
        ] {
            assert_eq!(held_by(reference), [""; 0], "{reference}");
        }
    }

    #[test]
    fn a_fixture_that_does_not_exist_is_missed() {
        for reference in [
            "`machine/framing.rs::no_such_test`",
            "`machine/framing.rs::helper`",
            "`machine/framing.rs::ignored`",
            "`machine/framing.rs::tab`",
            "`machine/nothing.rs::table`",
            "`machine/nothing.rs: server < c1 80`",
            "`machine/framing.rs: server < 90 80`",
            "`machine/framing.rs: server < 8f 80`",
            "`machine/framing.rs: server < c1`",
            "`machine/framing.rs: server < c1 80 `",
            "`machine/framing.rs: check_table`",
            "`machine/framing.rs: (\"-Host\", \"400 HostMissing\")`",
            "`machine/framing.rs: (\"-Key\", \"400 KeyMissing\")`",
            "`machine/framing.rs::table`, `machine/framing.rs::tables`",
            "`machine/framing`",
        ] {
            assert_eq!(held_by(reference).len(), 1, "{reference}: {:?}", held_by(reference));
        }
    }

    #[test]
    fn what_is_neither_fixtures_nor_a_reason_is_refused() {
        for cell in [
            "yes",
            "machine/framing.rs::table",
            "`machine/framing.rs::table` and more",
            "`machine/framing.rs::table`,`machine/framing.rs::table`",
            "For later",
            "For nobody: not applicable.",
            "Does not apply: a library has no use for this.",
        ] {
            assert_eq!(held_by(cell).len(), 1, "{cell}");
        }
    }

    #[test]
    fn a_promise_is_held_by_fixtures_that_exist_and_by_nothing_else() {
        let files = |path: &str| (path == "machine/framing.rs").then(|| SOURCE.to_owned());
        let wrong_in = |row: &str| {
            let page = format!("## {BEYOND}\n\n### Part\n\n| Promise | Held by |\n| --- | --- |\n{row}\n");
            assert_eq!((rows(&page).len(), promises(&page).len()), (0, 1), "{row}");
            wrong(&page, &files)
                .into_iter()
                .filter(|what| what.starts_with("rules.md:7: "))
                .collect::<Vec<_>>()
        };
        for good in [
            "| It holds. | `machine/framing.rs::table` |",
            "| It holds. | `machine/framing.rs::table`, `machine/framing.rs: server < c1 80` |",
        ] {
            assert_eq!(wrong_in(good), [""; 0], "{good}");
        }
        for (bad, what) in [
            ("| It holds. | `machine/framing.rs::lost` |", "no fixture `machine/framing.rs::lost`"),
            (
                "| It holds. | `machine/framing.rs::table`, `machine/framing.rs: server < 8f 80` |",
                "no fixture `machine/framing.rs: server < 8f 80`",
            ),
            ("| It holds. | For users: it does so since they all rely on it. |", "\" is no fixture"),
            ("| It holds. |  |", "\"\" is no fixture"),
            ("|  | `machine/framing.rs::table` |", "nothing under \"Promise\""),
            ("| It holds. |", "1 cells"),
            ("| It holds. | both | `machine/framing.rs::table` |", "3 cells"),
        ] {
            let wrong = wrong_in(bad);
            assert!(wrong.len() == 1 && wrong[0].ends_with(what), "{bad}: {wrong:?}");
        }
    }

    #[test]
    fn every_cell_is_needed() {
        let cells =
            ["5.2", "MUST", "Bits are 0.", "both", "`ReservedBit`", "`machine/framing.rs: server < c1 80`"];
        assert_eq!(of_row(&format!("| {} |", cells.join(" | "))), [""; 0]);
        for empty in 0..cells.len() {
            let mut cells = cells;
            cells[empty] = "";
            assert!(!of_row(&format!("| {} |", cells.join(" | "))).is_empty(), "{}", HEADER[empty]);
            let fewer: Vec<_> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
            assert_eq!(of_row(&format!("| {} |", fewer.join(" | "))), ["5 cells"]);
        }
        for (cell, other) in [(0, "5.x"), (1, "MAY"), (3, "everybody"), (4, "ReservedBit")] {
            let mut cells = cells;
            cells[cell] = other;
            assert_eq!(of_row(&format!("| {} |", cells.join(" | "))).len(), 1, "{other}");
        }
    }

    #[test]
    fn an_error_is_known_and_seen_in_a_fixture_of_its_row() {
        let with = |breach: &str, held_by: &str| {
            of_row(&format!("| 5.2 | MUST | It is. | both | {breach} | {held_by} |"))
        };
        let line = "`machine/framing.rs: server < c1 80`";
        assert_eq!(with("`ReservedBit`", line), [""; 0]);
        assert_eq!(with("`ReservedBits`", line), ["\"ReservedBits\" is neither a ProtocolError nor a Fault"]);
        assert_eq!(with("`ReservedOpCode`", line), ["no fixture of the row ends in ReservedOpCode"]);
        assert_eq!(with("`ReservedBit`, `ReservedOpCode`", line).len(), 1);
        assert_eq!(with("`UpgradeMissing`", "`machine/framing.rs::table`"), [""; 0]);
        assert_eq!(
            with("`ReservedBit`", "For intermediaries: an endpoint forwards no frames of others.").len(),
            1
        );
    }

    #[test]
    fn the_page_without_a_row_or_with_two_that_are_swapped_is_wrong() {
        let all = || rows(PAGE);
        assert_eq!((wrong_order(&all()), unnamed(&all())), (vec![], vec![]));
        for (_, name) in known() {
            let mut rows = all();
            rows.retain(|row| !row.breaches().contains(&&name[..]));
            assert!(unnamed(&rows).iter().any(|what| what.ends_with(&format!("names {name}"))), "{name}");
        }
        // Named, but not where its rule stands.
        for (place, name) in known().filter(|(place, _)| place.is_some()) {
            let mut rows = all();
            rows.retain(|row| {
                !place.is_some_and(|(rfc, section)| row.rfc == rfc && is_in(row.section(), section))
            });
            assert!(unnamed(&rows).iter().any(|what| what.ends_with(&format!("names {name}"))), "{name}");
        }
        let mut swapped = all();
        let rises = swapped
            .windows(2)
            .position(|pair| pair[0].rfc == pair[1].rfc && pair[0].numbers() < pair[1].numbers());
        let at = rises.expect("more than one section");
        swapped.swap(at, at + 1);
        assert!(wrong_order(&swapped).iter().any(|what| what.contains(" behind ")));
        let mut twice = all();
        twice.extend(all().pop());
        assert!(wrong_order(&twice).iter().any(|what| what.ends_with("twice")));
    }
}
