//! A view as the page shows it.

use super::*;

fn view() -> View {
    let now = UnixNanos(1_795_692_379 * SECOND);
    let alert = AlertView {
        name: "K8sExecIntoSensitiveNamespace".to_owned(),
        severity: "warning".to_owned(),
        summary: "mallory <b>opened</b> a shell in vault/vault-0".to_owned(),
        labels: vec![("user".to_owned(), "mallory@example.org".to_owned()), ("rule".to_owned(), "K4".to_owned())],
        firing: true,
        since: UnixNanos(now.0 - 125 * SECOND),
        late: Some("9m".to_owned()),
        silenced: None,
    };
    let rule = |name: &str, state, note: &str| RuleView { name: name.to_owned(), state, note: note.to_owned() };
    View {
        now,
        started: UnixNanos(now.0 - 7200 * SECOND),
        alerts: vec![alert],
        groups: vec![GroupView {
            name: "security-kubernetes".to_owned(),
            file: "kubernetes.yaml".to_owned(),
            rules: vec![
                rule("K8sExecIntoSensitiveNamespace", RuleState::Firing, ""),
                rule("VaultRootToken", RuleState::Blind, "no stream matches {job=\"vault-audit\"}"),
            ],
        }],
        sources: vec![SourceView {
            name: "kubernetes-audit".to_owned(),
            labels: "node-1".to_owned(),
            newest: UnixNanos(now.0 - 3 * SECOND),
        }],
        selectors: vec![SelectorView {
            selector: "{job=\"vault-audit\"}".to_owned(),
            newest: None,
            silent_after: Some(900 * SECOND),
            is_quiet: true,
        }],
        receivers: Vec::new(),
        entries: 1_234_567,
        bytes: 42 << 20,
    }
}

#[test]
fn it_says_first_what_is_wrong_and_escapes_what_is_foreign() {
    let html = render(&view());
    for part in [
        "One alert is firing.",
        "mallory &lt;b&gt;opened&lt;/b&gt; a shell",
        "2 min ago",
        "found 9m late",
        "Cannot see",
        "no stream matches {job=&quot;vault-audit&quot;}",
        "Nobody is told",
        "1,234,567 lines kept in 42 MiB",
        "2 rules over 1 source; last event 3 s ago.",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("<script") && !html.contains("src="), "nothing from elsewhere");
}

#[test]
fn it_is_calm_when_nothing_happens_and_not_when_nobody_can_be_told() {
    let mut view = View { alerts: Vec::new(), ..view() };
    assert!(render(&view).contains("<h1 class=\"calm\">All quiet.</h1>"));
    let error = Some("connection refused".to_owned());
    view.receivers.push(ReceiverView { name: "http://am:9093/".to_owned(), pending: 2, failed: 7, last: None, error });
    assert!(render(&view).contains("<h1 class=\"alarm\">No alert, but something is broken.</h1>"));
}

#[test]
fn a_silence_says_by_whom_and_until_when_and_calms() {
    let mut view = view();
    let until = UnixNanos(view.now.0 + 7200 * SECOND);
    let silence = SilenceView { by: "alice <a>".to_owned(), comment: "drill".to_owned(), until };
    view.alerts[0].silenced = Some(silence);
    let html = render(&view);
    let exact = clock::rfc3339_seconds(until);
    assert!(
        html.contains(&format!(
            "silenced by alice &lt;a&gt; until <time datetime=\"{exact}\">{exact}</time>, 2 h 0 min from now: drill"
        )),
        "{html}"
    );
    assert!(html.contains("<h1 class=\"calm\">One alert is firing, and silenced.</h1>"), "{html}");
    let second = AlertView { silenced: None, ..view.alerts[0].clone() };
    view.alerts.push(second);
    assert!(render(&view).contains("<h1 class=\"alarm\">2 alerts are firing, 1 of them silenced.</h1>"));
}

#[test]
fn what_is_quiet_is_marked() {
    let html = render(&view());
    assert!(
        html.contains("<code>{job=&quot;vault-audit&quot;}</code> <small class=\"bad\">quiet</small></td><td>15 min</td><td>none is kept</td>"),
        "{html}"
    );
}
