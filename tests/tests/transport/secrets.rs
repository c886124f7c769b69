//! What proves who the agent is: checked by nginx, replaced while the agent runs, and seen nowhere else.

use std::fmt::Write as _;
use std::time::Duration;

use tests::agent::Agent;
use tests::metrics::get;
use tests::scene::Scene;

use crate::stage::Stage;

/// A stage whose agent says everything that it or a library can say.
fn talkative(name: &'static str) -> Option<Stage> {
    Stage::on(Scene::set(name)?.with_env("RUST_LOG", "trace"))
}

/// Fails if one of these stands in what the agent logs, shows, or prints.
fn keeps(stage: &Stage, agent: &Agent, secrets: &[&str]) {
    let address = agent.address().unwrap();
    let mut seen = agent.log();
    for path in ["/metrics", "/healthz", "/readyz"] {
        // Where it is not ready, the answer is an error that holds what was said.
        match get(address, path) {
            Ok(text) => seen.push_str(&text),
            Err(error) => write!(seen, "{error}").unwrap(),
        }
    }
    for args in [["check"].as_slice(), &["--dry-run", "--once"]] {
        let (status, output, errors) = stage.scene.launch(args).run(Duration::from_mins(1));
        assert_eq!(status.code(), Some(0), "{args:?}: {errors}");
        assert!(output.len() > 100, "{args:?}: {output}");
        seen += &output;
        seen += &errors;
    }
    assert!(seen.contains("TRACE"), "the libraries were asked to say everything");
    for secret in secrets {
        if let Some(at) = seen.find(secret) {
            let around =
                &seen[seen.floor_char_boundary(at.saturating_sub(300))..seen.ceil_char_boundary(seen.len().min(at + 100))];
            panic!("{secret} is seen: {around}");
        }
    }
}

#[test]
fn a_password_is_held_right_and_replaced() {
    let Some(mut stage) = talkative("a_password_is_held_right_and_replaced") else {
        return;
    };
    let users = stage.file("htpasswd", "agent:{PLAIN}correct horse\n");
    let listen = stage.listen_plain();
    stage.serve(&format!("{listen} auth_basic loki; auth_basic_user_file {};", users.display()));
    let password = stage.file("password", "battery staple\n");
    stage.configure("http", &format!(", basic_auth: {{username: agent, password_file: {}}}", password.display()));
    let agent = stage.scene.start();
    stage.hears(&agent, &["nothing is dropped", "401: Authorization Required"]);
    stage.held(&agent);
    stage.file("password", "correct horse\n");
    stage.arrives();
    // Now it changes on both sides, here a little later.
    stage.file("htpasswd", "agent:{PLAIN}neues Pferd\n");
    stage.log.append(500);
    stage.hears(&agent, &["nothing is dropped", "401: Authorization Required"]);
    stage.file("password", "");
    stage.hears(&agent, &[&password.display().to_string(), "is empty"]);
    stage.file("password", "neues Pferd");
    stage.arrives();
    // Base64 of user and password, too.
    let secrets = ["correct horse", "battery staple", "neues Pferd", "YWdlbnQ6"];
    keeps(&stage, &agent, &secrets);
    stage.finish(agent);
}

#[test]
fn a_token_rotates_and_the_tenant_is_told() {
    let Some(mut stage) = talkative("a_token_rotates_and_the_tenant_is_told") else {
        return;
    };
    let listen = stage.listen_plain();
    let checks = |token: &str| format!("{listen} if ($http_authorization != \"Bearer {token}\") {{ return 403; }}");
    stage.serve(&checks("first-5ecret"));
    let token = stage.file("token", "first-5ecret\n");
    stage.configure("http", &format!(", tenant: team-a, bearer_token_file: {}", token.display()));
    let agent = stage.scene.start();
    stage.arrives();
    // Its place is held while whoever rotates it removes the old one.
    stage.serve(&checks("second-5ecret"));
    std::fs::remove_file(&token).unwrap();
    stage.log.append(500);
    stage.hears(&agent, &["nothing is dropped", &token.display().to_string(), "No such file"]);
    stage.file("token", "third-5ecret\n");
    stage.hears(&agent, &["nothing is dropped", "403: Forbidden"]);
    stage.file("token", "  second-5ecret\n");
    stage.arrives();
    keeps(&stage, &agent, &["5ecret"]);
    assert!(stage.loki.requests().iter().all(|request| request.tenant.as_deref() == Some("team-a")));
    stage.finish(agent);
}
