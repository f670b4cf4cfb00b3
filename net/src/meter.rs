//! Everything that is counted and timed, by its name in `docs/metrics.md`.
//!
//! Through the facade of the `metrics` crate: without a recorder in the process each of these costs a load and a jump.
//! No label names a peer, a person or a document: whoever reads the figures learns nothing of who talks to whom.

use std::time::{Duration, Instant};

use katori_acl::ResourceId;
use katori_core::document::Done;
use katori_core::engine::{Outcome, Task, Work};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::documents::MemoryStatus;

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// What is in the store and waits there, summed over all documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) documents: u64,
    pub(crate) changes: u64,
    pub(crate) held: u64,
    pub(crate) store_bytes: u64,
}

/// Says what each figure means, to the recorder that is installed.
pub(crate) fn describe() {
    describe_gauge!("katori_documents_loaded", Unit::Count, "Documents in memory");
    describe_gauge!("katori_documents_loaded_bytes", Unit::Bytes, "Memory they take, estimated");
    describe_counter!(
        "katori_documents_evicted_total",
        Unit::Count,
        "Documents let go to make room or in quiet"
    );
    describe_histogram!("katori_document_load_seconds", Unit::Seconds, "Loading a document from the store");
    describe_gauge!("katori_documents", Unit::Count, "Documents held here");
    describe_gauge!("katori_changes", Unit::Count, "Changes stored of them");
    describe_gauge!("katori_changes_held", Unit::Count, "Changes stored and held back");
    describe_gauge!("katori_store_bytes", Unit::Bytes, "The store's file");
    describe_histogram!(
        "katori_task_seconds",
        Unit::Seconds,
        "A task on a document, once it is loaded, by kind"
    );
    describe_counter!(
        "katori_tasks_failed_total",
        Unit::Count,
        "Tasks that could not be carried out, by kind"
    );
    describe_gauge!("katori_tasks_running", Unit::Count, "Tasks that run");
    describe_gauge!("katori_tasks_waiting", Unit::Count, "Tasks that wait for a worker or for memory");
    describe_histogram!("katori_commit_seconds", Unit::Seconds, "A durable commit");
    describe_histogram!("katori_commit_bytes", Unit::Bytes, "Rows of a commit, before the store's own pages");
    describe_counter!("katori_commits_failed_total", Unit::Count, "Commits that failed");
    describe_counter!("katori_frames_total", Unit::Count, "Frames, by direction and kind");
    describe_counter!("katori_frame_bytes_total", Unit::Bytes, "Bytes of frames, by direction and kind");
    describe_gauge!("katori_peers_connected", Unit::Count, "Devices with a connection");
    describe_counter!("katori_exchanges_total", Unit::Count, "Times that all was compared with a peer");
    describe_counter!(
        "katori_changes_received_total",
        Unit::Count,
        "Changes received, by what became of them"
    );
    describe_counter!("katori_changes_admitted_total", Unit::Count, "Changes that came to be shown");
    describe_counter!("katori_changes_withdrawn_total", Unit::Count, "Changes that are shown no longer");
    describe_counter!("katori_changes_beside_edits_total", Unit::Count, "Changes taken in beside edits");
    describe_counter!("katori_vouches_refused_total", Unit::Count, "Vouches received that do not count");
    describe_counter!("katori_packs_malformed_total", Unit::Count, "Packs received that do not decode");
    describe_counter!("katori_packs_served_total", Unit::Count, "Packs of changes made for peers");
    describe_counter!("katori_packs_served_bytes_total", Unit::Bytes, "Their bytes");
    describe_counter!("katori_suspicious_total", Unit::Count, "Things received that no honest device sends");
    describe_histogram!(
        "katori_receipt_lag_seconds",
        Unit::Seconds,
        "From an edit durable here to its first receipt"
    );
    describe_counter!("katori_dials_total", Unit::Count, "Dials, by outcome");
    describe_counter!("katori_links_total", Unit::Count, "Connections that came to be used");
    describe_counter!("katori_joins_total", Unit::Count, "Tickets used here, by how that ended");
    describe_histogram!("katori_bandwidth_wait_seconds", Unit::Seconds, "Waits for the cap on what is sent");
}

pub(crate) fn in_memory(documents: usize, bytes: u64) {
    gauge!("katori_documents_loaded").set(float(documents as u64));
    gauge!("katori_documents_loaded_bytes").set(float(bytes));
}

pub(crate) fn let_go(documents: usize) {
    counter!("katori_documents_evicted_total").increment(documents as u64);
}

pub(crate) fn loaded(took: Duration) {
    histogram!("katori_document_load_seconds").record(took);
}

/// Carries out a task, and times it.
pub(crate) fn task(id: ResourceId, work: Work, run: impl FnOnce(Work) -> Outcome) -> Outcome {
    let kind = kind_of(&work.task);
    let span = tracing::debug_span!("task", document = %id.short(), kind);
    let begun = Instant::now();
    let outcome = span.in_scope(|| run(work));
    histogram!("katori_task_seconds", "task" => kind).record(begun.elapsed());
    if matches!(outcome, Outcome::Failed(_)) {
        counter!("katori_tasks_failed_total", "task" => kind).increment(1);
    }
    outcome
}

