//! The status page: one HTML text without anything from elsewhere, readable without scripts and on a phone. View in, text out.
//!
//! It answers in this order: is anything wrong, what, can the companion see, can it speak, and what does it watch. Everything foreign
//! is escaped.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use proto::time::UnixNanos;

use crate::clock;

#[cfg(test)]
mod tests;

const STYLE: &str = include_str!("page.css");
/// The browser asks again after so many seconds.
const AGAIN_SECONDS: u32 = 15;
/// So many of a kind are shown; the API has all.
const SHOWN_MAX: usize = 200;
const SECOND: i64 = 1_000_000_000;

/// What the page shows.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// When it is shown.
    pub now: UnixNanos,
    /// Since when the companion runs.
    pub started: UnixNanos,
    /// Alerts, the worst first.
    pub alerts: Vec<AlertView>,
    /// Rules, group by group.
    pub groups: Vec<GroupView>,
    /// Streams, and what was last heard of them.
    pub sources: Vec<SourceView>,
    /// What rules read, what is quiet first.
    pub selectors: Vec<SelectorView>,
    /// Whoever is told.
    pub receivers: Vec<ReceiverView>,
    /// Lines that are kept, and the bytes that they take.
    pub entries: u64,
    /// See `entries`.
    pub bytes: usize,
}

/// An alert.
#[derive(Clone, Debug)]
pub struct AlertView {
    /// `alertname`
    pub name: String,
    /// `severity`, or nothing.
    pub severity: String,
    /// The annotation `summary`.
    pub summary: String,
    /// The other labels.
    pub labels: Vec<(String, String)>,
    /// People are told; otherwise it waits for its `for`.
    pub firing: bool,
    /// Since when its condition holds.
    pub since: UnixNanos,
    /// How late it was found, in words.
    pub late: Option<String>,
    /// Somebody has asked not to be told.
    pub silenced: Option<SilenceView>,
}

/// A silence that an alert is under; of several the one that ends last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceView {
    /// Who has asked.
    pub by: String,
    /// Why.
    pub comment: String,
    /// Until when.
    pub until: UnixNanos,
}

/// How a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleState {
    /// Its evaluation fails.
    Unhealthy,
    /// It has never seen anything that it could look at.
    Blind,
    /// Its alert fires.
    Firing,
    /// Its alert waits.
    Pending,
    /// Nothing is wrong.
    Watching,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// Of the alert or series.
    pub name: String,
    /// How it is.
    pub state: RuleState,
    /// Why, if there is something to say.
    pub note: String,
}

/// A group of rules.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// The file that it is from.
    pub file: String,
    /// Its rules.
    pub rules: Vec<RuleView>,
}

/// A source of entries.
#[derive(Clone, Debug)]
pub struct SourceView {
    /// Its job, or all its labels if it has none.
    pub name: String,
    /// The rest of its labels.
    pub labels: String,
    /// The time of its newest entry.
    pub newest: UnixNanos,
}

/// A selector that rules read.
#[derive(Clone, Debug)]
pub struct SelectorView {
    /// As it prints.
    pub selector: String,
    /// The time of the newest entry that it selects, if the window has one.
    pub newest: Option<UnixNanos>,
    /// After how long without one a rule says so, nanoseconds; none where it may be silent as long as it likes.
    pub silent_after: Option<i64>,
    /// It has been silent for longer.
    pub is_quiet: bool,
}

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct ReceiverView {
    /// Who.
    pub name: String,
    /// Notifications that wait.
    pub pending: usize,
    /// Notifications that failed so far.
    pub failed: u64,
    /// When one last arrived.
    pub last: Option<UnixNanos>,
    /// What went wrong last, if that is so now.
    pub error: Option<String>,
}

/// The page.
pub fn render(view: &View) -> String {
    let mut html = String::with_capacity(16 << 10);
    // Writing into a String cannot fail.
    let _ = Page { html: &mut html, view }.write();
    html
}

struct Page<'a> {
    html: &'a mut String,
    view: &'a View,
}

