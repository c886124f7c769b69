//! Tests of OpenSSH's messages: what each says, and that no name and no key makes one say something else.

use super::*;
use crate::fixtures;
use crate::journal_json;
use proptest::prelude::*;
use serde_json::{Value, json};

fn shown(message: &[u8]) -> Value {
    let mut pairs = Metadata::default();
    metadata(message, &mut pairs);
    match parse(message) {
        Some(_) => pairs.iter().map(|(name, value)| json!([name, value])).collect(),
        None => Value::Null,
    }
}

#[test]
fn fixtures_read_as_expected() {
    fixtures::check("sshd", shown);
}

#[test]
fn recorded_messages_are_read_where_they_are_about_logins() {
    let mut scratch = Vec::new();
    let mut n_read = 0;
    for (path, line) in fixtures::samples("sshd") {
        let entry = journal_json::parse(&line, &mut scratch).unwrap();
        let text = String::from_utf8_lossy(entry.message);
        let is_other = ["pam_unix(", "error: kex_exchange", "banner exchange: "].iter().any(|head| text.starts_with(head));
        assert_eq!(parse(entry.message).is_none(), is_other, "{}: {text}", path.display());
        n_read += usize::from(!is_other);
    }
    // Where there are no samples, there is nothing to read.
    assert!(n_read == 0 || n_read > 50, "{n_read}");
}

#[test]
fn what_does_not_fit_as_a_whole_gives_nothing() {
    for message in [
        "",
        "Accepted",
        "Accepted ",
        "Accepted publickey for root from 203.0.113.7 port 55633",
        "Accepted publickey for root from 203.0.113.7 port 55633 ssh1",
        "Accepted publickey for root from 203.0.113.7 port 55633 ssh22",
        "Accepted publickey for root from 203.0.113.7 port 65536 ssh2",
        "Accepted publickey for root from 203.0.113.7 port  ssh2",
        "Accepted publickey for root from 203.0.113.7 port +5 ssh2",
        "Accepted publickey for root from 203.0.113.777 port 5 ssh2",
        "Accepted publickey for root from host.example.org port 5 ssh2",
        "Accepted publickey for root from fe80::1% port 5 ssh2",
        "Accepted publickey for two words from 203.0.113.7 port 5 ssh2",
        "Accepted publickey for  from 203.0.113.7 port 5 ssh2",
        " Accepted publickey for root from 203.0.113.7 port 5 ssh2",
        "Failed password for root from 203.0.113.7 port 45409 ssh2 [preauth] ",
        "Failed password for root from 203.0.113.7 port 45409",
        "Failed  for root from 203.0.113.7 port 45409 ssh2",
        "Invalid user admin from 203.0.113.7 port 57213 ssh2",
        "Invalid user admin from 203.0.113.7",
        "Connection closed by admin 203.0.113.7 port 1",
        "Connection closed by invalid user admin",
        "Connection closed by203.0.113.7 port 1",
        "Disconnecting 203.0.113.7 port 1",
        "User root is the current owner",
        "Received disconnect from 203.0.113.7: 11: bye",
        "Timeout before authentication for nobody",
        "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)",
    ] {
        assert_eq!(parse(message.as_bytes()), None, "{message}");
    }
}

#[test]
fn a_text_that_can_be_read_in_two_ways_gives_nothing() {
    for message in [
        // Whose key is it: that of `x`, or that of a name that holds the rest?
        "Failed publickey for x from 1.1.1.1 port 1 ssh2: A B ID y from 2.2.2.2 port 2 ssh2: A B (serial 0) CA A B",
        "Disconnecting invalid user x 1.1.1.1 port 1: y 2.2.2.2 port 2: Too many authentication failures",
    ] {
        assert_eq!(parse(message.as_bytes()), None, "{message}");
    }
}

