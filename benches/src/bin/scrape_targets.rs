//! What scraping costs, as whole programs: the agent beside Prometheus in agent mode, each with one target of 10,000 series, scraped every
//! second and written to a server that takes everything.
//!
//! `cargo run --release -p benches --bin scrape_targets [SECONDS]` (default 60), with the agent built or `PICKET_AGENT`, and Prometheus on
//! `PATH`. Both write version 1.0, which is what Debian's Prometheus has; every value of the target is another one at each scrape.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench ends when what it needs is not there")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::tests::agent;
use ::tests::program::{Program, Running};
use ::tests::wait;
use benches::process::{cpu_of, memory};
use benches::receiver::Receiver;

/// Series of the target.
const SERIES: u64 = 10_000;
/// Until everything that is allocated once has been.
const WARM_UP: u64 = 10;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    println!("| {SERIES} series, scraped {seconds} times | CPU ms a scrape | resident MiB | most MiB | KiB sent a scrape |");
    println!("| --- | --- | --- | --- | --- |");
    let target = Target::start();
    let directory = tempfile::tempdir().unwrap();
    if let Some(program) = agent::binary().map(Program::at) {
        measure("the agent", &target, seconds, |url| agent_on(&program, &target, url, directory.path()));
    }
    if let Some(program) = Program::find("prometheus") {
        measure("Prometheus in agent mode", &target, seconds, |url| prometheus_on(&program, &target, url, directory.path()));
    }
}

fn measure(name: &str, target: &Target, seconds: u64, start: impl FnOnce(&str) -> Running) {
    let receiver = Receiver::start();
    let running = start(&receiver.url());
    let place = format!("/proc/{}", running.id());
    let until = |more: u64| {
        let goal = target.scrapes() + more;
        wait::for_condition("scrapes", Duration::from_secs(2 * more + 30), || target.scrapes() >= goal);
    };
    until(WARM_UP);
    let sent = || receiver.counts().bytes.load(Ordering::Relaxed);
    let (cpu, bytes) = (cpu_of(&place).unwrap(), sent());
    until(seconds);
    let each = (cpu_of(&place).unwrap().saturating_sub(cpu)).as_secs_f64() * 1e3 / seconds as f64;
    let mebibytes = |what| memory(&place, what).unwrap_or_default() as f64 / f64::from(1 << 20);
    let kibibytes = (sent() - bytes) as f64 / 1024.0 / seconds as f64;
    println!("| {name} | {each:.1} | {:.1} | {:.1} | {kibibytes:.0} |", mebibytes("VmRSS:"), mebibytes("VmHWM:"));
}

fn agent_on(program: &Program, target: &Target, url: &str, directory: &Path) -> Running {
    let config = directory.join("agent.yaml");
    let text = format!(
        "node: bench\nlisten: \"\"\nmetrics: {{interval: 10m, scrape: [{{job: large, url: \"{}\", interval: 1s, timeout: 1s}}]}}\n\
         outputs: {{remote_write: [{{url: \"{url}\", version: \"1.0\"}}]}}\n",
        target.url()
    );
    fs::write(&config, text).unwrap();
    let args =
        ["--config", config.to_str().unwrap(), "--state-dir", directory.join("state").to_str().unwrap()].map(str::to_owned);
    program.serve(args, &[], &directory.join("agent.log"))
}

fn prometheus_on(program: &Program, target: &Target, url: &str, directory: &Path) -> Running {
    let config = directory.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs: [{{job_name: large, static_configs: [{{targets: [\"{}\"]}}]}}]\n\
         remote_write: [{{url: \"{url}\"}}]\n",
        target.address
    );
    fs::write(&config, text).unwrap();
    let args = [
        "--enable-feature=agent".to_owned(),
        format!("--config.file={}", config.display()),
        format!("--storage.agent.path={}", directory.join("data").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--log.level=error".to_owned(),
    ];
    program.serve(args, &[], &directory.join("prometheus.log"))
}

/// What is scraped.
struct Target {
    address: String,
    scrapes: Arc<AtomicU64>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let scrapes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&scrapes);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // A connection that is closed in the middle is the end of who scrapes.
                std::thread::spawn(move || expose(&connection, &counted).ok());
            }
        });
        Self { address, scrapes }
    }

    fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    fn scrapes(&self) -> u64 {
        self.scrapes.load(Ordering::Relaxed)
    }
}

fn expose(connection: &TcpStream, scrapes: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.trim_end().is_empty() {
            let text = exposition(scrapes.load(Ordering::Relaxed));
            let mut connection = connection;
            write!(
                connection,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                text.len()
            )?;
            connection.write_all(text.as_bytes())?;
            scrapes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn exposition(scrape: u64) -> String {
    let mut text = String::new();
    for series in 0..SERIES {
        let (family, code) = (series / 100, series % 100);
        if code == 0 {
            let _ = writeln!(text, "# HELP app_requests_{family}_total Requests.\n# TYPE app_requests_{family}_total counter");
        }
        let value = series * 1000 + scrape * (series % 17 + 1);
        let _ = writeln!(text, "app_requests_{family}_total{{method=\"get\",path=\"/api/v1/things\",code=\"{code}\"}} {value}");
    }
    text
}
