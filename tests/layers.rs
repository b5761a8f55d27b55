//! The house: a module imports modules of lower ranks only, nothing below the adapter knows of sockets, clocks or
//! chance, and the house rules that a machine can check. Reads every file in `src`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The table in `src/lib.rs`.
const RANKS: [(&str, u8); 15] = [
    ("error", 0),
    ("utf8", 0),
    ("timer", 0),
    ("text", 1),
    ("deflate", 1),
    ("frame", 2),
    ("event", 3),
    ("config", 3),
    ("receive", 4),
    ("send", 4),
    ("handshake", 4),
    ("json", 4),
    ("connection", 5),
    ("replay", 6),
    ("tokio", 7),
];

/// What only the adapter may know: the beginning of a path, outside comments and strings.
const FORBIDDEN_BELOW_TOKIO: [&str; 12] = [
    "std",
    "tokio",
    "rand",
    "getrandom",
    "futures_core",
    "futures_sink",
    "futures_util",
    "Instant",
    "SystemTime",
    "TcpStream",
    "thread_local",
    "spawn",
];

/// The file with the only `unsafe`: one block, and what allows it.
const WITH_UNSAFE: &str = "frame/mask/lanes.rs";

const MAX_FUNCTION: usize = 60;
const MAX_FILE: usize = 400;

/// A file of `src`, without its comments and without what stands in quotes.
struct Source {
    /// From `src`, with `/`.
    path: String,
    raw: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

impl Source {
    fn new(path: &str, raw: &str) -> Self {
        Self { path: path.to_owned(), raw: raw.to_owned(), tokens: tokens(&blank(raw)) }
    }

    /// `frame/mask.rs` is in `["frame", "mask"]`, `frame/mod.rs` in `["frame"]`, `lib.rs` in `[]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        path.split('/').filter(|part| !matches!(*part, "mod" | "lib")).collect()
    }

    fn top(&self) -> &str {
        self.module().first().copied().unwrap_or("")
    }

    fn is_adapter(&self) -> bool {
        self.top() == "tokio"
    }

    fn at(&self, token: &Token) -> String {
        format!("src/{}:{}", self.path, token.line)
    }

    /// The paths into our own crate, each from its root, and where they stand.
    fn own_paths(&self) -> Vec<(Vec<&str>, &Token)> {
        let mut paths = Vec::new();
        let mut i = 0;
        while i < self.tokens.len() {
            let start = i;
            let Some(base) = self.base(&mut i) else {
                i = start + 1;
                continue;
            };
            self.tree(&base, &mut i, &mut paths);
        }
        paths
    }

    /// `crate::` or `super::super::` at `i`, and what it stands for.
    fn base(&self, i: &mut usize) -> Option<Vec<&str>> {
        let mut module = self.module();
        let first = self.text(*i);
        let behind_a_path = *i > 0 && self.text(*i - 1) == "::";
        if !matches!(first, "crate" | "sansocket" | "super") || behind_a_path || self.text(*i + 1) != "::" {
            return None;
        }
        if first != "super" {
            *i += 2;
            return Some(Vec::new());
        }
        while self.text(*i) == "super" {
            module.pop();
            *i += 2;
        }
        Some(module)
    }

    /// A path, or a tree of paths in braces, behind `base`.
    fn tree<'a>(&'a self, base: &[&'a str], i: &mut usize, paths: &mut Vec<(Vec<&'a str>, &'a Token)>) {
        let mut path = base.to_vec();
        while *i < self.tokens.len() {
            if self.text(*i) == "{" {
                *i += 1;
                while !matches!(self.text(*i), "}" | "") {
                    self.tree(&path, i, paths);
                    *i += usize::from(self.text(*i) == ",");
                }
                *i += 1;
                return;
            }
            path.push(self.text(*i));
            *i += 1;
            if self.text(*i) != "::" {
                paths.push((path, &self.tokens[*i - 1]));
                if self.text(*i) == "as" {
                    *i += 2;
                }
                return;
            }
            *i += 1;
        }
    }

    fn text(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |token| &token.text)
    }
}

