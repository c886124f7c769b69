//! How messages of SNMP v3 are signed (RFC 3414, RFC 7860): the protocols of authentication, and their keys.
//!
//! A password becomes a key by hashing a mebibyte of it, and that key one for each engine. Digests are compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// So much of a password, written again and again, is hashed.
const STRETCHED: usize = 1 << 20;
/// A password is no shorter (RFC 3414, 11.2).
const PASSWORD_MIN: usize = 8;

/// What signs messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthProtocol {
    /// HMAC-MD5-96.
    Md5,
    /// HMAC-SHA-96.
    Sha,
    /// HMAC-SHA-224 of 128 bits.
    Sha224,
    /// HMAC-SHA-256 of 192 bits.
    Sha256,
    /// HMAC-SHA-384 of 256 bits.
    Sha384,
    /// HMAC-SHA-512 of 384 bits.
    Sha512,
}

/// The expression for the protocol's hash.
macro_rules! with_hash {
    ($protocol:expr, $hash:ident => $body:expr) => {
        match $protocol {
            AuthProtocol::Md5 => with_hash!(of Md5, $hash, $body),
            AuthProtocol::Sha => with_hash!(of Sha1, $hash, $body),
            AuthProtocol::Sha224 => with_hash!(of Sha224, $hash, $body),
            AuthProtocol::Sha256 => with_hash!(of Sha256, $hash, $body),
            AuthProtocol::Sha384 => with_hash!(of Sha384, $hash, $body),
            AuthProtocol::Sha512 => with_hash!(of Sha512, $hash, $body),
        }
    };
    (of $which:ty, $hash:ident, $body:expr) => {{
        type $hash = $which;
        $body
    }};
}

/// A password that is long enough.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Password(String);

impl Password {
    /// Nothing if it is too short.
    pub(super) fn new(text: String) -> Option<Self> {
        (text.len() >= PASSWORD_MIN).then_some(Self(text))
    }
}

impl AuthProtocol {
    /// All of them, by the names that they have in the configuration.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("md5", Self::Md5),
        ("sha", Self::Sha),
        ("sha224", Self::Sha224),
        ("sha256", Self::Sha256),
        ("sha384", Self::Sha384),
        ("sha512", Self::Sha512),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, protocol)| *protocol == self).map_or("", |(name, _)| name)
    }

    /// How many bytes of a digest stand in a message.
    pub(super) fn digest_length(self) -> usize {
        match self {
            Self::Md5 | Self::Sha => 12,
            Self::Sha224 => 16,
            Self::Sha256 => 24,
            Self::Sha384 => 32,
            Self::Sha512 => 48,
        }
    }

    /// The key of a password, for all engines. Slow on purpose.
    pub(super) fn master_key(self, password: &Password) -> Vec<u8> {
        self.stretched(password.0.as_bytes())
    }

    /// The key for one engine.
    pub(super) fn localized(self, master: &[u8], engine: &[u8]) -> Vec<u8> {
        self.hash(&[master, engine, master])
    }

    /// The hash of a mebibyte of that, written again and again.
    pub(super) fn stretched(self, seed: &[u8]) -> Vec<u8> {
        // Whole repetitions, so that they can be written again and again themselves.
        let repeated = seed.repeat(4096 / seed.len().max(1) + 1);
        with_hash!(self, H => {
            let mut hash = H::new();
            let mut left = STRETCHED;
            while left > 0 && !repeated.is_empty() {
                let part = repeated.get(..left).unwrap_or(&repeated);
                hash.update(part);
                left -= part.len();
            }
            hash.finalize().to_vec()
        })
    }

    /// The hash of all parts, one behind the other.
    pub(super) fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        with_hash!(self, H => {
            let mut hash = H::new();
            for part in parts {
                hash.update(part);
            }
            hash.finalize().to_vec()
        })
    }

    /// The digest of all parts, as it stands in a message.
    pub(super) fn sign(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let digest = with_hash!(self, H => signed::<Hmac<H>>(key, parts).map(|mac| mac.finalize().into_bytes().to_vec()));
        // HMAC takes keys of every length.
        let mut digest = digest.unwrap_or_default();
        digest.truncate(self.digest_length());
        digest
    }

    /// Whether that is the digest of all parts.
    pub(super) fn verify(self, key: &[u8], parts: &[&[u8]], digest: &[u8]) -> bool {
        digest.len() == self.digest_length()
            && with_hash!(self, H => {
                signed::<Hmac<H>>(key, parts).is_some_and(|mac| mac.verify_truncated_left(digest).is_ok())
            })
    }
}

