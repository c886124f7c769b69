//! The agent dies or is stopped: nothing is lost, and what is repeated is one batch at most, byte for byte.

use std::time::Duration;

use tests::agent::Agent;
use tests::line::Shape;
use tests::load::{Load, Turn};
use tests::loki::{Behaviour, Loki};
use tests::wait;

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scale, Scene, scale};

const RAW: Shape = Shape::Raw { bytes: 100 };

/// Lets the writer write so many more lines.
fn while_writing(load: &Load, n_records: u64) {
    let target = load.n_records() + n_records;
    wait::for_condition("the writer to go on", Duration::from_mins(1), || load.n_records() >= target);
}

fn kills_under_load(name: &'static str, shape: Shape, format: &str, rate: u64) {
    let Some(mut scene) = Scene::set(name) else {
        return;
    };
    let loki = Loki::start();
    let log = scene.log("audit.log", shape, 1);
    let book = scene.book(&[(1, shape)]);
    scene.configure(&[("load", log.path(), format)], &[Destination("main", &loki, "")]);
    let n_kills = scale().n_kills;
    let load = Load::start(log, rate, Turn::Never);
    for _ in 0..n_kills {
        let agent = scene.start();
        while_writing(&load, scene.random.between(rate / 100, rate));
        agent.kill();
    }
    let agent = scene.start();
    let log = load.stop();
    scene.finish(agent, &loki, book, &[&log], n_kills * REPEATS_PER_KILL_MAX);
}

/// The times of raw lines are the agent's own, and have to survive it.
#[test]
fn killed_under_load_of_raw_lines() {
    kills_under_load("killed_under_load_of_raw_lines", RAW, "raw", scale().rate);
}

#[test]
fn killed_under_load_of_audit_events() {
    kills_under_load("killed_under_load_of_audit_events", Shape::Audit, "kube-audit", scale().rate / 5);
}

#[test]
fn killed_while_it_catches_up() {
    let Some(mut scene) = Scene::set("killed_while_it_catches_up") else {
        return;
    };
    let loki = Loki::start();
    // As slow as a real one, or there would be no moment to strike.
    loki.behave(Behaviour::AcceptAfter(Duration::from_millis(10)));
    let n_kills = scale().n_kills;
    let n_records = n_kills * 20_000;
    let mut log = scene.log("audit.log", RAW, 1);
    log.append(n_records);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let mut agent = scene.start();
    for round in 0..n_kills {
        let target = (round * 20_000 + scene.random.between(1, 19_000)) as usize;
        wait::for_condition("the catch-up to go on", scale().deliver_max, || loki.n_stored() >= target);
        agent.kill();
        agent = scene.start();
    }
    let book = scene.book(&[(1, RAW)]);
    scene.finish(agent, &loki, book, &[&log], n_kills * REPEATS_PER_KILL_MAX);
}

#[test]
fn terminated_under_load_and_started_again() {
    let Some(mut scene) = Scene::set("terminated_under_load_and_started_again") else {
        return;
    };
    let loki = Loki::start();
    let log = scene.log("audit.log", RAW, 1);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let Scale { rate, n_kills, .. } = scale();
    let load = Load::start(log, rate, Turn::Never);
    for _ in 0..n_kills {
        let agent = scene.start();
        while_writing(&load, scene.random.between(rate / 10, rate));
        // Within 5 seconds, with exit code 0.
        agent.terminate();
    }
    let agent = scene.start();
    let log = load.stop();
    let book = scene.book(&[(1, RAW)]);
    scene.finish(agent, &loki, book, &[&log], 0);
}

#[test]
fn reloaded_under_load() {
    let Some(scene) = Scene::set("reloaded_under_load") else {
        return;
    };
    let loki = Loki::start();
    let log = scene.log("audit.log", RAW, 1);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let rate = scale().rate;
    let load = Load::start(log, rate, Turn::Never);
    let agent = scene.start();
    while_writing(&load, rate / 2);
    agent.hang_up();
    while_writing(&load, rate / 2);
    // A file that is none: the old configuration stays.
    let good = std::fs::read(scene.path("agent.yaml")).unwrap();
    std::fs::write(scene.path("agent.yaml"), "logs: {filse: []}\n").unwrap();
    agent.hang_up();
    said(&agent, "files");
    while_writing(&load, rate / 2);
    std::fs::write(scene.path("agent.yaml"), good).unwrap();
    let log = load.stop();
    let book = scene.book(&[(1, RAW)]);
    scene.finish(agent, &loki, book, &[&log], 0);
}

fn said(agent: &Agent, word: &str) {
    wait::for_condition("the agent to name the nearest key", Duration::from_secs(10), || agent.log().contains(word));
}
