//! Whatever happens to a row, a check finds it, and mending leaves a store that opens, with everything else as it was
//! and what was taken out set aside.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "check/filled.rs"]
mod filled;

use automerge::{ROOT, ReadDoc};
use filled::{DOCUMENTS, PACKS, copy, edit, open, rows, store};
use katori_acl::{DeviceKey, ResourceId};
use katori_core::check::{Fault, Finding, Remedy, Report, check, mend};
use katori_core::document::{Batch, DocumentLimits, vouches_of};
use katori_core::engine::StoredEngine;
use katori_core::gate::{Limits, RawChange};
use katori_core::pack::unpack;
use katori_core::store::{MemoryStore, Storage, Table, Write};

fn look(store: &dyn Storage) -> Report {
    check(store, &DocumentLimits::default(), &mut |_| {}).unwrap()
}

/// Mends until nothing is left to be mended; what was set aside.
fn mended(store: &MemoryStore) -> MemoryStore {
    let aside = MemoryStore::new();
    for seed in 0..6 {
        let report = look(store);
        if !report.is_repairable() {
            StoredEngine::read(store).unwrap();
            return aside;
        }
        let limits = DocumentLimits::default();
        mend(store, &limits, [seed; 32], &report.findings, &mut |rows| aside.commit(rows)).unwrap();
    }
    panic!("there is no end of mending: {:?}", look(store).findings);
}

/// A fault was found in this table, or in the document.
#[track_caller]
fn found(report: &Report, fault: Fault) {
    assert!(report.findings.iter().any(|finding| finding.fault == fault), "{fault:?}: {:?}", report.findings);
    assert!(!report.is_clean());
}

fn first_key(store: &dyn Storage, table: Table, prefix: &[u8], number: usize) -> Vec<u8> {
    store.scan_keys(table, prefix).unwrap()[number].clone()
}

fn flip(store: &dyn Storage, table: Table, key: &[u8], at: usize) {
    let mut value = store.get(table, key).unwrap().unwrap();
    value[at] ^= 0x10;
    store.commit(&[Write::Put { table, key: key.to_vec(), value }]).unwrap();
}

fn delete(store: &dyn Storage, table: Table, key: &[u8]) -> Vec<u8> {
    let value = store.get(table, key).unwrap().unwrap();
    store.commit(&[Write::Delete { table, key: key.to_vec() }]).unwrap();
    value
}

fn keys(store: &dyn Storage, id: ResourceId) -> usize {
    open(store, id).unwrap().automerge().keys(ROOT).count()
}

fn suffixed(id: ResourceId, suffix: &[u8]) -> Vec<u8> {
    [id.as_bytes(), suffix].concat()
}

#[test]
fn a_store_as_it_should_be_is_clean() {
    let (store, documents) = store();
    let report = look(&store);
    assert_eq!((report.findings.as_slice(), report.more), (&[][..], 0));
    assert!(report.counted.documents >= documents.len() as u64);
    assert_eq!(report.counted.changes, documents.len() as u64 * PACKS);
    assert_eq!(report.counted.vouches, documents.len() as u64);
    assert_eq!(report.counted.unknown, 0);
    assert_eq!(report.counted.rows, rows(&store).len() as u64);
}

/// The last byte of what is compressed has bits that mean nothing.
fn means_the_same(pack: &[u8], other: &[u8]) -> bool {
    let [one, other] = [pack, other].map(|pack| unpack(pack, &Limits::default()));
    let hashes = |changes: &[RawChange]| changes.iter().map(RawChange::hash).collect::<Vec<_>>();
    matches!((one, other), (Ok(one), Ok(other)) if hashes(&one) == hashes(&other))
}

#[test]
fn a_changed_byte_of_what_is_signed_or_hashed_is_found() {
    let (original, _) = store();
    for ((table, key), value) in rows(&original) {
        let is_vouch = table == Table::Documents && key.get(32..37) == Some(b"vouch");
        if !matches!(table, Table::Records | Table::Packs) && !is_vouch {
            continue;
        }
        // Every byte would take a minute.
        for at in (0..value.len()).step_by(5).chain([value.len() - 1]) {
            let store = copy(&original);
            flip(&store, table, &key, at);
            let changed = store.get(table, &key).unwrap().unwrap();
            if table == Table::Packs && means_the_same(&changed, &value) {
                continue;
            }
            let report = look(&store);
            let names_it = |finding: &Finding| {
                finding.table == Some(table) && finding.key == key && finding.remedy == Remedy::SetAside
            };
            assert!(report.findings.iter().any(names_it), "{table:?} {at}: {:?}", report.findings);
        }
    }
}