/// Comments, strings and characters as spaces, so that lines and places stay.
fn blank(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        // A word goes over whole: a quote behind its last letter begins no literal of its own.
        let len = skipped(rest).unwrap_or_else(|| word_len(rest).max(first.len_utf8()));
        let (front, behind) = rest.split_at(len);
        if skipped(rest).is_some() {
            out.extend(front.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            out.push_str(front);
        }
        rest = behind;
    }
    out
}

fn word_len(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

/// How much of the front is a comment or a literal in quotes.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    let prefix = ["br", "r", "b"].into_iter().find(|prefix| {
        let behind = rest.strip_prefix(prefix).unwrap_or("");
        behind.starts_with('"')
            || prefix.contains('r') && behind.starts_with("#\"")
            || behind.starts_with('\'')
    });
    let quoted = &rest[prefix.map_or(0, str::len)..];
    if prefix.is_some_and(|prefix| prefix.contains('r')) {
        let hashes = quoted.len() - quoted.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let body = quoted.get(hashes + 1..)?;
        return Some(rest.len() - body.len() + body.find(&end)? + end.len());
    }
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    if quote == '\'' && !is_character(quoted) {
        return None;
    }
    let mut escaped = false;
    let end = quoted[1..].find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(rest.len() - quoted.len() + end.map_or(quoted.len(), |end| end + 2))
}

/// `'a'` and `'\n'`, not the lifetime `'a`.
fn is_character(quoted: &str) -> bool {
    let mut chars = quoted[1..].chars();
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

fn tokens(blanked: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, mut rest) in blanked.lines().enumerate() {
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { break };
            let word = word_len(rest);
            let len = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: rest[..len].to_owned(), line: number + 1 });
            rest = &rest[len..];
        }
    }
    tokens
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// A module imports lower ranks only.
fn wrong_imports(source: &Source) -> Vec<String> {
    let top = source.top();
    if top.is_empty() {
        return Vec::new();
    }
    let Some(own) = rank(top) else { return vec![format!("src/{}: {top:?} has no rank", source.path)] };
    let mut wrong = Vec::new();
    for (path, token) in source.own_paths() {
        let to = path[0];
        // What the crate exports stands above all modules; only an adapter is above that.
        let lower = rank(to).map_or(source.is_adapter(), |rank| rank < own);
        if to != top && !lower {
            wrong.push(format!("{}: {top} (rank {own}) imports {}", source.at(token), path.join("::")));
        }
    }
    wrong
}

/// No I/O, tasks, clocks, randomness or environment below the adapter.
fn wrong_worlds(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (i, token) in source.tokens.iter().enumerate() {
        let behind = [source.text(i + 1), source.text(i + 2), source.text(i + 3), source.text(i + 4)];
        let is_ours = i >= 2 && [source.text(i - 2), source.text(i - 1)] == ["crate", "::"];
        let is_io_slice = source.path == "send/transmit.rs" && behind == ["::", "io", "::", "IoSlice"];
        let is_arch = source.path == WITH_UNSAFE && behind == ["::", "arch", "::", "is_x86_feature_detected"];
        let is_mutex = source.path == "deflate/forms.rs" && behind == ["::", "sync", "::", "Mutex"];
        let is_declared = source.path == "lib.rs" && behind[0] != "::";
        let is_allowed = source.is_adapter() || is_ours || is_io_slice || is_arch || is_mutex || is_declared;
        if FORBIDDEN_BELOW_TOKIO.contains(&&token.text[..]) && !is_allowed {
            wrong.push(format!("{}: `{}` below the adapter", source.at(token), token.text));
        }
        if token.text == "httparse" && source.path != "handshake/http1.rs" {
            wrong.push(format!("{}: only handshake/http1.rs sees an HTTP parser", source.at(token)));
        }
    }
    wrong
}

/// One `unsafe` block in one file, and nothing else that could let one in.
fn wrong_unsafe(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut blocks = 0;
    for (i, token) in source.tokens.iter().enumerate() {
        let before = [source.text(i.wrapping_sub(2)), source.text(i.wrapping_sub(1))];
        let is_allowed = match token.text.as_str() {
            "unsafe" => {
                blocks += 1;
                source.path == WITH_UNSAFE && source.text(i + 1) == "{" && blocks == 1
            }
            "unsafe_code" => match source.path.as_str() {
                "lib.rs" => before == ["deny", "("],
                path => path == WITH_UNSAFE && before == ["allow", "("],
            },
            _ => true,
        };
        if !is_allowed {
            wrong.push(format!("{}: `{}`", source.at(token), token.text));
        }
    }
    wrong
}

