//! The configuration as data: what is refused and with which words, and the reference configuration.

use expect_test::expect;

use super::*;

const REFERENCE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config/companion.yaml"));

fn check_text(text: &str) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let raw: Raw = file::parse(&"companion.yaml".into(), text.as_bytes(), &mut problems)?;
    problems.and(check::check(&raw))
}

fn refusal(text: &str) -> String {
    check_text(text).expect_err(text).to_string()
}

#[test]
fn the_reference_has_the_defaults() {
    assert_eq!(check_text(REFERENCE).expect("valid"), check_text("").expect("valid"));
}

#[test]
fn the_reference_with_all_its_keys_is_valid_but_for_the_choice_between_two() {
    let all = REFERENCE.replace("#: ", "").replace("  alertmanagers: []\n", "");
    let config = check_text(&all).expect("valid");
    assert!(config.asks_for_identity());
    assert_eq!(config.notify, checked::Notify::Router("/etc/picket/alertmanager.yml".into()));
    assert_eq!(config.external_url.as_str(), "https://127.0.0.1:9095/");
}

#[test]
fn the_reference_mentions_every_key() {
    let lines: Vec<&str> = REFERENCE.lines().map(|line| line.trim_start().trim_start_matches("#: ").trim_start()).collect();
    for path in raw::keys() {
        let key = path.rsplit('.').next().expect("a key");
        assert!(lines.iter().any(|line| line.starts_with(&format!("{key}:"))), "{path}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_to_do() {
    expect![[r"
        companion.yaml:1:9: `listen`: `:9095` is not an IP address and port; write 0.0.0.0:9095 for all addresses, 127.0.0.1:9095 for this host alone
        companion.yaml:2:9: `metrics`: rules over metrics come in a later version; keep them in Prometheus, and remove the key
        companion.yaml:3:27: `logs` is too small; at least 1m
        companion.yaml:3:39: `memory` is too small; at least 16MiB
        companion.yaml:4:26: `alertmanagers`: `am:9093` has another scheme than http and https; write for example http://127.0.0.1:9093
        companion.yaml:5:28: a line of `line` bytes does not fit into a request of `body: 1MiB`
        companion.yaml:6:6: `key` is missing
        companion.yaml:7:1: unknown key `memory` at the top; it belongs in `engine.embedded`
        companion.yaml:8:1: `probes`: probes come in a later version; remove the key"]]
    .assert_eq(&refusal(
        "listen: ':9095'
rules: {metrics: [a.yaml]}
engine: {embedded: {logs: 1s, memory: 1KiB}}
notify: {alertmanagers: ['am:9093']}
limits: {body: 1MiB, line: 2MiB}
tls: {certificate: a.pem}
memory: 1GiB
probes: {}",
    ));
}

#[test]
fn beyond_this_host_only_those_who_show_who_they_are() {
    expect![[r"companion.yaml:1:9: `listen`: 0.0.0.0:9095 is reached from other hosts, and anybody there could raise and silence alerts: add `tokens: [FILE]` with a long random word in that file, or `tls` with `client_ca`; or listen on 127.0.0.1:9095"]]
    .assert_eq(&refusal("listen: 0.0.0.0:9095"));
    assert!(check_text("listen: 0.0.0.0:9095\ntls: {certificate: a, key: b}").is_err());
    for text in ["tokens: [/a]", "tls: {certificate: a, key: b, client_ca: c}"] {
        assert!(check_text(&format!("listen: '[::]:9095'\n{text}")).is_ok(), "{text}");
    }
    assert!(check_text("listen: '[::1]:9095'").is_ok());
}

#[test]
fn arguments_count_before_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("companion.yaml");
    std::fs::write(&file, "listen: 127.0.0.1:1\nnotify: {alertmanagers: [http://a:9093]}").expect("written");
    let arguments = Arguments {
        config: Some(file),
        listen: Some("127.0.0.1:2".to_owned()),
        state_dir: Some("/tmp/state".into()),
        alertmanagers: vec!["http://b:9093/am".to_owned()],
    };
    let config = load(&arguments).expect("valid").config;
    assert_eq!((config.listen.port(), config.state_dir.to_string_lossy().as_ref()), (2, "/tmp/state"));
    let checked::Notify::Alertmanagers(urls) = config.notify else { panic!("{:?}", config.notify) };
    assert_eq!(urls.iter().map(url::Url::as_str).collect::<Vec<_>>(), ["http://a:9093/", "http://b:9093/am"]);
    let none = Arguments { config: Some("/nonexistent".into()), ..Arguments::default() };
    assert!(load(&none).expect_err("not there").to_string().contains("/nonexistent: cannot be read"));
}
