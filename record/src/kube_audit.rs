//! Audit events of the Kubernetes API server, one JSON object a line (`audit.k8s.io/v1` and its betas).
//!
//! A line in; its time, the metadata that rules and people search by, and the text to ship out. Metadata has the
//! names and values that Loki's `json` stage would give, so that a query means the same with and without it; of a
//! member that occurs twice the last scalar counts, as it does there and in Go.
//!
//! Bodies that may hold secrets are taken out of the text, unless that is switched off. What is decided upon, the
//! object that the request is about, may stand after the bodies: so the line is walked to its end first. The format
//! is `staging/src/k8s.io/apiserver/pkg/apis/audit/v1/types.go` of kubernetes/kubernetes; names are matched exactly,
//! as the API server writes them.

use crate::event::{self, Field};
use crate::json::{self, JsonFields, Raw, Scanner};
use crate::metadata::Metadata;
use proto::loki::metadata::Name;

pub use crate::event::{Malformed, MalformedReason, Scanned, Text, UnknownField};

#[cfg(test)]
mod tests;

/// What can become metadata, in the order in which it is shipped. All but `source_ip` are scalars.
const FIELDS: [Field; 16] = [
    ("verb", "verb"),
    ("user_username", "user.username"),
    ("user_uid", "user.uid"),
    ("impersonatedUser_username", "impersonatedUser.username"),
    ("source_ip", SOURCE_IPS),
    ("userAgent", "userAgent"),
    ("requestURI", "requestURI"),
    ("objectRef_resource", "objectRef.resource"),
    ("objectRef_subresource", "objectRef.subresource"),
    ("objectRef_namespace", "objectRef.namespace"),
    ("objectRef_name", "objectRef.name"),
    ("objectRef_apiGroup", "objectRef.apiGroup"),
    ("responseStatus_code", "responseStatus.code"),
    ("stage", "stage"),
    ("level", "level"),
    ("auditID", "auditID"),
];

const SOURCE_IPS: &str = "sourceIPs";

/// Members that hold the time, the best first. The last two are what events had before Kubernetes 1.8, and still have
/// where they came through a webhook of that time.
const TIMES: [&str; 4] = ["stageTimestamp", "requestReceivedTimestamp", "timestamp", "metadata.creationTimestamp"];

/// Members that tell whether the bodies may hold secrets; see [`KubeAudit`].
const RESOURCE: usize = TIMES.len();
const SUBRESOURCE: usize = RESOURCE + 1;
const REQUEST_KIND: usize = RESOURCE + 2;
const RESPONSE_KIND: usize = RESOURCE + 3;
const REQUEST: usize = RESOURCE + 4;
const RESPONSE: usize = RESOURCE + 5;
const REDACTION: [&str; 6] = [
    "objectRef.resource",
    "objectRef.subresource",
    "requestObject.kind",
    "responseObject.kind",
    "requestObject",
    "responseObject",
];

const KIND: usize = RESPONSE + 1;
const FIRST_METADATA: usize = KIND + 1;

const SECRET_RESOURCES: [&str; 3] = ["secrets", "configmaps", "tokenreviews"];
const SECRET_KINDS: [&str; 6] = ["Secret", "SecretList", "ConfigMap", "ConfigMapList", "TokenRequest", "TokenReview"];

/// What stands in place of a body that was taken out.
pub const REDACTED: &str = r#"{"picket_redacted":true}"#;

/// What was added to an annotation's name by admission webhooks that patched the object: a piece of the body.
const PATCH_ANNOTATION: &str = "patch.webhook.admission.k8s.io/";

/// Reads audit events.
///
/// With redaction, `requestObject` and `responseObject` (and the patches that admission webhooks made, among the
/// annotations) give way to [`REDACTED`] when the request is about secrets, config maps or token reviews, or asks for
/// a token (subresource `token`), or when the kind of a body is one of those. Nothing of a body stays then.
#[derive(Clone, Debug)]
pub struct KubeAudit {
    fields: JsonFields,
    redact: bool,
    /// The name and the path of each.
    metadata: Vec<(Name, &'static str)>,
}

impl KubeAudit {
    /// All names of metadata, in the order in which they are shipped.
    pub const METADATA: &'static [&'static str] = &event::names(&FIELDS);

