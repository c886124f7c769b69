//! A real Prometheus that takes remote write: started, killed, started again on the same data, asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::companion::ask;
use crate::metrics::get;
use crate::program::{Program, Running};
use crate::wait;

/// From the start to readiness; after a kill it reads its log first.
const START_MAX: Duration = Duration::from_mins(1);

/// A Prometheus of a test's own.
pub struct Prometheus {
    program: Program,
    directory: PathBuf,
    address: String,
    running: Option<Running>,
}

impl Prometheus {
    /// Starts it with its data in that directory; nothing if it is not installed. It scrapes nothing.
    pub fn start(directory: &Path) -> Option<Self> {
        let program = Program::find("prometheus")?;
        fs::create_dir_all(directory).expect("a directory can be made");
        fs::write(directory.join("prometheus.yml"), "scrape_configs: []\n").expect("a file can be written");
        // It does not say which port it took, so one is looked for that is free now.
        let address = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").to_string();
        let mut prometheus = Self { program, directory: directory.to_owned(), address, running: None };
        prometheus.start_again();
        Some(prometheus)
    }

    /// Starts it on the data that is there.
    pub fn start_again(&mut self) {
        let args = [
            format!("--config.file={}", self.directory.join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", self.directory.join("data").display()),
            format!("--web.listen-address={}", self.address),
            "--web.enable-remote-write-receiver".to_owned(),
            "--enable-feature=exemplar-storage".to_owned(),
            "--log.level=warn".to_owned(),
        ];
        self.running = Some(self.program.serve(args, &[], &self.directory.join("log")));
        wait::for_condition("Prometheus is ready", START_MAX, || {
            ask(&self.address, "GET", "/-/ready", &[], b"").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The result of a query: for a range selector, each series with all its samples.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let answer = self.ask_api(&format!("query?query={}", encoded(query)));
        answer["data"]["result"].as_array().cloned().unwrap_or_else(|| panic!("{query}: {answer}"))
    }

    /// The exemplars of a selector, of all times: each series with its own.
    pub fn exemplars(&self, selector: &str) -> Vec<Value> {
        let answer = self.ask_api(&format!("query_exemplars?query={}&start=0&end=9999999999", encoded(selector)));
        answer["data"].as_array().cloned().unwrap_or_else(|| panic!("{selector}: {answer}"))
    }

    fn ask_api(&self, what: &str) -> Value {
        let answer = get(&self.address, &format!("/api/v1/{what}")).expect("it answers");
        serde_json::from_str(&answer).expect("it answers in JSON")
    }

    /// The times of the samples of the only series that a range selector gives, in milliseconds.
    pub fn times(&self, selector: &str) -> Vec<i64> {
        let series = self.query(selector);
        assert_eq!(series.len(), 1, "{selector}: {series:?}");
        let samples = series[0]["values"].as_array().expect("a range selector gives samples");
        samples.iter().map(|sample| (sample[0].as_f64().expect("a time") * 1000.0).round() as i64).collect()
    }
}

/// For a URL.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}
