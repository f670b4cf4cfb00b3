//! The content of documents: packs, vouches, snapshots, receipts, and whether the rows of state tell the truth.
//!
//! One document is in memory at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use automerge::{Automerge, ChangeHash};
use katori_acl::{Access, ResourceId};

use super::finding::{Fault, Finding, Remedy, Report};
use super::for_each_row;
use super::rows::Known;
use crate::document::{Document, DocumentLimits, Stored, Summary};
use crate::engine::check_row;
use crate::gate::{RawChange, guarded};
use crate::identity::Identity;
use crate::pack::unpack;
use crate::store::{Storage, StoreError, Table};
use crate::vouch::UnverifiedVouch;

/// The tables whose keys begin with the document that the row is of.
const CONTENT: [Table; 4] = [Table::Packs, Table::Vouches, Table::Snapshots, Table::Receipts];
/// Longer than what follows the document in any key of those, and higher.
const PAST_ITS_ROWS: [u8; 80] = [u8::MAX; 80];
/// The length of a pack's key: the document and a number.
const PACK_KEY_BYTES: usize = 32 + 8;

pub(super) fn check(
    storage: &dyn Storage,
    limits: &DocumentLimits,
    known: &Known,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    let me = Arc::new(known.identity.clone());
    let mut strangers = known.standless.clone();
    for table in CONTENT {
        let ids = documents_in(storage, table, report)?;
        strangers.extend(ids.into_iter().filter(|id| !known.documents.contains_key(id)));
    }
    for (id, stated) in &known.documents {
        let access = known.registry.access(*id);
        let document = Content { storage, limits, id: *id };
        document.check(&me, access, stated.as_ref(), report, progress)?;
    }
    for id in strangers {
        let access = known.registry.access(id).filter(|access| !access.deleted);
        Content { storage, limits, id }.stranger(access.is_some(), report)?;
    }
    Ok(())
}

/// The documents that have rows in a table, found without reading all of them.
fn documents_in(
    storage: &dyn Storage,
    table: Table,
    report: &mut Report,
) -> Result<BTreeSet<ResourceId>, StoreError> {
    let mut found = BTreeSet::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = match storage.page(table, &[], after.as_deref(), 1) {
            Ok(page) => page,
            // Whoever reads the rows says so.
            Err(StoreError::Damaged { .. }) => return Ok(found),
            Err(error) => return Err(error),
        };
        let Some((key, _)) = page.into_iter().next() else { return Ok(found) };
        after = Some(if let Some(id) = key.first_chunk::<32>() {
            found.insert(ResourceId::from_bytes(*id));
            [id.as_slice(), &PAST_ITS_ROWS].concat()
        } else {
            report.add(Finding::of_row(Fault::Key, table, &key, "it names no document"));
            key
        });
    }
}

/// What a document's rows of content hold.
#[derive(Debug, Default)]
struct Found {
    changes: BTreeSet<ChangeHash>,
    packs: u64,
    /// Something of the history cannot be used, so nothing can be said of the whole.
    is_broken: bool,
}

/// The content of one document.
pub(super) struct Content<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) limits: &'a DocumentLimits,
    pub(super) id: ResourceId,
}

