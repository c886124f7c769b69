//! Who may: clients with a token of the files, or with a certificate of the configured authorities (which TLS itself has checked);
//! without either setting everybody on this host, but no page of another site in somebody's browser.
//!
//! Tokens are compared in constant time and stand in no message. A browser gives the token as the password of any user.

use std::fs;
use std::path::{Path, PathBuf};

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use thiserror::Error;

/// A shorter word is guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// The tokens, and the names under which this server is known to browsers.
#[derive(Clone, Default)]
pub struct Access {
    tokens: Vec<String>,
    /// TLS asks for a certificate: whoever gets here has one.
    certificates: bool,
    /// The host of `external_url`.
    host: Option<String>,
}

/// Why the tokens cannot be used.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("tokens: {path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no token in it.
    #[error("tokens: {path}: is empty; write a long random word into it: openssl rand -hex 32", path = .0.display())]
    Empty(PathBuf),
    /// A token is too short.
    #[error("tokens: {path}: a token is shorter than {TOKEN_BYTES_MIN} bytes; make one with: openssl rand -hex 32", path = .0.display())]
    Short(PathBuf),
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// 401: no token, or another.
    Unauthorized,
    /// 403: a browser was led here by a page of another site.
    CrossSite,
}

impl Access {
    /// With the tokens of these files.
    pub fn new(files: &[PathBuf], certificates: bool, host: Option<&str>) -> Result<Self, TokenError> {
        let mut tokens = Vec::new();
        for path in files {
            tokens.extend(read(path)?);
        }
        Ok(Self { tokens, certificates, host: host.map(str::to_owned) })
    }

    /// Whether a request with these headers may do what it asks.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        if !self.tokens.is_empty() {
            let shown = headers.get(AUTHORIZATION).and_then(|value| secret_of(value.to_str().ok()?));
            let known = shown.is_some_and(|shown| {
                // All are compared, so that the time says nothing of which.
                self.tokens.iter().fold(false, |known, token| known | is_equal(token.as_bytes(), shown.as_bytes()))
            });
            if !known {
                return Err(Denied::Unauthorized);
            }
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let own = text(HOST).unwrap_or_default();
        // A browser shows a certificate, and repeats a password, for any page that asks it to.
        if let Some(origin) = text(ORIGIN)
            && origin.split_once("://").is_none_or(|(_, host)| host != own)
        {
            return Err(Denied::CrossSite);
        }
        // A name of theirs that leads here would make their page one of ours.
        if self.tokens.is_empty() && !self.certificates && !self.is_ours(own) {
            return Err(Denied::CrossSite);
        }
        Ok(())
    }

    /// A host with or without port that nobody else can have given a name: an address, `localhost`, or what is configured.
    fn is_ours(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name.is_empty()
            || name == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok()
            || self.host.as_deref() == Some(name)
    }
}

/// Never shows a token.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("tokens", &self.tokens.len())
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<String>, TokenError> {
    let text = fs::read_to_string(path).map_err(|source| TokenError::File { path: path.to_owned(), source })?;
    let tokens: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() {
        return Err(TokenError::Empty(path.to_owned()));
    }
    if tokens.iter().any(|token| token.len() < TOKEN_BYTES_MIN) { Err(TokenError::Short(path.to_owned())) } else { Ok(tokens) }
}

/// The token of `Bearer TOKEN`, or the password of `Basic BASE64`.
fn secret_of(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(unbase64(rest.trim())?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// RFC 4648 section 4, for the one header that needs it.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = group << 6 | u32::from(sextet);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits) as u8);
        }
    }
    Some(bytes)
}

/// In a time that depends on lengths alone.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differences, (left, right)| differences | (left ^ right)) == 0
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("valid"))).collect()
    }

    #[test]
    fn a_token_is_asked_for_as_bearer_or_as_password() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        fs::write(&file, "0123456789abcdef\n\nopen sesame, please\n").expect("written");
        let access = Access::new(&[file], false, None).expect("two tokens");
        for (authorization, expected) in [
            ("Bearer 0123456789abcdef", Ok(())),
            ("bearer open sesame, please", Ok(())),
            // picket:0123456789abcdef
            ("Basic cGlja2V0OjAxMjM0NTY3ODlhYmNkZWY=", Ok(())),
            ("Bearer 0123456789abcdeF", Err(Denied::Unauthorized)),
            ("Bearer ", Err(Denied::Unauthorized)),
            ("Basic !", Err(Denied::Unauthorized)),
            ("0123456789abcdef", Err(Denied::Unauthorized)),
        ] {
            assert_eq!(access.check(&headers(&[(AUTHORIZATION, authorization)])), expected, "{authorization}");
        }
        assert_eq!(access.check(&headers(&[])), Err(Denied::Unauthorized));
        assert!(!format!("{access:?}").contains("sesame"));
    }

    #[test]
    fn an_empty_or_guessable_token_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        for (text, words) in [("\n", "is empty"), ("secret", "shorter than 16 bytes")] {
            fs::write(&file, text).expect("written");
            let error = Access::new(std::slice::from_ref(&file), false, None).expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains("secret"), "{error}");
        }
        assert!(Access::new(&["/nonexistent".into()], false, None).is_err());
    }

    #[test]
    fn a_page_of_another_site_gets_nothing() {
        let access = Access::new(&[], false, Some("alerts.example.org")).expect("no tokens");
        for (pairs, expected) in [
            (vec![(HOST, "127.0.0.1:9095")], Ok(())),
            (vec![(HOST, "[::1]:9095")], Ok(())),
            (vec![(HOST, "localhost")], Ok(())),
            (vec![(HOST, "alerts.example.org")], Ok(())),
            (vec![(HOST, "localhost:9095"), (ORIGIN, "http://localhost:9095")], Ok(())),
            (vec![(HOST, "rebound.example.com:9095")], Err(Denied::CrossSite)),
            (vec![(HOST, "localhost:9095"), (ORIGIN, "https://evil.example.com")], Err(Denied::CrossSite)),
            (vec![(HOST, "localhost:9095"), (ORIGIN, "null")], Err(Denied::CrossSite)),
        ] {
            assert_eq!(access.check(&headers(&pairs)), expected, "{pairs:?}");
        }
        let behind_certificates = Access::new(&[], true, None).expect("no tokens");
        assert_eq!(behind_certificates.check(&headers(&[(HOST, "companion.example.org")])), Ok(()));
    }
}