impl Page<'_> {
    fn write(&mut self) -> fmt::Result {
        let view = self.view;
        let (firing, pending): (Vec<&AlertView>, Vec<&AlertView>) = view.alerts.iter().partition(|alert| alert.firing);
        let silenced = firing.iter().filter(|alert| alert.silenced.is_some()).count();
        let headline = headline(firing.len(), silenced, view);
        write!(
            self.html,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"refresh\" content=\"{AGAIN_SECONDS}\">\n\
             <title>{} · Picket</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<p class=\"mark\">Picket</p>\n\
             <h1 class=\"{}\">{}</h1>\n<p class=\"lede\">{}</p>\n</header>\n<main>\n",
            Text(&headline),
            if firing.len() == silenced && !is_impaired(view) { "calm" } else { "alarm" },
            Text(&headline),
            Text(&lede(view)),
        )?;
        self.alerts("Firing", &firing)?;
        self.alerts("Pending", &pending)?;
        self.troubles()?;
        self.sources()?;
        self.selectors()?;
        self.receivers()?;
        self.rules()?;
        write!(
            self.html,
            "</main>\n<footer><p>companion {} · up {} · {} lines kept in {} · <a href=\"/metrics\">metrics</a> · \
             <a href=\"/api/v1/alerts\">alerts as JSON</a></p></footer>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION"),
            span(view.now.0 - view.started.0),
            grouped(view.entries),
            size(view.bytes),
        )
    }

    fn alerts(&mut self, title: &str, alerts: &[&AlertView]) -> fmt::Result {
        if alerts.is_empty() {
            return Ok(());
        }
        self.open(title, Some(alerts.len()))?;
        self.html.write_str("<ol class=\"alerts\">\n")?;
        for alert in alerts.iter().take(SHOWN_MAX) {
            let kind = match (alert.firing, alert.silenced.is_some(), &*alert.severity) {
                (_, true, _) | (false, ..) => "quiet",
                (_, _, "critical") => "critical",
                (_, _, "info") => "info",
                _ => "warning",
            };
            let summary = if alert.summary.is_empty() { &alert.name } else { &alert.summary };
            write!(
                self.html,
                "<li class=\"{kind}\"><p class=\"summary\">{}</p><p class=\"about\"><b>{}</b>",
                Text(summary),
                Text(&alert.name)
            )?;
            if !alert.severity.is_empty() {
                write!(self.html, " · {}", Text(&alert.severity))?;
            }
            self.html.write_str(" · since ")?;
            self.ago(alert.since)?;
            if let Some(late) = &alert.late {
                write!(self.html, " · <em>found {} late</em>", Text(late))?;
            }
            if let Some(silence) = &alert.silenced {
                let by = if silence.by.is_empty() { "somebody" } else { &silence.by };
                write!(self.html, " · <em>silenced by {} until ", Text(by))?;
                self.ahead(silence.until)?;
                if !silence.comment.is_empty() {
                    write!(self.html, ": {}", Text(&silence.comment))?;
                }
                self.html.write_str("</em>")?;
            }
            self.html.write_str("</p>")?;
            if !alert.labels.is_empty() {
                self.html.write_str("<p class=\"labels\">")?;
                for (name, value) in &alert.labels {
                    write!(self.html, "<span>{}&thinsp;=&thinsp;{}</span> ", Text(name), Text(value))?;
                }
                self.html.write_str("</p>")?;
            }
            self.html.write_str("</li>\n")?;
        }
        self.html.write_str("</ol>\n")?;
        self.rest(alerts.len())?;
        self.html.write_str("</section>\n")
    }

    /// Rules that cannot fire: worth more attention than those that do.
    fn troubles(&mut self) -> fmt::Result {
        let rules = self.view.groups.iter().flat_map(|group| &group.rules);
        // Many are blind for the same reason, which is said once.
        let mut by_reason: BTreeMap<(RuleState, &str), Vec<&str>> = BTreeMap::new();
        for rule in rules.filter(|rule| rule.state <= RuleState::Blind) {
            by_reason.entry((rule.state, &rule.note)).or_default().push(&rule.name);
        }
        if by_reason.is_empty() {
            return Ok(());
        }
        self.open("Cannot see", Some(by_reason.values().map(Vec::len).sum()))?;
        self.html.write_str("<p>These rules would stay silent whatever happens.</p>\n<dl>\n")?;
        for ((state, note), names) in by_reason.iter().take(SHOWN_MAX) {
            let word = if *state == RuleState::Blind { "blind" } else { "unhealthy" };
            writeln!(self.html, "<dt>{} <small>{word}</small></dt><dd>{}</dd>", Text(&names.join(", ")), Text(note))?;
        }
        self.html.write_str("</dl>\n")?;
        self.rest(by_reason.len())?;
        self.html.write_str("</section>\n")
    }

    fn sources(&mut self) -> fmt::Result {
        let sources = &self.view.sources;
        self.open("Sources", None)?;
        if sources.is_empty() {
            self.html.write_str(
                "<p>Nothing has arrived yet. Point an agent here: <code>agent --loki http://…</code> with this page’s address.</p>\n",
            )?;
        } else {
            self.html.write_str("<table><thead><tr><th>Source</th><th>Last event</th></tr></thead><tbody>\n")?;
            for source in sources.iter().take(SHOWN_MAX) {
                write!(self.html, "<tr><td>{} <small>{}</small></td><td>", Text(&source.name), Text(&source.labels))?;
                self.ago(source.newest)?;
                self.html.write_str("</td></tr>\n")?;
            }
            self.html.write_str("</tbody></table>\n")?;
            self.rest(sources.len())?;
        }
        self.html.write_str("</section>\n")
    }

    /// What rules read: while it is quiet, they see nothing.
    fn selectors(&mut self) -> fmt::Result {
        let selectors = &self.view.selectors;
        if selectors.is_empty() {
            return Ok(());
        }
        self.open("What rules read", Some(selectors.len()))?;
        self.html
            .write_str("<table><thead><tr><th>Selector</th><th>Silent after</th><th>Last event</th></tr></thead><tbody>\n")?;
        for selector in selectors.iter().take(SHOWN_MAX) {
            write!(self.html, "<tr><td><code>{}</code>", Text(&selector.selector))?;
            if selector.is_quiet {
                self.html.write_str(" <small class=\"bad\">quiet</small>")?;
            }
            let after = selector.silent_after.map_or_else(|| "—".to_owned(), span);
            write!(self.html, "</td><td>{after}</td><td>")?;
            match selector.newest {
                Some(newest) => self.ago(newest)?,
                None => self.html.write_str("none is kept")?,
            }
            self.html.write_str("</td></tr>\n")?;
        }
        self.html.write_str("</tbody></table>\n")?;
        self.rest(selectors.len())?;
        self.html.write_str("</section>\n")
    }

    fn receivers(&mut self) -> fmt::Result {
        self.open("Notifications", None)?;
        if self.view.receivers.is_empty() {
            self.html.write_str(
                "<p>Nobody is told: alerts are on this page and in the API alone. Set <code>notify</code>, or start with \
                 <code>--alertmanager URL</code>.</p>\n",
            )?;
        } else {
            self.html
                .write_str("<table><thead><tr><th>To</th><th>Last</th><th>Waiting</th><th>Failed</th></tr></thead><tbody>\n")?;
            for receiver in &self.view.receivers {
                write!(self.html, "<tr><td>{}", Text(&receiver.name))?;
                if let Some(error) = &receiver.error {
                    write!(self.html, "<br><small class=\"bad\">{}</small>", Text(error))?;
                }
                self.html.write_str("</td><td>")?;
                match receiver.last {
                    Some(last) => self.ago(last)?,
                    None => self.html.write_str("—")?,
                }
                writeln!(self.html, "</td><td>{}</td><td>{}</td></tr>", receiver.pending, receiver.failed)?;
            }
            self.html.write_str("</tbody></table>\n")?;
        }
        self.html.write_str("</section>\n")
    }

    fn rules(&mut self) -> fmt::Result {
        let count = self.view.groups.iter().map(|group| group.rules.len()).sum();
        self.open("Rules", Some(count))?;
        for group in &self.view.groups {
            write!(
                self.html,
                "<details><summary>{} <small>{} rules · {}</small></summary><ul>",
                Text(&group.name),
                group.rules.len(),
                Text(&group.file)
            )?;
            for rule in &group.rules {
                let word = match rule.state {
                    RuleState::Unhealthy => "unhealthy",
                    RuleState::Blind => "blind",
                    RuleState::Firing => "firing",
                    RuleState::Pending => "pending",
                    RuleState::Watching => "watching",
                };
                write!(self.html, "<li class=\"{word}\">{} <small>{word}</small></li>", Text(&rule.name))?;
            }
            self.html.write_str("</ul></details>\n")?;
        }
        self.html.write_str("</section>\n")
    }

    fn open(&mut self, title: &str, count: Option<usize>) -> fmt::Result {
        write!(self.html, "<section><h2>{title}")?;
        if let Some(count) = count {
            write!(self.html, " <small>{count}</small>")?;
        }
        self.html.write_str("</h2>\n")
    }

    fn rest(&mut self, count: usize) -> fmt::Result {
        if count > SHOWN_MAX { writeln!(self.html, "<p>and {} more</p>", count - SHOWN_MAX) } else { Ok(()) }
    }

    fn ago(&mut self, time: UnixNanos) -> fmt::Result {
        let since = self.view.now.0 - time.0;
        let words = if since < SECOND { "now".to_owned() } else { format!("{} ago", span(since)) };
        let exact = clock::rfc3339_seconds(time);
        write!(self.html, "<time datetime=\"{exact}\" title=\"{exact}\">{words}</time>")
    }

    /// A time to come, and how far away it is.
    fn ahead(&mut self, time: UnixNanos) -> fmt::Result {
        let left = time.0.saturating_sub(self.view.now.0).max(0);
        let exact = clock::rfc3339_seconds(time);
        write!(self.html, "<time datetime=\"{exact}\">{exact}</time>, {} from now", span(left))
    }
}

