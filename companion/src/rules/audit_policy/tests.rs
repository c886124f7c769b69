//! Policies that people had, and what the shipped rules see under each.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;
use crate::rules::render::files;

/// What is left of the shipped rules under a policy: a line for each that does not see all.
fn blind(policy: &str) -> String {
    let policy = Policy::read(&"policy.yaml".into(), policy.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"));
    let findings = shipped().into_iter().flat_map(|needs| check(&policy, &needs));
    let mut blind = String::new();
    for finding in findings.filter(|finding| finding.sight != Sight::All) {
        let _ = writeln!(blind, "{finding}");
    }
    blind
}

/// The needs of the shipped rules with the example's values, file by file.
fn shipped() -> Vec<Vec<Need>> {
    let rendered = rendered();
    rendered.iter().map(|(file, text)| needs::read(file, text).unwrap_or_else(|problems| panic!("{problems}"))).collect()
}

fn rendered() -> Vec<(Arc<str>, String)> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules");
    let values = files::read_values(&rules.join("values.example.yaml")).unwrap_or_else(|wrong| panic!("{wrong}"));
    let rendered = files::render_all(&[rules.join("logs")], &values).unwrap_or_else(|wrong| panic!("{wrong}"));
    rendered.files.into_iter().map(|(file, text)| (file.display().to_string().into(), text)).collect()
}

/// As one person's policy does: no reads, some noise, everything else without bodies.
const NO_READS: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, verbs: [get, list, watch]}
  - level: None
    resources:
      - {group: '', resources: [events, endpoints, nodes/status, pods/status]}
      - {group: coordination.k8s.io, resources: [leases]}
      - {group: authentication.k8s.io, resources: [tokenreviews]}
      - {group: authorization.k8s.io, resources: [subjectaccessreviews]}
  - {level: None, nonResourceURLs: ['/healthz*', '/metrics']}
  - {level: Metadata}
";

/// Everything, with the bodies of what is written; those of Secrets too, were they not named first.
const BODIES_OF_WRITES: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
  - {level: Metadata, resources: [{group: '', resources: [secrets]}]}
  - {level: Metadata, verbs: [get, list, watch]}
  - {level: RequestResponse, verbs: [create, update, patch, delete, deletecollection]}
";

#[test]
fn the_shipped_policy_shows_every_rule_what_it_needs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/audit-policy/kube-apiserver.yaml");
    assert_eq!(blind(&std::fs::read_to_string(path).unwrap()), "");
}

#[test]
fn every_rule_over_the_audit_log_says_what_it_needs() {
    let known: Vec<String> = shipped().into_iter().flatten().map(|need| need.alert).collect();
    let mut silent = Vec::new();
    for (file, text) in rendered() {
        let rules = text.split("- alert: ").skip(1);
        let of_audit = rules.filter(|rule| rule.contains("{job=~`(?:kubernetes-audit|kube-audit)`} |"));
        let names = of_audit.filter_map(|rule| rule.lines().next());
        silent.extend(names.filter(|name| !known.iter().any(|known| known == name)).map(|name| format!("{file}: {name}")));
    }
    // It watches what the others need.
    assert_eq!(silent, ["further.yaml: K8sRightsChangedUnseen"]);
}

