use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;

use client::Secret;

use super::*;

fn show(found: &Found) -> String {
    let mut text = String::new();
    for target in &found.targets {
        let labels: Vec<String> = target.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let _ = writeln!(text, "{} {{{}}}", target.url, labels.join(","));
    }
    for problem in &found.problems {
        let _ = writeln!(text, "# {problem}");
    }
    text
}

#[test]
fn pods_that_ask_become_targets() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/kubelet-pods");
    for case in ["usual", "odd"] {
        let list = std::fs::read(fixtures.join(format!("{case}.json"))).unwrap();
        expect_file![fixtures.join(format!("{case}.expected"))].assert_eq(&show(&targets(&list, "node-1").unwrap()));
    }
}

#[test]
fn a_list_without_pods_is_empty_and_what_is_none_is_an_error() {
    for list in [r#"{"kind":"PodList","items":null}"#, r#"{"items":[]}"#, "{}"] {
        assert_eq!(targets(list.as_bytes(), "n").unwrap(), Found::default());
    }
    for list in ["Unauthorized", r#"{"items":[{}]}"#, r#"{"items":[{"metadata":{"name":"a"#, ""] {
        assert!(targets(list.as_bytes(), "n").is_err(), "{list}");
    }
}

#[test]
fn a_pod_chooses_neither_host_nor_credentials() {
    let pod = |path: &str| {
        format!(
            r#"{{"items":[{{"metadata":{{"name":"p","namespace":"n","annotations":{{"prometheus.io/scrape":"true","prometheus.io/port":"80","prometheus.io/path":{}}}}},"status":{{"phase":"Running","podIP":"192.0.2.1"}}}}]}}"#,
            serde_json::to_string(path).unwrap()
        )
    };
    for path in
        ["@example.org/", "//example.org/", "http://example.org/", "\\\\example.org", "..//", ":99/", "?a=@b", "#x", "é\n"]
    {
        let found = targets(pod(path).as_bytes(), "n").unwrap();
        let url = Url::parse(&found.targets[0].url).unwrap();
        assert_eq!((url.host_str(), url.port_or_known_default(), url.username()), (Some("192.0.2.1"), Some(80), ""), "{path}");
    }
    let mut template = Job::new("kubernetes-pods", "");
    template.auth = Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::Inline("word".to_owned()) };
    template.labels = vec![("rack".to_owned(), "2".to_owned()), ("pod".to_owned(), "another".to_owned())];
    let job = targets(pod("/metrics").as_bytes(), "n").unwrap().targets[0].job(&template);
    assert_eq!((job.auth, job.redirects, job.job.as_str()), (Auth::None, Redirects::SameHost, "kubernetes-pods"));
    let names: Vec<&str> = job.labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["namespace", "pod", "node", "rack"]);
}

#[test]
fn a_node_has_at_most_so_many_targets() {
    let port = |number: usize| format!(r#"{{"containerPort":{number}}}"#);
    let ports: Vec<String> = (1..=TARGETS_MAX + 1).map(port).collect();
    let list = format!(
        r#"{{"items":[{{"metadata":{{"name":"p","namespace":"n","annotations":{{"prometheus.io/scrape":"true"}}}},"spec":{{"containers":[{{"name":"c","ports":[{}]}}]}},"status":{{"phase":"Running","podIP":"192.0.2.1"}}}}]}}"#,
        ports.join(",")
    );
    let found = targets(list.as_bytes(), "n").unwrap();
    assert_eq!((found.targets.len(), found.problems.len()), (TARGETS_MAX, 1));
}
