//! The configuration in deploy/config: our router reads it, Debian's amtool too, and it sends alerts where it says.

use std::path::{Path, PathBuf};

use companion::labels::LabelSet;
use companion::notify::config;

use crate::double::labels;
use crate::real::{installed, program_of, skipped};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/alertmanager.yml")
}

#[test]
fn our_router_reads_it_and_sends_each_lane_to_its_receiver() {
    let config = config::load(&shipped()).unwrap_or_else(|error| panic!("{error}"));
    let receivers = |text: &str| -> Vec<(String, u64, u64, u64)> {
        let set: LabelSet = labels(text);
        let routes = config.routes.of(&set).into_iter().filter_map(|id| config.routes.get(id));
        routes
            .map(|route| {
                let seconds = [route.group_wait, route.group_interval, route.repeat_interval].map(|span| span.as_secs());
                (route.receiver.clone(), seconds[0], seconds[1], seconds[2])
            })
            .collect()
    };
    for (alert, receiver, times) in [
        ("alertname=K4 lane=security severity=critical", "security", (10, 60, 3_600)),
        ("alertname=K2 lane=security severity=info", "security", (10, 60, 3_600)),
        ("alertname=NodeDown severity=critical", "critical", (10, 60, 21_600)),
        ("alertname=DiskFilling severity=warning", "warning", (30, 300, 86_400)),
        ("alertname=Anything", "warning", (30, 300, 86_400)),
        ("alertname=Backup severity=info", "info", (300, 1_800, 86_400)),
    ] {
        assert_eq!(receivers(alert), [(receiver.to_owned(), times.0, times.1, times.2)], "{alert}");
    }
    assert!(config.receivers.iter().flat_map(|receiver| &receiver.integrations).all(|integration| integration.send_resolved));
    // The dead man's switch goes out by a webhook of its own, again and again.
    assert_eq!(receivers("alertname=Watchdog severity=none")[0].0, "watchdog");
}

#[test]
fn amtool_reads_it() {
    let Some(program) = installed(&["amtool"]) else {
        skipped("amtool_reads_it", "no amtool here (apt-get install prometheus-alertmanager)");
        return;
    };
    let output = program_of(&program).arg("check-config").arg(shipped()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
}