fn kind_of(task: &Task) -> &'static str {
    match task {
        Task::Reevaluate { .. } => "reevaluate",
        Task::Flush => "flush",
        Task::Ingest(_) => "ingest",
        Task::Serve(_) => "serve",
        Task::Vouch => "vouch",
        Task::Discharge => "discharge",
        Task::Reapply(_) => "reapply",
        Task::TakeIn(_) => "take_in",
        Task::ForgetOrphans(_) => "forget_orphans",
        Task::Merge => "merge",
        _ => "other",
    }
}

/// What came of a task.
pub(crate) fn done(done: &Done) {
    for report in &done.ingested {
        let received = |outcome: &'static str, changes: usize| {
            if changes > 0 {
                counter!("katori_changes_received_total", "outcome" => outcome).increment(changes as u64);
            }
        };
        received("new", report.new);
        received("known", report.known);
        received("orphaned", report.orphans);
        received("refused", report.refused);
        received("over_budget", report.over_budget);
        counter!("katori_vouches_refused_total").increment(report.vouches_refused as u64);
        counter!("katori_packs_malformed_total").increment(report.malformed as u64);
    }
    if let Some(shown) = &done.shown {
        counter!("katori_changes_admitted_total").increment(shown.admitted.len() as u64);
        counter!("katori_changes_withdrawn_total").increment(shown.withdrawn as u64);
        if shown.rehearsed {
            counter!("katori_changes_beside_edits_total").increment(shown.admitted.len() as u64);
        }
    }
    for pack in done.served.iter().filter_map(|served| served.pack.as_ref()) {
        counter!("katori_packs_served_total").increment(1);
        counter!("katori_packs_served_bytes_total").increment(pack.len() as u64);
    }
}

/// A commit of so many bytes is over.
pub(crate) fn commit(bytes: usize, took: Duration, worked: bool) {
    histogram!("katori_commit_seconds").record(took);
    histogram!("katori_commit_bytes").record(float(bytes as u64));
    if !worked {
        counter!("katori_commits_failed_total").increment(1);
    }
}

pub(crate) fn frame(direction: Direction, frame: &[u8]) {
    let direction = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    let kind = frame.first().map_or("none", |kind| katori_core::wire::frame_name(*kind));
    counter!("katori_frames_total", "direction" => direction, "kind" => kind).increment(1);
    let bytes = counter!("katori_frame_bytes_total", "direction" => direction, "kind" => kind);
    bytes.increment(frame.len() as u64);
}

pub(crate) fn connected(peers: usize) {
    gauge!("katori_peers_connected").set(float(peers as u64));
}

pub(crate) fn linked() {
    counter!("katori_links_total").increment(1);
}

pub(crate) fn exchanged() {
    counter!("katori_exchanges_total").increment(1);
}

pub(crate) fn suspicious() {
    counter!("katori_suspicious_total").increment(1);
}

pub(crate) fn receipt(lag: Duration) {
    histogram!("katori_receipt_lag_seconds").record(lag);
}

pub(crate) fn dialled(worked: bool) {
    counter!("katori_dials_total", "outcome" => if worked { "reached" } else { "failed" }).increment(1);
}

pub(crate) fn joined(outcome: &'static str) {
    counter!("katori_joins_total", "outcome" => outcome).increment(1);
}

pub(crate) fn waited_for_bandwidth(wait: Duration) {
    histogram!("katori_bandwidth_wait_seconds").record(wait);
}

/// What is looked up only when somebody asks for the figures.
pub(crate) fn stock(stock: Stock, memory: MemoryStatus) {
    gauge!("katori_documents").set(float(stock.documents));
    gauge!("katori_changes").set(float(stock.changes));
    gauge!("katori_changes_held").set(float(stock.held));
    gauge!("katori_store_bytes").set(float(stock.store_bytes));
    gauge!("katori_tasks_running").set(float(memory.working as u64));
    gauge!("katori_tasks_waiting").set(float(memory.waiting as u64));
    in_memory(memory.documents, memory.bytes);
}

#[expect(clippy::cast_precision_loss, reason = "figures for people: nobody counts to 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The names of figures in a text, however they are quoted.
    fn names(text: &str, quote: char) -> BTreeSet<&str> {
        text.split(quote).filter(|part| part.starts_with("katori_") && !part.contains(' ')).collect()
    }

    #[test]
    fn every_figure_is_described_and_documented() {
        let source = include_str!("meter.rs");
        let (described, rest) = source.split_once("pub(crate) fn in_memory").unwrap();
        let (described, used) = (names(described, '"'), names(rest.split("mod tests").next().unwrap(), '"'));
        assert_eq!(described, used);
        let documented: BTreeSet<&str> = include_str!("../../docs/metrics.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        assert_eq!(described, documented);
    }
}