#[test]
fn a_damaged_pack_is_set_aside_and_the_rest_of_the_history_kept() {
    let (store, documents) = store();
    let (before, id) = (rows(&store), documents[1]);
    let key = first_key(&store, Table::Packs, id.as_bytes(), 2);
    flip(&store, Table::Packs, &key, 60);
    let damaged = store.get(Table::Packs, &key).unwrap();
    found(&look(&store), Fault::Row);
    found(&look(&store), Fault::Gap);
    let aside = mended(&store);
    assert!(look(&store).is_clean(), "{:?}", look(&store).findings);
    assert_eq!(aside.get(Table::Packs, &key).unwrap(), damaged);
    assert_eq!(keys(&store, id), 2, "what comes before it is kept");
    for ((table, key), value) in &before {
        if !key.starts_with(id.as_bytes()) {
            assert_eq!(store.get(*table, key).unwrap().as_ref(), Some(value), "the others are as they were");
        }
    }
    // What others have of it comes back, and this device contradicts none of it: nobody forks.
    let values = |table, prefix: &[u8]| {
        let rows = filled::store().0.scan(table, prefix).unwrap();
        rows.into_iter().map(|(_, value)| value).collect()
    };
    edit(&store, id, 77);
    let mut document = open(&store, id).unwrap();
    let vouches = values(Table::Documents, &vouches_of(&id));
    let batch = Batch { packs: values(Table::Packs, id.as_bytes()), vouches, farewell: false };
    let peer = DeviceKey::from_secret([8; 32]).public();
    let done = document.ingest(vec![(peer, batch)]);
    store.commit(&done.writes).unwrap();
    assert_eq!((document.summary().forks, keys(&store, id)), (0, PACKS as usize + 1));
    assert!(look(&store).is_clean(), "{:?}", look(&store).findings);
}

#[test]
fn a_pack_that_is_gone_leaves_what_links() {
    let (store, documents) = store();
    let id = documents[0];
    let key = first_key(&store, Table::Packs, id.as_bytes(), 1);
    delete(&store, Table::Packs, &key);
    found(&look(&store), Fault::Gap);
    let aside = mended(&store);
    assert!(look(&store).is_clean());
    assert_eq!(aside.scan(Table::Packs, id.as_bytes()).unwrap().len(), PACKS as usize - 2);
    assert_eq!(keys(&store, id), 1);
}

#[test]
fn the_last_pack_is_missed_by_the_state() {
    let (store, documents) = store();
    let key = first_key(&store, Table::Packs, documents[0].as_bytes(), PACKS as usize - 1);
    delete(&store, Table::Packs, &key);
    found(&look(&store), Fault::State);
    let aside = mended(&store);
    assert!(look(&store).is_clean());
    assert_eq!(rows(&aside).into_keys().map(|(table, _)| table).collect::<Vec<_>>(), [Table::Snapshots]);
    assert_eq!(keys(&store, documents[0]), PACKS as usize - 1);
}

#[test]
fn vouches_are_missed_and_misplaced_ones_found() {
    let (original, documents) = store();
    let key = first_key(&original, Table::Documents, &vouches_of(&documents[0]), 0);
    let store = copy(&original);
    let vouch = delete(&store, Table::Documents, &key);
    found(&look(&store), Fault::State);
    mended(&store);
    assert!(look(&store).is_clean());
    // Under another document, and under another id.
    for wrong in
        [suffixed(documents[1], &key[32..]), suffixed(documents[0], &[b"vouch", [7; 32].as_slice()].concat())]
    {
        let store = copy(&original);
        let put = Write::Put { table: Table::Documents, key: wrong.clone(), value: vouch.clone() };
        store.commit(&[put]).unwrap();
        found(&look(&store), Fault::Key);
        let aside = mended(&store);
        assert_eq!(aside.get(Table::Documents, &wrong).unwrap(), Some(vouch.clone()));
        assert_eq!(rows(&store), rows(&original));
    }
}