/// Whether rules cannot see, or people cannot be told.
fn is_impaired(view: &View) -> bool {
    view.receivers.iter().any(|receiver| receiver.error.is_some())
        || view.groups.iter().flat_map(|group| &group.rules).any(|rule| rule.state == RuleState::Unhealthy)
}

fn headline(firing: usize, silenced: usize, view: &View) -> String {
    match firing {
        1 if silenced == 1 => "One alert is firing, and silenced.".to_owned(),
        _ if silenced > 0 => {
            format!("{} alerts are firing, {} of them silenced.", grouped(firing as u64), grouped(silenced as u64))
        }
        0 if is_impaired(view) => "No alert, but something is broken.".to_owned(),
        0 => "All quiet.".to_owned(),
        1 => "One alert is firing.".to_owned(),
        _ => format!("{} alerts are firing.", grouped(firing as u64)),
    }
}

fn lede(view: &View) -> String {
    let rules: usize = view.groups.iter().map(|group| group.rules.len()).sum();
    let sources = view.sources.len();
    let many = |count: usize, word: &str| format!("{} {word}{}", grouped(count as u64), if count == 1 { "" } else { "s" });
    let mut text = format!("{} over {}", many(rules, "rule"), many(sources, "source"));
    if let Some(newest) = view.sources.iter().map(|source| source.newest).max() {
        let since = view.now.0 - newest.0;
        let _ =
            if since < SECOND { write!(text, "; an event just now") } else { write!(text, "; last event {} ago", span(since)) };
    }
    text.push('.');
    text
}

/// The largest unit that fits, and the one below it where the first says little.
fn span(nanos: i64) -> String {
    let seconds = (nanos / SECOND).max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..36_000 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        36_000..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// 1234567 → 1,234,567
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Foreign text within HTML.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
