//! The stage of these tests: a directory, a companion, whom it tells, and events.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use tests::agent::{Agent, Launch};
use tests::companion;
use tests::program::{Program, Running};
use tests::wait;
use tests::webhook::Webhook;

/// From the event in the file to the alert at the receiver.
pub(crate) const ALERT_MAX: Duration = Duration::from_secs(2);
/// Until something comes that has no promise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const SECOND: i64 = 1_000_000_000;

pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    pub(crate) webhook: Webhook,
    program: PathBuf,
}

impl Stage {
    /// `None`, said aloud, where there is no companion.
    pub(crate) fn set(name: &'static str) -> Option<Self> {
        let program = companion::binary(name)?;
        Some(Self { dir: tempfile::tempdir().unwrap(), webhook: Webhook::start(), program })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of the stage.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Starts it with this configuration; where it listens is added.
    pub(crate) fn start(&self, configuration: &str) -> Agent {
        self.start_at("127.0.0.1:0", configuration, Vec::new())
    }

    /// The same at an address of its own, and with further variables.
    pub(crate) fn start_at(&self, address: &str, configuration: &str, env: Vec<(String, String)>) -> Agent {
        self.file("companion.yaml", configuration);
        let launch = companion::launch(self.program.clone(), self.dir.path(), &["--listen", address]);
        Launch { env, ..launch }.start_listening()
    }

    /// Where its state is.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path("companion-state")
    }

    /// The same, to the end: exit code and standard error.
    pub(crate) fn refusal(&self, configuration: &str) -> (Option<i32>, String) {
        self.file("companion.yaml", configuration);
        let (status, _, errors) = companion::launch(self.program.clone(), self.dir.path(), &[]).run(PATIENCE);
        (status.code(), errors)
    }

    /// The configuration that tells the webhook as an Alertmanager.
    pub(crate) fn telling_webhook(&self) -> String {
        format!("notify: {{alertmanagers: [\"{}\"]}}\n", self.webhook.url())
    }
}

/// Debian's Alertmanager on a free port; what it is told goes to the webhook. `None` if it is not installed.
pub(crate) fn alertmanager(stage: &Stage) -> Option<(Running, String)> {
    let program = Program::find("prometheus-alertmanager")?;
    let configuration = format!(
        "route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
        stage.webhook.url(),
    );
    let file = stage.file("alertmanager.yml", &configuration);
    // It does not say which port it took, so one is looked for that is free now.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let storage = stage.path("alertmanager");
    let running = program.start([
        format!("--config.file={}", file.display()),
        format!("--storage.path={}", storage.display()),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
        "--log.level=error".to_owned(),
    ]);
    wait::for_condition("Alertmanager is ready", PATIENCE, || {
        companion::ask(&address, "GET", "/-/ready", &[], b"").is_ok_and(|answer| answer.status == 200)
    });
    Some((running, address))
}

/// Nanoseconds since the epoch.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Somebody opens a shell in a sensitive namespace (K4), as kube-apiserver writes it.
pub(crate) fn exec_event(user: &str, time: i64) -> String {
    let stamp = tests::stamp::rfc3339_nanos(time / 1000 * 1000);
    format!(
        "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"{user}-{time}\",\"stage\":\"ResponseStarted\",\
         \"requestURI\":\"/api/v1/namespaces/vault/pods/vault-0/exec?command=sh\",\"verb\":\"get\",\"user\":{{\"username\":\"{user}\",\
         \"groups\":[\"system:authenticated\"]}},\"sourceIPs\":[\"203.0.113.9\"],\"userAgent\":\"kubectl/v1.34.1\",\"objectRef\":\
         {{\"resource\":\"pods\",\"namespace\":\"vault\",\"name\":\"vault-0\",\"apiVersion\":\"v1\",\"subresource\":\"exec\"}},\
         \"responseStatus\":{{\"metadata\":{{}},\"code\":101}},\"requestReceivedTimestamp\":\"{stamp}\",\"stageTimestamp\":\"{stamp}\"}}"
    )
}

/// The alert that it causes.
pub(crate) const EXEC_ALERT: &str = "K8sExecIntoSensitiveNamespace";
