//! One GET and its answer: redirections followed as far as they may be, what is compressed unpacked, nothing beyond its limit.

use std::io::Read as _;

use client::{Auth, Client, Endpoint, Secret, Tls};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Response};
use url::Url;

use super::ScrapeError;
use super::job::Redirects;

const USER_AGENT: &str = concat!("picket-agent/", env!("CARGO_PKG_VERSION"));
/// As many as browsers and Go follow.
const REDIRECTS_MAX: usize = 10;
/// Connections to where we were sent that are kept.
const ELSEWHERE_MAX: usize = 4;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As it says.
    pub(crate) content_type: Option<String>,
    /// Unpacked.
    pub(crate) body: Vec<u8>,
}

/// What asks one server.
#[derive(Debug)]
pub(crate) struct Fetch {
    endpoint: Endpoint,
    client: Client,
    redirects: Redirects,
    /// Where it has sent us.
    elsewhere: Vec<(Url, Client)>,
}

impl Fetch {
    pub(crate) fn new(endpoint: Endpoint, redirects: Redirects) -> Self {
        Self { client: Client::new(endpoint.clone(), USER_AGENT), endpoint, redirects, elsewhere: Vec::new() }
    }

    /// Asks once.
    pub(crate) async fn get(&mut self, headers: &HeaderMap, body_max: u64) -> Result<Answer, ScrapeError> {
        let first = self.endpoint.url.read()?;
        let first = Url::parse(first.trim()).ok();
        let mut there: Option<Url> = None;
        for _ in 0..=REDIRECTS_MAX {
            let client = match &there {
                None => &mut self.client,
                Some(url) => self.elsewhere(first.as_ref(), url),
            };
            let request = client.connection()?.request(Method::GET).headers(headers.clone());
            let response = request.header(ACCEPT_ENCODING, HeaderValue::from_static("gzip")).send().await;
            let response = response.map_err(|error| ScrapeError::Unanswered(client::words(&error)))?;
            match response.status().as_u16() {
                200 => return answer(response, body_max).await,
                status @ (301 | 302 | 303 | 307 | 308) => {
                    let location = header(&response, &LOCATION).ok_or(ScrapeError::Status(status))?;
                    let from = there.as_ref().or(first.as_ref());
                    there = Some(self.next(first.as_ref(), from, &location)?);
                }
                status => return Err(ScrapeError::Status(status)),
            }
        }
        Err(ScrapeError::RedirectedForEver(REDIRECTS_MAX))
    }

    /// Where a redirection leads, if it is followed.
    fn next(&self, first: Option<&Url>, from: Option<&Url>, location: &str) -> Result<Url, ScrapeError> {
        let next = from.and_then(|url| url.join(location).ok()).filter(|url| matches!(url.scheme(), "http" | "https"));
        let next = next.ok_or_else(|| ScrapeError::Redirected("what is no http:// or https:// URL".to_owned()))?;
        // Path and query may hold a secret.
        let refused = || Err(ScrapeError::Redirected(format!("{}://{}", next.scheme(), next.host_str().unwrap_or_default())));
        match self.redirects {
            Redirects::None => refused(),
            Redirects::SameHost if first.and_then(Url::host_str) != next.host_str() => refused(),
            Redirects::SameHost | Redirects::Any => Ok(next),
        }
    }

    /// What reaches the place to which we were sent; mostly it is the same each time.
    fn elsewhere(&mut self, first: Option<&Url>, url: &Url) -> &mut Client {
        if let Some(place) = self.elsewhere.iter().position(|(known, _)| known == url) {
            // A place that was just found.
            return &mut self.elsewhere[place].1;
        }
        if self.elsewhere.len() >= ELSEWHERE_MAX {
            self.elsewhere.remove(0);
        }
        let endpoint = introduced(&self.endpoint, first, url);
        &mut self.elsewhere.push_mut((url.clone(), Client::new(endpoint, USER_AGENT))).1
    }
}

/// Another address to which we were sent. Who we are is told only to the host for which it is, and not in plain text if it was not.
fn introduced(endpoint: &Endpoint, first: Option<&Url>, url: &Url) -> Endpoint {
    let is_same = first
        .is_some_and(|first| first.host_str() == url.host_str() && (first.scheme() == url.scheme() || url.scheme() == "https"));
    let (auth, tls) = if is_same {
        (endpoint.auth.clone(), endpoint.tls.clone())
    } else {
        let Tls { ca_file, insecure_skip_verify, .. } = endpoint.tls.clone();
        (Auth::None, Tls { ca_file, insecure_skip_verify, ..Tls::default() })
    };
    Endpoint { url: Secret::Inline(url.to_string()), auth, tls, timeout: endpoint.timeout }
}

fn header(response: &Response, name: &HeaderName) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn answer(mut response: Response, body_max: u64) -> Result<Answer, ScrapeError> {
    let content_type = header(&response, &CONTENT_TYPE);
    let coding = header(&response, &CONTENT_ENCODING).unwrap_or_default().to_ascii_lowercase();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => break,
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > body_max => return Err(ScrapeError::TooLong(body_max)),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(ScrapeError::Unanswered(format!("the answer is cut off: {}", client::words(&error)))),
        }
    }
    let body = match coding.as_str() {
        "" | "identity" => body,
        "gzip" | "x-gzip" => unpacked(&body, body_max)?,
        _ => return Err(ScrapeError::Coding(coding)),
    };
    Ok(Answer { content_type, body })
}

fn unpacked(body: &[u8], body_max: u64) -> Result<Vec<u8>, ScrapeError> {
    let mut plain = Vec::new();
    let mut unpacker = flate2::read::MultiGzDecoder::new(body).take(body_max + 1);
    unpacker.read_to_end(&mut plain).map_err(ScrapeError::Gzip)?;
    if plain.len() as u64 > body_max { Err(ScrapeError::TooLong(body_max)) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_we_are_is_told_to_the_same_host_alone() {
        let endpoint = Endpoint {
            url: Secret::Inline("http://a.example.org/metrics".to_owned()),
            auth: Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::Inline("word".to_owned()) },
            tls: Tls { cert_file: Some("/c".into()), key_file: Some("/k".into()), ca_file: Some("/ca".into()), ..Tls::default() },
            timeout: Duration::from_secs(1),
        };
        for (first, url, is_told) in [
            ("http://a.example.org/metrics", "http://a.example.org/metrics/", true),
            ("http://a.example.org/metrics", "https://a.example.org/metrics", true),
            ("https://a.example.org/metrics", "http://a.example.org/metrics", false),
            ("https://a.example.org/metrics", "https://b.example.org/metrics", false),
            ("https://a.example.org/metrics", "https://a.example.org.b.example.org/", false),
        ] {
            let told = introduced(&endpoint, Url::parse(first).ok().as_ref(), &Url::parse(url).unwrap());
            assert_eq!(told.auth != Auth::None, is_told, "{first} {url}");
            assert_eq!(told.tls.key_file.is_some(), is_told, "{first} {url}");
            assert!(told.tls.ca_file.is_some());
        }
    }
}
