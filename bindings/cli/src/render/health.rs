//! Copies of a store, and whether it is sound.

use super::{bytes, counted, counted_u64};
use crate::report::{BackupReport, CheckReport, FindingReport};

/// Findings shown one by one; scripts have all of them.
const SHOWN: usize = 40;

pub(super) fn backup(report: &BackupReport) -> String {
    format!(
        "copied to {} ({})\nThe file holds this device's secret key: keep it as you keep a key, and never use it while \
         the store is in use.",
        report.file,
        bytes(report.bytes)
    )
}

pub(super) fn check(report: &CheckReport) -> String {
    let looked = format!(
        "{}: {}, {}, {}, {}, {}",
        report.file,
        counted_u64(report.documents, "document"),
        counted_u64(report.changes, "change"),
        counted_u64(report.records, "signed record"),
        counted_u64(report.vouches, "vouch").replace("vouchs", "vouches"),
        bytes(report.file_bytes),
    );
    let mut lines = vec![looked];
    findings(&mut lines, &report.findings);
    if report.more > 0 {
        lines.push(format!("and {}", counted_u64(report.more, "finding")));
    }
    let files = [(&report.copy, "the file as it was: "), (&report.set_aside, "what was taken out of it: ")];
    lines.extend(files.iter().filter_map(|(file, what)| Some(format!("{what}{}", (*file).as_ref()?))));
    for lost in &report.unreadable {
        lines.push(format!("some of table {} could not be read at all", lost.table));
    }
    if report.repaired && !report.findings.is_empty() && !report.left.is_empty() {
        lines.push("What is left:".to_owned());
        findings(&mut lines, &report.left);
    }
    let end = match (report.clean, report.repaired, report.findings.is_empty()) {
        (true, _, true) => "everything is as it should be",
        (true, true, false) if report.copy.is_some() => {
            "repaired; what others have of your documents comes back when you sync"
        }
        (true, _, false) => "nothing is damaged",
        (false, true, _) => {
            "what could be repaired is; for the rest, sync with your other devices, or use a backup"
        }
        (false, false, _) => "damaged; `katori check --repair` mends what can be mended, and deletes nothing",
    };
    lines.push(end.to_owned());
    lines.join("\n")
}

/// Those of one kind in one document, one after the other, are one line.
fn findings(lines: &mut Vec<String>, findings: &[FindingReport]) {
    let alike = |one: &FindingReport, next: &FindingReport| {
        (&one.fault, &one.table, &one.document) == (&next.fault, &next.table, &next.document)
    };
    let groups: Vec<&[FindingReport]> = findings.chunk_by(alike).collect();
    let firsts = groups.iter().take(SHOWN).filter_map(|group| Some((group.first()?, group.len() - 1)));
    for (finding, others) in firsts {
        let remedy = match finding.remedy.as_str() {
            "set_aside" => "a repair sets it aside",
            "keep_what_links" => "a repair keeps what links",
            "rebuild" => "a repair writes it anew",
            "copy_over" => "a repair copies what can be read",
            _ => "a repair leaves it",
        };
        let others = if others == 0 { String::new() } else { format!("; and {others} more like it") };
        lines.push(format!("- {} ({remedy}){others}", finding.message));
    }
    if groups.len() > SHOWN {
        lines.push(format!("- and {} of other kinds (see --json)", counted(groups.len() - SHOWN, "finding")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_one_kind_are_one_line() {
        let finding = |document: &str| FindingReport {
            fault: "gap".to_owned(),
            table: Some("packs".to_owned()),
            key: None,
            document: Some(document.to_owned()),
            message: format!("document {document}: changes build on others"),
            remedy: "keep_what_links".to_owned(),
            damage: true,
        };
        let mut lines = Vec::new();
        findings(&mut lines, &[finding("a"), finding("a"), finding("a"), finding("b")]);
        let expected = [
            "- document a: changes build on others (a repair keeps what links); and 2 more like it",
            "- document b: changes build on others (a repair keeps what links)",
        ];
        assert_eq!(lines, expected);
    }
}
