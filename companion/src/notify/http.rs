//! One HTTP destination of notifications: a request at a time, and what came back.
//!
//! Connections, TLS and secrets are `client`'s. Redirections are not followed: alerts and secrets go only where the configuration
//! says.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Endpoint};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use url::Url;

/// More of an answer is not read.
const ANSWER_MAX: usize = 64 << 10;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// `Retry-After` in seconds, if it is a number.
    pub retry_after: Option<Duration>,
    /// The body, as text, cut.
    pub body: String,
}

/// The HTTP side of one destination.
#[derive(Debug)]
pub struct Http(Mutex<Client>);

impl Http {
    /// For a destination; nothing is opened or read yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self(Mutex::new(Client::new(endpoint, concat!("picket-companion/", env!("CARGO_PKG_VERSION")))))
    }

    /// Sends JSON to the destination. The words of an error hold no secret.
    pub async fn post_json(&self, body: Bytes) -> Result<Reply, String> {
        self.request(Method::POST, "", Some(body)).await
    }

    /// Asks for what is at the destination, with this path, and query if it has one, behind its own.
    pub async fn get(&self, path: &str) -> Result<Reply, String> {
        self.request(Method::GET, path, None).await
    }

    /// As [`Http::post_json`], with this behind the destination's path.
    pub async fn post_json_to(&self, path: &str, body: Bytes) -> Result<Reply, String> {
        self.request(Method::POST, path, Some(body)).await
    }

    async fn request(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Reply, String> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).connection();
        let mut connection = connection.map_err(|error| error.to_string())?;
        extend(&mut connection.url, path);
        let mut request = connection.request(method);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = request.send().await.map_err(|error| client::words(&error))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // The status says what matters, even if the rest is missing.
        let (answer, _) = client::body(&mut response, ANSWER_MAX).await;
        let body = if status.is_redirection() {
            "it sends us elsewhere; redirections are not followed, write the right address".to_owned()
        } else {
            String::from_utf8_lossy(&answer).into_owned()
        };
        Ok(Reply { status: status.as_u16(), retry_after: retry_after.map(Duration::from_secs), body })
    }
}

/// Puts a path, and a query if it has one, behind those of a destination.
fn extend(url: &mut Url, path: &str) {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    if !path.is_empty() {
        let joined = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
    }
    if let Some(query) = query {
        let joined = url.query().map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
        url.set_query(Some(&joined));
    }
}

/// Whether a status says that the same may work later.
pub fn is_passing(status: u16) -> bool {
    status >= 500 || matches!(StatusCode::from_u16(status), Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_behind_the_destinations_own_and_so_does_a_query() {
        for (own, path, whole) in [
            ("http://a.example.org/x/", "", "http://a.example.org/x/"),
            ("http://a.example.org", "/api/v2/alerts", "http://a.example.org/api/v2/alerts"),
            ("http://a.example.org/x/?token=t", "/-/ready", "http://a.example.org/x/-/ready?token=t"),
            ("http://a.example.org/x", "/api?query=up&time=1", "http://a.example.org/x/api?query=up&time=1"),
            ("http://a.example.org/?token=t", "/api?query=%7Ba%7D", "http://a.example.org/api?token=t&query=%7Ba%7D"),
        ] {
            let mut url = Url::parse(own).unwrap();
            extend(&mut url, path);
            assert_eq!(url.as_str(), whole);
        }
    }
}