fn signed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;

    #[test]
    fn keys_are_those_of_the_examples_and_those_that_net_snmp_makes() {
        let password = Password::new("maplesyrup".to_owned()).unwrap();
        // RFC 3414, A.3.1 and A.3.2.
        for (protocol, master, localized) in [
            (AuthProtocol::Md5, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
            (AuthProtocol::Sha, "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"),
        ] {
            let key = protocol.master_key(&password);
            let engine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
            assert_eq!((hex(&key).as_str(), hex(&protocol.localized(&key, &engine)).as_str()), (master, localized));
        }
        // RFC 7860 has no examples: as snmpd 5.9 stores them.
        for (protocol, localized) in [
            (AuthProtocol::Md5, "11fb9ae1da222aebb8f61ac6922f7db5"),
            (AuthProtocol::Sha, "4debd574fa961143a021463e3fdbaf09a9142195"),
            (AuthProtocol::Sha224, "4cfb3b72057239feb305a4f5dc23e38e9658471159897b8e46f065fb"),
            (AuthProtocol::Sha256, "40527a465180ac0656f35242810998a272cbc52f722fc42a33ea86d71b03ddf7"),
            (
                AuthProtocol::Sha384,
                "731b81a8b96d39abe12563a1af915c7223ebc70d3a6be53d941aec03d0d7f152b59226b516041f03edf7066f3e790f2a",
            ),
            (
                AuthProtocol::Sha512,
                "9ad7bbb67cb7f80aede15afa4f2f4a41eb09ee2ec0ad08ab034ec3efb7384029\
                 51740616facb6514d4edcdd3fb1be9628884a4e0994746bd37d7a74994ca0f0a",
            ),
        ] {
            let engine = b"\x80\x00\x1f\x88\x80\x8c\x12\xc2\x4e\x05\xe0\x08\x6b\x00\x00\x00\x00";
            assert_eq!(hex(&protocol.localized(&protocol.master_key(&password), engine)), localized);
        }
    }

    #[test]
    fn a_digest_is_that_of_the_whole_and_has_its_length() {
        for (name, protocol) in AuthProtocol::NAMES {
            let digest = protocol.sign(b"key", &[b"a message"]);
            assert_eq!(digest.len(), protocol.digest_length(), "{name}");
            assert!(protocol.verify(b"key", &[b"a ", b"message"], &digest));
            assert!(!protocol.verify(b"other", &[b"a message"], &digest) && !protocol.verify(b"key", &[b"a massage"], &digest));
            // Not a part of it, nor nothing.
            assert!((0..digest.len()).all(|length| !protocol.verify(b"key", &[b"a message"], &digest[..length])));
        }
        // RFC 2202, second example of each.
        let digest = |protocol: AuthProtocol| hex(&protocol.sign(b"Jefe", &[b"what do ya want ", b"for nothing?"]));
        assert_eq!(digest(AuthProtocol::Md5), "750c783e6ab0b503eaa86e31");
        assert_eq!(digest(AuthProtocol::Sha), "effcdf6ae5eb2fa2d27416d5");
        // RFC 4231, likewise.
        assert_eq!(digest(AuthProtocol::Sha224), "a30e01098bc6dbbf45690f3a7e9e6d0f");
        assert_eq!(digest(AuthProtocol::Sha256), "5bdcc146bf60754e6a042426089575c75a003f089d273983");
    }

    #[test]
    fn a_password_is_not_short() {
        assert!(Password::new("sevenoc".to_owned()).is_none() && Password::new("eight oc".to_owned()).is_some());
    }
}