#[test]
fn rows_of_state_and_standing_are_written_anew() {
    let (original, documents) = store();
    for (id, suffix) in [(documents[0], &b"state"[..]), (documents[1], b"standing")] {
        let key = suffixed(id, suffix);
        for damage in 0..3 {
            let store = copy(&original);
            match damage {
                0 => _ = delete(&store, Table::Documents, &key),
                1 => {
                    let value = vec![0xff; 9];
                    store.commit(&[Write::Put { table: Table::Documents, key: key.clone(), value }]).unwrap();
                }
                _ => {
                    let mut value = store.get(Table::Documents, &key).unwrap().unwrap();
                    value.truncate(value.len() / 2);
                    store.commit(&[Write::Put { table: Table::Documents, key: key.clone(), value }]).unwrap();
                }
            }
            assert!(!look(&store).is_clean(), "{suffix:?} {damage}");
            let aside = mended(&store);
            assert!(look(&store).is_clean(), "{:?}", look(&store).findings);
            assert_eq!(aside.get(Table::Documents, &key).unwrap().is_some(), damage > 0);
            assert_eq!(keys(&store, id), PACKS as usize);
            edit(&store, id, 50);
            assert_eq!(open(&store, id).unwrap().summary().forks, 0);
        }
    }
}

#[test]
fn a_state_that_lies_is_found() {
    let (store, documents) = store();
    let [one, other] = [0, 1].map(|number| suffixed(documents[number], b"state"));
    let value = store.get(Table::Documents, &other).unwrap().unwrap();
    store.commit(&[Write::Put { table: Table::Documents, key: one, value }]).unwrap();
    found(&look(&store), Fault::State);
    mended(&store);
    assert!(look(&store).is_clean());
}

#[test]
fn snapshots_are_a_cache() {
    let (original, documents) = store();
    let key = documents[2].as_bytes();
    let store = copy(&original);
    delete(&store, Table::Snapshots, key);
    assert!(look(&store).is_clean());
    let other = store.get(Table::Snapshots, documents[0].as_bytes()).unwrap().unwrap();
    for value in [b"no snapshot".to_vec(), other] {
        let store = copy(&original);
        store.commit(&[Write::Put { table: Table::Snapshots, key: key.to_vec(), value }]).unwrap();
        found(&look(&store), Fault::Snapshot);
        mended(&store);
        assert!(look(&store).is_clean());
        assert_eq!(keys(&store, documents[2]), PACKS as usize);
    }
}

#[test]
fn content_of_nobody_is_set_aside() {
    let (store, documents) = store();
    let before = rows(&store);
    let stranger = ResourceId::from_bytes([0x77; 32]);
    let pack_key = first_key(&store, Table::Packs, documents[0].as_bytes(), 0);
    let value = store.get(Table::Packs, &pack_key).unwrap().unwrap();
    let put = |table, key: Vec<u8>| Write::Put { table, key, value: value.clone() };
    let strange = [
        put(Table::Packs, suffixed(stranger, &[0; 8])),
        put(Table::Receipts, suffixed(stranger, &[1; 32])),
        put(Table::Documents, suffixed(stranger, b"state")),
        put(Table::Documents, b"short".to_vec()),
        put(Table::Packs, suffixed(documents[0], b"no number")),
    ];
    store.commit(&strange).unwrap();
    let report = look(&store);
    found(&report, Fault::Orphan);
    found(&report, Fault::Key);
    let aside = mended(&store);
    assert_eq!(rows(&store), before);
    assert_eq!(rows(&aside).len(), strange.len());
}

#[test]
fn receipts_and_invitations_that_cannot_be_read_are_set_aside() {
    let (store, documents) = store();
    let before = rows(&store);
    let keys = [
        (Table::Receipts, suffixed(documents[0], &[1; 32])),
        (Table::Invites, vec![4; 32]),
        (Table::Settings, b"blocked".to_vec()),
    ];
    for (table, key) in &keys {
        let put = Write::Put { table: *table, key: key.clone(), value: vec![0xff; 3] };
        store.commit(&[put]).unwrap();
    }
    assert_eq!(look(&store).findings.iter().filter(|finding| finding.fault == Fault::Row).count(), 3);
    let aside = mended(&store);
    assert_eq!(rows(&store), before);
    assert_eq!(rows(&aside).len(), 3);
}

