//! The kubelet, asked for what it knows of this node's pods.
//!
//! `list` is its answer, `apps` what pods are called by their labels, which logs carry; which pods ask to be scraped is
//! `scrape/pods.rs`'s. It wants to know who asks: a service account's token, with `get` on `nodes/pods` (`nodes/proxy` before
//! Kubernetes 1.33).

pub mod apps;
pub mod list;

use std::time::Duration;

use client::{Auth, Endpoint, Secret, Tls};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use crate::scrape::ScrapeError;
use crate::scrape::fetch::Fetch;
use crate::scrape::job::Redirects;

/// A node has some hundred pods, of some 10 KiB each.
const LIST_BYTES_MAX: u64 = 32 << 20;

/// How the kubelet is asked.
#[derive(Clone, Debug)]
pub struct KubeletSettings {
    /// Where its list is: `https://127.0.0.1:10250/pods`.
    pub url: String,
    /// The service account's token.
    pub auth: Auth,
    /// The authority that has signed the kubelet's certificate; many kubelets have signed their own, and are taken at their word
    /// only with `insecure_skip_verify`.
    pub tls: Tls,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What asks the kubelet.
#[derive(Debug)]
pub struct Kubelet {
    fetch: Fetch,
    timeout: Duration,
}

impl Kubelet {
    /// Nothing is opened or read yet.
    pub fn new(settings: &KubeletSettings) -> Self {
        let KubeletSettings { url, auth, tls, timeout } = settings.clone();
        let endpoint = Endpoint { url: Secret::Inline(url), auth, tls, timeout };
        Self { fetch: Fetch::new(endpoint, Redirects::None), timeout: settings.timeout }
    }

    /// Its list of pods, for `list` to read.
    pub async fn pods(&mut self) -> Result<Vec<u8>, ScrapeError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = tokio::time::timeout(self.timeout, self.fetch.get(&headers, LIST_BYTES_MAX)).await;
        Ok(answer.unwrap_or(Err(ScrapeError::Timeout(self.timeout)))?.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kubelet_that_does_not_answer_is_an_error_with_its_reason() {
        let settings = KubeletSettings {
            url: "http://127.0.0.1:1/pods".to_owned(),
            auth: Auth::None,
            tls: Tls::default(),
            timeout: Duration::from_secs(5),
        };
        let why = Kubelet::new(&settings).pods().await.unwrap_err().to_string();
        assert!(why.starts_with("connection failed: "), "{why}");
    }
}
