//! Replays the committed corpus of the fuzz targets, so that what fuzzing once found stays found.

#[path = "../fuzz/src/lib.rs"]
pub mod properties;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");

#[test]
fn every_seed_keeps_its_property() {
    let mut broken = Vec::new();
    for (target, property) in properties::TARGETS {
        for seed in files_in(&Path::new(FUZZ).join("corpus").join(target)) {
            let data = fs::read(&seed).expect("a readable seed");
            if catch_unwind(AssertUnwindSafe(|| property(&data))).is_err() {
                broken.push(seed);
            }
        }
    }
    assert!(broken.is_empty(), "the property is broken by {broken:#?}");
}

#[test]
fn every_target_has_seeds() {
    for (target, _) in properties::TARGETS {
        assert!(!files_in(&Path::new(FUZZ).join("corpus").join(target)).is_empty(), "{target} has no seeds");
    }
}

#[test]
fn every_target_is_run_and_replayed() {
    let replayed: BTreeSet<String> = properties::TARGETS.iter().map(|(name, _)| (*name).into()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = entries_of(&Path::new(FUZZ).join(folder));
        entries.iter().map(|path| path.file_stem().expect("a name").to_string_lossy().into()).collect()
    };
    assert_eq!(names("fuzz_targets"), replayed);
    assert_eq!(names("corpus"), replayed);
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    entries_of(folder).into_iter().filter(|path| path.is_file()).collect()
}

fn entries_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}
