//! How fast journal files are read, and what journalctl needs for the same.
//!
//! `cargo run --release -p benches --bin read_journal -- PATH...`: a directory with journal files, or files. Of every entry, twelve fields
//! are read, file by file; then `journalctl -o json` writes all entries to nowhere. The first pass, which is not counted, brings the files
//! into memory.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use agent::journal::file::{FieldId, JournalFile, Wanted};
use benches::process::{self, Cost, memory};

/// What an agent asks for.
const FIELDS: [(&str, usize); 12] = [
    ("MESSAGE", 64 << 10),
    ("PRIORITY", 16),
    ("SYSLOG_IDENTIFIER", 256),
    ("_SYSTEMD_UNIT", 256),
    ("_PID", 32),
    ("_UID", 32),
    ("_COMM", 64),
    ("_EXE", 512),
    ("_HOSTNAME", 256),
    ("_TRANSPORT", 32),
    ("_BOOT_ID", 64),
    ("_MACHINE_ID", 64),
];

fn main() {
    let files: Vec<PathBuf> = std::env::args().skip(1).flat_map(|path| journals(Path::new(&path))).collect();
    let wanted = Arc::new(Wanted::new(&FIELDS));
    let read = || files.iter().map(|file| read(file, &wanted)).fold((0, 0), |sum, file| (sum.0 + file.0, sum.1 + file.1));
    read();
    println!("| what | entries | seconds | entries/s | CPU seconds | µs of CPU an entry | peak resident MiB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (begun, before) = (Instant::now(), process::thread_time());
    let (entries, bytes) = read();
    let cpu = process::thread_time().saturating_sub(before);
    row("twelve fields", entries, Cost { cpu, wall: begun.elapsed(), peak: memory("/proc/self", "VmHWM:").unwrap_or_default() });
    row("`journalctl -o json`", entries, journalctl(&files));
    println!("{bytes} bytes of values");
}

/// Files named as journals are, at a path or in the directory that it is.
fn journals(path: &Path) -> Vec<PathBuf> {
    let Ok(directory) = std::fs::read_dir(path) else { return vec![path.to_owned()] };
    let mut files: Vec<_> = directory
        .flatten()
        .flat_map(|entry| if entry.path().is_dir() { journals(&entry.path()) } else { vec![entry.path()] })
        .collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "journal" || end == "journal~"));
    files.sort();
    files
}

/// Reads a file to its end: entries, and bytes of their values.
fn read(path: &Path, wanted: &Arc<Wanted>) -> (u64, u64) {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut file = JournalFile::open(file, Arc::clone(wanted)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut entries, mut bytes) = (0, 0);
    loop {
        match file.read() {
            Ok(None) => return (entries, bytes),
            Ok(Some(entry)) => {
                let values = (0..FIELDS.len() as u16).filter_map(|field| entry.get(FieldId(field)));
                bytes += values.map(|value| black_box(value).len() as u64).sum::<u64>();
                entries += 1;
            }
            Err(damaged) => println!("{}: {damaged}", path.display()),
        }
        file.step();
    }
}

/// What journalctl costs over the same files.
fn journalctl(files: &[PathBuf]) -> Cost {
    #[expect(clippy::disallowed_methods, reason = "it is what is compared with")]
    let mut command = Command::new("journalctl");
    command.args(["-o", "json", "--all", "--no-pager"]);
    for file in files {
        command.arg("--file").arg(file);
    }
    process::run(&mut command, || false)
}

fn row(what: &str, entries: u64, cost: Cost) {
    let (wall, cpu, peak) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64(), cost.peak as f64 / f64::from(1 << 20));
    let (rate, each) = (entries as f64 / wall, cpu * 1e6 / entries.max(1) as f64);
    println!("| {what} | {entries} | {wall:.2} | {rate:.0} | {cpu:.2} | {each:.2} | {peak:.1} |");
}
