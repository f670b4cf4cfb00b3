//! Where two lists differ: their longest common subsequence, after what is equal at both ends.

use std::ops::Range;

use serde_json::Value as Json;

/// Cells of the table in which two lists are compared: a thousand elements changed against a thousand. Beyond
/// it, what lies between the first and the last difference counts as different.
const MAX_COMPARED: usize = 1 << 20;

/// A stretch of one list that stands where a stretch of the other does. Either may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) present: Range<usize>,
    pub(super) wanted: Range<usize>,
}

/// The stretches in which two lists differ, ascending. Between them the lists are equal.
pub(super) fn gaps(present: &[Json], wanted: &[Json]) -> Vec<Gap> {
    let start = common(present.iter(), wanted.iter());
    let (present, wanted) =
        (present.get(start..).unwrap_or_default(), wanted.get(start..).unwrap_or_default());
    let end = common(present.iter().rev(), wanted.iter().rev());
    let present = present.get(..present.len() - end).unwrap_or_default();
    let wanted = wanted.get(..wanted.len() - end).unwrap_or_default();

    let mut gaps = Vec::new();
    let mut open = Gap { present: start..start, wanted: start..start };
    let matches = if present.len().saturating_mul(wanted.len()) > MAX_COMPARED {
        Vec::new()
    } else {
        matches(present, wanted)
    };
    let ends = (present.len(), wanted.len());
    for (at_present, at_wanted) in matches.into_iter().chain([ends]) {
        open.present.end = start + at_present;
        open.wanted.end = start + at_wanted;
        if !open.present.is_empty() || !open.wanted.is_empty() {
            gaps.push(open.clone());
        }
        open.present = open.present.end + 1..open.present.end + 1;
        open.wanted = open.wanted.end + 1..open.wanted.end + 1;
    }
    gaps
}

fn common<'a>(one: impl Iterator<Item = &'a Json>, other: impl Iterator<Item = &'a Json>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// The places of a longest common subsequence in both lists, ascending.
fn matches(present: &[Json], wanted: &[Json]) -> Vec<(usize, usize)> {
    let width = wanted.len() + 1;
    // lengths[i * width + j]: how much present[i..] and wanted[j..] have in common.
    let mut lengths = vec![0_u32; (present.len() + 1) * width];
    let at = |lengths: &[u32], i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or(0);
    for (i, one) in present.iter().enumerate().rev() {
        for (j, other) in wanted.iter().enumerate().rev() {
            let length = if one == other {
                at(&lengths, i + 1, j + 1) + 1
            } else {
                at(&lengths, i + 1, j).max(at(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i * width + j) {
                *cell = length;
            }
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while let (Some(one), Some(other)) = (present.get(i), wanted.get(j)) {
        if one == other {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(text: &str) -> Vec<Json> {
        text.chars().map(|letter| json!(letter.to_string())).collect()
    }

    fn found(present: &str, wanted: &str) -> Vec<(String, String)> {
        let gaps = gaps(&list(present), &list(wanted));
        gaps.into_iter().map(|gap| (present[gap.present].to_owned(), wanted[gap.wanted].to_owned())).collect()
    }

    fn gap(present: &str, wanted: &str) -> (String, String) {
        (present.to_owned(), wanted.to_owned())
    }

    #[test]
    fn only_what_differs_is_a_gap() {
        assert_eq!(found("abc", "abc"), []);
        assert_eq!(found("", "abc"), [gap("", "abc")]);
        assert_eq!(found("abc", ""), [gap("abc", "")]);
        assert_eq!(found("abc", "axc"), [gap("b", "x")]);
        assert_eq!(found("abcdef", "bcxdf"), [gap("a", ""), gap("", "x"), gap("e", "")]);
        assert_eq!(found("aa", "aaa"), [gap("", "a")]);
    }

    #[test]
    fn lists_too_long_to_compare_are_one_gap() {
        let (present, wanted) = (format!("{}{}", "ab".repeat(600), "z"), format!("z{}", "ba".repeat(600)));
        assert_eq!(found(&present, &wanted).len(), 1);
    }
}
