//! Looking at a store as a stranger would: is everything in it what it should be, and what can be mended?
//!
//! [`check`] and [`check_file`] believe nothing that is written beside the history. Every signed record is decoded,
//! verified and counted by a fresh registry; every pack is unpacked and its changes linked; every vouch is verified;
//! and what the rows of state say is compared with what the history says. They change nothing.
//!
//! [`repair`] mends a store in its file. It makes a copy of the file first; rows that cannot be read it moves into a
//! store of their own, the one set aside; what follows from history it writes anew. It deletes nothing: what is no
//! longer in the store is in one of these files, and [`Repaired`] names them. A document of which something was lost
//! gets a new incarnation, so that this device never contradicts what it wrote before; what others have of it comes
//! back when it syncs.
//!
//! Deliberately not here: what the layers above keep in [`Table::Settings`] for themselves.

mod content;
mod finding;
mod mend;
mod repair;
mod rows;

use std::path::Path;

use crate::document::DocumentLimits;
use crate::store::{OpenError, Storage, Store, StoreError, Table};

pub use finding::{Counted, Fault, Finding, MAX_FINDINGS, Remedy, Report};
pub use mend::mend;
pub use repair::{RepairError, Repaired, repair};

/// Checks everything a store holds; `progress` is told how many rows were looked at.
///
/// # Errors
/// When the store cannot be read at all. A table that cannot be read to its end is a [`Finding`].
pub fn check(
    storage: &dyn Storage,
    limits: &DocumentLimits,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let known = rows::check(storage, &mut report, progress)?;
    content::check(storage, limits, &known, &mut report, progress)?;
    if report.findings.iter().any(|finding| finding.fault == Fault::Identity) {
        report.leave_rows();
    }
    Ok(report)
}

/// Checks a store in a file that nobody has open, and the file itself; it stays byte for byte as it is.
///
/// # Errors
/// When it is in use, is no store, or the disk fails. Damage is no error but a [`Finding`].
pub fn check_file(
    path: impl AsRef<Path>,
    limits: &DocumentLimits,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, OpenError> {
    let path = path.as_ref();
    let database = match integrity(path)? {
        Integrity::Whole => None,
        Integrity::Damaged(detail) => Some(Finding::of_database(detail, Remedy::CopyOver)),
        Integrity::Unusable(detail) => {
            let finding = Finding::of_database(detail, Remedy::Nothing);
            return Ok(Report { findings: vec![finding], ..Report::default() });
        }
    };
    let store = examine(path)?;
    let mut report = check(&store, limits, progress).unwrap_or_else(|error| {
        let mut report = Report::default();
        report.add(Finding::of_database(error.to_string(), Remedy::CopyOver));
        report
    });
    report.file_bytes = store.length().unwrap_or_default();
    if let Some(finding) = database {
        report.findings.insert(0, finding);
    }
    Ok(report)
}

/// How a file is beneath its rows.
enum Integrity {
    Whole,
    /// Checksums differ.
    Damaged(String),
    /// It cannot even be opened.
    Unusable(String),
}

fn integrity(path: &Path) -> Result<Integrity, OpenError> {
    match Store::examine(path) {
        Ok(mut store) => Ok(match store.check_integrity() {
            Ok(true) => Integrity::Whole,
            Ok(false) => Integrity::Damaged("what it notes of its free space is wrong".to_owned()),
            Err(StoreError::Damaged { detail }) => Integrity::Damaged(detail),
            Err(error) => Integrity::Damaged(error.to_string()),
        }),
        Err(OpenError::Damaged { detail, .. }) => Ok(match Store::examine_anew(path) {
            Ok(_) => Integrity::Damaged(detail),
            Err(_) => Integrity::Unusable(detail),
        }),
        Err(error) => Err(error),
    }
}

/// Opens a store to be looked at, a damaged one too if its trees can be found.
fn examine(path: &Path) -> Result<Store, OpenError> {
    match Store::examine(path) {
        Err(OpenError::Damaged { .. }) => Store::examine_anew(path),
        examined => examined,
    }
}

/// Bytes of rows read at once: enough to read small rows quickly, and little beside one large document.
const PAGE_BYTES: usize = 1024 * 1024;

/// Hands out the rows of a table whose keys begin with `prefix`, page by page. Ends where the table cannot be read
/// further, which is a finding.
fn for_each_row(
    storage: &dyn Storage,
    table: Table,
    prefix: &[u8],
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
    mut take: impl FnMut(&mut Report, &[u8], &[u8]),
) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = match storage.page(table, prefix, after.as_deref(), PAGE_BYTES) {
            Ok(page) => page,
            Err(StoreError::Damaged { detail }) => {
                let mut finding = Finding::of_database(detail, Remedy::CopyOver);
                finding.table = Some(table);
                report.add(finding);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, value) in &page {
            report.counted.rows += 1;
            report.counted.bytes += (key.len() + value.len()) as u64;
            take(report, key, value);
        }
        progress(report.counted.rows);
    }
}
