//! `katori check`: a store that is not in use, looked at and mended.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums grow; what is not named here is told in its own words"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use katori::{Error, Fault, Finding, OpenError, Remedy, Repaired, STORE_FILE, Unreadable};
use tokio::sync::mpsc;

use crate::arguments::CheckOptions;
use crate::client::Client;
use crate::directory::StoreDirectory;
use crate::failure::{Failure, FailureCode};
use crate::report::{CheckReport, FindingReport, UnreadableReport};
use crate::response::{Event, Response};
use crate::terminal::Output;

/// Progress that waits to be shown. What does not fit is left out.
const PROGRESS_QUEUE: usize = 16;

/// Checks a store, prints what was found, and says by the exit code whether it is sound.
pub(crate) async fn check(
    directory: &StoreDirectory,
    options: CheckOptions,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let path = directory.path().join(STORE_FILE);
    if Client::connect(directory).await?.is_some() {
        return Err(in_use(&path));
    }
    let (sender, mut progress) = mpsc::channel(PROGRESS_QUEUE);
    let tell = move |rows| _ = sender.try_send(rows);
    let checking = async {
        if options.repair {
            return katori::repair(directory.path(), tell).await;
        }
        let report = katori::check(directory.path(), tell).await?;
        Ok(Repaired { before: report.clone(), after: report, ..Repaired::default() })
    };
    tokio::pin!(checking);
    let repaired = loop {
        tokio::select! {
            biased;
            Some(rows) = progress.recv() => {
                output.event(&Event::Progress { what: format!("checked {rows} rows"), done: rows, total: 0 });
            }
            repaired = &mut checking => break repaired.map_err(|error| failure(&path, error))?,
        }
    };
    let report = report(&path, options.repair, &repaired);
    let is_clean = report.clean;
    output.response(&Response::Checked(Box::new(report)));
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(FailureCode::Damaged.exit_code()) })
}

fn in_use(path: &Path) -> Failure {
    Failure::store(format!(
        "{} is in use: a check wants it for itself. Stop the hub that runs on it (`katori serve`) first; nothing was \
         looked at",
        path.display()
    ))
}

fn failure(path: &Path, error: Error) -> Failure {
    match error {
        Error::Store(OpenError::Locked { .. }) => in_use(path),
        Error::Store(OpenError::Missing { .. }) => {
            Failure::store(format!("there is no store at {}; make one with `katori init`", path.display()))
        }
        error => error.into(),
    }
}

fn report(path: &Path, repair: bool, repaired: &Repaired) -> CheckReport {
    let Repaired { before, after, copy, set_aside, unreadable, .. } = repaired;
    let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let findings = |report: &katori::CheckReport| report.findings.iter().map(finding).collect();
    CheckReport {
        file: path.display().to_string(),
        clean: after.is_clean(),
        findings: findings(before),
        more: before.more,
        repaired: repair,
        left: if repair { findings(after) } else { Vec::new() },
        copy: shown(copy),
        set_aside: shown(set_aside),
        unreadable: unreadable.iter().map(lost).collect(),
        documents: after.counted.documents,
        changes: after.counted.changes,
        records: after.counted.records,
        vouches: after.counted.vouches,
        rows: after.counted.rows,
        file_bytes: after.file_bytes,
    }
}

fn finding(finding: &Finding) -> FindingReport {
    FindingReport {
        fault: fault(finding.fault).to_owned(),
        table: finding.table.map(|table| table.name().to_owned()),
        key: (!finding.key.is_empty()).then(|| hex(&finding.key)),
        document: finding.document.map(|document| document.to_string()),
        message: finding.to_string(),
        remedy: remedy(finding.remedy).to_owned(),
        damage: finding.is_damage(),
    }
}

fn lost(lost: &Unreadable) -> UnreadableReport {
    UnreadableReport {
        table: lost.table.name().to_owned(),
        after: lost.after.as_deref().map(hex),
        before: lost.before.as_deref().map(hex),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Database => "database",
        Fault::Identity => "identity",
        Fault::Key => "key",
        Fault::Row => "row",
        Fault::Uncounted => "uncounted",
        Fault::Orphan => "orphan",
        Fault::Standing => "standing",
        Fault::Unfounded => "unfounded",
        Fault::Gap => "gap",
        Fault::State => "state",
        Fault::Behind => "behind",
        Fault::Snapshot => "snapshot",
        Fault::History => "history",
        Fault::TooLarge => "too_large",
        _ => "unknown",
    }
}

fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::SetAside => "set_aside",
        Remedy::KeepWhatLinks => "keep_what_links",
        Remedy::Rebuild => "rebuild",
        Remedy::CopyOver => "copy_over",
        Remedy::Nothing | _ => "nothing",
    }
}
