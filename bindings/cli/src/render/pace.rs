//! How far a flush came.

use crate::render::counted_u64;
use crate::report::FlushedReport;

pub(super) fn flushed(report: &FlushedReport) -> String {
    let mut lines = Vec::new();
    if !report.lost.is_empty() {
        let lost = counted_u64(report.lost.len() as u64, "document");
        lines.push(format!(
            "edits of {lost} were lost to a fault in the hub; what was saved before is shown, edit again: {}",
            report.lost.join(", ")
        ));
    }
    if report.unsaved.is_empty() && report.lost.is_empty() {
        lines.push("everything is saved here".to_owned());
    } else if !report.unsaved.is_empty() {
        let unsaved = counted_u64(report.unsaved.len() as u64, "document");
        lines.push(format!("edits of {unsaved} are not saved yet: {}", report.unsaved.join(", ")));
    }
    if report.peers.is_empty() {
        lines.push("nobody is connected".to_owned());
    }
    for peer in &report.peers {
        let name = &peer.who.name;
        lines.push(match (peer.behind.len(), peer.comparing) {
            (0, false) => format!("{name} has everything"),
            (0, true) => format!("{name} has not said yet what it has"),
            (behind, _) => {
                format!("{name} has not got all of {} yet", counted_u64(behind as u64, "document"))
            }
        });
    }
    lines.join("\n")
}
