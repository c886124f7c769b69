//! Files that are refused, line by line, and what a good one means.

use super::*;

fn read(text: &str) -> Result<Config, Problems> {
    parse(&"am.yml".into(), text.as_bytes(), Path::new("/etc/am"))
}

/// Each `fixtures/notify/bad/*.yml` is refused with the lines of the `.txt` beside it.
#[test]
fn bad_files_are_refused_with_the_place_of_each_mistake() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/notify/bad");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        seen += 1;
        let name: Arc<str> = path.file_name().unwrap().to_string_lossy().into();
        let refused = parse(&name, &fs::read(&path).unwrap(), &folder).expect_err(&name);
        expect_test::expect_file![path.with_extension("txt")].assert_eq(&format!("{refused}\n"));
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn what_a_route_does_not_say_it_has_from_its_parent() {
    let config = read(
        r#"
route:
  receiver: all
  group_by: [alertname]
  group_interval: 1m
  routes:
    - matchers: ['lane="security"']
      receiver: security
      group_wait: 10s
      routes: [{match: {severity: critical}, continue: true}]
    - match_re: {severity: "warning|info"}
      group_by: ['...']
receivers: [{name: all}, {name: security}]
"#,
    )
    .unwrap();
    let routes = &config.routes.0;
    let shown: Vec<_> =
        routes.iter().map(|route| (route.key.as_str(), route.receiver.as_str(), route.group_wait.as_secs())).collect();
    assert_eq!(
        shown,
        [
            ("{}", "all", 30),
            (r#"{}/{lane="security"}"#, "security", 10),
            (r#"{}/{lane="security"}/{severity="critical"}"#, "security", 10),
            (r#"{}/{severity=~"^(?:warning|info)$"}"#, "all", 30),
        ]
    );
    assert!(routes.iter().all(|route| route.group_interval == Duration::from_mins(1)));
    let taken = |pairs: &[(&str, &str)]| -> Vec<usize> {
        config.routes.of(&pairs.iter().copied().collect()).into_iter().map(|id| id.0).collect()
    };
    assert_eq!(taken(&[("a", "b")]), [0]);
    assert_eq!(taken(&[("lane", "security")]), [1]);
    assert_eq!(taken(&[("lane", "security"), ("severity", "critical")]), [2]);
    assert_eq!(taken(&[("severity", "info")]), [3]);
}

#[test]
fn continue_asks_later_siblings_too() {
    let config = read(
        "route: {receiver: a, routes: [{matchers: [x=1], continue: true, receiver: b}, {matchers: [y=1], receiver: c}]}\n\
         receivers: [{name: a}, {name: b}, {name: c}]\n",
    )
    .unwrap();
    let of = |pairs: &[(&str, &str)]| -> Vec<usize> {
        config.routes.of(&pairs.iter().copied().collect()).into_iter().map(|id| id.0).collect()
    };
    assert_eq!((of(&[("x", "1"), ("y", "1")]), of(&[("x", "1")]), of(&[("z", "1")])), (vec![1, 2], vec![1], vec![0]));
}

#[test]
fn secrets_are_never_printed_and_paths_are_taken_from_the_files_folder() {
    let config = read(
        "global: {slack_api_url: 'https://hooks.example.org/T0/s3cr3t'}\n\
         route: {receiver: a}\n\
         receivers:\n\
         - name: a\n\
         \x20 slack_configs: [{channel: '#a'}, {api_url_file: slack}]\n\
         \x20 webhook_configs: [{url: 'http://user:s3cr3t@hook.example.org/', http_config: {basic_auth: {username: u, password: s3cr3t}}}]\n\
         \x20 email_configs: [{to: a@example.org, from: b@example.org, smarthost: 'mail:587', auth_username: u, auth_password: s3cr3t}]\n",
    )
    .unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert!(shown.contains("<secret in /etc/am/slack>"), "{shown}");
    let ids: Vec<_> =
        config.receivers[0].integrations.iter().map(|integration| (integration.id.as_str(), integration.send_resolved)).collect();
    assert_eq!(ids, [("slack[0]", false), ("slack[1]", false), ("webhook[0]", true), ("email[0]", false)]);
}

#[test]
fn template_files_are_found_by_pattern_and_their_mistakes_have_a_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.tmpl"), r#"{{ define "own" }}[{{ .Status }}]{{ end }}"#).unwrap();
    let file = r#"{templates: ["*.tmpl"], route: {receiver: a}, receivers: [{name: a, slack_configs: [{api_url_file: x, title: '{{ template "own" . }}'}]}]}"#;
    let load = || parse(&"am.yml".into(), file.as_bytes(), dir.path());
    assert!(load().is_ok(), "{:?}", load());
    fs::write(dir.path().join("b.tmpl"), "fine\n{{ nope }}").unwrap();
    let refused = load().unwrap_err().to_string();
    assert!(refused.contains("b.tmpl:2:"), "{refused}");
}
