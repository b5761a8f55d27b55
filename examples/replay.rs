//! Replays a recorded session: `cargo run --example replay -- FILE` prints what the machine makes of it.
//!
//! With `--fixture NAME` it also writes `tests/sessions/NAME.session`: the session, and its transcript as what is expected
//! from then on. Where the machine was wrong, mend the transcript there, and `cargo test --test sessions` is red until
//! the machine is mended too.

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::Write,
    path::Path,
    process::ExitCode,
};

use sansocket::replay::Session;

const USAGE: &str = "usage: replay FILE [--fixture NAME]";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    let (file, fixture) = match &args[..] {
        [file] => (file, None),
        [file, option, name] if option == "--fixture" => (file, Some(name)),
        _ => return Err(USAGE.into()),
    };
    let session: Session = fs::read_to_string(file)?.parse().map_err(|error| format!("{file}: {error}"))?;
    let transcript = session.replay();
    print!("{transcript}");
    if let Some(name) = fixture {
        write_fixture(name, &session.expect(&transcript))?;
        return Ok(ExitCode::SUCCESS);
    }
    if session.expected.is_empty() && transcript.is_faithful() || session.expected == transcript.lines() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("replay: not what {file} has");
    Ok(ExitCode::FAILURE)
}

/// Writes a new fixture; one that is there already is left alone.
fn write_fixture(name: &str, session: &Session) -> Result<(), Box<dyn Error>> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return Err("a name has letters, digits, - and _ only".into());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name).with_extension("session");
    let mut file = File::create_new(path).map_err(|error| format!("{name}: {error}"))?;
    file.write_all(session.to_string().as_bytes())?;
    eprintln!("wrote tests/sessions/{name}.session");
    Ok(())
}