/// A message as it comes out of the journal: control characters as escapes, cut at 500 bytes, no blanks at the end.
fn logged(message: &[u8]) -> Vec<u8> {
    let mut text = escaped(message);
    text.truncate(500);
    text.truncate(text.trim_ascii_end().len());
    text
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in bytes {
        match byte {
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b' ' | 0x21..=0x7E => text.push(*byte),
            _ => text.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    text
}

fn cut(bytes: &[u8], max: usize) -> &[u8] {
    &bytes[..bytes.len().min(max)]
}

/// What a client sends as its name, or has in its key.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            " from 10.0.0.1 port 22 ssh2", " from 10.0.0.1 port 22", " 10.0.0.1 port 22", " port 22", " ssh2", ": ", ":", " [preauth]",
            "Accepted publickey for root", " for ", "invalid user ", " ", "x", " not allowed because ", "\u{202e}", " from ",
            ": Too many authentication failures", " from 2001:db8::1 port 1 ssh2: RSA SHA256:x", " authenticating user ",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (0_usize..130).prop_map(|n| vec![1; n]),
        1 => (0_usize..130).prop_map(|n| vec![b' '; n]),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// As sshd takes a name: a colon ends it, and a zero.
fn as_taken(name: &[u8]) -> &[u8] {
    name.split(|byte| matches!(byte, b':' | 0)).next().unwrap_or_default()
}

fn peers() -> impl Strategy<Value = (&'static str, u16)> {
    let address = prop::sample::select(vec!["203.0.113.7", "2001:db8::77", "fe80::1%eth0", "::ffff:203.0.113.7", "UNKNOWN"]);
    (address, any::<u16>())
}

/// A message before it is logged: what it truly says, the name, and its text.
type Written<'a> = (Login<'a>, Vec<u8>, Vec<u8>);

/// Every message in which the client chooses the name, with what is true of it.
fn written<'a>(name: &[u8], key: &[u8], (address, port): (&'a str, u16)) -> Vec<Written<'a>> {
    let truth = |result, method| Login { result, user: None, address: Some(address), port: Some(port), method };
    let peer = format!("{address} port {port}").into_bytes();
    let name_100 = cut(name, 100).to_vec();
    let mut all = Vec::new();
    for (word, result) in
        [("Failed", LoginResult::Failed), ("Postponed", LoginResult::Postponed), ("Partial", LoginResult::Partial)]
    {
        for method in ["password", "publickey", "keyboard-interactive/pam"] {
            let head = format!("{word} {method} for invalid user ").into_bytes();
            let plain = [&head[..], &name_100, b" from ", &peer, b" ssh2"].concat();
            let with_key = [&plain[..], b": ED25519-CERT SHA256:x ID ", key, b" (serial 0) CA RSA SHA256:y"].concat();
            all.push((truth(result, Some(method)), name_100.clone(), plain));
            all.push((truth(result, Some(method)), name_100.clone(), with_key));
        }
    }
    let text = [b"Invalid user ", &name_100[..], b" from ", &peer].concat();
    all.push((truth(LoginResult::InvalidUser, None), name_100.clone(), text));
    let head = b"error: maximum authentication attempts exceeded for invalid user ";
    let text = [head, &name_100[..], b" from ", &peer, b" ssh2"].concat();
    all.push((truth(LoginResult::MaxAttempts, None), name_100, text));
    for (head, result, tail) in [
        ("Connection closed by", LoginResult::Closed, ""),
        ("Connection reset by", LoginResult::Reset, ""),
        ("Disconnected from", LoginResult::Disconnected, ""),
        ("Disconnecting", LoginResult::Disconnected, ": Too many authentication failures"),
    ] {
        for (state, user_max) in [("invalid user ", 187), ("authenticating user ", 180)] {
            let name = cut(name, user_max);
            let text = [head.as_bytes(), b" ", state.as_bytes(), name, b" ", &peer, tail.as_bytes()].concat();
            all.push((truth(result, None), name.to_vec(), text));
        }
    }
    all
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(message: Vec<u8>, hostile in hostile(), head in 0..SHAPES.len()) {
        let _ = parse(&message);
        let _ = parse(&[SHAPES[head].0, &hostile].concat());
        metadata(&[SHAPES[head].0, &hostile].concat(), &mut Metadata::default());
    }

    #[test]
    fn no_name_and_no_key_changes_what_a_message_says(name in hostile(), key in hostile(), peer in peers()) {
        // With the colons that sshd does not let through, too.
        for name in [&name[..], as_taken(&name)] {
            for (truth, name, text) in written(name, &key, peer) {
                for mark in [&b""[..], b" [preauth]"] {
                    let message = logged(&[&text[..], mark].concat());
                    let name = escaped(&name);
                    let truth = Login { user: Some(&name), ..truth };
                    let read = parse(&message);
                    prop_assert!(read.is_none_or(|read| read == truth), "{}: {read:?}", String::from_utf8_lossy(&message));
                }
            }
        }
    }

    #[test]
    fn a_name_that_sshd_takes_hides_nothing(name in hostile(), peer in peers()) {
        let printable: Vec<u8> = as_taken(&name).iter().copied().filter(|byte| matches!(byte, 0x20..=0x7E)).collect();
        for (truth, name, text) in written(&printable, b"a key", peer) {
            let name = escaped(&name);
            let message = logged(&text);
            prop_assert_eq!(parse(&message), Some(Login { user: Some(&name), ..truth }));
        }
    }

    #[test]
    fn no_key_changes_who_was_let_in(key in hostile(), peer in peers()) {
        let text = format!("Accepted publickey for root from {} port {} ssh2: ED25519-CERT SHA256:x ID ", peer.0, peer.1);
        let truth = Login {
            result: LoginResult::Accepted,
            user: Some(b"root"),
            address: Some(peer.0),
            port: Some(peer.1),
            method: Some("publickey"),
        };
        let message = logged(&[text.as_bytes(), &key, b" (serial 0) CA RSA SHA256:y"].concat());
        prop_assert_eq!(parse(&message), Some(truth));
    }
}
