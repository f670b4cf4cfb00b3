//! The content of documents: packs, snapshots, receipts, and whether the rows of state tell the truth.
//!
//! One document is in memory at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use automerge::{Automerge, ChangeHash};
use katori_acl::codec::DecodeError;
use katori_acl::{Access, ResourceId};

use super::finding::{Fault, Finding, Remedy, Report};
use super::for_each_row;
use super::rows::Known;
use crate::document::{Document, DocumentLimits, Stored, Summary, in_reading_order};
use crate::engine::check_row;
use crate::gate::{GateError, Limits, RawChange, Said, guarded, is_whole, open_stored};
use crate::identity::Identity;
use crate::pack::{PackError, unpack};
use crate::store::{MAX_SCAN_BYTES, Storage, StoreError, Table};

/// The tables whose keys begin with the document that the row is of.
const CONTENT: [Table; 3] = [Table::Packs, Table::Snapshots, Table::Receipts];
/// Longer than what follows the document in any key of those, and higher.
const PAST_ITS_ROWS: [u8; 80] = [u8::MAX; 80];
/// The length of a pack's key: the document and a number.
const PACK_KEY_BYTES: usize = 32 + 8;
/// How far beyond the limits a pack is still read, to be told from a damaged one.
const WIDER: usize = 8;

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
        document.check(&me, access, stated.as_ref(), known, report, progress)?;
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

/// What a pack holds.
pub(super) enum Unpacked {
    Changes(Vec<RawChange>),
    /// It is beyond the limits, and nothing else is wrong with it.
    TooLarge {
        changes: Vec<ChangeHash>,
        /// Which limit.
        detail: String,
    },
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
        known: &Known,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let is_broken = known.misvouched.contains(&self.id);
        let mut found = Found { is_broken, ..Found::default() };
        self.packs(&mut found, report, progress)?;
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
        let (mut rows, mut bytes) = (Vec::new(), 0_usize);
        let prefix = self.id.as_bytes();
        for_each_row(self.storage, Table::Packs, prefix, report, progress, |_, key, value| {
            found.packs += 1;
            bytes = bytes.saturating_add(key.len() + value.len());
            if bytes <= MAX_SCAN_BYTES {
                rows.push((key.to_vec(), value.to_vec()));
            }
        })?;
        if bytes > MAX_SCAN_BYTES {
            found.is_broken = true;
            let detail = format!("its history has {bytes} bytes, and {MAX_SCAN_BYTES} are read at most");
            let finding = Finding::of_document(Fault::TooLarge, self.id, detail);
            report.add(finding.with(Remedy::Nothing));
            return Ok(());
        }
        for (key, value) in in_reading_order(&rows) {
            let finding = match self.unpack(key, value) {
                Ok(Unpacked::Changes(changes)) => {
                    let count = changes.len();
                    let linked = linked(changes, &mut found.changes).len();
                    if linked == count {
                        continue;
                    }
                    found.is_broken = true;
                    let detail = format!("{} of {count} changes in it", count - linked);
                    Finding::of_row(Fault::Gap, Table::Packs, key, detail).with(Remedy::KeepWhatLinks)
                }
                Ok(Unpacked::TooLarge { changes, detail }) => {
                    found.changes.extend(changes);
                    // A whole document of its own is opened however large it is.
                    found.is_broken |= !is_whole(value);
                    Finding::of_row(Fault::TooLarge, Table::Packs, key, detail).with(Remedy::Nothing)
                }
                Err((fault, detail)) => {
                    found.is_broken = true;
                    Finding::of_row(fault, Table::Packs, key, detail)
                }
            };
            report.add(finding.in_document(self.id));
        }
        Ok(())
    }

    /// What a pack holds.
    pub(super) fn unpack(&self, key: &[u8], value: &[u8]) -> Result<Unpacked, (Fault, String)> {
        if key.len() != PACK_KEY_BYTES {
            return Err((Fault::Key, "it is no number of a pack".to_owned()));
        }
        match guarded("unpacking", || unpack(value, &self.limits.gate)) {
            Ok(Ok(changes)) => Ok(Unpacked::Changes(changes)),
            Ok(Err(error)) => {
                let detail = error.to_string();
                match self.unpack_beyond(value, &error) {
                    Some(changes) => Ok(Unpacked::TooLarge { changes, detail }),
                    None => Err((Fault::Row, detail)),
                }
            }
            Err(panic) => Err((Fault::Row, panic.to_string())),
        }
    }

    /// The changes of a pack that is refused for its size alone.
    fn unpack_beyond(&self, value: &[u8], error: &PackError) -> Option<Vec<ChangeHash>> {
        match error {
            PackError::Whole(GateError::TooLarge { .. }) => {
                let hashes = |changes: &[Said<'_>]| changes.iter().map(|change| change.hash).collect();
                open_stored(value, hashes).ok().map(|(_, changes)| changes)
            }
            PackError::Change { error: GateError::TooLarge { .. }, .. }
            | PackError::Malformed(DecodeError::TooLarge { .. }) => {
                let limits = wider(&self.limits.gate);
                let changes = guarded("unpacking", || unpack(value, &limits)).ok()?.ok()?;
                Some(changes.iter().map(RawChange::hash).collect())
            }
            PackError::Whole(_)
            | PackError::Change { .. }
            | PackError::Malformed(_)
            | PackError::Version { .. }
            | PackError::Inflate
            | PackError::Digest => None,
        }
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

/// Limits that tell what is large from what is damaged, and still bound what is read.
fn wider(limits: &Limits) -> Limits {
    Limits {
        change_bytes: limits.change_bytes.saturating_mul(WIDER),
        change_operations: limits.change_operations.saturating_mul(WIDER as u64),
        change_name_bytes: limits.change_name_bytes.saturating_mul(WIDER as u64),
        change_dependencies: limits.change_dependencies.saturating_mul(WIDER),
        change_actors: limits.change_actors.saturating_mul(WIDER),
        actor_bytes: limits.actor_bytes.saturating_mul(WIDER),
        message_bytes: limits.message_bytes.saturating_mul(WIDER),
        pack_changes: limits.pack_changes.saturating_mul(WIDER),
        pack_bytes: limits.pack_bytes.saturating_mul(WIDER),
        ..limits.clone()
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
