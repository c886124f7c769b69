//! Who we are: secrets, which stand in no message, and the header that is made of them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use reqwest::header::HeaderValue;

use super::ClientError;

/// A secret: as it is, or in a file that is read when it is needed.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Its text.
    Inline(String),
    /// Where it stands.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("<secret>"),
            Self::File(path) => write!(f, "<secret in {}>", path.display()),
        }
    }
}

impl Secret {
    /// Its text, without the line end that editors add. An empty file is one that is just being written, never a secret.
    pub fn read(&self) -> Result<String, ClientError> {
        let path = match self {
            Self::Inline(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let mut text = fs::read_to_string(path).map_err(|source| ClientError::File { path: path.clone(), source })?;
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        if text.trim().is_empty() { Err(ClientError::Empty { path: path.clone() }) } else { Ok(text) }
    }

    /// The file that it stands in.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Inline(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

/// As whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// As nobody.
    #[default]
    None,
    /// With user and password.
    Basic {
        /// Who.
        user: String,
        /// The password.
        password: Secret,
    },
    /// With a token.
    Scheme {
        /// `Bearer`, mostly.
        scheme: String,
        /// The token.
        secret: Secret,
    },
}

impl Auth {
    pub(crate) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::None => None,
            Self::Basic { password: secret, .. } | Self::Scheme { secret, .. } => Some(secret),
        }
    }

    /// The value of `Authorization`, if there is one. It is marked, so that nothing prints it.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, ClientError> {
        let (text, secret) = match self {
            Self::None => return Ok(None),
            Self::Basic { user, password } => {
                (format!("Basic {}", base64(format!("{user}:{}", password.read()?).as_bytes())), password)
            }
            Self::Scheme { scheme, secret } => (format!("{scheme} {}", secret.read()?.trim()), secret),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| ClientError::Secret(secret.clone()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// RFC 4648 section 4, for the one header that needs it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { ALPHABET[sextet as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_is_encoded_as_the_rfc_says() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn credentials_are_read_from_their_files_and_marked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "open sesame\n").unwrap();
        let secret = Secret::File(file.clone());
        let basic = Auth::Basic { user: "Aladdin".to_owned(), password: secret.clone() }.header().unwrap().unwrap();
        assert_eq!(basic.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(basic.is_sensitive());
        let bearer = Auth::Scheme { scheme: "Bearer".to_owned(), secret };
        assert_eq!(bearer.header().unwrap().unwrap().to_str().unwrap(), "Bearer open sesame");
    }

    #[test]
    fn a_missing_or_odd_secret_is_an_error_that_names_the_file_and_not_the_secret() {
        let bearer = |file: &Path| Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::File(file.to_owned()) };
        let error = bearer(Path::new("/nonexistent/token")).header().unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/token: "), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        for (secret, words) in [("", "is empty"), ("\n", "is empty"), ("two\nlines", "no HTTP header can carry")] {
            fs::write(&file, secret).unwrap();
            let error = bearer(&file).header().unwrap_err().to_string();
            assert!(error.contains("token") && error.contains(words) && !error.contains("two"), "{error}");
        }
    }
}
