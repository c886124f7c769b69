//! What is to be read, as the scout has it: file inputs with their patterns compiled, and pod logs. Pure.

use std::path::Path;
use std::sync::Arc;

use super::discovery::PathGlob;
use crate::config::checked::{FileInput, JournalInput, PodInput};
use crate::kubelet::apps::Apps;
use crate::tail::origin;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Files, with their patterns compiled.
    pub files: Vec<(Arc<FileInput>, Vec<PathGlob>)>,
    /// Pod logs.
    pub pods: Option<Arc<PodInput>>,
    /// What pods are called, if lines are to say so.
    pub apps: Option<Arc<Apps>>,
    /// The journal.
    pub journal: Option<Arc<JournalInput>>,
}

/// The account of what is lost or left out of the journal before it is known whose it is.
pub const JOURNAL_SOURCE: &str = "journal";

impl Inputs {
    /// The account of the log with that key (see [`super::origin::Origin::key`]), if it is still one that is to be read: its files
    /// need not exist, and nothing but the key may be left of it.
    pub fn source_of(&self, key: &str) -> Option<String> {
        if let Some(rest) = key.strip_prefix("pod ") {
            return self.pods.as_ref().and_then(|input| source_of_pod(input, rest));
        }
        if origin::is_set(key) {
            return self.journal.as_ref().map(|_| JOURNAL_SOURCE.to_owned());
        }
        let rest = key.strip_prefix("file ")?;
        let is_meant = |(input, globs): &&(Arc<FileInput>, Vec<PathGlob>)| {
            let path = rest.strip_prefix(input.job.as_str()).and_then(|rest| rest.strip_prefix(' ')).map(Path::new);
            path.is_some_and(|path| !input.exclude.is_match(path) && globs.iter().any(|glob| glob.is_match(path)))
        };
        self.files.iter().find(is_meant).map(|(input, _)| input.job.clone())
    }
}

fn source_of_pod(input: &PodInput, key: &str) -> Option<String> {
    let (pod, container) = key.rsplit_once('/')?;
    let (namespace, _) = pod.split_once('/')?;
    let is_meant = !input.exclude.is_match(pod) && (input.include.is_empty() || input.include.is_match(pod));
    is_meant.then(|| format!("{namespace}/{container}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::fixtures::{file_input, pod_input};

    #[test]
    fn a_key_leads_back_to_its_account_while_the_log_is_configured() {
        let globs = |texts: &[&str]| texts.iter().map(|text| PathGlob::new(text).unwrap()).collect::<Vec<_>>();
        let files = vec![
            (Arc::new(file_input("my shop")), globs(&["/l/*.log", "/x/a.log"])),
            (Arc::new(file_input("my")), globs(&["/m"])),
        ];
        let exclude = crate::config::patterns::name_globs(vec!["shop/db-*".to_owned()]).unwrap();
        let pods = Some(Arc::new(PodInput { exclude, ..pod_input(Path::new("/pods")) }));
        let inputs = Inputs { files, pods, ..Inputs::default() };
        for (key, source) in [
            ("file my shop /l/a.log", Some("my shop")),
            ("file my shop /x/a.log", Some("my shop")),
            ("file my /m", Some("my")),
            ("file my shop /l/a.txt", None),
            ("file other /l/a.log", None),
            ("pod shop/web-0/nginx", Some("shop/nginx")),
            ("pod shop/db-0/postgres", None),
            ("pod shop", None),
            ("", None),
        ] {
            assert_eq!(inputs.source_of(key).as_deref(), source, "{key}");
        }
        assert_eq!(Inputs::default().source_of("pod shop/web-0/nginx"), None);
    }
}
