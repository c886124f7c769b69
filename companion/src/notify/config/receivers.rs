//! `receivers` → who is told and how: addresses and secrets, with what `global` says where a receiver says nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use client::{Auth, Endpoint, Secret, Tls};
use settings::problem::{At, Problems, quote};
use settings::read::Spanned;
use url::Url;

use super::raw::{Hidden, Raw, RawEmail, RawGlobal, RawHttp, RawReceiver, RawSlack, RawTls, RawWebhook};
use super::{EmailConfig, Integration, IntegrationKind, Receiver, SlackAction, SlackConfig, SlackField, WebhookConfig};
use crate::notify::template::{TemplateProblem, Templates, Text};

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The receivers that are right, and notes about the others.
pub(super) fn check(
    raw: &Raw,
    global: &RawGlobal,
    at: &At,
    directory: &Path,
    templates: &Templates,
    problems: &mut Problems,
) -> Vec<Receiver> {
    let mut receivers: Vec<Receiver> = Vec::new();
    let Some(all) = &raw.receivers else {
        problems.push(at, "`receivers` is needed: it says how somebody is told");
        return receivers;
    };
    for receiver in &all.value {
        let Some(name) = &receiver.value.name else {
            if !receiver.damaged {
                problems.push(&receiver.at, "a receiver needs a `name`");
            }
            continue;
        };
        if receivers.iter().any(|other| other.name == name.value) {
            problems.push(&name.at, format!("two receivers are called {}", quote(&name.value)));
        }
        let mut reader = Reader { global, directory, templates, problems };
        receivers.push(Receiver { name: name.value.clone(), integrations: reader.integrations(&receiver.value) });
    }
    receivers
}

