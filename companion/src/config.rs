//! The configuration: `raw` mirrors the file, `checked` is what the program runs on, `check` leads from one to the other.
//!
//! `load` is the way in. It is called at the start, and again on SIGHUP, where problems leave the old configuration.

mod check;
pub mod checked;
mod defaults;
mod raw;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use checked::Config;
use raw::Raw;
use settings::file;
use settings::problem::{At, Problems};
use settings::read::Spanned;

/// Read if it exists and `--config` names no other.
pub const DEFAULT_FILE: &str = "/etc/picket/companion.yaml";

/// What the arguments say, which counts before the file.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--alertmanager`, added to those of the file.
    pub alertmanagers: Vec<String>,
}

/// A valid configuration, and where it is from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the program runs on.
    pub config: Config,
    /// The file, if one was read.
    pub file: Option<PathBuf>,
}

/// Reads the file, and adds the arguments.
pub fn load(arguments: &Arguments) -> Result<Loaded, Problems> {
    let (file, text) = file::find(arguments.config.as_deref(), Path::new(DEFAULT_FILE))?;
    let name: Arc<str> = file.as_ref().map_or("".into(), |file| file.to_string_lossy().into());
    let mut problems = Problems::default();
    let mut raw: Raw = file::parse(&name, &text, &mut problems)?;
    add(&mut raw, arguments);
    let config = check::check(&raw);
    // What could not be read is left out of `raw`; both kinds of problems are wanted, in the order of the file.
    let config = problems.and(config)?;
    Ok(Loaded { config, file })
}

fn add(raw: &mut Raw, arguments: &Arguments) {
    if let Some(listen) = &arguments.listen {
        raw.listen = Some(Spanned::new(listen.clone(), At::outside("--listen")));
    }
    if let Some(directory) = &arguments.state_dir {
        raw.state_dir = Some(Spanned::new(directory.to_string_lossy().into_owned(), At::outside("--state-dir")));
    }
    if !arguments.alertmanagers.is_empty() {
        let at = At::outside("--alertmanager");
        let urls = arguments.alertmanagers.iter().map(|url| Spanned::new(url.clone(), at.clone()));
        let notify = raw.notify.get_or_insert_with(|| Spanned::new(raw::RawNotify::default(), at.clone()));
        notify.value.alertmanagers.get_or_insert_with(|| Spanned::new(Vec::new(), at.clone())).value.extend(urls);
    }
}