#[test]
fn a_record_that_is_gone_is_told_and_everything_kept() {
    let (store, documents) = store();
    let records = store.scan_keys(Table::Records, &[]).unwrap();
    let before = rows(&store).len();
    for key in &records {
        let store = copy(&store);
        delete(&store, Table::Records, key);
        let report = look(&store);
        assert!(!report.is_clean(), "every record here founds something");
        assert!(
            report.findings.iter().all(|finding| finding.remedy == Remedy::Nothing),
            "{:?}",
            report.findings
        );
        assert!(!report.is_repairable());
        assert_eq!(rows(&store).len(), before - 1);
    }
    assert_eq!(documents.len(), DOCUMENTS);
}

/// Stores all of a document as a whole, after its packs.
fn add_whole(store: &dyn Storage, id: ResourceId) -> Vec<u8> {
    let value = open(store, id).unwrap().automerge().save();
    let key = suffixed(id, &100_u64.to_be_bytes());
    store.commit(&[Write::Put { table: Table::Packs, key: key.clone(), value }]).unwrap();
    key
}

#[test]
fn packs_are_read_after_the_whole_document_wherever_they_lie() {
    let (store, documents) = store();
    let id = documents[1];
    add_whole(&store, id);
    assert!(look(&store).is_clean(), "{:?}", look(&store).findings);
    // What is left before it builds on what only the whole has.
    for _ in 0..2 {
        let key = first_key(&store, Table::Packs, id.as_bytes(), 0);
        delete(&store, Table::Packs, &key);
        assert_eq!(look(&store).findings, []);
    }
    // Of what really lacks something, what links to the whole is kept.
    edit(&store, id, 60);
    edit(&store, id, 61);
    let key = first_key(&store, Table::Packs, id.as_bytes(), 3);
    delete(&store, Table::Packs, &key);
    found(&look(&store), Fault::Gap);
    let aside = mended(&store);
    assert!(look(&store).is_clean(), "{:?}", look(&store).findings);
    assert_eq!(aside.scan_keys(Table::Packs, &[]).unwrap().len(), 1);
    assert_eq!(keys(&store, id), PACKS as usize);
}

#[test]
fn what_is_larger_than_allowed_is_told_and_stays() {
    let (store, documents) = store();
    add_whole(&store, documents[1]);
    let before = rows(&store);
    let mut small = DocumentLimits::default();
    small.gate.change_bytes = 80;
    small.gate.document_changes = 1;
    let report = check(&store, &small, &mut |_| {}).unwrap();
    let large: Vec<_> = report.findings.iter().filter(|finding| finding.fault == Fault::TooLarge).collect();
    assert_eq!((large.len(), report.findings.len()), (DOCUMENTS * PACKS as usize + 1, large.len()));
    assert!(large.iter().all(|finding| finding.remedy == Remedy::Nothing && finding.document.is_some()));
    assert!(report.is_clean() && !report.is_repairable());
    let mut aside = |_: &[Write]| panic!("nothing is set aside");
    mend(&store, &small, [1; 32], &report.findings, &mut aside).unwrap();
    assert_eq!(rows(&store), before);
    // A damaged one is damaged, however large.
    let key = first_key(&store, Table::Packs, documents[0].as_bytes(), 0);
    flip(&store, Table::Packs, &key, 60);
    let report = check(&store, &small, &mut |_| {}).unwrap();
    assert!(report.findings.iter().any(|finding| finding.fault == Fault::Row && finding.key == key));
}

#[test]
fn nothing_is_moved_in_a_store_that_does_not_say_whose_it_is() {
    let (store, documents) = store();
    let key = first_key(&store, Table::Packs, documents[0].as_bytes(), 1);
    flip(&store, Table::Packs, &key, 60);
    store
        .commit(&[Write::Put { table: Table::Settings, key: b"device".to_vec(), value: vec![1; 31] }])
        .unwrap();
    let (report, before) = (look(&store), rows(&store));
    found(&report, Fault::Row);
    let identity = report.findings.iter().find(|finding| finding.fault == Fault::Identity).unwrap();
    assert!(identity.to_string().contains("put a backup of this store in its place"), "{identity}");
    assert!(!report.is_clean() && !report.is_repairable());
    let mut aside = |_: &[Write]| panic!("nothing is set aside");
    mend(&store, &DocumentLimits::default(), [1; 32], &report.findings, &mut aside).unwrap();
    assert_eq!(rows(&store), before);
}

#[test]
fn another_devices_key_is_found() {
    let (store, _) = store();
    flip(&store, Table::Settings, b"device", 3);
    found(&look(&store), Fault::Identity);
    delete(&store, Table::Settings, b"person");
    found(&look(&store), Fault::Identity);
}
