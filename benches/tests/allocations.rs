//! The README says that nothing is allocated per line. Here the agent runs in this process, under an allocator that counts.
//!
//! Requests cost some allocations each, lines none: the same lines are shipped in many requests and in few, and what is left when
//! the requests' share is taken out is the lines' share.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::alloc::System;
use std::path::Path;
use std::sync::atomic::Ordering;

use agent::cli::Cli;
use agent::collector::host::Host;
use agent::config::{self, Environment};
use agent::host_root::HostRoot;
use agent::pipeline::{self, Ended, Lasting, Options};
use benches::inputs::{Input, Written};
use benches::receiver::Receiver;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A whole number of requests of either size.
const INPUT_BYTES: u64 = 24 << 20;

#[test]
fn a_line_costs_no_allocation() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("input.log");
    for (input, format) in [
        (Input::Cri, "cri"),
        (Input::Cri, "raw"),
        (Input::Audit, "json, timestamp: [stageTimestamp]"),
        (Input::Audit, "kube-audit"),
    ] {
        let written = input.write(&file, INPUT_BYTES);
        let few = ship(&file, written, format, 1000);
        let many = ship(&file, written, format, 100);
        // allocations = fixed + per_request × requests + per_line × lines; the fixed part is that of a file of one line.
        let one = input.write(&file, 1);
        let fixed = ship(&file, one, format, 1000).allocations;
        let per_request = (many.allocations - few.allocations) / (many.requests - few.requests);
        let per_line = (few.allocations - fixed - per_request * (few.requests - 1.0)) / written.lines as f64;
        println!("{format}: {per_request:.1} allocations a request, {per_line:.5} a line");
        assert!(per_line < 0.001, "{format}: {per_line} allocations a line, {few:?} and {many:?}");
    }
}

#[derive(Clone, Copy, Debug)]
struct Shipped {
    allocations: f64,
    requests: f64,
}

/// Ships the file with so many entries a request, and counts.
fn ship(file: &Path, written: Written, format: &str, entries: u32) -> Shipped {
    let receiver = Receiver::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.yaml");
    let text = format!(
        "node: bench\nlogs:\n  files:\n    - {{job: bench, paths: [{}], format: {format}, max_age: all}}\noutputs:\n  loki: [{{url: \"{}\", batch_entries: {entries}, batch_bytes: 8MiB}}]\n",
        file.display(),
        receiver.url(),
    );
    std::fs::write(&path, text).unwrap();
    let state = directory.path().join("state");
    let arguments = ["agent", "--once", "--config", path.to_str().unwrap(), "--state-dir", state.to_str().unwrap()];
    let cli = Cli::try_from_arguments(arguments).unwrap();
    let loaded = config::load(&cli.settings, &Environment::of_host()).unwrap_or_else(|problems| panic!("{problems}"));
    let options = Options {
        state_directory: state,
        root: HostRoot::new(&cli.settings.path_rootfs),
        host: Host::default(),
        once: true,
        inotify: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut lasting = Lasting::new().unwrap();
    let region = Region::new(COUNTED);
    let ended = runtime.block_on(pipeline::run(&loaded.config, &options, &mut lasting, || false));
    let allocations = region.change().allocations as f64;
    assert!(matches!(ended, Ok(Ended::Delivered)), "not all {} lines were delivered", written.lines);
    Shipped { allocations, requests: receiver.counts().requests.load(Ordering::Relaxed) as f64 }
}
