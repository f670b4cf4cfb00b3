//! What the network remembers in a store: the port, the place where the store lay, and the documents that must
//! not be written under their old incarnation because the store was copied.

use std::collections::BTreeSet;

use katori_acl::ResourceId;
use katori_core::store::{COPIED, PLACE_ROW, Place, Storage, StoreError, Table, Write};

const PORT_ROW: &[u8] = b"net/port";
const RENEW_PREFIX: &[u8] = b"net/renew/";

/// The port of the last start.
pub(crate) fn port(storage: &dyn Storage) -> Result<Option<u16>, StoreError> {
    let row = storage.get(Table::Settings, PORT_ROW)?;
    Ok(row.and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes))
}

/// The write that remembers the port, so that tickets and known addresses stay true.
pub(crate) fn remember_port(port: u16) -> Write {
    Write::Put { table: Table::Settings, key: PORT_ROW.to_vec(), value: port.to_be_bytes().to_vec() }
}

/// Documents that need a new incarnation before this device writes them. If the store lies somewhere else than
/// it did, those are all it holds: another copy may go on writing under the present ones.
pub(crate) fn renewals(storage: &dyn Storage, place: Place) -> Result<BTreeSet<ResourceId>, StoreError> {
    let mut renewals: BTreeSet<ResourceId> = storage
        .scan_keys(Table::Settings, RENEW_PREFIX)?
        .iter()
        .filter_map(|key| resource(key.strip_prefix(RENEW_PREFIX)?))
        .collect();
    let here = [place.device.to_be_bytes(), place.inode.to_be_bytes()].concat();
    let before = storage.get(Table::Settings, PLACE_ROW)?;
    let is_copy = before.as_deref() == Some(COPIED);
    if !is_copy && (place == Place::default() || before.as_ref() == Some(&here)) {
        return Ok(renewals);
    }
    let mut writes = vec![Write::Put { table: Table::Settings, key: PLACE_ROW.to_vec(), value: here }];
    if before.is_some() {
        tracing::warn!("the store was copied or moved: documents get new incarnations");
        renewals.extend(
            storage.scan_keys(Table::Documents, &[])?.iter().filter_map(|key| resource(key.get(..32)?)),
        );
        writes.extend(renewals.iter().map(|document| Write::Put {
            table: Table::Settings,
            key: renewal_key(document),
            value: Vec::new(),
        }));
    }
    storage.commit(&writes)?;
    Ok(renewals)
}

/// The write that notes a new incarnation as kept.
pub(crate) fn renewed(document: &ResourceId) -> Write {
    Write::Delete { table: Table::Settings, key: renewal_key(document) }
}

fn renewal_key(document: &ResourceId) -> Vec<u8> {
    [RENEW_PREFIX, document.as_bytes()].concat()
}

fn resource(bytes: &[u8]) -> Option<ResourceId> {
    bytes.try_into().ok().map(ResourceId::from_bytes)
}

#[cfg(test)]
mod tests {
    use katori_core::store::{MemoryStore, mark_copied};

    use super::*;

    #[test]
    fn a_copied_store_renews_each_document_until_it_has_written() {
        let store = MemoryStore::new();
        let document = ResourceId::from_bytes([5; 32]);
        let key = [document.as_bytes().as_slice(), b"standing"].concat();
        store.commit(&[Write::Put { table: Table::Documents, key, value: vec![1] }]).unwrap();
        let (first, second) = (Place { device: 1, inode: 2 }, Place { device: 1, inode: 3 });
        assert!(renewals(&store, first).unwrap().is_empty());
        assert!(renewals(&store, first).unwrap().is_empty());
        assert_eq!(renewals(&store, second).unwrap(), BTreeSet::from([document]));
        assert_eq!(renewals(&store, second).unwrap(), BTreeSet::from([document]), "it was not written yet");
        store.commit(&[renewed(&document)]).unwrap();
        assert!(renewals(&store, second).unwrap().is_empty());
        // A backup, on a system where a file has no place that could be known, or in the place of the original.
        for place in [Place::default(), second] {
            store.commit(&[mark_copied()]).unwrap();
            assert_eq!(renewals(&store, place).unwrap(), BTreeSet::from([document]));
            store.commit(&[renewed(&document)]).unwrap();
            assert!(renewals(&store, place).unwrap().is_empty());
        }
    }
}
