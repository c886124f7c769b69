//! Why an engine of SNMP v3 gives no answer: the counter that it names in its report (RFC 3411, RFC 3412, RFC 3414), as a word and what
//! to do.

use thiserror::Error;

use super::ber::Oid;

/// `usmStats` of RFC 3414.
const USM_STATS: &[u32] = &[1, 3, 6, 1, 6, 3, 15, 1, 1];
/// `snmpMPDStats` of RFC 3412.
const MPD_STATS: &[u32] = &[1, 3, 6, 1, 6, 3, 11, 2, 1];
/// What RFC 3413 counts of contexts.
const CONTEXT_STATS: &[u32] = &[1, 3, 6, 1, 6, 3, 12, 1];

/// A report.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(in crate::collector::ups) enum Report {
    #[error("it does not secure messages for this user so (unsupportedSecLevels); look at `auth` and `privacy`")]
    UnsupportedSecLevels,
    #[error("its clock runs wildly (notInTimeWindows); restart its network card")]
    NotInTimeWindows,
    #[error("it does not know the user (unknownUserNames); look at `username`")]
    UnknownUserNames,
    #[error("it does not know its own engine id (unknownEngineIDs); restart its network card")]
    UnknownEngineIds,
    #[error("the password of authentication is wrong, or `auth` is (wrongDigests)")]
    WrongDigests,
    #[error("it cannot decrypt (decryptionErrors); look at `privacy` and its password")]
    DecryptionErrors,
    #[error("it has no users of SNMP v3 (unknownSecurityModels); give a `community_file`")]
    UnknownSecurityModels,
    #[error("it does not understand the message (invalidMsgs)")]
    InvalidMessages,
    #[error("it has nothing to tell under its engine id (unknownPDUHandlers)")]
    UnknownPduHandlers,
    #[error("the context is not available (unavailableContexts); look at `context`")]
    UnavailableContexts,
    #[error("it does not know the context (unknownContexts); look at `context`")]
    UnknownContexts,
    /// Another counter.
    #[error("it counts an error of its own ({0})")]
    Other(Oid),
}

impl From<Oid> for Report {
    fn from(counter: Oid) -> Self {
        let below = |base: &[u32]| counter.0.strip_prefix(base).and_then(|rest| rest.first().copied());
        match (below(USM_STATS), below(MPD_STATS), below(CONTEXT_STATS)) {
            (Some(1), ..) => Self::UnsupportedSecLevels,
            (Some(2), ..) => Self::NotInTimeWindows,
            (Some(3), ..) => Self::UnknownUserNames,
            (Some(4), ..) => Self::UnknownEngineIds,
            (Some(5), ..) => Self::WrongDigests,
            (Some(6), ..) => Self::DecryptionErrors,
            (_, Some(1), _) => Self::UnknownSecurityModels,
            (_, Some(2), _) => Self::InvalidMessages,
            (_, Some(3), _) => Self::UnknownPduHandlers,
            (.., Some(4)) => Self::UnavailableContexts,
            (.., Some(5)) => Self::UnknownContexts,
            _ => Self::Other(counter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_told_by_its_name() {
        for (counter, word) in [
            ("1.3.6.1.6.3.15.1.1.1.0", "unsupportedSecLevels"),
            ("1.3.6.1.6.3.15.1.1.2.0", "notInTimeWindows"),
            ("1.3.6.1.6.3.15.1.1.3.0", "unknownUserNames"),
            ("1.3.6.1.6.3.15.1.1.4.0", "unknownEngineIDs"),
            ("1.3.6.1.6.3.15.1.1.5.0", "wrongDigests"),
            ("1.3.6.1.6.3.15.1.1.6.0", "decryptionErrors"),
            ("1.3.6.1.6.3.11.2.1.1.0", "unknownSecurityModels"),
            ("1.3.6.1.6.3.11.2.1.2.0", "invalidMsgs"),
            ("1.3.6.1.6.3.11.2.1.3.0", "unknownPDUHandlers"),
            ("1.3.6.1.6.3.12.1.4.0", "unavailableContexts"),
            ("1.3.6.1.6.3.12.1.5.0", "unknownContexts"),
            ("1.3.6.1.6.3.15.1.1.7.0", "1.3.6.1.6.3.15.1.1.7.0"),
            ("1.3.6.1.6.3.15.1.1", "1.3.6.1.6.3.15.1.1"),
        ] {
            let oid = Oid(counter.split('.').map(|part| part.parse().unwrap()).collect());
            assert!(Report::from(oid).to_string().contains(&format!("({word})")), "{counter}");
        }
    }
}
