//! How SNMP v3 encrypts (RFC 3414, RFC 3826, and the two ways to longer keys that cards know): the protocols of privacy.
//!
//! Nothing here proves that a message is whole; that does its digest, which covers what is encrypted.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::array::Array;
use cbc::cipher::consts::U16;
use cbc::cipher::{BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit, KeyIvInit};
use des::Des;

use super::keys::AuthProtocol;

const DES_BLOCK: usize = 8;

/// What encrypts messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivacyProtocol {
    /// DES in CBC mode.
    Des,
    /// AES in CFB mode with 128 bits.
    Aes,
    /// With 192 bits; a short key is lengthened as in draft-blumenthal-aes-usm.
    Aes192,
    /// With 256 bits, likewise.
    Aes256,
    /// With 192 bits; a short key is lengthened as in draft-reeder-snmpv3-usm-3desede, which Cisco's devices and others do.
    Aes192Cisco,
    /// With 256 bits, likewise.
    Aes256Cisco,
}

/// How a key that is too short for its cipher is lengthened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengthening {
    /// By its hash.
    Blumenthal,
    /// By the key that it would give as a password.
    Reeder,
}

impl PrivacyProtocol {
    /// All of them, by the names that they have in the configuration; those of `snmp_exporter`, in small letters.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("des", Self::Des),
        ("aes", Self::Aes),
        ("aes192", Self::Aes192),
        ("aes256", Self::Aes256),
        ("aes192c", Self::Aes192Cisco),
        ("aes256c", Self::Aes256Cisco),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, protocol)| *protocol == self).map_or("", |(name, _)| name)
    }

    /// The key for an engine, of one that was made by the protocol of authentication.
    pub(super) fn localized(self, auth: AuthProtocol, master: &[u8], engine: &[u8]) -> PrivacyKey {
        let key = auth.localized(master, engine);
        let long = |lengthening, length| lengthened(lengthening, length, key.clone(), auth, engine);
        match self {
            Self::Des => PrivacyKey::Des { key: begin(&key), vector: begin(key.get(DES_BLOCK..).unwrap_or_default()) },
            Self::Aes => PrivacyKey::Aes(begin(&key)),
            Self::Aes192 => PrivacyKey::Aes192(begin(&long(Lengthening::Blumenthal, 24))),
            Self::Aes256 => PrivacyKey::Aes256(begin(&long(Lengthening::Blumenthal, 32))),
            Self::Aes192Cisco => PrivacyKey::Aes192(begin(&long(Lengthening::Reeder, 24))),
            Self::Aes256Cisco => PrivacyKey::Aes256(begin(&long(Lengthening::Reeder, 32))),
        }
    }
}

/// A key as long as its hash makes it, or longer. Once is enough: a hash gives 16 bytes at least.
fn lengthened(lengthening: Lengthening, length: usize, mut key: Vec<u8>, auth: AuthProtocol, engine: &[u8]) -> Vec<u8> {
    if key.len() < length {
        let more = match lengthening {
            Lengthening::Blumenthal => auth.hash(&[&key]),
            Lengthening::Reeder => auth.localized(&auth.stretched(&key), engine),
        };
        key.extend(more);
    }
    key
}

/// The first of them, as many as a key has.
fn begin<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    key
}

/// The key of a user's privacy, for one engine.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PrivacyKey {
    Des { key: [u8; 8], vector: [u8; 8] },
    Aes([u8; 16]),
    Aes192([u8; 24]),
    Aes256([u8; 32]),
}

/// Whether something is encrypted or decrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

impl PrivacyKey {
    /// Encrypts in place, filling up to whole blocks; what stands in the message as its salt, made of a number that does not come
    /// again.
    pub(super) fn encrypt(&self, boots: i32, time: i32, number: u64, data: &mut Vec<u8>) -> [u8; 8] {
        let mut salt = number.to_be_bytes();
        if matches!(self, Self::Des { .. }) {
            salt = concat(boots.to_be_bytes(), (number as u32).to_be_bytes());
            data.resize(data.len().next_multiple_of(DES_BLOCK), 0);
        }
        self.run(Way::There, boots, time, salt, data);
        salt
    }

    /// Decrypts; nothing if it cannot have been encrypted so.
    pub(super) fn decrypt(&self, boots: i32, time: i32, salt: &[u8], octets: &[u8]) -> Option<Vec<u8>> {
        let salt = salt.try_into().ok()?;
        if matches!(self, Self::Des { .. }) && !octets.len().is_multiple_of(DES_BLOCK) {
            return None;
        }
        let mut data = octets.to_vec();
        self.run(Way::Back, boots, time, salt, &mut data);
        Some(data)
    }

    fn run(&self, way: Way, boots: i32, time: i32, salt: [u8; 8], data: &mut [u8]) {
        let vector = concat(concat::<4, 8>(boots.to_be_bytes(), time.to_be_bytes()), salt);
        match self {
            Self::Des { key, vector } => des(way, *key, u64::from_be_bytes(*vector) ^ u64::from_be_bytes(salt), data),
            Self::Aes(key) => aes(way, Aes128::new(key.into()), vector, data),
            Self::Aes192(key) => aes(way, Aes192::new(key.into()), vector, data),
            Self::Aes256(key) => aes(way, Aes256::new(key.into()), vector, data),
        }
    }
}

