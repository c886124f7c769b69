//! A notification as an e-mail: text and HTML side by side. Pure.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailboxes, MultiPart, SinglePart};
use proto::time::UnixNanos;

use super::Message;
use crate::notify::config::EmailConfig;
use crate::notify::template::Text;

/// An e-mail, ready to be sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// From whom to whom.
    pub envelope: Envelope,
    /// Headers and body.
    pub bytes: Vec<u8>,
}

/// Makes the e-mail. Its `Message-Id` is made of the group and the time, so an attempt that is made again is the same message.
pub fn mail(config: &EmailConfig, message: &Message<'_>, now: UnixNanos) -> Result<Mail, String> {
    let data = message.subject().data();
    let render = |key: &str, text: &Text| text.render(&data, now).map_err(|error| format!("the template of `{key}`: {error}"));
    let addresses = |key: &str, text: &Text| -> Result<Mailboxes, String> {
        let rendered = render(key, text)?;
        rendered.parse().map_err(|error| format!("`{key}`: {rendered:?} is no e-mail address: {error}"))
    };
    let to = addresses("to", &config.to)?;
    let from = addresses("from", &config.from)?;
    let author = from.iter().next().ok_or("`from` has no address")?.email.clone();
    let sent_at = SystemTime::checked_add(&UNIX_EPOCH, Duration::from_nanos(now.0.max(0).unsigned_abs())).unwrap_or(UNIX_EPOCH);
    let mut builder =
        lettre::Message::builder().date(sent_at).message_id(Some(format!("<{}@{}>", identity(message, now), author.domain())));

    let named = |name: &str| config.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    if named("From").is_none() {
        builder = builder.mailbox(lettre::message::header::From::from(from.clone()));
    }
    if named("To").is_none() {
        builder = builder.mailbox(lettre::message::header::To::from(to.clone()));
    }
    for (name, text) in &config.headers {
        // A header is one line, whatever an alert says.
        let value = render("headers", text)?.replace(char::is_control, " ");
        builder = match name.to_ascii_lowercase().as_str() {
            "subject" => builder.subject(value.trim()),
            "from" => builder.mailbox(lettre::message::header::From::from(parsed(name, &value)?)),
            "to" => builder.mailbox(lettre::message::header::To::from(parsed(name, &value)?)),
            _ => builder.raw_header(header(name, value.trim())?),
        };
    }
    builder = builder.raw_header(header("Auto-Submitted", "auto-generated")?);

    let envelope = Envelope::new(Some(author), to.iter().map(|mailbox| mailbox.email.clone()).collect())
        .map_err(|error| format!("`to`: {error}"))?;
    let built = match (&config.text, &config.html) {
        (Some(text), Some(html)) => builder
            .envelope(envelope.clone())
            .multipart(MultiPart::alternative_plain_html(render("text", text)?, render("html", html)?)),
        (Some(text), None) => builder.envelope(envelope.clone()).singlepart(SinglePart::plain(render("text", text)?)),
        (None, Some(html)) => builder.envelope(envelope.clone()).singlepart(SinglePart::html(render("html", html)?)),
        (None, None) => return Err("it has neither text nor HTML".to_owned()),
    };
    Ok(Mail { envelope, bytes: built.map_err(|error| error.to_string())?.formatted() })
}

fn parsed(name: &str, value: &str) -> Result<Mailboxes, String> {
    value.parse().map_err(|error| format!("header {name}: {value:?} is no e-mail address: {error}"))
}

fn header(name: &str, value: &str) -> Result<HeaderValue, String> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| format!("{name:?} is no header's name"))?;
    Ok(HeaderValue::new(name, value.to_owned()))
}

/// Of the group, its alerts and the time.
fn identity(message: &Message<'_>, now: UnixNanos) -> String {
    let mut text = format!("{}\n{}\n", message.receiver, message.group_key);
    for (alert, status) in message.alerts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {}", alert.fingerprint(), status.as_str());
    }
    let hash = twox_hash::XxHash3_64::oneshot(text.as_bytes());
    format!("picket.{}.{hash:016x}", now.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config_of, message};
    use super::*;
    use crate::notify::config::IntegrationKind;

    fn config(more: &str) -> Box<EmailConfig> {
        let text = format!(
            "email_configs: [{{to: 'ops@example.org, Eva <eva@example.org>', from: picket@example.org, smarthost: 'mail.example.org:587'{more}}}]"
        );
        match config_of(&text).kind {
            IntegrationKind::Email(config) => config,
            other => panic!("{other:?}"),
        }
    }

    fn text(config: &EmailConfig) -> String {
        String::from_utf8(message(|message| mail(config, message, UnixNanos(1_795_694_400_000_000_000))).unwrap().bytes).unwrap()
    }

    #[test]
    fn an_e_mail_has_text_and_html_and_says_that_a_machine_wrote_it() {
        let config = config("");
        let built = message(|message| mail(&config, message, UnixNanos(0))).unwrap();
        let to: Vec<String> = built.envelope.to().iter().map(ToString::to_string).collect();
        assert_eq!(
            (to, built.envelope.from().unwrap().to_string()),
            (vec!["ops@example.org".to_owned(), "eva@example.org".to_owned()], "picket@example.org".to_owned())
        );
        let text = text(&config);
        for part in [
            "Subject: [FIRING:1] K4 (critical)\r\n",
            "From: picket@example.org\r\n",
            "To: ops@example.org, Eva <eva@example.org>\r\n",
            "Date: Thu, 26 Nov 2026 12:00:00 +0000\r\n",
            "Message-ID: <picket.1795694400000000000.",
            "Auto-Submitted: auto-generated\r\n",
            "multipart/alternative",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
            "Firing: alice opened a shell",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn a_header_is_one_line_whatever_is_said() {
        let config = config(r#", headers: {Subject: "{{ \"a\\r\\nBcc: x@example.org\" }}", X-Lane: security}, html: """#);
        let text = text(&config);
        assert!(text.contains("X-Lane: security\r\n") && !text.contains("\nBcc"), "{text}");
        assert!(!text.contains("text/html"), "{text}");
    }

    #[test]
    fn an_address_that_is_none_is_said() {
        let mut bad = config("");
        bad.to = config(", text: 'nobody'").text.unwrap();
        let error = message(|message| mail(&bad, message, UnixNanos(0))).unwrap_err();
        assert!(error.contains("`to`: \"nobody\" is no e-mail address"), "{error}");
    }
}
