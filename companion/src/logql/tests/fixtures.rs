//! fixtures/logql: entries, queries about them, and their answers, in files that people write.
//!
//! `load` lines give entries: labels, seconds, metadata in braces if there is some, the line. Then come questions, each with its
//! answer in the lines below that begin with `>`. `UPDATE_EXPECT=1` writes the answers; read them before they are kept.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use proto::time::UnixNanos;

use super::DataSet;
use crate::labels::LabelSet;
use crate::logql::lex::{TokenKind, tokens};
use crate::logql::store::Direction;
use crate::logql::{Query, Value, parse};

const SECOND: i64 = 1_000_000_000;

/// The labels in braces at the start of a text, and what follows.
fn braces(text: &str) -> (LabelSet, &str) {
    let end = text.find('}').expect("labels end with a brace") + 1;
    let words = tokens(&text[..end]).unwrap();
    let mut labels = Vec::new();
    for words in words.windows(3) {
        if let [TokenKind::Word(name), TokenKind::Sign("="), TokenKind::Text(value)] =
            [&words[0].kind, &words[1].kind, &words[2].kind]
        {
            labels.push((name.clone(), value.clone()));
        }
    }
    (labels.into_iter().collect(), text[end..].trim_start_matches(' '))
}

fn seconds(text: &str) -> UnixNanos {
    let seconds: f64 = text.strip_suffix('s').unwrap_or_else(|| panic!("`{text}` is no time")).parse().unwrap();
    UnixNanos((seconds * SECOND as f64) as i64)
}

fn shown(time: UnixNanos) -> String {
    format!("{}s", time.0 as f64 / SECOND as f64)
}

fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// The answer to a question, line by line.
fn answer(data: &DataSet, kind: &str, question: &str) -> Vec<String> {
    let mut out = Vec::new();
    match kind {
        "syntax" => {
            let error = parse(question).expect_err("a question about syntax is wrong");
            let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            out.push(format!("{}: {}{hint}", question.get(error.at).unwrap(), error.message));
        }
        "text" => out.push(parse(question).unwrap().to_string()),
        // `every` has an interval before its question: lines that are nearer to the one before are left out.
        "lines" | "every" => {
            let (interval, question) = if kind == "every" { word(question) } else { ("0s", question) };
            let Query::Log(query) = parse(question).unwrap() else { panic!("{question} is no query for lines") };
            let interval = seconds(interval).0;
            for stream in query.lines(data, UnixNanos(0), UnixNanos(i64::MAX), Direction::Forward, interval, 100) {
                out.extend(stream.lines.into_iter().map(|(time, line)| format!("{} {} {line}", stream.labels, shown(time))));
            }
        }
        "instant" => {
            let (at, question) = word(question);
            let Query::Metric(query) = parse(question).unwrap() else { panic!("{question} is no metric query") };
            match query.instant(data, seconds(at)) {
                Ok(Value::Scalar(value)) => out.push(value.to_string()),
                Ok(Value::Vector(samples)) => {
                    out.extend(samples.iter().map(|sample| format!("{} {}", sample.labels, sample.value)));
                }
                Err(error) => out.push(error.to_string()),
            }
        }
        "range" => {
            let (start, rest) = word(question);
            let (end, rest) = word(rest);
            let (step, question) = word(rest);
            let Query::Metric(query) = parse(question).unwrap() else { panic!("{question} is no metric query") };
            match query.range(data, seconds(start), seconds(end), seconds(step).0) {
                Ok(matrix) => out.extend(matrix.into_iter().map(|series| {
                    let mut line = series.labels.to_string();
                    for (time, value) in series.points {
                        write!(line, " {}={value}", shown(time)).unwrap();
                    }
                    line
                })),
                Err(error) => out.push(error.to_string()),
            }
        }
        other => panic!("no question begins with `{other}`"),
    }
    out
}

#[test]
fn fixtures_have_the_answers_that_stand_in_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/logql");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "test"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut data = DataSet::default();
        let mut out = String::new();
        for line in text.lines().filter(|line| !line.starts_with('>')) {
            writeln!(out, "{line}").unwrap();
            let (kind, rest) = word(line);
            match kind {
                "" | "#" => {}
                "load" => {
                    let (labels, rest) = braces(rest);
                    let (time, rest) = word(rest);
                    let (metadata, rest) =
                        if rest.starts_with('{') && !rest.starts_with("{\"") { braces(rest) } else { (LabelSet::new(), rest) };
                    let metadata = metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                    data.push(labels, (seconds(time), rest.to_owned(), metadata));
                }
                kind => {
                    for line in answer(&data, kind, rest) {
                        writeln!(out, "> {}", line.replace('\n', "\\n")).unwrap();
                    }
                }
            }
        }
        expect_file![file].assert_eq(&out);
    }
}
