//! The README's first command: both programs, an event appended to a file, an alert.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tests::agent;
use tests::companion;
use tests::skip::skipped;
use tests::stamp;
use tests::wait;
use tests::webhook::Webhook;

use crate::stage::{ALERT_MAX, EXEC_ALERT, PATIENCE};

#[test]
#[expect(clippy::disallowed_methods, reason = "the script is what is tested")]
fn the_first_command_runs_both_and_an_example_becomes_an_alert() {
    let name = "the_first_command_runs_both_and_an_example_becomes_an_alert";
    let Some(companion) = companion::binary(name) else { return };
    let Some(agent) = agent::binary() else {
        return skipped(name, "no agent binary: build it or set PICKET_AGENT");
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dir = tempfile::tempdir().unwrap();
    let (log, out, webhook) = (dir.path().join("audit.log"), dir.path().join("out"), Webhook::start());
    fs::write(&log, "").unwrap();
    let mut command = Command::new(root.join("run"));
    command.arg("--file").arg(format!("kubernetes-audit={}", log.display()));
    command.args(["--", "--listen", "127.0.0.1:0", "--alertmanager", &webhook.url()]);
    command.env("PICKET_AGENT", agent).env("PICKET_COMPANION", companion).env_remove("PICKET_STATE");
    // Others run beside it.
    command.env("PICKET_LISTEN", "127.0.0.1:0");
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(dir.path().join("err")).unwrap());
    let mut running = command.spawn().unwrap();
    let said = || fs::read_to_string(&out).unwrap();
    // What they found, what they watch, and where to look.
    for part in
        ["rules    46 in 9 groups", "kubernetes-audit|kube-audit", "look at  http://127.0.0.1:", "reads    kubernetes-audit: "]
    {
        wait::for_condition(part, PATIENCE, || said().contains(part));
    }
    let begin = Instant::now();
    let example = fs::read_to_string(root.join("fixtures/examples/exec.json")).unwrap();
    let example = example.replace("NOW", &stamp::rfc3339_micros(stamp::now_nanos()));
    OpenOptions::new().append(true).open(&log).unwrap().write_all(example.as_bytes()).unwrap();
    wait::for_condition("the alert", PATIENCE, || !webhook.named(EXEC_ALERT).is_empty());
    let alerts = webhook.named(EXEC_ALERT);
    assert!(alerts.iter().all(|(_, alert)| alert["annotations"]["late"].is_null()), "it is news: {alerts:?}");
    assert!(begin.elapsed() <= ALERT_MAX, "{:?} from the file to the receiver", begin.elapsed());
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    let status = wait::until(PATIENCE, || running.try_wait().unwrap()).expect("both end");
    assert!(status.success(), "{status}: {}", fs::read_to_string(dir.path().join("err")).unwrap());
}
