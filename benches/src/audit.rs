//! Audit events one after another for ever, each with an id of its own: recorded ones by turns, generated ones, or those of an attack.

use std::path::Path;

use crate::inputs::{audit_event, scatter};

/// Where the events come from.
#[derive(Clone, Debug)]
pub enum Events {
    /// These lines by turns; where an id of theirs begins stands beside each.
    Recorded(Vec<(String, Option<usize>)>),
    /// Of a busy cluster, 1.3 KB each; one in ten comes from outside the networks of the example values.
    Generated,
    /// A shell in a sensitive namespace, by one of forty people, each at an address in 10.17.0.0/16.
    Shells,
}

/// How many digits at the beginning of an id are written anew.
const ID_DIGITS: usize = 8;

impl Events {
    /// The lines of all files that end in `.log` in a folder and right below it. Nothing if there are none.
    pub fn recorded(folder: &Path) -> Option<Self> {
        let entries = |folder: &Path| {
            let mut paths: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            paths.sort();
            paths
        };
        let is_log = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "log");
        let files = entries(folder).into_iter().flat_map(|path| if path.is_dir() { entries(&path) } else { vec![path] });
        let texts = files.filter(is_log).filter_map(|path| std::fs::read_to_string(path).ok());
        let lines: Vec<_> = texts.flat_map(|text| text.lines().map(with_id).collect::<Vec<_>>()).collect();
        (!lines.is_empty()).then_some(Self::Recorded(lines))
    }

    /// The event of that number, the same each time.
    pub fn event(&self, number: u64) -> String {
        match self {
            Self::Recorded(lines) => {
                let (line, id) = &lines[(number % lines.len() as u64) as usize];
                let round = number / lines.len() as u64;
                let mut line = line.clone();
                if let Some(id) = id {
                    line.replace_range(*id..id + ID_DIGITS, &format!("{round:08x}"));
                }
                line
            }
            Self::Generated => {
                let mut line = Vec::new();
                audit_event(number, number as i64 * 20_000_000, &mut line);
                let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                if scatter(number).is_multiple_of(10) { line } else { line.replace("[\"10.17.", "[\"10.10.") }
            }
            Self::Shells => shell(number),
        }
    }

    /// Bytes of an event on average, of the first thousand.
    pub fn bytes(&self) -> usize {
        (0..1000).map(|number| self.event(number).len()).sum::<usize>() / 1000
    }
}

/// A line, and where its id begins.
fn with_id(line: &str) -> (String, Option<usize>) {
    let begins = ["\"auditID\":\"", "\"request\":{\"id\":\""];
    let id = begins.iter().find_map(|begin| Some(line.find(begin)? + begin.len()));
    let has_digits = |id: &usize| line.get(*id..*id + ID_DIGITS).is_some_and(|digits| !digits.contains('"'));
    (line.to_owned(), id.filter(has_digits))
}

fn shell(number: u64) -> String {
    let (user, id) = (scatter(number) % 40, scatter(scatter(number)));
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{number:08x}-{:04x}-4000-8000-{:012x}","stage":"ResponseStarted","requestURI":"/api/v1/namespaces/vault/pods/vault-{}/exec?command=sh&container=vault&stdin=true&stdout=true&tty=true","verb":"get","user":{{"username":"dev-{user}@example.org","groups":["oidc:developers","system:authenticated"]}},"sourceIPs":["10.17.{}.{}"],"userAgent":"kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9","objectRef":{{"resource":"pods","namespace":"vault","name":"vault-{}","apiVersion":"v1","subresource":"exec"}},"responseStatus":{{"metadata":{{}},"code":101}},"requestReceivedTimestamp":"2026-11-23T09:00:00.{:06}Z","stageTimestamp":"2026-11-23T09:00:01.000000Z","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"developers\" of ClusterRole \"developers\" to Group \"oidc:developers\""}}}}"#,
        id & 0xffff,
        id >> 16,
        user % 3,
        user % 7,
        user + 2,
        user % 3,
        number % 1_000_000,
    )
}