fn aes<C>(way: Way, cipher: C, vector: [u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    match way {
        Way::There => cfb_mode::Encryptor::inner_iv_init(cipher, &vector.into()).encrypt(data),
        Way::Back => cfb_mode::Decryptor::inner_iv_init(cipher, &vector.into()).decrypt(data),
    }
}

/// Of whole blocks.
fn des(way: Way, key: [u8; 8], vector: u64, data: &mut [u8]) {
    let (blocks, _) = Array::slice_as_chunks_mut(data);
    let vector = vector.to_be_bytes();
    match way {
        Way::There => cbc::Encryptor::<Des>::new(&key.into(), &vector.into()).encrypt_blocks(blocks),
        Way::Back => cbc::Decryptor::<Des>::new(&key.into(), &vector.into()).decrypt_blocks(blocks),
    }
}

/// Both, one behind the other; `TO` is twice `FROM`.
fn concat<const FROM: usize, const TO: usize>(first: [u8; FROM], second: [u8; FROM]) -> [u8; TO] {
    let mut both = [0; TO];
    both.iter_mut().zip(first.into_iter().chain(second)).for_each(|(to, from)| *to = from);
    both
}

#[cfg(test)]
mod tests {
    use super::super::keys::Password;
    use super::super::testing::hex;
    use super::*;

    #[test]
    fn keys_are_lengthened_as_net_snmp_does_it() {
        // As snmpd 5.9 stores them.
        let engine = b"\x80\x00\x1f\x88\x80\x8c\x12\xc2\x4e\x05\xe0\x08\x6b\x00\x00\x00\x00";
        let password = Password::new("maplesyrup".to_owned()).unwrap();
        for (auth, privacy, wanted) in [
            (AuthProtocol::Sha224, PrivacyProtocol::Des, "4cfb3b72057239feb305a4f5dc23e38e"),
            (AuthProtocol::Sha256, PrivacyProtocol::Aes, "40527a465180ac0656f35242810998a2"),
            (AuthProtocol::Md5, PrivacyProtocol::Aes192, "11fb9ae1da222aebb8f61ac6922f7db53a29ecd5fae44c69"),
            (AuthProtocol::Sha, PrivacyProtocol::Aes256, "4debd574fa961143a021463e3fdbaf09a91421952f225e5c486f70109c27bbeb"),
            (AuthProtocol::Md5, PrivacyProtocol::Aes192Cisco, "11fb9ae1da222aebb8f61ac6922f7db59c82789aaab49810"),
            (AuthProtocol::Sha, PrivacyProtocol::Aes192Cisco, "4debd574fa961143a021463e3fdbaf09a91421957542cfd5"),
            (AuthProtocol::Md5, PrivacyProtocol::Aes256Cisco, "11fb9ae1da222aebb8f61ac6922f7db59c82789aaab4981081c2846947226983"),
            (AuthProtocol::Sha, PrivacyProtocol::Aes256Cisco, "4debd574fa961143a021463e3fdbaf09a91421957542cfd565708aa1d5b0e19b"),
            (AuthProtocol::Sha384, PrivacyProtocol::Aes192, "731b81a8b96d39abe12563a1af915c7223ebc70d3a6be53d"),
            (AuthProtocol::Sha512, PrivacyProtocol::Aes256, "9ad7bbb67cb7f80aede15afa4f2f4a41eb09ee2ec0ad08ab034ec3efb7384029"),
        ] {
            let key = match privacy.localized(auth, &auth.master_key(&password), engine) {
                PrivacyKey::Des { key, vector } => hex(&key) + &hex(&vector),
                PrivacyKey::Aes(key) => hex(&key),
                PrivacyKey::Aes192(key) => hex(&key),
                PrivacyKey::Aes256(key) => hex(&key),
            };
            assert_eq!(key, wanted, "{auth:?} {privacy:?}");
        }
    }

    #[test]
    fn what_was_encrypted_comes_back_and_is_never_the_same_twice() {
        let text = b"thirty bytes, which is no block";
        for (name, protocol) in PrivacyProtocol::NAMES {
            let key = protocol.localized(AuthProtocol::Sha256, &[7; 32], b"engine");
            let encrypted = |number| {
                let mut data = text.to_vec();
                let salt = key.encrypt(3, 1000, number, &mut data);
                (salt, data)
            };
            let ((salt, first), (_, second)) = (encrypted(1), encrypted(2));
            assert!(first != second && !first.windows(8).any(|window| text.windows(8).any(|clear| clear == window)), "{name}");
            let back = key.decrypt(3, 1000, &salt, &first).unwrap();
            assert!(back.starts_with(text) && back.len() < text.len() + DES_BLOCK, "{name}");
            assert!(key.decrypt(3, 1000, &salt[..7], &first).is_none());
        }
        let des = PrivacyProtocol::Des.localized(AuthProtocol::Md5, &[7; 16], b"engine");
        assert!(des.decrypt(3, 1000, &[0; 8], &[0; 12]).is_none());
    }
}
