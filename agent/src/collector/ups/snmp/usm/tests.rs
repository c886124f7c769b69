//! A session against an engine of the tests' own, whole and damaged. Against Net-SNMP's it is tested with the walk.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proto::metric::Families;

use super::super::pdu::{RESPONSE, with_bindings};
use super::super::testing::{Engine, Level, Object};
use super::super::{Server, Snmp, SnmpAccess, SnmpSettings};
use super::*;

const USER: &str = "monitor";
const ENGINE: &[u8] = b"\x80\x00\x1f\x88\x80engine";

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn passwords() -> Passwords {
    Passwords { auth: password("a password"), privacy: Some(password("another one")) }
}

fn user(level: Level) -> SnmpUser {
    let secret = || Secret::Inline("read by who asks".to_owned());
    let privacy = (level == Level::Encrypted).then(|| SnmpPrivacy { protocol: PrivacyProtocol::Aes, password: secret() });
    let auth = (level != Level::Open).then(|| SnmpAuth { protocol: AuthProtocol::Sha256, password: secret(), privacy });
    SnmpUser { name: USER.to_owned(), context: String::new(), auth }
}

fn session(user: SnmpUser) -> Session {
    let mut session = Session::new(user, 1);
    session.set_passwords(passwords());
    session
}

/// An engine that knows that user.
fn engine(user: &SnmpUser, id: &[u8]) -> Engine {
    let keys = session(user.clone()).localized(id);
    Engine { keys, user: USER.as_bytes().to_vec(), boots: 3, time: 1000 }
}

fn objects() -> Vec<Object> {
    vec![(vec![1, 3, 6, 1, 2, 1, 1, 3, 0], 0x43, vec![42])]
}

fn pdu(number: i32) -> Vec<u8> {
    pdu::question(Ask::Get, number, &[&[1, 3, 6, 1, 2, 1, 1, 3, 0]])
}

/// Asks until there is an answer; how often that was.
fn ask(session: &mut Session, engine: &Engine, first: i32, now: Instant) -> Result<i32, Report> {
    for number in first..first + 6 {
        let question = session.question(number, &pdu(number), now);
        match session.hear(&engine.reply(&question, &objects()), number, now)? {
            Heard::Answer(response) => {
                assert_eq!((response.request, response.error, response.bindings().count()), (number, 0, 1));
                return Ok(number - first + 1);
            }
            Heard::Lesson => {}
            Heard::Nothing(what) => panic!("passed over: {what:?}"),
        }
    }
    panic!("no answer");
}

#[test]
fn an_engine_tells_its_id_and_its_time_before_it_answers() {
    for (level, questions) in [(Level::Open, 2), (Level::Signed, 3), (Level::Encrypted, 3)] {
        let now = Instant::now();
        let mut session = session(user(level));
        let mut engine = engine(&user(level), ENGINE);
        assert_eq!(ask(&mut session, &engine, 10, now), Ok(questions));
        // Known now, for as long as its time goes on as it should.
        engine.time += 3600;
        assert_eq!(ask(&mut session, &engine, 20, now + Duration::from_hours(1)), Ok(1));
        // A restart is a lesson to who signs, and so is another engine to everybody.
        (engine.boots, engine.time) = (4, 5);
        assert_eq!(ask(&mut session, &engine, 30, now), Ok(if level == Level::Open { 1 } else { 2 }));
        let other = tests::engine(&user(level), b"\x80\x00\x1f\x88\x80other");
        assert_eq!(ask(&mut session, &other, 40, now), Ok(questions));
    }
}

/// A line a user: his two protocols, and what snmpd 5.9 sent to three questions, in hexadecimal digits.
const RECORDED: &str = include_str!("../../../../../../fixtures/ups/snmpd.v3");

#[test]
fn what_net_snmps_server_once_sent_is_understood() {
    for line in RECORDED.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [auth, privacy, datagrams @ ..] = words.as_slice() else { panic!("{line}") };
        let mut user = user(Level::Encrypted);
        user.name = format!("monitor-{auth}");
        let wanted = user.auth.as_mut().unwrap();
        wanted.protocol = AuthProtocol::NAMES.iter().find(|(name, _)| name == auth).unwrap().1;
        wanted.privacy.as_mut().unwrap().protocol = PrivacyProtocol::NAMES.iter().find(|(name, _)| name == privacy).unwrap().1;
        let mut session = session(user);
        let now = Instant::now();
        let heard: Vec<Heard> =
            (1..).zip(datagrams).map(|(number, hex)| session.hear(&unhex(hex), number, now).unwrap()).collect();
        let [Heard::Lesson, Heard::Lesson, Heard::Answer(response)] = heard.as_slice() else { panic!("{line}") };
        let (name, value) = response.bindings().next().unwrap().unwrap();
        assert_eq!((name.to_string().as_str(), value), ("1.3.6.1.2.1.1.5.0", pdu::Value::Octets(b"rack-a")));
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|place| u8::from_str_radix(&digits[place..place + 2], 16).unwrap()).collect()
}

