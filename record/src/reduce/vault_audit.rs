//! What goes first of a Vault audit entry: the data of the response, that of the request, all but what rules read.

use super::write::Keep::{Last, Only, Scalar, Whole, Without};
use super::write::{Keep, Part};
use super::{Event, Plan};
use crate::json::Key;

pub(super) const PLAN: Plan = Plan {
    steps: &[
        |key, _| parts(key, Only(RESPONSE), Whole),
        |key, _| parts(key, Only(RESPONSE), Without(&["data"])),
        |key, _| parts(key, Only(RESPONSE), Only(REQUEST)),
        |key, _: &Event<'_>| parts(key, Only(RESPONSE_CORE), Only(REQUEST)),
    ],
    core: CORE,
};

/// All of a response but its data, of which the two members that tell failure and completion stay.
const RESPONSE: &[Part] = &[
    Part { name: "auth", keep: Whole },
    Part { name: "secret", keep: Whole },
    Part { name: "data", keep: OUTCOME },
    Part { name: "warnings", keep: Whole },
    Part { name: "redirect", keep: Whole },
    Part { name: "wrap_info", keep: Whole },
    Part { name: "headers", keep: Whole },
    Part { name: "mount_point", keep: Whole },
    Part { name: "mount_type", keep: Whole },
    Part { name: "mount_accessor", keep: Whole },
    Part { name: "mount_running_plugin_version", keep: Whole },
    Part { name: "mount_class", keep: Whole },
];

const OUTCOME: Keep = Only(&[Part { name: "error", keep: Scalar }, Part { name: "complete", keep: Scalar }]);

const REQUEST: &[Part] = &[
    Part { name: "id", keep: Scalar },
    Part { name: "operation", keep: Scalar },
    Part { name: "path", keep: Scalar },
    Part { name: "remote_address", keep: Scalar },
    Part { name: "mount_point", keep: Scalar },
    Part { name: "mount_type", keep: Scalar },
    Part { name: "mount_accessor", keep: Scalar },
    Part { name: "mount_class", keep: Scalar },
    Part { name: "mount_running_version", keep: Scalar },
];

const RESPONSE_CORE: &[Part] = &[
    Part { name: "auth", keep: Only(AUTH) },
    Part { name: "wrap_info", keep: Only(&[Part { name: "token", keep: Scalar }]) },
    Part { name: "data", keep: OUTCOME },
];

/// Who asked, and what they may.
const AUTH: &[Part] = &[
    Part { name: "accessor", keep: Scalar },
    Part { name: "display_name", keep: Scalar },
    Part { name: "policies", keep: Last },
    Part { name: "entity_id", keep: Scalar },
    Part { name: "token_type", keep: Scalar },
];

const CORE: &[Part] = &[
    Part { name: "time", keep: Scalar },
    Part { name: "type", keep: Scalar },
    Part { name: "auth", keep: Only(AUTH) },
    Part { name: "request", keep: Only(REQUEST) },
    Part { name: "response", keep: Only(RESPONSE_CORE) },
    Part { name: "error", keep: Scalar },
];

fn parts(key: &Key<'_>, response: Keep, request: Keep) -> Keep {
    if key.is("response") {
        response
    } else if key.is("request") {
        request
    } else {
        Whole
    }
}
