//! Why a request has no answer, in words that a person can act upon: rustls and hyper say it in their own.

use std::error::Error;
use std::io;

use client::{ClientError, Tls};
use proto::time::UnixNanos;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was stored, and only a person can mend it: a certificate, a file, the wrong kind of port.
    Held(String),
    /// Nobody knows whether it arrived.
    Unknown(String),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Held(error.to_string())
    }
}

impl Failure {
    /// Of a request or of the rest of its answer. The URL, which may hold what is secret, is not in it.
    pub(super) fn of(error: &reqwest::Error, tls: &Tls) -> Self {
        if let Some(error) = carried(error) {
            return of_tls(error, tls);
        }
        let mut words = client::words(error);
        if causes(error).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse)) {
            words.push_str("; what answers there does not speak HTTP: if it speaks TLS, `url` begins with https://");
        }
        Self::Unknown(words)
    }
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// What rustls said, however deep it stands.
fn carried<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        // An I/O error leaves out of its chain what it carries.
        cause = match inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => inner.source(),
        };
    }
    None
}

fn of_tls(error: &rustls::Error, tls: &Tls) -> Failure {
    use AlertDescription as Alert;
    use rustls::Error as Tls;
    Failure::Held(match error {
        Tls::InvalidCertificate(why) => of_certificate(why, tls),
        Tls::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers there does not speak TLS: if it is plain HTTP, `url` begins with http://".to_owned()
        }
        Tls::AlertReceived(Alert::CertificateRequired) => {
            "the server requires a client certificate: set `tls.cert_file` and `tls.key_file`".to_owned()
        }
        Tls::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => match &tls.cert_file {
            Some(path) => format!("the server does not accept the client certificate in {}: {error}", path.display()),
            None => format!("the server wants another client certificate: set `tls.cert_file` and `tls.key_file` ({error})"),
        },
        Tls::AlertReceived(Alert::UnrecognisedName) => {
            "the server knows no host of this name: correct the host in `url`, or set `tls.server_name`".to_owned()
        }
        Tls::AlertReceived(Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity)
        | Tls::PeerIncompatible(_) => {
            format!("the server and this agent have no version or cipher of TLS in common (this one speaks 1.2 and 1.3): {error}")
        }
        Tls::General(why) => why.clone(),
        // An end in the middle, or what a broken network makes of it: that may pass.
        _ => return Failure::Unknown(format!("TLS: {error}")),
    })
}

fn of_certificate(why: &CertificateError, tls: &Tls) -> String {
    use CertificateError as Why;
    match why {
        Why::UnknownIssuer => match &tls.ca_file {
            Some(path) => {
                format!("the server's certificate is not signed by an authority in {}: put the right one there", path.display())
            }
            None => {
                "the server's certificate is not signed by an authority that this system trusts: name its authority's file in \
                     `tls.ca_file`"
                    .to_owned()
            }
        },
        Why::NotValidForNameContext { expected, presented } => {
            let names = if presented.is_empty() { "no name at all".to_owned() } else { names(presented) };
            format!(
                "the server's certificate is for {names} and not for {}: correct the host in `url`, or set `tls.server_name`",
                expected.to_str()
            )
        }
        Why::ExpiredContext { time, not_after } => format!(
            "the server's certificate has expired at {}: it has to be renewed there, if this machine's clock is right ({})",
            show(*not_after),
            show(*time)
        ),
        Why::NotValidYetContext { time, not_before } => format!(
            "the server's certificate is valid only from {} on: is this machine's clock right ({})?",
            show(*not_before),
            show(*time)
        ),
        other => {
            let other = other.to_string();
            if other.contains("CaUsedAsEndEntity") {
                return "the server shows an authority's own certificate (CA:TRUE): have one made for the server, signed by it"
                    .to_owned();
            }
            format!("the server's certificate is not accepted: {other}")
        }
    }
}

/// `[DnsName("a"), DnsName("b")]` as `a, b`.
fn names(presented: &[String]) -> String {
    const MAX: usize = 5;
    let mut names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).take(MAX).collect();
    if presented.len() > MAX {
        names.push("…");
    }
    names.join(", ")
}

fn show(time: UnixTime) -> String {
    let mut text = String::new();
    let nanos = i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    record::time::format_rfc3339(UnixNanos(nanos), &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(error: &rustls::Error, tls: &Tls) -> String {
        match of_tls(error, tls) {
            Failure::Held(words) => words,
            Failure::Unknown(words) => format!("unknown: {words}"),
        }
    }

    #[test]
    fn what_a_person_can_mend_is_said_with_the_key_that_mends_it() {
        let bare = Tls::default();
        let own =
            Tls { ca_file: Some("/etc/picket/ca.pem".into()), cert_file: Some("/etc/picket/c.pem".into()), ..Tls::default() };
        let certificate = rustls::Error::InvalidCertificate;
        let alert = rustls::Error::AlertReceived;
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let name = CertificateError::NotValidForNameContext {
            expected: "loki.example.org".try_into().unwrap(),
            presented: vec!["DnsName(\"a.example.org\")".to_owned(), "IpAddress(192.0.2.1)".to_owned()],
        };
        for (error, tls, part) in [
            (certificate(CertificateError::UnknownIssuer), &bare, "`tls.ca_file`"),
            (certificate(CertificateError::UnknownIssuer), &own, "in /etc/picket/ca.pem"),
            (certificate(name), &bare, "for a.example.org, IpAddress(192.0.2.1) and not for loki.example.org"),
            (
                certificate(CertificateError::ExpiredContext { time: at(86_400), not_after: at(0) }),
                &bare,
                "expired at 1970-01-01T00:00:00Z: it has to be renewed there, if this machine's clock is right (1970-01-02T00:00:00Z)",
            ),
            (
                certificate(CertificateError::NotValidYetContext { time: at(0), not_before: at(86_400) }),
                &bare,
                "only from 1970-01-02T00:00:00Z on",
            ),
            (alert(AlertDescription::CertificateRequired), &bare, "requires a client certificate: set `tls.cert_file`"),
            (alert(AlertDescription::UnknownCA), &own, "client certificate in /etc/picket/c.pem"),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), &bare, "does not speak TLS"),
            (alert(AlertDescription::InternalError), &bare, "unknown: TLS: "),
        ] {
            let words = words(&error, tls);
            assert!(words.contains(part), "{error}: {words}");
        }
    }
}
