//! The words of `logs.journal`: presets, levels, formats, and where a first start begins.

use crate::config::checked::{MessageFormat, Priority, Start};
use settings::problem::{Problems, quote};
use settings::quantity;
use settings::read::{Read, one_of};
use settings::yaml::Node;

/// The names of the presets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Preset {
    Sshd,
    CalicoFlow,
    NodeJournal,
}

impl Read for Preset {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let words = [("sshd", Self::Sshd), ("calico-flow", Self::CalicoFlow), ("node-journal", Self::NodeJournal)];
        one_of(name, node, problems, &words)
    }
}

/// What of the kernel's is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Kernel {
    All,
    ByPriority,
}

impl Read for Kernel {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &[("all", Self::All), ("by-priority", Self::ByPriority)])
    }
}

impl Read for MessageFormat {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &[("raw", Self::Raw), ("sshd", Self::Sshd), ("netfilter", Self::Netfilter)])
    }
}

impl Read for Priority {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::read(name, node, problems)?;
        if let Some(priority) = Self::named(&text).or_else(|| Self::of_digit(text.as_bytes())) {
            return Some(priority);
        }
        let words: Vec<(&str, Option<Self>)> = Self::NAMES.iter().map(|word| (*word, Self::named(word))).collect();
        one_of(name, node, problems, &words).flatten()
    }
}

impl Read for Start {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::read(name, node, problems)?;
        match text.as_str() {
            "now" => Some(Self::Now),
            "boot" => Some(Self::Boot),
            "all" => Some(Self::Everything),
            text => quantity::duration(text)
                .map_err(|_| {
                    let form = "is none of now, boot and all, and no duration such as 24h";
                    problems.push(&node.at, format!("`{name}`: {} {form}", quote(text)));
                })
                .ok()
                .map(Self::Age),
        }
    }
}
