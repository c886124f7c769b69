//! The rules that are shipped, rendered with their example values, once or several times.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use companion::labels::LabelSet;
use companion::logql::Extractor;
use companion::rules::file::{self, Group};
use companion::rules::render::files::{read_values, render_all};

/// Rule files as they are loaded, name and text.
#[derive(Clone, Debug)]
pub struct Rules(Vec<(PathBuf, String)>);

impl Rules {
    /// All of a folder of sources, with the example values.
    pub fn shipped(folder: &Path) -> Self {
        let rendered =
            read_values(&folder.join("values.example.yaml")).and_then(|values| render_all(&[folder.join("logs")], &values));
        match rendered {
            Ok(rendered) => Self(rendered.files.into_iter().collect()),
            Err(wrong) => panic!("{wrong}"),
        }
    }

    /// The groups of all files, so many times; the alerts of the copies have other names.
    pub fn groups(&self, copies: usize) -> Vec<Group> {
        let mut groups = Vec::new();
        for copy in 0..copies {
            for (name, text) in &self.0 {
                let text = if copy == 0 { text.clone() } else { text.replace("- alert: ", &format!("- alert: Copy{copy}")) };
                let name: Arc<str> = format!("{copy}/{}", name.display()).into();
                groups
                    .extend(file::load(&name, text.as_bytes(), &Arc::default()).unwrap_or_else(|problems| panic!("{problems}")));
            }
        }
        groups
    }

    /// The extractors of all leaves that select the stream.
    pub fn extractors(&self, copies: usize, stream: &LabelSet) -> Vec<Extractor> {
        let groups = self.groups(copies);
        let queries = groups.iter().flat_map(|group| &group.rules).map(|rule| &rule.query);
        let leaves = queries.flat_map(|query| (0..query.leaves().len()).map(move |leaf| Extractor::new(query, leaf)));
        leaves.filter(|extractor| extractor.selects(stream)).collect()
    }
}
