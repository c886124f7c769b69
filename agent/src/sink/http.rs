//! One destination's requests: how they are authorized and bounded, and what came back, or why nothing did.
//!
//! Connections, TLS and secrets are `client`'s. Nothing is followed: what is configured is the only place that gets logs and
//! secrets, so a redirection is an answer like any other, held and said.

use std::io::Read as _;

use bytes::Bytes;
use client::{Client, Endpoint, Secret, Tls};
use proto::remote_write::Written;
use reqwest::Method;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use url::Url;

use crate::config::checked::{Auth, Place};

mod failure;

pub use failure::Failure;

/// More of an answer's body is not read: Loki's longest lists of refused entries are some 100 KiB.
const ANSWER_MAX: usize = 1 << 20;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// `Retry-After`, as it stands.
    pub retry_after: Option<String>,
    /// The body, as text; at most [`ANSWER_MAX`] bytes. Of a redirection, in our words, where it leads.
    pub body: String,
    /// Of remote write 2.0: how many samples were written, if any header says what was.
    pub written: Option<Written>,
}

/// What a body is.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// `Content-Type`.
    pub kind: &'static str,
    /// `X-Prometheus-Remote-Write-Version`, with remote write.
    pub version: Option<&'static str>,
}

/// The HTTP side of one destination.
pub struct Http {
    url: String,
    tenant: String,
    tls: Tls,
    client: Client,
}

impl Http {
    /// For a destination; nothing is opened or read yet.
    pub fn new(place: &Place) -> Self {
        let endpoint = Endpoint {
            url: Secret::Inline(place.url.clone()),
            auth: auth(&place.auth),
            tls: place.tls.clone(),
            timeout: place.timeout,
        };
        Self {
            url: place.url.clone(),
            tenant: place.tenant.clone(),
            tls: place.tls.clone(),
            client: Client::new(endpoint, concat!("picket-agent/", env!("CARGO_PKG_VERSION"))),
        }
    }

    /// Sends one body.
    pub async fn post(&mut self, content: Content, body: Bytes) -> Result<Reply, Failure> {
        let headers = self.headers(content)?;
        let connection = self.client.connection()?;
        let request = connection.request(Method::POST).headers(headers).body(body);
        let mut response = request.send().await.map_err(|error| Failure::of(&error, &self.tls))?;
        let status = response.status().as_u16();
        let header = |name: &HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (retry_after, coding, location) = (header(&RETRY_AFTER), header(&CONTENT_ENCODING), header(&LOCATION));
        let written = written(response.headers());
        let (answer, broken) = client::body(&mut response, ANSWER_MAX).await;
        // The status says what matters; but a success whose end is missing may be a proxy's.
        if let Some(error) = broken
            && (200..300).contains(&status)
            && status != 204
        {
            return Err(Failure::of(&error, &self.tls));
        }
        let body = match location {
            Some(location) if (300..400).contains(&status) => redirection(&self.url, &location),
            _ => decoded(&answer, coding.as_deref()),
        };
        Ok(Reply { status, retry_after, body, written })
    }

    /// Whether a file that the client comes from is another one than when it was last read.
    pub fn has_new_files(&self) -> bool {
        self.client.has_new_files()
    }

    fn headers(&self, content: Content) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content.kind));
        if let Some(version) = content.version {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
            headers.insert(HeaderName::from_static("x-prometheus-remote-write-version"), HeaderValue::from_static(version));
        }
        // Without it, any coding of the answer would be fine.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if !self.tenant.is_empty() {
            let tenant = HeaderValue::from_str(&self.tenant)
                .map_err(|_| Failure::Held("`tenant` holds characters that no HTTP header can carry".to_owned()))?;
            headers.insert(HeaderName::from_static("x-scope-orgid"), tenant);
        }
        Ok(headers)
    }
}

/// What remote write 2.0 says that it has written. A count that is missing is 0, unless all are.
fn written(headers: &HeaderMap) -> Option<Written> {
    const NAMES: [&str; 3] = [
        "x-prometheus-remote-write-samples-written",
        "x-prometheus-remote-write-histograms-written",
        "x-prometheus-remote-write-exemplars-written",
    ];
    let counts = NAMES.map(|name| headers.get(name).and_then(|value| value.to_str().ok()?.trim().parse().ok()));
    counts.iter().any(Option::is_some).then_some(Written { samples: counts[0].unwrap_or(0) })
}

/// The agent's secrets stand in files alone.
fn auth(auth: &Auth) -> client::Auth {
    match auth.clone() {
        Auth::None => client::Auth::None,
        Auth::Basic { user, password_file } => client::Auth::Basic { user, password: Secret::File(password_file) },
        Auth::Bearer { token_file } => client::Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::File(token_file) },
    }
}

/// An answer's body as text. It was asked for without any coding; some proxies compress all the same.
fn decoded(body: &[u8], coding: Option<&str>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match coding.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => text(body),
        Some("gzip" | "x-gzip") => {
            let mut plain = Vec::new();
            // Torn at its end, it still says something.
            let _ = flate2::read::MultiGzDecoder::new(body).take(ANSWER_MAX as u64).read_to_end(&mut plain);
            text(&plain)
        }
        Some(other) => format!("(an answer in the coding {other:?}, which was not asked for)"),
    }
}

/// Where an answer leads that is not followed. Without what may be secret in the new address.
fn redirection(url: &str, location: &str) -> String {
    let target = Url::parse(url).and_then(|url| url.join(location)).ok().and_then(|mut target| {
        target.set_query(None);
        target.set_fragment(None);
        target.set_username("").ok()?;
        target.set_password(None).ok()?;
        Some(target)
    });
    let target = target.map_or_else(|| "somewhere".to_owned(), String::from);
    format!(
        "the server sends us on to {target}; redirections are not followed, since logs and secrets go only where the configuration says: if that is right, write it as `url`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_is_told_without_its_secrets() {
        let url = "http://loki.example.org/loki/api/v1/push";
        let words = redirection(url, "https://user:word@loki.example.org/loki/api/v1/push?token=abc#x");
        assert!(words.contains("on to https://loki.example.org/loki/api/v1/push; "), "{words}");
        assert!(redirection(url, "/login").contains("on to http://loki.example.org/login; "));
        assert!(redirection(url, "https://[").contains("on to somewhere; "));
    }

    #[test]
    fn what_was_written_is_what_any_of_the_headers_says() {
        let mut headers = HeaderMap::new();
        assert_eq!(written(&headers), None);
        headers.insert("x-prometheus-remote-write-exemplars-written", HeaderValue::from_static("0"));
        assert_eq!(written(&headers), Some(Written { samples: 0 }));
        headers.insert("x-prometheus-remote-write-samples-written", HeaderValue::from_static(" 17"));
        assert_eq!(written(&headers), Some(Written { samples: 17 }));
    }

    #[test]
    fn an_answer_is_text_even_if_it_was_compressed() {
        use std::io::Write as _;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"no org id").unwrap();
        let bytes = packer.finish().unwrap();
        assert_eq!(decoded(&bytes, Some("gzip")), "no org id");
        assert_eq!(decoded(b"no org id", None), "no org id");
        assert_eq!(decoded(b"\xff\x00", Some("gzip")), "");
        assert!(decoded(b"\xff", Some("br")).contains("\"br\""));
    }
}
