//! The header that proves who we are: made of a secret in a file, which stands in no message.

use std::fs;
use std::path::Path;

use reqwest::header::HeaderValue;

use super::ClientError;
use crate::config::checked::Auth;

/// The value of `Authorization`, if there is one. It is marked, so that nothing prints it.
pub(super) fn authorization(auth: &Auth) -> Result<Option<HeaderValue>, ClientError> {
    let (text, path) = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { user, password_file } => {
            (format!("Basic {}", base64(format!("{user}:{}", read(password_file)?).as_bytes())), password_file)
        }
        Auth::Bearer { token_file } => (format!("Bearer {}", read(token_file)?.trim()), token_file),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| ClientError::Secret { path: path.clone() })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// A secret without the line end that editors add. An empty file is one that is just being written, never a secret.
fn read(path: &Path) -> Result<String, ClientError> {
    let mut secret = fs::read_to_string(path).map_err(|source| ClientError::File { path: path.to_owned(), source })?;
    secret.truncate(secret.trim_end_matches(['\r', '\n']).len());
    if secret.trim().is_empty() { Err(ClientError::Empty { path: path.to_owned() }) } else { Ok(secret) }
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
    fn a_missing_or_odd_secret_is_an_error_that_names_the_file_and_not_the_secret() {
        let error = authorization(&Auth::Bearer { token_file: "/nonexistent/token".into() }).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/token: "), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let token_file = dir.path().join("token");
        for (secret, words) in [("\n", "is empty"), ("two\nlines", "no HTTP header can carry")] {
            fs::write(&token_file, secret).unwrap();
            let error = authorization(&Auth::Bearer { token_file: token_file.clone() }).unwrap_err().to_string();
            assert!(error.contains("token") && error.contains(words) && !error.contains("two"), "{error}");
        }
    }
}
