//! The keys of a user at one engine of SNMP v3: they sign and encrypt messages, and prove and decrypt them, without I/O.

use std::borrow::Cow;
use std::ops::Range;

use super::keys::AuthProtocol;
use super::privacy::PrivacyKey;
use super::v3::{Data, Flags, Message};

/// Keys for an engine. Who does not sign has none; who encrypts signs.
pub(super) struct LocalKeys {
    /// The engine's id.
    pub(super) engine: Vec<u8>,
    /// What signs.
    pub(super) auth: Option<(AuthProtocol, Vec<u8>)>,
    /// What encrypts.
    pub(super) privacy: Option<PrivacyKey>,
}

impl LocalKeys {
    /// A message as bytes, secured as its flags say as far as there are keys: its data is a scoped PDU, and `number` makes this
    /// encryption another one than all others.
    pub(super) fn seal(&self, message: Message<'_>, mut scoped: Vec<u8>, number: u64) -> Vec<u8> {
        let auth = self.auth.as_ref().filter(|_| message.flags.is_signed);
        let privacy = self.privacy.as_ref().filter(|_| message.flags.is_encrypted);
        let salt = privacy.map(|key| key.encrypt(message.boots, message.time, number, &mut scoped));
        let zeros = vec![0; auth.map_or(0, |(protocol, _)| protocol.digest_length())];
        let message = Message {
            flags: Flags { is_signed: auth.is_some(), is_encrypted: privacy.is_some(), ..message.flags },
            digest: &zeros,
            salt: salt.as_ref().map_or(&[], |salt| salt.as_slice()),
            data: if privacy.is_some() { Data::Encrypted(&scoped) } else { Data::Plain(&scoped) },
            ..message
        };
        let (mut bytes, digest_at) = message.write();
        let digest = auth.map(|(protocol, key)| protocol.sign(key, &[&bytes])).unwrap_or_default();
        if let Some(place) = bytes.get_mut(digest_at) {
            place.copy_from_slice(&digest);
        }
        bytes
    }

    /// Whether a message was signed by who has the key. Its digest is that of its bytes with zeros in its place.
    pub(super) fn is_genuine(&self, bytes: &[u8], message: &Message<'_>, digest_at: Range<usize>) -> bool {
        let Some((protocol, key)) = &self.auth else { return false };
        let (before, after) = (bytes.get(..digest_at.start), bytes.get(digest_at.end..));
        let zeros = vec![0; message.digest.len()];
        let parts = [before.unwrap_or_default(), &zeros, after.unwrap_or_default()];
        message.flags.is_signed && protocol.verify(key, &parts, message.digest)
    }

    /// The scoped PDU of a message that is genuine; nothing if it cannot be decrypted.
    pub(super) fn opened<'b>(&self, message: &Message<'b>) -> Option<Cow<'b, [u8]>> {
        match message.data {
            Data::Plain(data) => Some(Cow::Borrowed(data)),
            Data::Encrypted(octets) => {
                let key = self.privacy.as_ref()?;
                key.decrypt(message.boots, message.time, message.salt, octets).map(Cow::Owned)
            }
        }
    }
}
