//! Arguments as settings: `--loki`, `--remote-write`, `--file` and `--listen` mean what the same settings in the file would.

use std::path::{Component, Path};

use super::check::Environment;
use super::raw::{Raw, RawFiles, RawLoki, RawRemoteWrite};
use crate::cli::Settings;
use settings::problem::{At, Problems, quote};
use settings::read::Spanned;

/// Adds the arguments to what the file says; `--listen` replaces it, since there is one only.
pub(super) fn add(raw: &mut Raw, settings: &Settings, environment: &Environment, problems: &mut Problems) {
    for url in &settings.loki {
        let at = At::outside("--loki");
        let output = RawLoki { url: Some(Spanned::new(url.clone(), at.clone())), ..RawLoki::default() };
        let outputs = &mut raw.outputs.get_or_insert_default().value;
        outputs.loki.get_or_insert_default().value.push(Spanned::new(output, at));
    }
    for url in &settings.remote_write {
        let at = At::outside("--remote-write");
        let output = RawRemoteWrite { url: Some(Spanned::new(url.clone(), at.clone())), ..RawRemoteWrite::default() };
        let outputs = &mut raw.outputs.get_or_insert_default().value;
        outputs.remote_write.get_or_insert_default().value.push(Spanned::new(output, at));
    }
    for file in &settings.file {
        let at = At::outside("--file");
        let Some((job, glob)) = file.split_once('=') else {
            problems.push(&at, format!("{} is not JOB=GLOB; for example nginx=/var/log/nginx/*.log", quote(file)));
            continue;
        };
        let spanned = |value: String| Spanned::new(value, at.clone());
        let path = absolute(&environment.working_directory, glob);
        let input = RawFiles {
            job: Some(spanned(job.to_owned())),
            paths: Some(Spanned::new(vec![spanned(path)], at.clone())),
            ..RawFiles::default()
        };
        let logs = &mut raw.logs.get_or_insert_default().value;
        logs.files.get_or_insert_default().value.push(Spanned::new(input, at));
    }
    if let Some(listen) = &settings.listen {
        raw.listen = Some(Spanned::new(listen.clone(), At::outside("--listen")));
    }
}

/// The glob with the working directory in front, as the shell would mean it.
fn absolute(working_directory: &Path, glob: &str) -> String {
    let mut path = working_directory.to_owned();
    for part in Path::new(glob).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}
