//! The documents: their tables, and the tests that are cited in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::Runs;

/// The last column of a table of promises.
const SHOWN_BY: &str = "shown by";
/// What stands there for a threat against which nothing is promised.
const NO_PROMISE: &str = "no promise";

/// A table of Markdown, and the heading above it.
pub(crate) struct Table {
    pub(crate) heading: String,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn is_of_promises(&self) -> bool {
        self.header.last().is_some_and(|last| last == SHOWN_BY)
    }
}

pub(crate) fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut heading, mut inside) = ("", false);
    for line in text.lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim();
        }
        let row = line.starts_with('|').then(|| cells(line));
        match row {
            Some(header) if !inside => {
                tables.push(Table { heading: heading.to_owned(), header, rows: Vec::new() });
            }
            Some(row) if row.iter().all(|cell| cell.chars().all(|letter| "-:".contains(letter))) => {}
            Some(row) => tables.last_mut().expect("a table has begun").rows.push(row),
            None => {}
        }
        inside = line.starts_with('|');
    }
    tables
}

/// The cells of a row. A bar in a code span separates nothing.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut in_code = false;
    for letter in line.trim().trim_start_matches('|').trim_end_matches('|').chars() {
        in_code ^= letter == '`';
        match cells.last_mut() {
            Some(cell) if letter != '|' || in_code => cell.push(letter),
            _ => cells.push(String::new()),
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

/// The code spans of one line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a code span is written like a citation, even outside a table.
fn looks_like_a_citation(span: &str) -> bool {
    let words: Vec<&str> = span.split(' ').collect();
    matches!(words[..], [binary, path] if binary.starts_with("katori-") && !path.starts_with('-'))
}

/// Whether the last cell of a row names tests, and nothing besides.
pub(crate) fn is_shown(row: &[String]) -> bool {
    let Some(last) = row.last() else { return false };
    let is_threat = row
        .first()
        .is_some_and(|first| first.strip_prefix('T').is_some_and(|number| number.parse::<u32>().is_ok()));
    if last == NO_PROMISE {
        return is_threat;
    }
    let around = last.split('`').step_by(2);
    spans(last).count() > 0 && around.flat_map(str::chars).all(|letter| ", ".contains(letter))
}

/// The citations of a document that name no test, or one that never runs.
pub(crate) fn unmet(text: &str, tests: &BTreeMap<String, Runs>) -> Vec<String> {
    let promises = tables(text).into_iter().filter(Table::is_of_promises);
    let cells = promises.flat_map(|table| table.rows).filter_map(|row| row.last().cloned());
    let cited = cells.flat_map(|cell| spans(&cell).map(str::to_owned).collect::<Vec<_>>());
    let elsewhere = text.lines().flat_map(spans).filter(|span| looks_like_a_citation(span));
    let cited: BTreeSet<String> = cited.chain(elsewhere.map(str::to_owned)).collect();
    let unmet = cited.into_iter().filter_map(|citation| match tests.get(&citation) {
        Some(Runs::Always) => None,
        Some(Runs::WhenAsked) => Some(format!("`{citation}` is ignored")),
        None => {
            let function = citation.rsplit([' ', ':']).next().unwrap_or_default();
            let same = tests.keys().filter(|test| {
                test.ends_with(&format!(":{function}")) || test.ends_with(&format!(" {function}"))
            });
            let same: Vec<&str> = same.map(String::as_str).collect();
            Some(format!("`{citation}` is no test; of that name there is {same:?}"))
        }
    });
    unmet.collect()
}

#[test]
fn what_is_made_up_or_missing_is_found_out() {
    let tests = BTreeMap::from([
        ("katori-acl::rules grants::one".to_owned(), Runs::Always),
        ("katori-acl::rules grants::slow".to_owned(), Runs::WhenAsked),
    ]);
    let text = "
## Promises
| promise | shown by |
|---|---|
| holds | `katori-acl::rules grants::one` |
| a bar, `a|b` | `katori-acl::rules one` |
| slow | `katori-acl::rules grants::slow`, `katori-acl::rules grants::one` |
| made up | `katori-acl grants::two` |
| later | TODO |
| bare | |
| said | see `katori-acl::rules grants::one` |
| no threat | no promise |
| T7 | no promise |

And `katori-net::net elsewhere`; `katori-cli --offline`, `katori why` and `x | y` are none.
";
    let unmet = unmet(text, &tests);
    let expected = [
        "`katori-acl grants::two` is no test",
        "`katori-acl::rules grants::slow` is ignored",
        "`katori-acl::rules one` is no test; of that name there is [\"katori-acl::rules grants::one\"]",
        "`katori-net::net elsewhere` is no test",
    ];
    assert_eq!(unmet.len(), expected.len(), "{unmet:#?}");
    for (found, expected) in unmet.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    let [table] = &tables(text)[..] else { panic!("one table") };
    assert_eq!(table.heading, "Promises");
    let shown: Vec<bool> = table.rows.iter().map(|row| is_shown(row)).collect();
    assert_eq!(shown, [true, true, true, true, false, false, false, false, true]);
}