/// The rules of the house that a machine can check.
fn wrong_manners(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for token in &source.tokens {
        if is_banned(&token.text) {
            wrong.push(format!("{}: `{}` is banned", source.at(token), token.text));
        }
    }
    for (number, line) in source.raw.lines().enumerate() {
        for mark in ["TODO", "FIXME", "XXX", "HACK"] {
            if line.contains(mark) {
                wrong.push(format!("src/{}:{}: {mark}", source.path, number + 1));
            }
        }
    }
    let lines = source.raw.lines().count();
    if lines > MAX_FILE {
        wrong.push(format!("src/{}: {lines} lines", source.path));
    }
    for (name, line, lines) in functions(source) {
        if lines > MAX_FUNCTION {
            wrong.push(format!("src/{}:{line}: `{name}` has {lines} lines", source.path));
        }
        if name == "handle" {
            wrong.push(format!("src/{}:{line}: `handle` without an object", source.path));
        }
    }
    let name = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let in_folder = source.path.split('/').any(|part| NAMES_OF_NOTHING.contains(&part));
    if in_folder || NAMES_OF_NOTHING.contains(&name) {
        wrong.push(format!("src/{}: a name that says nothing", source.path));
    }
    wrong
}

const NAMES_OF_NOTHING: [&str; 9] =
    ["util", "utils", "common", "helpers", "helper", "types", "prelude", "misc", "shared"];

fn is_banned(word: &str) -> bool {
    const WORDS: [&str; 9] =
        ["inner", "helper", "helpers", "manager", "dbg", "todo", "unimplemented", "println", "eprintln"];
    WORDS.contains(&word)
        || word.starts_with("do_")
        || ["Inner", "Helper", "Manager"].iter().any(|ending| word.ends_with(ending))
        || ["_helper", "_manager"].iter().any(|part| word.contains(part))
        || word.starts_with("inner_")
}

/// The functions with a body: name, line, number of lines.
fn functions(source: &Source) -> Vec<(&str, usize, usize)> {
    let mut functions = Vec::new();
    for (i, token) in source.tokens.iter().enumerate() {
        if token.text != "fn" || source.text(i + 1) == "(" {
            continue;
        }
        let mut depth = 0;
        for behind in &source.tokens[i..] {
            match behind.text.as_str() {
                ";" if depth == 0 => break,
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => continue,
            }
            if depth == 0 && behind.text == "}" {
                functions.push((source.text(i + 1), token.line, behind.line - token.line + 1));
                break;
            }
        }
    }
    functions
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of src") {
            let path: PathBuf = entry.expect("an entry of src").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let raw = fs::read_to_string(&path).expect("a source file");
                let name =
                    path.strip_prefix(&root).expect("a path in src").to_string_lossy().replace('\\', "/");
                sources.push(Source::new(&name, &raw));
            }
        }
    }
    assert!(sources.len() > 20, "only {} files in src", sources.len());
    sources
}

