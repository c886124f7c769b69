//! Why an engine of SNMP v3 gives no answer: the counter that it names in its report (RFC 3411, RFC 3412, RFC 3414), as a word and what
//! to do.

use std::fmt;

use super::ber::Oid;

/// `usmStats` of RFC 3414.
const USM_STATS: &[u32] = &[1, 3, 6, 1, 6, 3, 15, 1, 1];
/// `snmpMPDStats` of RFC 3412.
const MPD_STATS: &[u32] = &[1, 3, 6, 1, 6, 3, 11, 2, 1];
/// What RFC 3413 counts of contexts.
const CONTEXT_STATS: &[u32] = &[1, 3, 6, 1, 6, 3, 12, 1];

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    UnsupportedSecLevels,
    NotInTimeWindows,
    UnknownUserNames,
    UnknownEngineIds,
    WrongDigests,
    DecryptionErrors,
    UnknownSecurityModels,
    InvalidMessages,
    UnknownPduHandlers,
    UnavailableContexts,
    UnknownContexts,
    /// Another counter.
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsupportedSecLevels => {
                "it does not secure messages for this user so (unsupportedSecLevels); look at `auth` and `privacy`"
            }
            Self::NotInTimeWindows => "its clock runs wildly (notInTimeWindows); restart its network card",
            Self::UnknownUserNames => "it does not know the user (unknownUserNames); look at `username`",
            Self::UnknownEngineIds => "it does not know its own engine id (unknownEngineIDs); restart its network card",
            Self::WrongDigests => "the password of authentication is wrong (wrongDigests), or `auth` is",
            Self::DecryptionErrors => "it cannot decrypt (decryptionErrors); look at `privacy` and its password",
            Self::UnknownSecurityModels => "it has no users of SNMP v3 (unknownSecurityModels); give a `community_file`",
            Self::InvalidMessages => "it does not understand the message (invalidMsgs)",
            Self::UnknownPduHandlers => "it has nothing to tell under its engine id (unknownPDUHandlers)",
            Self::UnavailableContexts => "the context is not available (unavailableContexts); look at `context`",
            Self::UnknownContexts => "it does not know the context (unknownContexts); look at `context`",
            Self::Other(counter) => return write!(f, "it counts an error of its own ({counter})"),
        })
    }
}
