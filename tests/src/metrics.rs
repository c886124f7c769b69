//! The agent's own figures, read from `/metrics`: as much of the text exposition as that takes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Sample>);

/// One line of the exposition.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Metrics {
    /// Scrapes `address`.
    pub fn scrape(address: &str) -> io::Result<Self> {
        let text = get(address, "/metrics")?;
        Ok(Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(parse).collect()))
    }

    /// The samples of one metric.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The sum over all metrics whose name contains one of these words and ends in `_total`, and over all their series.
    pub fn total_about(&self, words: &[&str]) -> f64 {
        let is_about = |name: &str| name.ends_with("_total") && words.iter().any(|word| name.contains(word));
        self.0.iter().filter(|sample| is_about(&sample.name)).map(|sample| sample.value).sum()
    }

    /// The ledger; `None` when the agent keeps none.
    pub fn ledger(&self) -> Option<Ledger> {
        let mut accounts: BTreeMap<(String, String), BTreeMap<String, u64>> = BTreeMap::new();
        for Sample { labels, value, .. } in self.of("picket_agent_ledger_bytes") {
            let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
            let account = accounts.entry((label("source"), label("destination"))).or_default();
            // `rejected` comes once a reason.
            *account.entry(label("state")).or_default() += whole(*value);
        }
        (!accounts.is_empty()).then_some(Ledger(accounts))
    }
}

/// What the agent says became of every byte: (source, destination) → state → bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger(BTreeMap<(String, String), BTreeMap<String, u64>>);

impl Ledger {
    /// The sum of one state over all sources, for the destination (all of them if `None`).
    pub fn sum(&self, state: &str, destination: Option<&str>) -> u64 {
        let is_meant = |known: &str| destination.is_none_or(|name| name == known);
        self.0.iter().filter(|((_, known), _)| is_meant(known)).filter_map(|(_, account)| account.get(state)).sum()
    }

    /// The bytes read for each destination.
    pub fn read(&self) -> BTreeMap<&str, u64> {
        let mut read = BTreeMap::new();
        for ((_, destination), account) in &self.0 {
            *read.entry(destination.as_str()).or_default() += account.get("read").copied().unwrap_or_default();
        }
        read
    }

    /// The accounts in which what was read is not the sum of what became of it, in words; empty when all balance.
    pub fn imbalance(&self) -> String {
        let mut text = String::new();
        for ((source, destination), account) in &self.0 {
            let of = |state: &str| account.get(state).copied().unwrap_or_default();
            let rest: u64 = ["shipped", "filtered", "rejected", "pending"].map(of).iter().sum();
            if of("read") != rest {
                writeln!(text, "{source} → {destination}: read {} and accounted for {rest}: {account:?}", of("read"))
                    .expect("memory takes bytes");
            }
        }
        text
    }
}

/// A GET over a connection of its own; the body of the answer.
pub fn get(address: &str, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    // 1.0, so that the answer ends with the connection and comes in one piece.
    write!(connection, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    if head.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(io::Error::other(head.to_owned())) }
}

/// Bytes are counted in whole ones, and never below zero.
#[expect(clippy::cast_sign_loss, reason = "what is below zero becomes zero, and the ledger then does not balance")]
fn whole(value: f64) -> u64 {
    value as u64
}

fn parse(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let mut sample = Sample { name: name.to_owned(), labels: BTreeMap::new(), value: value.parse().ok()? };
    let mut rest = labels.trim_end_matches('}');
    while let Some((label, value_on)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = value_on.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        sample.labels.insert(label.trim_start_matches(',').to_owned(), value);
        rest = &value_on[end + 1..];
    }
    Some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(lines: &[&str]) -> Metrics {
        Metrics(lines.iter().filter_map(|line| parse(line)).collect())
    }

    #[test]
    fn a_sample_is_read_with_its_labels() {
        let sample = parse(r#"m{a="x",path="/a b/\"q\",{}=\\"} 1.5e3"#).unwrap();
        assert_eq!((sample.name.as_str(), sample.value), ("m", 1500.0));
        assert_eq!(sample.labels["path"], r#"/a b/"q",{}=\"#);
        assert_eq!(parse("up 1").unwrap().labels.len(), 0);
    }

    #[test]
    fn a_ledger_balances_or_says_where_it_does_not() {
        let line = |state: &str, rest: &str, value: u32| {
            format!(r#"picket_agent_ledger_bytes{{source="a",destination="l",state="{state}"{rest}}} {value}"#)
        };
        let mut lines = vec![line("read", "", 100), line("shipped", "", 60), line("rejected", r#",reason="x""#, 15)];
        lines.push(line("rejected", r#",reason="y""#, 5));
        let of = |lines: &[String]| metrics(&lines.iter().map(String::as_str).collect::<Vec<_>>()).ledger().unwrap();
        assert!(of(&lines).imbalance().contains("a → l: read 100 and accounted for 80"));
        lines.push(line("pending", "", 20));
        assert_eq!(of(&lines).imbalance(), "");
        assert_eq!(of(&lines).sum("rejected", Some("l")), 20);
        assert_eq!(metrics(&["up 1"]).ledger(), None);
    }
}