fn hold(rule: fn(&Source) -> Vec<String>) {
    let wrong: Vec<_> = sources().iter().flat_map(rule).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_module_imports_lower_ranks_only() {
    hold(wrong_imports);
}

#[test]
fn nothing_below_the_adapter_knows_the_world() {
    hold(wrong_worlds);
}

#[test]
fn one_file_has_one_unsafe_block() {
    hold(wrong_unsafe);
    let count = |word| {
        sources().iter().flat_map(|source| source.tokens.clone()).filter(|token| token.text == word).count()
    };
    assert_eq!((count("unsafe"), count("unsafe_code")), (1, 2), "the rule is about something");
}

#[test]
fn the_house_rules_hold() {
    hold(wrong_manners);
}

/// The picture of the house on the front page is the table that is held here.
#[test]
fn the_front_page_shows_these_ranks() {
    let front = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut shown = BTreeSet::new();
    for line in front.lines() {
        let cells: Vec<_> = line.trim_start_matches("//! ").split('|').map(str::trim).collect();
        let [_, rank, modules, _] = cells[..] else { continue };
        let Ok(rank) = rank.parse::<u8>() else { continue };
        // Modules are the words in backquotes.
        shown.extend(modules.split('`').skip(1).step_by(2).map(|module| (module.to_owned(), rank)));
    }
    let files = sources();
    let held: BTreeSet<_> = RANKS
        .iter()
        .filter(|(module, _)| files.iter().any(|source| source.top() == *module))
        .map(|(module, rank)| ((*module).to_owned(), *rank))
        .collect();
    assert_eq!(shown, held);
}

/// A rule that cannot be broken holds nothing: each of these sources breaks one.
mod scanner {
    use super::*;

    fn imports(path: &str, raw: &str) -> usize {
        wrong_imports(&Source::new(path, raw)).len()
    }

    #[test]
    fn imports_are_seen_in_every_form() {
        for raw in [
            "use crate::connection::State;",
            "use crate::{config::Config, connection::State};",
            "use crate::{\n    config::{Config, Limits},\n    connection::{Connection, State},\n};",
            "use super::connection::State;",
            "use super::{connection::State as S, Config};",
            "pub(crate) use crate::connection;",
            "fn f() -> crate::connection::State { todo }",
            "fn f(x: Option<crate::connection::State>) {}",
            "use sansocket::connection::State;",
            "use crate::Connection;",
            "use crate::{self as root, connection};",
        ] {
            assert!(imports("event.rs", raw) >= 1, "{raw}");
        }
        assert_eq!(imports("frame/mask.rs", "use super::super::connection;"), 1);
        assert_eq!(imports("frame/mod.rs", "use super::connection;"), 1);
        assert_eq!(imports("send/mod.rs", "use crate::receive::Receiver;"), 1);
        assert_eq!(imports("receive/admit.rs", "use crate::handshake::Offer;"), 1);
        assert_eq!(imports("config.rs", "use crate::event::Event;"), 1);
        assert_eq!(imports("error.rs", "use crate::utf8::Validator;"), 1);
        assert_eq!(imports("new_room.rs", ""), 1);
    }

    #[test]
    fn what_is_allowed_is_not_seen() {
        for (path, raw) in [
            ("event.rs", "use crate::{frame::CloseFrame, text::Text};"),
            ("frame/mask.rs", "use super::{MAX_CONTROL, header::Header};"),
            ("frame/mask.rs", "use crate::frame::Header;"),
            (
                "event.rs",
                "//! [`Connection`](crate::connection::Connection)\n/// crate::connection\n// super::connection",
            ),
            ("event.rs", "/* crate::connection::X */ const S: &str = \"crate::connection::X\";"),
            (
                "event.rs",
                "const S: &str = r#\"crate::connection::\"X\"#; const B: &[u8] = b\"crate::connection\";",
            ),
            ("event.rs", "const Q: char = '\"'; fn f<'a>(x: &'a str) {} // \"\nuse crate::frame::Header;"),
            ("tokio/mod.rs", "use crate::{Connection, connection::State};"),
            ("lib.rs", "pub use connection::Connection;"),
            ("event.rs", "pub(crate) fn f() {} pub(super) fn g() {}"),
        ] {
            assert_eq!(imports(path, raw), 0, "{raw}");
        }
        // A quote inside a character must not swallow what follows it.
        assert_eq!(imports("event.rs", "const Q: char = '\"';\nuse crate::connection::X;"), 1);
        assert_eq!(imports("event.rs", "const Q: char = '\\'';\nuse crate::connection::X;"), 1);
        assert_eq!(imports("event.rs", "const Q: &str = \"\\\"\";\nuse crate::connection::X;"), 1);
    }

    #[test]
    fn the_world_is_seen() {
        let wrong = |path: &str, raw: &str| wrong_worlds(&Source::new(path, raw)).len();
        for raw in [
            "use std::net::TcpStream;",
            "use std::io::Read;",
            "use std::time::Instant;",
            "fn f() { std::env::var(\"X\"); }",
            "use ::tokio::spawn;",
            "use rand::Rng;",
            "fn f() { getrandom::fill(&mut x); }",
            "fn f() { std::thread::sleep(d); }",
            "use std::io::IoSlice;",
        ] {
            assert!(wrong("send/mod.rs", raw) > 0, "{raw}");
            assert_eq!(wrong("tokio/mod.rs", raw), 0, "{raw}");
        }
        assert_eq!(wrong("send/transmit.rs", "use std::io::IoSlice;"), 0);
        assert_eq!(wrong("send/transmit.rs", "use std::io::{IoSlice, Read};"), 1);
        assert_eq!(wrong("deflate/forms.rs", "use std::sync::Mutex;"), 0);
        assert_eq!(wrong("deflate/mod.rs", "use std::sync::Mutex;"), 1);
        assert_eq!(wrong(WITH_UNSAFE, "fn f() -> bool { std::arch::is_x86_feature_detected!(\"avx2\") }"), 0);
        assert_eq!(wrong(WITH_UNSAFE, "use std::arch::x86_64::_mm256_xor_si256;"), 1);
        assert_eq!(wrong("utf8.rs", "fn f() -> bool { std::arch::is_x86_feature_detected!(\"avx2\") }"), 1);
        assert_eq!(wrong("lib.rs", "extern crate std;\n#[cfg(feature = \"tokio\")]\npub mod tokio;"), 0);
        assert_eq!(wrong("lib.rs", "use std::io;"), 1);
        assert_eq!(wrong("handshake/http1.rs", "use httparse::Request;"), 0);
        assert_eq!(wrong("handshake/server.rs", "use httparse::Request;"), 1);
        assert_eq!(wrong("event.rs", "// std::net, rand and tokio\nuse core::time::Duration;"), 0);
    }

    #[test]
    fn unsafe_is_seen() {
        let wrong = |path: &str, raw: &str| wrong_unsafe(&Source::new(path, raw)).len();
        for raw in [
            "fn f() { unsafe { g() } }",
            "unsafe fn f() {}",
            "unsafe impl Send for S {}",
            "#[unsafe(no_mangle)] fn f() {}",
            "#[allow(unsafe_code)] mod m;",
            "#[expect(unsafe_code)] mod m;",
        ] {
            assert_eq!(wrong("frame/mask/mod.rs", raw), 1, "{raw}");
            assert_eq!(wrong("lib.rs", raw), 1, "{raw}");
        }
        assert_eq!(wrong(WITH_UNSAFE, "#[allow(unsafe_code)] fn f() { unsafe { g() } }"), 0);
        assert_eq!(wrong(WITH_UNSAFE, "fn f() { unsafe { g() } unsafe { g() } }"), 1);
        assert_eq!(wrong(WITH_UNSAFE, "unsafe fn f() {}"), 1);
        assert_eq!(wrong(WITH_UNSAFE, "unsafe impl Send for S {}"), 1);
        assert_eq!(wrong("lib.rs", "#![deny(unsafe_code)]"), 0);
        assert_eq!(wrong("event.rs", "// unsafe\nconst S: &str = \"unsafe\"; fn unsafely() {}"), 0);
    }

    #[test]
    fn bad_manners_are_seen() {
        let wrong = |path: &str, raw: &str| wrong_manners(&Source::new(path, raw)).len();
        for raw in [
            "// TODO: later",
            "fn f() { dbg!(1); }",
            "fn f() { todo!() }",
            "struct S { inner: u8 }",
            "struct ConnectionManager;",
            "fn do_send() {}",
            "fn read_helper() {}",
            "fn handle(&mut self) {}",
        ] {
            assert_eq!(wrong("event.rs", raw), 1, "{raw}");
        }
        for path in ["util.rs", "frame/common.rs", "helpers/x.rs", "types.rs", "prelude.rs"] {
            assert_eq!(wrong(path, "fn f() {}"), 1, "{path}");
        }
        let body = |lines: usize| format!("fn long(x: [u8; 2]) {{\n{}}}\n", "    f();\n".repeat(lines));
        assert_eq!(wrong("event.rs", &body(58)), 0);
        assert_eq!(wrong("event.rs", &body(59)), 1);
        assert_eq!(wrong("event.rs", &"fn f() {}\n".repeat(400)), 0);
        assert_eq!(wrong("event.rs", &"fn f() {}\n".repeat(401)), 1);
        for raw in ["fn into_inner() {}", "trait T { fn f(); }", "fn door() {}", "const F: fn(u8) = f;"] {
            assert_eq!(wrong("event.rs", raw), 0, "{raw}");
        }
    }
}
