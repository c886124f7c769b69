//! What goes first of a Kubernetes audit event: bookkeeping in the bodies, then most of the bodies, then the rest.

use super::write::Keep::{Last, Nothing, Only, Scalar, Whole, Without};
use super::write::{Keep, Part};
use super::{Event, Plan};
use crate::json::{Key, Kind};

pub(super) const PLAN: Plan = Plan {
    steps: &[
        |key, _| bodies(key, Without(&NOISE[..1]), Without(&NOISE[..1])),
        |key, _| bodies(key, ALL, ALL),
        |key, _| bodies(key, Only(BODY), ALL),
        |key, event| bodies(key, Only(BODY), request(event)),
        |key, event| bodies(key, Nothing, request(event)),
        |key, _| bodies(key, Nothing, Nothing),
    ],
    core: CORE,
};

const ALL: Keep = Without(NOISE);

/// What the API server and kubectl note about an object beside the object: every value once more.
const NOISE: &[&str] = &["managedFields", "kubectl.kubernetes.io/last-applied-configuration"];

/// What rules read of a body: what it is, and whom it lets do what.
const BODY: &[Part] = &[
    Part { name: "kind", keep: Whole },
    Part { name: "apiVersion", keep: Whole },
    Part { name: "metadata", keep: Only(&[Part { name: "name", keep: Whole }, Part { name: "namespace", keep: Whole }]) },
    Part { name: "rules", keep: ALL },
    Part { name: "subjects", keep: ALL },
    Part { name: "roleRef", keep: ALL },
    Part { name: "aggregationRule", keep: ALL },
];

/// Who did what, from where, to what, with what result.
const CORE: &[Part] = &[
    Part { name: "kind", keep: Scalar },
    Part { name: "apiVersion", keep: Scalar },
    Part { name: "level", keep: Scalar },
    Part { name: "auditID", keep: Scalar },
    Part { name: "stage", keep: Scalar },
    Part { name: "verb", keep: Scalar },
    Part { name: "user", keep: Only(USER) },
    Part { name: "impersonatedUser", keep: Only(USER) },
    Part { name: "sourceIPs", keep: Last },
    Part {
        name: "objectRef",
        keep: Only(&[
            Part { name: "resource", keep: Scalar },
            Part { name: "namespace", keep: Scalar },
            Part { name: "name", keep: Scalar },
            Part { name: "apiGroup", keep: Scalar },
            Part { name: "subresource", keep: Scalar },
        ]),
    },
    Part {
        name: "responseStatus",
        keep: Only(&[
            Part { name: "status", keep: Scalar },
            Part { name: "message", keep: Scalar },
            Part { name: "reason", keep: Scalar },
            Part { name: "code", keep: Scalar },
        ]),
    },
    Part { name: "requestReceivedTimestamp", keep: Scalar },
    Part { name: "stageTimestamp", keep: Scalar },
];

const USER: &[Part] =
    &[Part { name: "username", keep: Scalar }, Part { name: "uid", keep: Scalar }, Part { name: "groups", keep: Last }];

fn bodies(key: &Key<'_>, response: Keep, request: Keep) -> Keep {
    if key.is("responseObject") {
        response
    } else if key.is("requestObject") {
        request
    } else {
        Whole
    }
}

/// What is kept of the request's body: all of a patch, since its parts bear no names that tell what matters.
fn request(event: &Event<'_>) -> Keep {
    if event.is_patch || event.value.kind() == Kind::Array { ALL } else { Only(BODY) }
}
