//! What is in documents, who put it there, and what is kept out.

use super::time::when;
use super::{counted, counted_u64, names, short};
use crate::patch::{PatchReport, clipped, path_text};
use crate::report::{
    BlameReport, ChangeReport, ConflictReport, ConflictingReport, ContentReport, EditReport, EditedReport,
    ExportedReport, ForkReport, HeldReport, TakenInReport, UncountedReport, WhoReport,
};
use crate::table::table;

pub(super) fn value(content: &ContentReport) -> String {
    content.value.as_str().map_or_else(|| format!("{:#}", content.value), str::to_owned)
}

/// What to know about content of which not everything is shown.
pub(crate) fn about_content(content: &ContentReport) -> Option<String> {
    let first = content.conflicts.first()?;
    let shown = first.values.first().map(|shown| clipped(&shown.value.to_string())).unwrap_or_default();
    let others = match content.conflicts.len() - 1 {
        0 => String::new(),
        others => format!(", and so in {}", counted(others, "other place")),
    };
    Some(format!(
        "note: {} were written at {} at once; shown: {shown}{others}; `katori cat {} --conflicts` lists them",
        counted(first.values.len(), "value"),
        path_text(&first.path),
        content.name,
    ))
}

pub(super) fn conflicts(conflicts: &[ConflictReport]) -> String {
    if conflicts.is_empty() {
        return "nothing was written at once".to_owned();
    }
    table(&conflicts.iter().flat_map(conflict_rows).collect::<Vec<_>>())
}

fn conflict_rows(conflict: &ConflictReport) -> Vec<Vec<String>> {
    let place = path_text(&conflict.path);
    let row = |value: &ConflictingReport| {
        vec![
            place.clone(),
            clipped(&value.value.to_string()),
            value.who.as_ref().map_or_else(|| "nobody known".to_owned(), |who| who.name.clone()),
            if value.shown { "shown".to_owned() } else { String::new() },
        ]
    };
    conflict.values.iter().map(row).collect()
}

pub(super) fn edited(edited: &EditedReport) -> String {
    match &edited.hash {
        Some(hash) => format!("saved as {}", short(hash)),
        None => "nothing had to change".to_owned(),
    }
}

pub(super) fn exported(exported: &ExportedReport) -> String {
    match (&exported.content, &exported.file) {
        (Some(content), _) => content.trim_end_matches('\n').to_owned(),
        (None, file) => {
            format!("{} bytes written to {}", exported.bytes, file.as_deref().unwrap_or_default())
        }
    }
}

pub(super) fn log(edits: &[EditReport]) -> String {
    if edits.is_empty() {
        return "no changes yet".to_owned();
    }
    table(&edits.iter().map(edit_row).collect::<Vec<_>>())
}

fn edit_row(edit: &EditReport) -> Vec<String> {
    let again = edit.reapplies.as_ref().map(|lost| format!("applies {} again", short(lost)));
    vec![
        short(&edit.hash),
        author(edit.who.as_ref(), &edit.vouched_by),
        when(edit.time_ms),
        operations(edit.operations),
        again.unwrap_or_default(),
    ]
}

/// Who wrote it where that is proven, else who stands behind it.
fn author(who: Option<&WhoReport>, vouched_by: &[WhoReport]) -> String {
    match who {
        Some(who) => who.name.clone(),
        None => format!("vouched for by {}", names(vouched_by)),
    }
}

pub(super) fn held(held: &[HeldReport]) -> String {
    if held.is_empty() {
        return "nothing is held back".to_owned();
    }
    table(&held.iter().map(held_row).collect::<Vec<_>>())
}

fn held_row(held: &HeldReport) -> Vec<String> {
    vec![
        short(&held.hash),
        held_author(held),
        when(held.time_ms),
        operations(held.operations),
        held.reason.clone(),
    ]
}

fn held_author(held: &HeldReport) -> String {
    held.who.as_ref().map_or_else(|| "of unknown origin".to_owned(), |who| who.name.clone())
}

pub(super) fn held_explained(held: &[HeldReport]) -> String {
    if held.is_empty() {
        return "nothing is held back".to_owned();
    }
    held.iter().map(explained).collect::<Vec<_>>().join("\n\n")
}

fn explained(held: &HeldReport) -> String {
    let signed = if held.signed { "signed by that device" } else { "not signed by the device it names" };
    let mut lines = vec![
        format!(
            "{}  {}, {}, {}",
            short(&held.hash),
            held_author(held),
            when(held.time_ms),
            operations(held.operations)
        ),
        format!("  why    {}", held.reason),
        format!("  rule   {}: {}", held.rule, held.rule_says),
    ];
    if held.who.is_some() {
        lines.push(format!("  author {signed}"));
    }
    lines.extend(held.uncounted.iter().map(|voucher| format!("  vouch  {}", uncounted(voucher))));
    lines.push(format!("  to do  {}", held.remedy));
    lines.join("\n")
}

fn uncounted(voucher: &UncountedReport) -> String {
    let why = match voucher.why.as_str() {
        "forked" => "is proven to have written two changes in one place",
        _ => "may not write now",
    };
    format!("{} stands behind it, and does not count: it {why}", voucher.who.name)
}