#[test]
fn every_pair_of_protocols_is_understood() {
    for (_, auth) in AuthProtocol::NAMES {
        for (_, privacy) in PrivacyProtocol::NAMES {
            let mut user = user(Level::Encrypted);
            let wanted = user.auth.as_mut().unwrap();
            wanted.protocol = auth;
            wanted.privacy.as_mut().unwrap().protocol = privacy;
            let engine = engine(&user, ENGINE);
            assert_eq!(ask(&mut session(user), &engine, 1, Instant::now()), Ok(3), "{auth:?} {privacy:?}");
        }
    }
}

#[test]
fn a_question_that_is_encrypted_shows_nothing_of_what_is_asked() {
    let user = user(Level::Encrypted);
    let (mut session, now) = (session(user.clone()), Instant::now());
    let engine = engine(&user, ENGINE);
    ask(&mut session, &engine, 1, now).unwrap();
    let (first, second) = (session.question(9, &pdu(9), now), session.question(9, &pdu(9), now));
    for question in [&first, &second] {
        assert!(!question.windows(6).any(|bytes| bytes == [0x2b, 6, 1, 2, 1, 1]));
    }
    // The same twice is not the same on the wire.
    let data = |bytes: &[u8]| bytes[bytes.len() - 30..].to_vec();
    assert_ne!(data(&first), data(&second));
}

#[test]
fn what_an_engine_refuses_is_an_error_with_a_word() {
    let right = user(Level::Encrypted);
    let engine = engine(&right, ENGINE);
    let with = |change: &dyn Fn(&mut SnmpUser, &mut Passwords)| {
        let (mut user, mut passwords) = (right.clone(), passwords());
        change(&mut user, &mut passwords);
        let mut session = Session::new(user, 1);
        session.set_passwords(passwords);
        ask(&mut session, &engine, 1, Instant::now())
    };
    assert_eq!(with(&|_, _| {}), Ok(3));
    for (change, report, word) in [
        (&|user, _| user.name = "nobody".to_owned(), Report::UnknownUserNames, "`username`"),
        (&|user, _| user.auth = None, Report::UnsupportedSecLevels, "`auth` and `privacy`"),
        (&|user, _| user.auth.as_mut().unwrap().privacy = None, Report::UnsupportedSecLevels, "`auth` and `privacy`"),
        (&|_, passwords| passwords.auth = password("a wrong one"), Report::WrongDigests, "password of authentication is wrong"),
        (&|_, passwords| passwords.privacy = Some(password("a wrong one")), Report::DecryptionErrors, "`privacy`"),
    ] as [(&dyn Fn(&mut SnmpUser, &mut Passwords), Report, &str); 5]
    {
        assert_eq!(with(change), Err(report.clone()));
        assert!(report.to_string().contains(word), "{report}");
    }
}

#[test]
fn new_passwords_are_taken_and_old_keys_are_kept() {
    let now = Instant::now();
    let engine = engine(&user(Level::Encrypted), ENGINE);
    let mut session = Session::new(user(Level::Encrypted), 1);
    session.set_passwords(Passwords { auth: password("a wrong one"), ..passwords() });
    assert_eq!(ask(&mut session, &engine, 1, now), Err(Report::WrongDigests));
    session.set_passwords(passwords());
    assert_eq!(ask(&mut session, &engine, 10, now), Ok(3));
    // The same again change nothing; who was silent has to tell his id and time again.
    session.set_passwords(passwords());
    assert_eq!(ask(&mut session, &engine, 20, now), Ok(1));
    session.forget();
    assert_eq!(ask(&mut session, &engine, 30, now), Ok(3));
}

