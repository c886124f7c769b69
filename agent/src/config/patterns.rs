//! Globs and regular expressions, compiled once and within limits.
//!
//! The one place that says what a `*` matches: in a path it stays within one directory (`**` crosses), in the name of a
//! job, a pod or a container it matches anything.

use std::fmt;
use std::ops::Deref;

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use regex::bytes::{Regex, RegexBuilder};

/// Longest pattern in bytes.
const PATTERN_BYTES_MAX: usize = 4096;
/// Most memory that one compiled expression may take, in bytes; `\w{1000}` asks for megabytes.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Most memory for the states that one expression builds while it runs, per thread, in bytes.
const REGEX_CACHE_BYTES_MAX: usize = 512 << 10;

/// Several globs, of which one has to match. Used as a `GlobSet`; remembers what was written.
#[derive(Clone, Default)]
pub struct Globs {
    set: GlobSet,
    texts: Vec<String>,
}

impl Globs {
    /// The globs as they were written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// All of them compiled: as paths where `paths`, else as names.
    fn new(texts: Vec<String>, paths: bool) -> Result<Self, String> {
        let mut builder = GlobSetBuilder::new();
        for text in &texts {
            builder.add(glob(text, paths)?);
        }
        let set = builder.build().map_err(|error| format!("is too much to compile: {}", error.kind()))?;
        Ok(Self { set, texts })
    }
}

impl Deref for Globs {
    type Target = GlobSet;

    fn deref(&self) -> &GlobSet {
        &self.set
    }
}

impl fmt::Debug for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.texts.fmt(f)
    }
}

/// Globs of paths: `*` stays within one directory.
pub fn path_globs(texts: Vec<String>) -> Result<Globs, String> {
    Globs::new(texts, true)
}

/// Globs of names: `*` matches anything.
pub fn name_globs(texts: Vec<String>) -> Result<Globs, String> {
    Globs::new(texts, false)
}

/// A glob of paths: `*` stays within one directory.
pub fn path_glob(text: &str) -> Result<GlobMatcher, String> {
    Ok(glob(text, true)?.compile_matcher())
}

/// A glob of names: `*` matches anything.
pub fn name_glob(text: &str) -> Result<GlobMatcher, String> {
    Ok(glob(text, false)?.compile_matcher())
}

fn glob(text: &str, path: bool) -> Result<globset::Glob, String> {
    if text.is_empty() {
        return Err("is empty; write `*` for everything".to_owned());
    }
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    let glob = GlobBuilder::new(text).literal_separator(path).backslash_escape(true).build();
    glob.map_err(|error| format!("is not a glob: {}", error.kind()))
}

/// A regular expression over bytes; lines of a log need not be UTF-8.
pub fn regex(text: &str) -> Result<Regex, String> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    let regex = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_CACHE_BYTES_MAX).build();
    regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("takes more than {limit} bytes when compiled; repeat less, or write (?-u) before \\w and \\d")
        }
        // The message is a drawing over several lines; the last one says what is wrong.
        error => {
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default();
            format!("is not a regular expression: {}", reason.trim_start_matches("error: "))
        }
    })
}