impl Content<'_> {
    fn check(
        &self,
        me: &Arc<Identity>,
        access: Option<Arc<Access>>,
        stated: Option<&Summary>,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let mut found = Found::default();
        self.packs(&mut found, report, progress)?;
        self.vouches(&mut found, report, progress)?;
        self.snapshots(&found, report, progress)?;
        self.receipts(report, progress)?;
        report.counted.changes += found.changes.len() as u64;
        if found.packs == 0 && stated.is_none() {
            return Ok(());
        }
        let Some(access) = access else {
            if found.packs > 0 {
                report.add(
                    Finding::of_document(Fault::Unfounded, self.id, "it comes back from a peer")
                        .with(Remedy::Nothing),
                );
            }
            return Ok(());
        };
        if !found.is_broken {
            self.state(me, access, stated, report)?;
        }
        Ok(())
    }

    fn packs(
        &self,
        found: &mut Found,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        for_each_row(
            self.storage,
            Table::Packs,
            self.id.as_bytes(),
            report,
            progress,
            |report, key, value| {
                found.packs += 1;
                let fault = match self.unpack(key, value) {
                    Ok(changes) => {
                        let count = changes.len();
                        let linked = linked(changes, &mut found.changes).len();
                        if linked == count {
                            return;
                        }
                        let detail = format!("{} of {count} changes in it", count - linked);
                        Finding::of_row(Fault::Gap, Table::Packs, key, detail).with(Remedy::KeepWhatLinks)
                    }
                    Err((fault, detail)) => Finding::of_row(fault, Table::Packs, key, detail),
                };
                found.is_broken = true;
                report.add(fault.in_document(self.id));
            },
        )
    }

    /// The changes of a pack.
    pub(super) fn unpack(&self, key: &[u8], value: &[u8]) -> Result<Vec<RawChange>, (Fault, String)> {
        if key.len() != PACK_KEY_BYTES {
            return Err((Fault::Key, "it is no number of a pack".to_owned()));
        }
        match guarded("unpacking", || unpack(value, &self.limits.gate)) {
            Ok(Ok(changes)) => Ok(changes),
            Ok(Err(error)) => Err((Fault::Row, error.to_string())),
            Err(panic) => Err((Fault::Row, panic.to_string())),
        }
    }

    fn vouches(
        &self,
        found: &mut Found,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let prefix = self.id.as_bytes();
        for_each_row(self.storage, Table::Vouches, prefix, report, progress, |report, key, value| {
            report.counted.vouches += 1;
            let verified = UnverifiedVouch::decode(value).and_then(UnverifiedVouch::verify);
            let finding = match verified {
                Ok(vouch) if vouch.document != self.id => {
                    let detail = format!("it is a vouch over document {}", vouch.document.short());
                    Finding::of_row(Fault::Key, Table::Vouches, key, detail)
                }
                Ok(vouch) if key.get(32..) != Some(vouch.id().as_bytes()) => {
                    let detail = format!("it is the vouch {}", vouch.id().short());
                    Finding::of_row(Fault::Key, Table::Vouches, key, detail)
                }
                Ok(_) => return,
                Err(error) => Finding::of_row(Fault::Row, Table::Vouches, key, error),
            };
            found.is_broken = true;
            report.add(finding.in_document(self.id));
        })
    }

    fn snapshots(
        &self,
        found: &Found,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let prefix = self.id.as_bytes();
        for_each_row(self.storage, Table::Snapshots, prefix, report, progress, |report, key, value| {
            let detail = match guarded("loading a snapshot", || Automerge::load(value)) {
                Ok(Ok(snapshot)) => {
                    let strange = snapshot.get_heads().iter().any(|head| !found.changes.contains(head));
                    if !strange && key.len() == 32 {
                        return;
                    }
                    "it shows what the history does not have".to_owned()
                }
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic.to_string(),
            };
            report.add(Finding::of_row(Fault::Snapshot, Table::Snapshots, key, detail).in_document(self.id));
        })
    }

    fn receipts(&self, report: &mut Report, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        let prefix = self.id.as_bytes();
        for_each_row(self.storage, Table::Receipts, prefix, report, progress, |report, key, value| {
            if let Err(error) = check_row(Table::Receipts, key, value) {
                report.add(Finding::of_row(Fault::Row, Table::Receipts, key, error).in_document(self.id));
            }
        })
    }

    /// Compares the row of state with the history.
    fn state(
        &self,
        me: &Arc<Identity>,
        access: Arc<Access>,
        stated: Option<&Summary>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let Some(stated) = stated else {
            report.add(Finding::of_document(Fault::State, self.id, "it is missing"));
            return Ok(());
        };
        match self.load(me, access, [0; 32])? {
            Ok(document) => {
                if let Some((fault, detail)) = difference(stated, &document.summary()) {
                    report.add(Finding::of_document(fault, self.id, detail));
                }
            }
            Err(error) => {
                report.add(Finding::of_document(Fault::History, self.id, error).with(Remedy::Nothing));
            }
        }
        Ok(())
    }

    /// Opens the document as the hub would. The inner error says why that cannot be done.
    pub(super) fn load(
        &self,
        me: &Arc<Identity>,
        access: Arc<Access>,
        seed: [u8; 32],
    ) -> Result<Result<Document, String>, StoreError> {
        let stored = Stored::read(self.storage, &self.id)?;
        let (me, limits) = (Arc::clone(me), self.limits.clone());
        let loaded = guarded("opening", || Document::load(self.id, me, access, limits, seed, &stored));
        Ok(match loaded {
            Ok(loaded) => loaded.map_err(|error| error.to_string()),
            Err(panic) => Err(panic.to_string()),
        })
    }

    /// Content of a document that no row says anything about. If a record founds it, only that row is lost.
    fn stranger(&self, is_founded: bool, report: &mut Report) -> Result<(), StoreError> {
        let prefix = self.id.as_bytes();
        if is_founded && !self.storage.page(Table::Packs, prefix, None, 1)?.is_empty() {
            report.add(Finding::of_document(Fault::Standing, self.id, ""));
            return Ok(());
        }
        for table in CONTENT.into_iter().chain([Table::Documents]) {
            if !self.storage.page(table, prefix, None, 1)?.is_empty() {
                let finding = Finding::of_row(Fault::Orphan, table, prefix, "all rows whose keys begin so");
                report.add(finding.in_document(self.id));
            }
        }
        Ok(())
    }
}

/// Those changes that build on none but what is present, in their order; they are present from then on.
pub(super) fn linked(changes: Vec<RawChange>, present: &mut BTreeSet<ChangeHash>) -> Vec<RawChange> {
    let links = |change: &RawChange, present: &BTreeSet<ChangeHash>| {
        change.header().deps.iter().all(|dependency| present.contains(dependency))
    };
    let mut linked = Vec::new();
    for change in changes {
        if links(&change, present) {
            present.insert(change.header().hash);
            linked.push(change);
        }
    }
    linked
}

/// How what is stated differs from what is so. What is only noted to save work (bytes, packs, what is owed) is not
/// compared: it depends on the form in which the history lies.
fn difference(stated: &Summary, so: &Summary) -> Option<(Fault, String)> {
    if stated.changes != so.changes {
        let detail =
            format!("it says that there are {} changes, and there are {}", stated.changes, so.changes);
        return Some((Fault::State, detail));
    }
    if (&stated.stored_heads, &stated.version) != (&so.stored_heads, &so.version) || stated.forks != so.forks
    {
        return Some((Fault::State, "it names other changes".to_owned()));
    }
    if stated.vouches != so.vouches {
        return Some((Fault::State, "it names other vouches".to_owned()));
    }
    // What is admitted follows from who may write, which may have changed since.
    let is_behind = stated.heads != so.heads || stated.held != so.held;
    is_behind.then(|| (Fault::Behind, String::new()))
}