#[test]
fn a_policy_without_reads_blinds_what_asks_for_reads_and_bodies() {
    let check = |policy: &str, expected: Expect| expected.assert_eq(&blind(policy));
    check(
        NO_READS,
        expect![[r"
            K8sSensitiveSecretRefused: blind: does not see get, list, watch of secrets in vault, sealed-secrets, external-secrets: policy.yaml:5:5 logs at level None, and Metadata is needed
            K8sTunnelIntoSensitiveNamespace: partly blind: does not see get of pods/portforward, pods/proxy, services/proxy in vault, kube-system, dbaas, cnpg-system: policy.yaml:5:5 logs at level None, and Metadata is needed
            K8sOwnerImpersonated: partly blind: does not see get, list of pods, secrets by kubernetes-admin: policy.yaml:5:5 logs at level None, and Metadata is needed
            K8sNodesProxyUsed: partly blind: does not see get of nodes/proxy: policy.yaml:5:5 logs at level None, and Metadata is needed
            K8sRightsForManyGranted: blind: does not see create, update, patch of roles.rbac.authorization.k8s.io, rolebindings.rbac.authorization.k8s.io, clusterrolebindings.rbac.authorization.k8s.io: policy.yaml:13:5 logs at level Metadata, and Request is needed
            K8sRightsForManyGranted: blind: does not see patch of roles.rbac.authorization.k8s.io: policy.yaml:13:5 logs at level Metadata, and RequestResponse is needed
            K8sSATokenFromUnexpectedIP: partly blind: does not see get, list, watch of pods, secrets, configmaps, nodes, deployments.apps by system:serviceaccount:default:web: policy.yaml:5:5 logs at level None, and Metadata is needed
            K8sSensitiveSecretReadByUnexpectedActor: blind: does not see get, list, watch of secrets in vault, sealed-secrets, external-secrets: policy.yaml:5:5 logs at level None, and Metadata is needed
            K8sExecIntoSensitiveNamespace: partly blind: does not see get of pods/exec, pods/attach in vault, kube-system, dbaas, cnpg-system: policy.yaml:5:5 logs at level None, and Metadata is needed
            K8sClusterRoleWildcardCreated: blind: does not see create, update of clusterroles.rbac.authorization.k8s.io: policy.yaml:13:5 logs at level Metadata, and Request is needed
            K8sClusterRoleWildcardCreated: blind: does not see patch of clusterroles.rbac.authorization.k8s.io: policy.yaml:13:5 logs at level Metadata, and RequestResponse is needed
            K8sAnonymousBindingGranted: blind: does not see create, update, patch of rolebindings.rbac.authorization.k8s.io, clusterrolebindings.rbac.authorization.k8s.io: policy.yaml:13:5 logs at level Metadata, and Request is needed
            K8sOwnerFromUnexpectedIP: partly blind: does not see get, list, watch of pods, secrets, configmaps, nodes, deployments.apps by me@example.org: policy.yaml:5:5 logs at level None, and Metadata is needed
        "]],
    );
    check(BODIES_OF_WRITES, expect![[""]]);
}

/// A policy whose one rule is that, and an alert with that need.
fn sight(rule: &str, need: &str) -> String {
    let policy = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n  - {rule}\n  - {{level: Metadata}}\n");
    let policy = Policy::read(&"p".into(), policy.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"));
    let needs =
        needs::read(&"r".into(), &format!("# needs: {need}\n- alert: A\n")).unwrap_or_else(|problems| panic!("{problems}"));
    check(&policy, &needs).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn rules_match_as_the_api_server_matches_them() {
    let sees = "A: sees all that it needs";
    let table = [
        ("{level: None, resources: [{group: '', resources: [pods]}]}", "Metadata get pods/exec", true),
        ("{level: None, resources: [{group: '', resources: ['pods/*']}]}", "Metadata get pods/exec", false),
        ("{level: None, resources: [{group: '', resources: ['pods/*']}]}", "Metadata get pods", true),
        ("{level: None, resources: [{group: '', resources: ['*/exec']}]}", "Metadata get pods/exec", false),
        ("{level: None, resources: [{group: '', resources: ['*']}]}", "Metadata get pods/exec", false),
        ("{level: None, resources: [{group: ''}]}", "Metadata get pods/exec", false),
        ("{level: None, resources: [{group: apps}]}", "Metadata get pods", true),
        ("{level: None, resources: [{group: apps}]}", "Metadata get deployments.apps", false),
        ("{level: None, namespaces: [vault]}", "Metadata get pods in kube-system", true),
        ("{level: None, namespaces: [vault]}", "Metadata get pods in vault", false),
        ("{level: None, users: [bob]}", "Metadata get pods by alice", true),
        ("{level: None, users: [bob]}", "Metadata get pods by bob", false),
        ("{level: None, userGroups: ['system:nodes']}", "Metadata get pods by alice", true),
        ("{level: None, userGroups: ['system:nodes']}", "Metadata get pods by system:node:n", false),
        ("{level: None, userGroups: ['system:serviceaccounts:ci']}", "Metadata get pods by system:serviceaccount:ci:x", false),
        ("{level: None, userGroups: ['system:authenticated']}", "Metadata get pods", false),
        ("{level: None, nonResourceURLs: ['/*']}", "Metadata get pods", true),
        ("{level: Metadata, omitStages: [ResponseComplete]}", "Metadata get pods", false),
        ("{level: Metadata, omitStages: [ResponseComplete]}", "Metadata watch pods", true),
        ("{level: RequestResponse}", "Request create pods", true),
        ("{level: Request}", "RequestResponse create pods", false),
    ];
    for (rule, need, sees_all) in table {
        let sight = sight(rule, need);
        assert_eq!(sight == sees, sees_all, "{rule} / {need}: {sight}");
        assert!(sees_all || sight.starts_with("A: blind: "), "{sight}");
    }
}

#[test]
fn what_a_need_leaves_open_is_seen_in_part() {
    expect![["A: partly blind: does not see get of pods (users bob, namespaces x alone): p:4:5 logs at level None, and Metadata is needed"]]
        .assert_eq(&sight("{level: None, users: [bob], namespaces: [x]}", "Metadata get pods"));
    expect![["A: partly blind: does not see get of secrets (objects of certain names alone): p:4:5 logs at level None, and Metadata is needed"]]
        .assert_eq(&sight("{level: None, resources: [{group: '', resources: [secrets], resourceNames: [a]}]}", "Metadata get secrets"));
    expect![["A: blind: does not see get of pods in a, b: p:4:5 omits the stages that tell the outcome"]]
        .assert_eq(&sight("{level: Metadata, omitStages: [ResponseStarted, ResponseComplete]}", "Metadata get pods in a,b"));
}

#[test]
fn what_is_no_policy_and_no_need_is_said() {
    let wrong = "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules:\n- {level: Metdata, verb: [get]}\n- {level: None, namespaces: [x], nonResourceURLs: ['/']}\n";
    expect![[r"
        p:1:13: `apiVersion` is `audit.k8s.io/v1`, not `audit.k8s.io/v1beta1`: API servers read no other
        p:4:11: unknown level `Metdata`, did you mean `Metadata`?
        p:4:20: unknown key `verb`, did you mean `verbs`?
        p:5:3: a rule is about resources or about `nonResourceURLs`, not both; make two of it"]]
    .assert_eq(&Policy::read(&"p".into(), wrong.as_bytes()).unwrap_err().to_string());
    let wrong =
        "# needs: Metadta get pods\n# needs: Metadata get\n# needs: Metadata get pods at x\n- alert: A\n# needs: None get pods\n";
    expect![[r"
        r:1:1: unknown level `Metadta`; is Metadata meant?
        r:2:1: a need is `LEVEL VERBS RESOURCES`, then perhaps `in NAMESPACES` and `by USERS`, each list with commas
        r:3:1: a need is `LEVEL VERBS RESOURCES`, then perhaps `in NAMESPACES` and `by USERS`, each list with commas
        r:5:1: no alert follows that would need it"]]
    .assert_eq(&needs::read(&"r".into(), wrong).unwrap_err().to_string());
}