#[test]
fn old_foreign_and_weaker_answers_are_passed_over() {
    let user = user(Level::Encrypted);
    let (mut session, now) = (session(user.clone()), Instant::now());
    let mut engine = engine(&user, ENGINE);
    ask(&mut session, &engine, 1, now).unwrap();
    let mut passed_over = |bytes: &[u8]| match session.hear(bytes, 9, now) {
        Ok(Heard::Nothing(what)) => what,
        _ => panic!("it was heard"),
    };
    let response = with_bindings(RESPONSE, [9, 0, 0], &[]);
    // Of another question, by its message and by its PDU.
    assert_eq!(passed_over(&engine.message(8, Level::Encrypted, &response)), None);
    assert!(passed_over(&engine.message(9, Level::Encrypted, &with_bindings(RESPONSE, [8, 0, 0], &[]))).is_some());
    // Less secured than the question.
    assert_eq!(passed_over(&engine.message(9, Level::Signed, &response)), Some("an answer that is not encrypted came"));
    assert_eq!(passed_over(&engine.message(9, Level::Open, &response)), Some("an answer without a digest came"));
    assert_eq!(passed_over(&engine.report(9, Level::Open, 2)), Some("it tells its time without a digest"));
    // By another user of the engine, or by another engine, with the same keys.
    engine.user = b"other".to_vec();
    assert_eq!(passed_over(&engine.message(9, Level::Encrypted, &response)), Some("an answer of somebody else came"));
    engine.user = USER.as_bytes().to_vec();
    engine.keys.engine = b"\x80\x00\x1f\x88\x80other".to_vec();
    assert_eq!(passed_over(&engine.message(9, Level::Encrypted, &response)), Some("an answer of somebody else came"));
    engine.keys.engine = ENGINE.to_vec();
    // Recorded before, which a digest does not show.
    for (boots, time) in [(3, 1000 - 151), (2, 5000), (i32::MAX, 1)] {
        (engine.boots, engine.time) = (boots, time);
        assert_eq!(passed_over(&engine.message(9, Level::Encrypted, &response)), Some("an old answer came"), "{boots} {time}");
    }
}

#[test]
fn who_is_silent_only_when_asked_encrypted_has_another_password() {
    let user = user(Level::Encrypted);
    let (mut session, now) = (session(user.clone()), Instant::now());
    let engine = engine(&user, ENGINE);
    assert_eq!(session.silence(), None);
    for number in [1, 2] {
        assert_eq!(session.silence(), None);
        let question = session.question(number, &pdu(number), now);
        assert!(matches!(session.hear(&engine.reply(&question, &[]), number, now), Ok(Heard::Lesson)));
    }
    assert!(session.silence().is_some_and(|why| why.contains("`privacy`")));
    ask(&mut session, &engine, 3, now).unwrap();
    assert_eq!(session.silence(), None);
}

#[test]
fn an_answer_with_any_bit_changed_is_never_taken() {
    for level in [Level::Signed, Level::Encrypted] {
        let user = user(level);
        let (mut session, now) = (session(user.clone()), Instant::now());
        let engine = engine(&user, ENGINE);
        ask(&mut session, &engine, 1, now).unwrap();
        let answer = engine.message(9, level, &with_bindings(RESPONSE, [9, 0, 0], &[]));
        let lesson = engine.report(9, Level::Signed, 2);
        for whole in [&answer, &lesson] {
            for place in 0..whole.len() {
                for bit in 0..8 {
                    let mut bytes = whole.clone();
                    bytes[place] ^= 1 << bit;
                    let heard = session.hear(&bytes, 9, now);
                    // A report that claims to come from who cannot sign is the worst that can be made of it.
                    assert!(matches!(heard, Ok(Heard::Nothing(_)) | Err(_)), "{place} {bit}");
                }
                assert!(matches!(session.hear(&whole[..place], 9, now), Ok(Heard::Nothing(None))), "{place}");
            }
        }
        assert!(matches!(session.hear(&answer, 9, now), Ok(Heard::Answer(_))));
    }
}

#[test]
fn an_engine_that_always_teaches_and_never_answers_is_given_up() {
    let user = user(Level::Signed);
    let mut engine = engine(&user, ENGINE);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = Server { host: "127.0.0.1".to_owned(), port: socket.local_addr().unwrap().port() };
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            engine.boots += 1;
            socket.send_to(&engine.reply(&buffer[..length], &objects()), from).unwrap();
        }
    });
    let auth = SnmpAuth { password: Secret::Inline("a password".to_owned()), ..user.auth.unwrap() };
    let access = SnmpAccess::User(Box::new(SnmpUser { auth: Some(auth), ..user }));
    let mut snmp = Snmp::new(SnmpSettings { server, access, timeout: Duration::from_secs(20) });
    let error = snmp.ask(&mut Families::new()).unwrap_err().to_string();
    assert!(error.contains("again and again"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_heard_without_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let now = Instant::now();
        let mut session = Session::new(user(Level::Open), 1);
        prop_assert!(matches!(session.hear(&bytes, 9, now), Ok(Heard::Nothing(_))));
    }

    #[test]
    fn several_bytes_changed_are_heard_without_a_fault(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        level in prop::sample::select(vec![Level::Open, Level::Signed, Level::Encrypted]),
    ) {
        let (user, now) = (user(level), Instant::now());
        let mut session = session(user.clone());
        let engine = engine(&user, ENGINE);
        ask(&mut session, &engine, 1, now).unwrap();
        let whole = engine.message(9, level, &with_bindings(RESPONSE, [9, 0, 0], &[]));
        let mut bytes = whole.clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let is_heard = matches!(session.hear(&bytes, 9, now), Ok(Heard::Answer(_)));
        prop_assert!(!is_heard || level == Level::Open || bytes == whole);
    }
}
