//! What the documents about access promise is shown by tests, and this one shows that those tests are there.
//!
//! A test is cited in a code span, as `cargo nextest` names it: the binary, a space, the path of the function. The
//! last column of a table, headed *shown by*, holds nothing but citations. In the table of threats it may say instead,
//! in these words, that there is no promise.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails where it stands"
)]

mod documents;
mod sources;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use documents::{Table, is_shown, tables, unmet};
use sources::tests_of;

const DOCUMENTS: [&str; 2] = ["docs/threat-model.md", "docs/access-control.md"];
const THREATS: u32 = 33;

#[test]
fn every_test_that_the_documents_name_is_there() {
    let tests = tests_of(&workspace());
    let wrong: Vec<String> = DOCUMENTS
        .iter()
        .flat_map(|name| {
            let missing = unmet(&document(name), &tests);
            missing.into_iter().map(move |line| format!("{name}: {line}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} citations do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_promise_names_a_test() {
    let mut promises = 0;
    let mut bare = Vec::new();
    for name in DOCUMENTS {
        for table in tables(&document(name)).into_iter().filter(Table::is_of_promises) {
            promises += table.rows.len();
            let rows = table.rows.iter().filter(|row| row.len() != table.header.len() || !is_shown(row));
            bare.extend(rows.map(|row| format!("{name}, {}: {}", table.heading, row.join(" | "))));
        }
    }
    assert!(promises > 50, "the tables of promises were not found: {promises} rows");
    assert!(bare.is_empty(), "{} of {promises} promises are not shown:\n{}", bare.len(), bare.join("\n"));
}

#[test]
fn no_promise_is_left_for_later() {
    for name in DOCUMENTS {
        let text = document(name);
        let open = text.lines().filter(|line| line.contains("TODO")).count();
        assert_eq!(open, 0, "{name} has {open} lines for which a test is still to be named");
    }
}

#[test]
fn each_threat_has_one_row() {
    let rows: Vec<String> = tables(&document(DOCUMENTS[0]))
        .into_iter()
        .flat_map(|table| table.rows)
        .filter_map(|row| row.first().cloned())
        .collect();
    for number in 1..=THREATS {
        let found = rows.iter().filter(|first| **first == format!("T{number}")).count();
        assert_eq!(found, 1, "rows of T{number}");
    }
}

#[test]
fn each_adversary_is_promised_something_and_told_what_not() {
    let text = document(DOCUMENTS[0]);
    let tables = tables(&text);
    let adversaries: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "## Adversaries")
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect();
    let sections: Vec<&[&str]> = adversaries.split(|line| line.starts_with("### ")).skip(1).collect();
    let headings: Vec<&str> = adversaries.iter().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(headings.len() >= 12, "{headings:?}");
    for (heading, section) in headings.iter().zip(sections) {
        let promised = tables.iter().any(|table| table.heading == *heading && table.is_of_promises());
        assert!(promised, "{heading}: no table of promises");
        let refused = section.iter().any(|line| line.starts_with("**Not promised.**"));
        assert!(refused, "{heading}: nothing says what is not promised");
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    read(&workspace().join(name))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
