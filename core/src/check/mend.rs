//! Doing what a check says can be done.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::content::{Content, Unpacked, linked};
use super::finding::{Fault, Finding, Remedy, Report};
use super::rows::{self, Known};
use crate::document::{DocumentLimits, in_reading_order};
use crate::engine::accepted_row;
use crate::pack::pack;
use crate::store::{Entry, Storage, StoreError, Table, Write};
use katori_acl::ResourceId;

/// Bytes of rows set aside at once.
const MAX_ASIDE_AT_ONCE: usize = 8 * 1024 * 1024;

/// Mends what can be mended of these findings. Rows that leave the store are handed to `set_aside` first, which must
/// make them durable. `seed` must be fresh randomness: new incarnations are drawn from it.
///
/// What is mended may uncover more, so check again afterwards.
///
/// # Errors
/// When the store cannot be read or written; what was set aside by then is in both places.
pub fn mend(
    storage: &dyn Storage,
    limits: &DocumentLimits,
    seed: [u8; 32],
    findings: &[Finding],
    set_aside: &mut dyn FnMut(&[Write]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut mending = Mending { storage, limits, seed, set_aside };
    let remedy = |remedy: Remedy| findings.iter().filter(move |finding| finding.remedy == remedy);
    for finding in remedy(Remedy::SetAside) {
        mending.move_row(finding)?;
    }
    let broken: BTreeSet<ResourceId> =
        remedy(Remedy::KeepWhatLinks).filter_map(|finding| finding.document).collect();
    for document in broken {
        mending.keep_what_links(document)?;
    }
    let known = rows::check(storage, &mut Report::default(), &mut |_| {})?;
    for finding in remedy(Remedy::Rebuild) {
        mending.rebuild(finding, &known)?;
    }
    Ok(())
}

struct Mending<'a> {
    storage: &'a dyn Storage,
    limits: &'a DocumentLimits,
    seed: [u8; 32],
    set_aside: &'a mut dyn FnMut(&[Write]) -> Result<(), StoreError>,
}

impl Mending<'_> {
    /// Sets rows aside, and then makes these writes.
    fn replace(&mut self, table: Table, rows: Vec<Entry>, mut writes: Vec<Write>) -> Result<(), StoreError> {
        let mut aside = Vec::new();
        for (key, value) in rows {
            writes.insert(0, Write::Delete { table, key: key.clone() });
            aside.push(Write::Put { table, key, value });
        }
        if !aside.is_empty() {
            (self.set_aside)(&aside)?;
        }
        self.storage.commit(&writes)
    }

    fn move_row(&mut self, finding: &Finding) -> Result<(), StoreError> {
        let Some(table) = finding.table else { return Ok(()) };
        if finding.fault != Fault::Orphan {
            let row = self.storage.get(table, &finding.key)?;
            let rows = row.map(|value| (finding.key.clone(), value)).into_iter().collect();
            return self.replace(table, rows, Vec::new());
        }
        loop {
            let rows = self.storage.page(table, &finding.key, None, MAX_ASIDE_AT_ONCE)?;
            if rows.is_empty() {
                return Ok(());
            }
            self.replace(table, rows, Vec::new())?;
        }
    }

    /// Of each pack of a document keeps those changes that build on none but what is there.
    fn keep_what_links(&mut self, id: ResourceId) -> Result<(), StoreError> {
        let content = Content { storage: self.storage, limits: self.limits, id };
        let mut present = BTreeSet::new();
        let rows = self.storage.scan(Table::Packs, id.as_bytes())?;
        for (key, value) in in_reading_order(&rows) {
            let changes = match content.unpack(key, value) {
                Ok(Unpacked::Changes(changes)) => changes,
                Ok(Unpacked::TooLarge { changes, .. }) => {
                    present.extend(changes);
                    continue;
                }
                Err(_) => continue,
            };
            let count = changes.len();
            let kept = linked(changes, &mut present);
            if kept.len() == count {
                continue;
            }
            let put = Write::Put { table: Table::Packs, key: key.clone(), value: pack(&kept) };
            let writes = if kept.is_empty() { Vec::new() } else { vec![put] };
            self.replace(Table::Packs, vec![(key.clone(), value.clone())], writes)?;
        }
        Ok(())
    }

    fn rebuild(&mut self, finding: &Finding, known: &Known) -> Result<(), StoreError> {
        let Some(id) = finding.document else { return Ok(()) };
        if finding.fault == Fault::Standing {
            return self.storage.commit(&[accepted_row(id)]);
        }
        let Some(access) = known.registry.access(id) else { return Ok(()) };
        let seed = *blake3::keyed_hash(&self.seed, id.as_bytes()).as_bytes();
        let content = Content { storage: self.storage, limits: self.limits, id };
        let me = Arc::new(known.identity.clone());
        let Ok(mut document) = content.load(&me, access, seed)? else { return Ok(()) };
        let mut writes = Vec::new();
        if finding.fault == Fault::State {
            // Changes of this device's own may be among what is lost.
            document.assume_behind();
            let stated = known.documents.get(&id).and_then(Option::as_ref);
            let (heads, had_all) = (document.stored_heads(), stated.is_some_and(|stated| stated.held == 0));
            if had_all && document.may_write() && !heads.is_empty() {
                // All that is left had been accepted here, but the vouches over it may speak of what is lost: this
                // device stands behind it again.
                document.sign_vouch(&heads, &mut writes);
            }
        }
        writes.extend(document.flush().writes);
        self.storage.commit(&writes)
    }
}