pub(super) fn taken_in(taken: &TakenInReport) -> String {
    format!("took in {}; {} still held back", counted(taken.taken_in.len(), "change"), taken.still_held)
}

pub(super) fn forks(forks: &[ForkReport]) -> String {
    if forks.is_empty() {
        return "no device wrote two changes in one place".to_owned();
    }
    forks.iter().map(fork).collect::<Vec<_>>().join("\n\n")
}

fn fork(fork: &ForkReport) -> String {
    let device = fork.device.as_ref().map_or("an unknown device", |who| who.name.as_str());
    let proof = match fork.proof.len() {
        0 => "by nobody's signature".to_owned(),
        vouches => format!("by {} of its own", counted(vouches, "signature")),
    };
    let mut lines = vec![format!(
        "{device} wrote {} at place {}, proven {proof}",
        counted(fork.branches.len(), "change"),
        fork.sequence
    )];
    let branch = |stays: bool| if stays { "stays" } else { "is held back" };
    lines.extend(fork.branches.iter().map(|one| format!("  {}  {}", short(&one.hash), branch(one.stays))));
    lines.push(match (fork.decision.as_str(), &fork.decided_by) {
        ("word", Some(who)) => format!("  decided by the latest word of {}", who.name),
        ("lower_hash", _) => "  nobody who counts names one branch, so the lower hash stays".to_owned(),
        _ => "  nothing had to be decided".to_owned(),
    });
    if !fork.not_reapplied.is_empty() {
        lines.push(format!(
            "  {} could not be applied again; `katori forks DOC --copy HASH` shows the branch",
            counted(fork.not_reapplied.len(), "change")
        ));
    }
    lines.join("\n")
}

pub(super) fn blame(parts: &[BlameReport]) -> String {
    if parts.is_empty() {
        return "nothing is there yet".to_owned();
    }
    let row = |part: &BlameReport| {
        let what = match (&part.text, &part.key, part.position) {
            (Some(text), ..) => clipped(&format!("{text:?}")),
            (None, Some(key), _) => key.clone(),
            (None, None, position) => position.map(|position| position.to_string()).unwrap_or_default(),
        };
        vec![author(part.who.as_ref(), &part.vouched_by), short(&part.hash), when(part.time_ms), what]
    };
    table(&parts.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn changed(change: &ChangeReport) -> String {
    let who = match change.origin.as_str() {
        "remote" => names(&change.who),
        "local" => "here".to_owned(),
        "missed" => "some changes were missed; look again".to_owned(),
        other => other.to_owned(),
    };
    let withdrawn = match change.withdrawn {
        0 => String::new(),
        number => format!(" ({} shown no longer)", counted_u64(number, "change")),
    };
    let mut patches: Vec<String> = change.patches.iter().map(PatchReport::line).collect();
    if change.more_patches > 0 {
        patches.push(format!("and {} more", change.more_patches));
    }
    format!("{who}: {}{withdrawn}", patches.join(", "))
}

pub(super) fn heads(heads: &[String]) -> String {
    if heads.is_empty() {
        return "the beginning".to_owned();
    }
    heads.iter().map(|head| short(head)).collect::<Vec<_>>().join(", ")
}

fn operations(number: u64) -> String {
    counted_u64(number, "operation")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> WhoReport {
        WhoReport { name: name.to_owned(), person: None, device: None }
    }

    #[test]
    fn a_text_is_shown_as_it_is_and_values_as_json() {
        let content = |json| {
            let (id, name) = (String::new(), String::new());
            value(&ContentReport { id, name, heads: Vec::new(), value: json, conflicts: Vec::new() })
        };
        assert_eq!(content(serde_json::Value::from("two\nlines")), "two\nlines");
        assert_eq!(content(serde_json::json!({ "milk": 2 })), "{\n  \"milk\": 2\n}");
    }

    #[test]
    fn what_was_applied_again_says_of_what() {
        let edit = EditReport {
            hash: "aaaaaaaaaaaa".to_owned(),
            who: Some(who("Ana (phone)")),
            vouched_by: Vec::new(),
            time_ms: 0,
            operations: 1,
            dependencies: Vec::new(),
            reapplies: Some("bbbbbbbbbbbb".to_owned()),
        };
        assert_eq!(
            log(&[edit]),
            "aaaaaaaa  Ana (phone)  at an unknown time  1 operation  applies bbbbbbbb again"
        );
    }

    #[test]
    fn what_is_held_back_is_explained_with_rule_and_remedy() {
        let held = HeldReport {
            hash: "cccccccccccc".to_owned(),
            who: Some(who("Ben (desk)")),
            signed: true,
            time_ms: 0,
            operations: 2,
            reason: "nobody who may write now vouches for it".to_owned(),
            rule: "writer".to_owned(),
            rule_says: "somebody who may write now stands behind each change".to_owned(),
            uncounted: vec![UncountedReport { who: who("Ben (desk)"), why: "no_write".to_owned() }],
            remedy: "`katori take-in list cccccccc` takes it in".to_owned(),
        };
        let text = held_explained(&[held]);
        for words in ["cccccccc  Ben (desk)", "rule   writer", "may not write now", "to do  `katori take-in"]
        {
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }
}
