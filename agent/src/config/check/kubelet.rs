//! How the kubelet is asked, if anybody wants to know something of it.

use super::super::checked::{Logs, Metrics};
use super::super::defaults;
use super::super::raw::RawKubelet;
use super::Check;
use super::place::RawPlace;
use crate::kubelet::KubeletSettings;
use crate::sink::http::client_auth;
use settings::problem::At;
use settings::read::Spanned;

impl Check {
    pub(super) fn kubelet(
        &mut self,
        section: Option<&Spanned<RawKubelet>>,
        logs: &Logs,
        metrics: Option<&Metrics>,
    ) -> Option<KubeletSettings> {
        let is_wanted = logs.pods.as_ref().is_some_and(|pods| !pods.app_labels.is_empty())
            || metrics.is_some_and(|metrics| metrics.scrape_pods.is_some());
        if let Some(section) = section.filter(|_| !is_wanted) {
            let message = "nobody asks the kubelet; remove it, or set `logs.pods.app_labels` or `metrics.scrape_pods`";
            self.problems.push(&section.at, message);
        }
        if !is_wanted && section.is_none() {
            return None;
        }
        let none = Spanned::new(RawKubelet::default(), At::default());
        let section = section.unwrap_or(&none);
        let raw = &section.value;
        let default = |text: &str| Spanned::new(text.to_owned(), section.at.clone());
        let (url, token) = (default(defaults::KUBELET_PODS), default(defaults::SERVICE_ACCOUNT_TOKEN));
        let place = RawPlace {
            name: None,
            url: Some(raw.url.as_ref().unwrap_or(&url)),
            tenant: None,
            basic_auth: None,
            bearer_token_file: Some(raw.bearer_token_file.as_ref().unwrap_or(&token)),
            tls: raw.tls.as_ref(),
            timeout: raw.timeout.as_ref(),
        };
        let (_, place) = self.place(&place, section, "/pods", defaults::SCRAPE_TIMEOUT)?;
        Some(KubeletSettings { url: place.url, auth: client_auth(&place.auth), tls: place.tls, timeout: place.timeout })
    }
}