struct Reader<'a> {
    global: &'a RawGlobal,
    directory: &'a Path,
    templates: &'a Templates,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn integrations(&mut self, raw: &RawReceiver) -> Vec<Integration> {
        let mut found = Vec::new();
        let id = |kind: &str, place: usize| format!("{kind}[{place}]");
        for (place, slack) in raw.slack.iter().flat_map(|all| &all.value).enumerate() {
            let send_resolved = slack.value.send_resolved.as_ref().is_some_and(|yes| yes.value);
            if let Some(config) = self.slack(&slack.value, &slack.at) {
                found.push(Integration { id: id("slack", place), send_resolved, kind: IntegrationKind::Slack(Box::new(config)) });
            }
        }
        for (place, webhook) in raw.webhook.iter().flat_map(|all| &all.value).enumerate() {
            let send_resolved = webhook.value.send_resolved.as_ref().is_none_or(|yes| yes.value);
            if let Some(config) = self.webhook(&webhook.value, &webhook.at) {
                found.push(Integration {
                    id: id("webhook", place),
                    send_resolved,
                    kind: IntegrationKind::Webhook(Box::new(config)),
                });
            }
        }
        for (place, email) in raw.email.iter().flat_map(|all| &all.value).enumerate() {
            let send_resolved = email.value.send_resolved.as_ref().is_some_and(|yes| yes.value);
            if let Some(config) = self.email(&email.value, &email.at) {
                found.push(Integration { id: id("email", place), send_resolved, kind: IntegrationKind::Email(Box::new(config)) });
            }
        }
        found
    }

    fn slack(&mut self, raw: &RawSlack, at: &At) -> Option<SlackConfig> {
        let global = self.global;
        let own = self.secret("api_url", raw.api_url.as_ref(), raw.api_url_file.as_ref());
        let url = own.or_else(|| self.secret("slack_api_url", global.slack_api_url.as_ref(), global.slack_api_url_file.as_ref()));
        let Some(url) = url else {
            self.problems.push(at, "no webhook to send to: set `api_url_file` here, or `slack_api_url_file` in `global`");
            return None;
        };
        let http = self.http(url, raw.http_config.as_ref(), raw.timeout.as_ref().map(|span| span.value.0), at)?;
        let color = r#"{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}"#;
        let named = |name: &str| format!(r#"{{{{ template "slack.default.{name}" . }}}}"#);
        let fields = raw.fields.iter().flat_map(|fields| &fields.value);
        let short = raw.short_fields.as_ref().is_some_and(|short| short.value);
        let fields = fields.filter_map(|field| {
            Some(SlackField {
                title: self.words("title", field.value.title.as_ref(), "")?,
                value: self.words("value", field.value.value.as_ref(), "")?,
                short: field.value.short.as_ref().map_or(short, |short| short.value),
            })
        });
        let fields = fields.collect();
        let actions = raw.actions.iter().flat_map(|actions| &actions.value);
        let actions = actions.filter_map(|action| {
            Some(SlackAction {
                kind: self.words("type", action.value.kind.as_ref(), "button")?,
                text: self.words("text", action.value.text.as_ref(), "")?,
                url: self.words("url", action.value.url.as_ref(), "")?,
                style: self.words("style", action.value.style.as_ref(), "")?,
                name: self.words("name", action.value.name.as_ref(), "")?,
                value: self.words("value", action.value.value.as_ref(), "")?,
            })
        });
        let actions = actions.collect();
        let words = raw.mrkdwn_in.as_ref().map(|words| words.value.0.as_slice());
        Some(SlackConfig {
            http,
            channel: self.words("channel", raw.channel.as_ref(), "")?,
            username: self.words("username", raw.username.as_ref(), &named("username"))?,
            color: self.words("color", raw.color.as_ref(), color)?,
            title: self.words("title", raw.title.as_ref(), &named("title"))?,
            title_link: self.words("title_link", raw.title_link.as_ref(), &named("titlelink"))?,
            pretext: self.words("pretext", raw.pretext.as_ref(), &named("pretext"))?,
            text: self.words("text", raw.text.as_ref(), &named("text"))?,
            fields,
            footer: self.words("footer", raw.footer.as_ref(), &named("footer"))?,
            fallback: self.words("fallback", raw.fallback.as_ref(), &named("fallback"))?,
            callback_id: self.words("callback_id", raw.callback_id.as_ref(), &named("callbackid"))?,
            icon_emoji: self.words("icon_emoji", raw.icon_emoji.as_ref(), &named("iconemoji"))?,
            icon_url: self.words("icon_url", raw.icon_url.as_ref(), &named("iconurl"))?,
            image_url: self.words("image_url", raw.image_url.as_ref(), "")?,
            thumb_url: self.words("thumb_url", raw.thumb_url.as_ref(), "")?,
            link_names: raw.link_names.as_ref().is_some_and(|yes| yes.value),
            mrkdwn_in: words.map_or_else(
                || ["fallback", "pretext", "text"].map(str::to_owned).to_vec(),
                |words| words.iter().map(|word| word.value.clone()).collect(),
            ),
            actions,
        })
    }

    fn webhook(&mut self, raw: &RawWebhook, at: &At) -> Option<WebhookConfig> {
        let Some(url) = self.secret("url", raw.url.as_ref(), raw.url_file.as_ref()) else {
            self.problems.push(at, "a webhook needs `url` or `url_file`");
            return None;
        };
        let http = self.http(url, raw.http_config.as_ref(), raw.timeout.as_ref().map(|span| span.value.0), at)?;
        Some(WebhookConfig { http, max_alerts: raw.max_alerts.as_ref().map_or(0, |count| count.value.0) })
    }

    fn email(&mut self, raw: &RawEmail, at: &At) -> Option<EmailConfig> {
        let global = self.global;
        let Some(to) = &raw.to else {
            self.problems.push(at, "an e-mail needs `to`");
            return None;
        };
        let smarthost = raw.smarthost.as_ref().or(global.smtp_smarthost.as_ref());
        let from = raw.from.as_ref().or(global.smtp_from.as_ref());
        let (Some(smarthost), Some(from)) = (smarthost, from) else {
            let missing = if smarthost.is_none() { "smarthost" } else { "from" };
            self.problems.push(at, format!("an e-mail needs `{missing}` here, or `smtp_{missing}` in `global`"));
            return None;
        };
        let Some((host, port)) = smarthost.value.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)))
        else {
            self.problems.push(
                &smarthost.at,
                format!("{} is no host and port; write for example mail.example.org:587", quote(&smarthost.value)),
            );
            return None;
        };
        let user = raw.auth_username.as_ref().or(global.smtp_auth_username.as_ref());
        let own = self.secret("auth_password", raw.auth_password.as_ref(), raw.auth_password_file.as_ref());
        let password = match own {
            Some(password) => Some(password),
            None => {
                self.secret("smtp_auth_password", global.smtp_auth_password.as_ref(), global.smtp_auth_password_file.as_ref())
            }
        };
        let auth = match (user, password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user.value.clone(), password)),
            (Some(user), None) => {
                self.problems.push(&user.at, "a user without `auth_password_file`");
                return None;
            }
            (None, Some(_)) => {
                self.problems.push(at, "a password without `auth_username`");
                return None;
            }
        };
        let mut headers = Vec::new();
        for (name, value) in raw.headers.iter().flat_map(|headers| &headers.value.0) {
            if name.value.is_empty() || !name.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                self.problems.push(&name.at, format!("{} is no header's name", quote(&name.value)));
                continue;
            }
            headers.push((name.value.clone(), self.text("headers", Some(value), "")?));
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("subject")) {
            headers.push(("Subject".to_owned(), self.text("subject", None, r#"{{ template "email.default.subject" . }}"#)?));
        }
        let html = match &raw.html {
            Some(html) if html.value.is_empty() => None,
            Some(html) => Some(self.compile(html, Templates::html, "html")?),
            None => self.templates.html(r#"{{ template "email.default.html" . }}"#).ok(),
        };
        let text = match &raw.text {
            Some(text) if text.value.is_empty() => None,
            text => Some(self.text("text", text.as_ref(), r#"{{ template "email.default.text" . }}"#)?),
        };
        if html.is_none() && text.is_none() {
            self.problems.push(at, "an e-mail needs `html` or `text`");
        }
        Some(EmailConfig {
            to: self.text("to", Some(to), "")?,
            from: self.text("from", Some(from), "")?,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            hello: raw.hello.as_ref().or(global.smtp_hello.as_ref()).map(|hello| hello.value.clone()),
            auth,
            require_tls: raw.require_tls.as_ref().or(global.smtp_require_tls.as_ref()).is_none_or(|yes| yes.value),
            tls: self.tls(raw.tls_config.as_ref().or(global.smtp_tls_config.as_ref()))?,
            headers,
            html,
            text,
        })
    }

    fn secret(&mut self, key: &str, inline: Option<&Spanned<Hidden>>, file: Option<&Spanned<String>>) -> Option<Secret> {
        match (inline, file) {
            (Some(inline), Some(_)) => {
                self.problems.push(&inline.at, format!("`{key}` and `{key}_file` stand side by side; keep one, best the file"));
                None
            }
            (Some(inline), None) => Some(Secret::Inline(inline.value.0.clone())),
            (None, Some(file)) => Some(Secret::File(self.path(&file.value))),
            (None, None) => None,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    fn http(&mut self, url: Secret, raw: Option<&Spanned<RawHttp>>, timeout: Option<Duration>, at: &At) -> Option<Endpoint> {
        if let Secret::Inline(text) = &url {
            // What is wrong is said without the address, which may hold a secret.
            let is_http = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !is_http {
                self.problems.push(at, "its address is no http:// or https:// URL");
                return None;
            }
        }
        let raw = raw.or(self.global.http_config.as_ref());
        let empty = RawHttp::default();
        let raw_http = raw.map_or(&empty, |raw| &raw.value);
        let auth = match (&raw_http.basic_auth, &raw_http.authorization) {
            (None, None) => Auth::None,
            (Some(_), Some(other)) => {
                self.problems.push(&other.at, "`basic_auth` and `authorization` stand side by side; keep one");
                return None;
            }
            (Some(basic), None) => {
                let secret = self.secret("password", basic.value.password.as_ref(), basic.value.password_file.as_ref());
                let (Some(user), Some(password)) = (&basic.value.username, secret) else {
                    self.problems.push(&basic.at, "`basic_auth` needs `username` and `password_file`");
                    return None;
                };
                Auth::Basic { user: user.value.clone(), password }
            }
            (None, Some(own)) => {
                let secret = self.secret("credentials", own.value.credentials.as_ref(), own.value.credentials_file.as_ref());
                let Some(secret) = secret else {
                    self.problems.push(&own.at, "`authorization` needs `credentials_file`");
                    return None;
                };
                Auth::Scheme { scheme: own.value.kind.as_ref().map_or("Bearer", |kind| &kind.value).to_owned(), secret }
            }
        };
        let tls = self.tls(raw_http.tls_config.as_ref())?;
        Some(Endpoint { url, auth, tls, timeout: timeout.unwrap_or(TIMEOUT) })
    }

    fn tls(&mut self, raw: Option<&Spanned<RawTls>>) -> Option<Tls> {
        let Some(raw) = raw else { return Some(Tls::default()) };
        let path = |text: &Option<Spanned<String>>| text.as_ref().map(|text| self.path(&text.value));
        let tls = Tls {
            ca_file: path(&raw.value.ca_file),
            cert_file: path(&raw.value.cert_file),
            key_file: path(&raw.value.key_file),
            server_name: raw.value.server_name.as_ref().map(|name| name.value.clone()),
            insecure_skip_verify: raw.value.insecure_skip_verify.as_ref().is_some_and(|yes| yes.value),
        };
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            self.problems.push(&raw.at, "`cert_file` and `key_file` go together");
            return None;
        }
        Some(tls)
    }

    fn text(&mut self, key: &str, text: Option<&Spanned<String>>, default: &str) -> Option<Text> {
        self.either(Templates::text, key, text, default)
    }

    /// For Slack.
    fn words(&mut self, key: &str, text: Option<&Spanned<String>>, default: &str) -> Option<Text> {
        self.either(Templates::slack, key, text, default)
    }

    fn either(
        &mut self,
        compile: impl Fn(&Templates, &str) -> Result<Text, TemplateProblem>,
        key: &str,
        text: Option<&Spanned<String>>,
        default: &str,
    ) -> Option<Text> {
        match text {
            Some(text) => self.compile(text, compile, key),
            // Of our own making: the tests render them.
            None => {
                compile(self.templates, default).map_err(|error| self.problems.push(&At::outside(key), error.to_string())).ok()
            }
        }
    }

    fn compile(
        &mut self,
        text: &Spanned<String>,
        compile: impl Fn(&Templates, &str) -> Result<Text, TemplateProblem>,
        key: &str,
    ) -> Option<Text> {
        compile(self.templates, &text.value).map_err(|error| self.problems.push(&text.at, format!("`{key}`: {error}"))).ok()
    }
}
