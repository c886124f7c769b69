//! What is filled in, and what is said where something is wrong. The shipped rules with the example values are a case of their own.

use std::path::Path;

use expect_test::{Expect, expect};

use super::*;

const VALUES: &str = "\
owner: {users: [me@example.org]}
readers: ['system:node:*', a.b+c]
nobody: []
inside: [10.0.20.0/22, 'fd00::/8', 192.0.2.7]
limit: 5
";

fn values(text: &str) -> Result<Values, Problems> {
    Values::read(&"values.yaml".into(), text.as_bytes())
}

fn rendered(source: &str) -> String {
    let values = values(VALUES).unwrap();
    match render(&"rules.yaml".into(), source, &values, &mut Used::new()) {
        Ok(text) => text,
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn each_expansion_becomes_what_the_table_says() {
    let check = |source: &str, expected: Expect| expected.assert_eq(&rendered(source));
    check("a: ${limit}", expect![["a: 5"]]);
    check("a: ${list:readers}", expect![["a: system:node:*,a.b+c"]]);
    check("a: ^${regex:readers}$", expect![[r"a: ^(?:system:node:[^:]+|a\.b\+c)$"]]);
    check("a: ${regex:limit}", expect![["a: (?:5)"]]);
    check("a: ^${exempt:nobody}$", expect![[r"a: ^(?:[^\x00-\x{10FFFF}])$"]]);
    check("a: ${inside:inside:src}", expect![[r#"a: (src=ip("10.0.20.0/22") or src=ip("fd00::/8") or src=ip("192.0.2.7"))"#]]);
    check(
        "a: ${outside:inside:ip}",
        expect![[
            r#"a: (ip!=ip("10.0.20.0/22") and ip!=ip("fd00::/8") and ip!=ip("192.0.2.7") and ip!=ip("127.0.0.0/8") and ip!=`::1`)"#
        ]],
    );
    check(
        "a: ${any-outside:nobody}",
        expect![[
            r#"a: ((ip0!=`` and ip0!=ip("127.0.0.0/8") and ip0!=`::1`) or (ip1!=`` and ip1!=ip("127.0.0.0/8") and ip1!=`::1`) or (ip2!=`` and ip2!=ip("127.0.0.0/8") and ip2!=`::1`) or (ip3!=`` and ip3!=ip("127.0.0.0/8") and ip3!=`::1`) or (ip4!=`` and ip4!=ip("127.0.0.0/8") and ip4!=`::1`) or (ip5!=`` and ip5!=ip("127.0.0.0/8") and ip5!=`::1`) or (ip6!=`` and ip6!=ip("127.0.0.0/8") and ip6!=`::1`) or (ip7!=`` and ip7!=ip("127.0.0.0/8") and ip7!=`::1`) or ip8!=``)"#
        ]],
    );
    check(
        "a: ${each-address:x.y}",
        expect![[
            r#"a: ip0="x.y[0]", ip1="x.y[1]", ip2="x.y[2]", ip3="x.y[3]", ip4="x.y[4]", ip5="x.y[5]", ip6="x.y[6]", ip7="x.y[7]", ip8="x.y[8]""#
        ]],
    );
    check("a: `${address:ip}`", expect!["rules.yaml:1:4: not YAML: unexpected character: ``'"]);
    check("a: $${limit} and {{ $labels.user }}", expect![["a: ${limit} and {{ $labels.user }}"]]);
}

/// The templates of the rules, run as an engine runs them.
#[test]
fn an_address_is_undressed_and_the_last_of_a_list_is_found() {
    let strip = regex::Regex::new(r"^(?:\[([^\]%]*)[^\]]*\](?::[0-9]+)?|([0-9.]+):[0-9]+|([^%\[]*)%.*)$").unwrap();
    let unmap = regex::Regex::new(r"(?i)^::ffff:([0-9.]+)$").unwrap();
    let last = regex::Regex::new("^.*\"([^\"]*)\"[^\"]*$").unwrap();
    let source = rendered("a: '${last-address:all}'");
    for regex in [&strip, &unmap, &last] {
        let written = regex.as_str().replace('\\', r"\\").replace('"', "\\\"");
        assert!(source.contains(&written), "{written} stands in {source}");
    }
    let clean = |ip: &str| unmap.replace(&strip.replace(ip, "${1}${2}${3}"), "${1}").into_owned();
    for (dressed, address) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:555", "192.0.2.1"),
        ("[::1]:555", "::1"),
        ("[2001:db8::77]", "2001:db8::77"),
        ("[fe80::1%eth0]:22", "fe80::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:db8::77", "2001:db8::77"),
        ("::ffff:10.0.20.9", "10.0.20.9"),
        ("::FFFF:10.0.20.9", "10.0.20.9"),
        ("::ffff:0:1", "::ffff:0:1"),
        ("pod-7", "pod-7"),
        ("", ""),
    ] {
        assert_eq!(clean(dressed), address, "{dressed}");
    }
    assert_eq!(last.replace(r#"["10.0.0.1", "192.0.2.9" ]"#, "${1}"), "192.0.2.9");
    assert_eq!(last.replace("[]", "${1}"), "[]");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_nearest_name() {
    let check = |source: &str, expected: Expect| expected.assert_eq(&rendered(source));
    check(
        "a: ${limt}\nb: x ${reegx:readers} ${regex:nobody}\nc: ${readers}\nd: ${inside:inside}\ne: ${inside:limit:a-b}\nf: ${open",
        expect![[r"
            rules.yaml:1:4: unknown value `limt`, did you mean `limit`?
            rules.yaml:2:6: unknown expansion `reegx`, did you mean `regex`?
            values.yaml:3:1: `nobody` is empty, and a rule that needs it could never fire
            rules.yaml:3:4: `readers` is a list; write `${regex:readers}`
            rules.yaml:4:4: `inside:inside` has too few or too many parts for `inside`
            rules.yaml:5:4: `a-b` is no name of a label
            rules.yaml:6:4: `${` without `}`; write `$${` for the characters themselves"]],
    );
    check(
        "a: ${inside:readers:x}",
        expect![[
            "values.yaml:2:11: `readers`: `system:node:*` is neither a network nor an address; write for example 192.0.2.0/24 or 2001:db8::/32"
        ]],
    );
    check("a: [${limit}", expect!["rules.yaml:1:4: not YAML: unclosed bracket '['"]);
}

#[test]
fn a_network_with_bits_beyond_its_length_is_refused() {
    let values = values("inside: [10.0.20.9/22]").unwrap();
    let problems = render(&"r".into(), "a: ${inside:inside:ip}", &values, &mut Used::new()).unwrap_err();
    expect![["values.yaml:1:10: `inside`: `10.0.20.9/22` has bits beyond its length; is 10.0.20.0/22 meant?"]]
        .assert_eq(&problems.to_string());
}

#[test]
fn a_value_that_would_end_its_string_is_refused() {
    for text in ["a`b", "a\"b", "a\\b", "{{x}}", "${x}"] {
        let quoted = format!("x: '{text}'");
        assert!(values(&quoted).unwrap_err().to_string().contains("would end the string"), "{text}");
    }
    expect![[r"
        v:1:1: `a-b` is no name of a value; write small letters, digits and `_`
        v:2:1: `x` has no value; write one, or `[]` for an empty list
        v:4:3: `y` takes texts, not a list
        v:6:1: `z` stands twice"]]
    .assert_eq(&Values::read(&"v".into(), b"a-b: 1\nx:\ny:\n- [1]\nz: 1\nz: 2\n").unwrap_err().to_string());
}

#[test]
fn a_value_that_no_rule_asks_for_is_told() {
    let values = values("a: 1\nb: {c: 2}\n").unwrap();
    let mut used = Used::new();
    render(&"r".into(), "x: ${a}", &values, &mut used).unwrap();
    let unused: Vec<String> = unused(&values, &used).iter().map(ToString::to_string).collect();
    assert_eq!(unused, ["values.yaml:2:5: `b.c` is used by none of these rules"]);
}

#[test]
fn the_shipped_rules_take_every_value_of_the_example_and_keep_their_lines() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules");
    let values = files::read_values(&deploy.join("values.example.yaml")).unwrap_or_else(|wrong| panic!("{wrong}"));
    let rendered = files::render_all(&[deploy.join("logs")], &values).unwrap_or_else(|wrong| panic!("{wrong}"));
    let unused: Vec<String> = rendered.unused.iter().map(ToString::to_string).collect();
    assert!(unused.is_empty(), "{}", unused.join("\n"));
    assert!(rendered.files.len() >= 6);
    for (file, text) in &rendered.files {
        let source = std::fs::read_to_string(deploy.join("logs").join(file)).unwrap();
        assert_eq!(source.lines().count(), text.lines().count(), "{}", file.display());
        let left = text.lines().find(|line| line.contains("${") && !line.contains("regexReplaceAll"));
        assert_eq!(left, None, "{}", file.display());
    }
    let out = tempfile::tempdir().unwrap();
    files::write_all(&rendered, out.path()).unwrap();
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), rendered.files.len());
}
