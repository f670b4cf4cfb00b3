//! Everything but content: who this device is, signed records, how documents stand, vouches, invitations.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{DeviceKey, PersonId, RecordId, Registry, ResourceId, UnverifiedRecord, VerifiedRecord};

use super::finding::{Fault, Finding, Remedy, Report};
use super::for_each_row;
use crate::document::{LoadError, Summary};
use crate::engine::{STANDING_SUFFIX, check_row};
use crate::identity::Identity;
use crate::store::{Storage, StoreError, Table, VOUCH_MARK};
use crate::vouch::UnverifiedVouch;

/// What is known apart from content.
pub(super) struct Known {
    pub(super) identity: Identity,
    pub(super) registry: Registry,
    /// Documents with a row that says how they stand here, and what the row of state says, if it can be read.
    pub(super) documents: BTreeMap<ResourceId, Option<Summary>>,
    /// Documents with a row of state or a vouch, and none that says how they stand.
    pub(super) standless: BTreeSet<ResourceId>,
    /// Documents with a vouch that cannot be used, so that nothing can be said of what their row of state should be.
    pub(super) misvouched: BTreeSet<ResourceId>,
}

pub(super) fn check(
    storage: &dyn Storage,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> Result<Known, StoreError> {
    let identity = Identity::read(storage).unwrap_or_else(|error| {
        report.add(not_identified(&error.to_string()));
        // Nothing is signed with it: it stands for nobody's device.
        Identity { key: DeviceKey::from_secret([0; 32]), person: PersonId::from_bytes([0; 32]) }
    });
    let registry = records(storage, report, progress)?;
    let device = identity.device();
    if registry.roster(identity.person).is_some()
        && !registry.persons_ever_of(device).contains(&identity.person)
    {
        let detail =
            format!("its key is that of {}, which was never a device of this person", device.short());
        report.add(not_identified(&detail));
    }
    let mut states = BTreeMap::new();
    let (mut documents, mut vouched, mut misvouched) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for_each_row(storage, Table::Documents, &[], report, progress, |report, key, value| {
        let Some((id, suffix)) = key.split_first_chunk::<32>() else {
            report.add(Finding::of_row(Fault::Key, Table::Documents, key, "it names no document"));
            return;
        };
        let id = ResourceId::from_bytes(*id);
        match suffix {
            STANDING_SUFFIX => match check_row(Table::Documents, key, value) {
                Ok(()) => _ = documents.insert(id, None),
                Err(error) => {
                    let finding = Finding::of_row(Fault::Row, Table::Documents, key, error);
                    report.add(finding.in_document(id));
                }
            },
            b"state" => match Summary::read(storage, &id) {
                Ok(summary) => _ = states.insert(id, summary),
                Err(LoadError::Store(error)) => {
                    let finding = Finding::of_database(error.to_string(), Remedy::CopyOver);
                    report.add(finding.in_document(id));
                }
                Err(error) => {
                    let finding = Finding::of_row(Fault::Row, Table::Documents, key, error);
                    report.add(finding.in_document(id));
                }
            },
            vouch if vouch.starts_with(VOUCH_MARK) => {
                report.counted.vouches += 1;
                vouched.insert(id);
                if let Some((fault, detail)) = wrong_vouch(id, vouch, value) {
                    misvouched.insert(id);
                    let finding = Finding::of_row(fault, Table::Documents, key, detail);
                    report.add(finding.in_document(id));
                }
            }
            _ => report.counted.unknown += 1,
        }
    })?;
    for (id, state) in &mut documents {
        *state = states.remove(id).flatten();
    }
    vouched.retain(|id| !documents.contains_key(id));
    vouched.extend(states.into_keys());
    let standless = vouched;
    report.counted.documents = documents.len() as u64;
    for table in [Table::Settings, Table::Invites] {
        for_each_row(storage, table, &[], report, progress, |report, key, value| {
            if let Err(error) = check_row(table, key, value) {
                report.add(Finding::of_row(Fault::Row, table, key, error));
            }
        })?;
    }
    for table in [Table::Contacts, Table::Addresses, Table::Held] {
        for_each_row(storage, table, &[], report, progress, |_, _, _| {})?;
    }
    Ok(Known { identity, registry, documents, standless, misvouched })
}

/// What is wrong with a vouch that lies under this suffix of the document's id.
fn wrong_vouch(document: ResourceId, suffix: &[u8], value: &[u8]) -> Option<(Fault, String)> {
    match UnverifiedVouch::decode(value).and_then(UnverifiedVouch::verify) {
        Ok(vouch) if vouch.document != document => {
            Some((Fault::Key, format!("it is a vouch over document {}", vouch.document.short())))
        }
        Ok(vouch) if suffix.get(VOUCH_MARK.len()..) != Some(vouch.id().as_bytes()) => {
            Some((Fault::Key, format!("it is the vouch {}", vouch.id().short())))
        }
        Ok(_) => None,
        Err(error) => Some((Fault::Row, error.to_string())),
    }
}

/// Verifies every signed record, and has a fresh registry count them.
fn records(
    storage: &dyn Storage,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> Result<Registry, StoreError> {
    let mut records: Vec<VerifiedRecord> = Vec::new();
    for_each_row(storage, Table::Records, &[], report, progress, |report, key, value| {
        report.counted.records += 1;
        let verified = UnverifiedRecord::decode(value).and_then(UnverifiedRecord::verify);
        match verified {
            Ok(record) if record.id().as_bytes() == key => records.push(record),
            Ok(record) => {
                let detail = format!("it is the record {}", record.id().short());
                report.add(Finding::of_row(Fault::Key, Table::Records, key, detail));
            }
            Err(error) => report.add(Finding::of_row(Fault::Row, Table::Records, key, error)),
        }
    })?;
    let (registry, left) = Registry::load(records);
    for id in left {
        report.add(uncounted(&id));
    }
    Ok(registry)
}

/// The finding that a store does not say whose it is.
fn not_identified(why: &str) -> Finding {
    let detail = format!(
        "{why}. All other rows are kept as they are: put a backup of this store in its place, or come back on a new one \
         with the recovery words, and others send what they have of it"
    );
    Finding::of_row(Fault::Identity, Table::Settings, &[], detail).with(Remedy::Nothing)
}

fn uncounted(id: &RecordId) -> Finding {
    let why = "what it rests on is not here, or is damaged; it counts again when that comes back from a peer";
    Finding::of_row(Fault::Uncounted, Table::Records, id.as_bytes(), why).with(Remedy::Nothing)
}
