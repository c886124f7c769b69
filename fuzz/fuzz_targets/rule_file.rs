//! Files that operators write: rules, and Alertmanager's own. No bytes make reading them fall over.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use companion::notify::config;
use companion::rules::file;
use companion::rules::template::Environment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let environment = Arc::new(Environment::default());
    drop(file::load(&"rules.yaml".into(), bytes, &environment));
    drop(config::parse(&"alertmanager.yml".into(), bytes, Path::new("/nonexistent")));
});