    /// The names that are shipped by default: what the rules group by and people search for.
    pub const DEFAULT_METADATA: &'static [&'static str] = &[
        "verb",
        "user_username",
        "impersonatedUser_username",
        "source_ip",
        "objectRef_resource",
        "objectRef_subresource",
        "objectRef_namespace",
        "objectRef_name",
        "responseStatus_code",
        "stage",
    ];

    /// A reader that redacts or does not, and yields the named metadata.
    pub fn new(redact: bool, metadata: &[String]) -> Result<Self, UnknownField> {
        let metadata = event::select(&FIELDS, Self::METADATA, metadata)?;
        let paths = TIMES.iter().chain(&REDACTION).chain(&["kind"]).copied();
        let paths = paths.chain(metadata.iter().map(|(_, path)| *path));
        Ok(Self { fields: event::compile(paths), redact, metadata })
    }

    /// Reads one line without its newline. `metadata` and `rewritten` are emptied first.
    ///
    /// A malformed line has no metadata. With redaction its text ends before its first body, since where that body
    /// ends and whose it is cannot be known; and nothing stays of one that does not begin as an event does, or is a
    /// list of events.
    pub fn scan(&self, line: &[u8], metadata: &mut Metadata, rewritten: &mut Vec<u8>) -> Result<Scanned, Malformed> {
        metadata.clear();
        rewritten.clear();
        let mut times = [None; TIMES.len()];
        let mut found = [None; FIELDS.len()];
        let (mut secret, mut body, mut list) = (false, false, false);
        let walked = self.fields.visit(line, |field, value| match field {
            0..RESOURCE => times[field] = Some(value),
            RESOURCE => secret |= SECRET_RESOURCES.iter().any(|resource| value.is(resource)),
            SUBRESOURCE => secret |= value.is("token"),
            REQUEST_KIND | RESPONSE_KIND => {
                secret |= SECRET_KINDS.iter().any(|kind| value.is(kind));
            }
            REQUEST | RESPONSE => body = true,
            KIND => list |= value.is("EventList"),
            _ => {
                let index = field - FIRST_METADATA;
                if value.is_scalar() || self.metadata[index].1 == SOURCE_IPS {
                    found[index] = Some(value);
                }
            }
        });
        let mut redacted = false;
        let outcome = match walked {
            Ok(()) if list => Err(MalformedReason::EventList),
            Ok(()) if self.redact && secret && body => {
                redacted = true;
                // The second walk looks into annotations, which the first one skipped unchecked.
                redact(line, rewritten).map_err(MalformedReason::Json)
            }
            Ok(()) => Ok(()),
            Err(error) => Err(MalformedReason::Json(error)),
        };
        if let Err(reason) = outcome {
            rewritten.clear();
            let redacted = self.redact && cut_before_body(line, rewritten);
            let text = if redacted { Text::Rewritten } else { Text::Source };
            return Err(Malformed { reason, text, redacted });
        }
        for ((name, path), value) in self.metadata.iter().zip(found) {
            let value = if *path == SOURCE_IPS { value.and_then(last_string) } else { value };
            event::push(metadata, name, value);
        }
        let time = times.into_iter().flatten().find_map(event::rfc3339);
        let text = if redacted { Text::Rewritten } else { Text::Source };
        Ok(Scanned { time, text, redacted })
    }
}

/// The last address of `sourceIPs`: the one that connected. Those before it come from headers that any client may
/// set.
fn last_string(array: Raw<'_>) -> Option<Raw<'_>> {
    let mut last = None;
    let walked = Scanner::new(array.bytes()).array(|scanner| {
        last = Some(scanner.value()?);
        Ok(())
    });
    walked.ok()?;
    last.filter(|value| value.string().is_some())
}

/// Copies `line` with all bodies replaced.
fn redact(line: &[u8], out: &mut Vec<u8>) -> Result<(), json::Error> {
    let mut copied = 0;
    let mut replace = |value: Raw<'_>, end: usize| {
        out.extend_from_slice(&line[copied..end - value.bytes().len()]);
        out.extend_from_slice(REDACTED.as_bytes());
        copied = end;
    };
    Scanner::new(line).object(|scanner, key| {
        if key.is("annotations") && scanner.at_object() {
            return scanner.object(|scanner, key| {
                let value = scanner.value()?;
                if key.starts_with(PATCH_ANNOTATION) {
                    replace(value, scanner.position());
                }
                Ok(())
            });
        }
        let value = scanner.value()?;
        if key.is("requestObject") || key.is("responseObject") {
            replace(value, scanner.position());
        }
        Ok(())
    })?;
    out.extend_from_slice(&line[copied..]);
    Ok(())
}

/// Copies what stands before the first body of a line that cannot be read, and says whether anything was left out.
fn cut_before_body(line: &[u8], out: &mut Vec<u8>) -> bool {
    let begins_as_event = line.trim_ascii_start().starts_with(b"{\"");
    // Also bodies in a list of events, and patches: whatever may hold a piece of an object comes with one of these
    // words.
    let words = ["requestObject", "responseObject", "patch.webhook"];
    let body = words.iter().filter_map(|word| memchr::memmem::find(line, word.as_bytes())).min();
    // The quote before the word goes with it.
    let kept = if begins_as_event { body.map_or(line.len(), |at| at.saturating_sub(1)) } else { 0 };
    if kept == line.len() {
        return false;
    }
    out.extend_from_slice(&line[..kept]);
    out.extend_from_slice(REDACTED.as_bytes());
    true
}
