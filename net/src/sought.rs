//! Devices that are dialled although nothing is known to be shared with them. A person who comes back after losing
//! every device knows nothing but whom to ask, so whom it asks is in the store until an answer is.

use std::collections::BTreeSet;

use katori_acl::codec::Reader;
use katori_acl::{Contact, DeviceId};
use katori_core::store::{Storage, StoreError, Table, Write};

use crate::address::AddressBook;

const PREFIX: &[u8] = b"net/sought/";
/// Devices that are looked for, in all: as many as a recovery has contacts, with room to spare. Each is let in at
/// the handshake, so there must not be many.
const MAX_SOUGHT: usize = 64;

/// The devices, as the driver holds them.
#[derive(Debug, Default)]
pub(crate) struct Sought {
    devices: BTreeSet<DeviceId>,
    /// Those that are not looked for any more, and whose rows go when what made them known is durable.
    ended: BTreeSet<DeviceId>,
}

impl Sought {
    pub(crate) fn read(storage: &dyn Storage) -> Result<Self, StoreError> {
        let device = |key: &Vec<u8>| DeviceId::decode(&mut Reader::new(key.strip_prefix(PREFIX)?)).ok();
        let keys = storage.scan_keys(Table::Settings, PREFIX)?;
        let devices = keys.iter().filter_map(device).take(MAX_SOUGHT).collect();
        Ok(Self { devices, ended: BTreeSet::new() })
    }

    pub(crate) fn devices(&self) -> &BTreeSet<DeviceId> {
        &self.devices
    }

    /// Looks for devices, as long as there is room. Returns the writes that keep that.
    pub(crate) fn seek(&mut self, devices: impl IntoIterator<Item = DeviceId>) -> Vec<Write> {
        let mut writes = Vec::new();
        for device in devices {
            if self.devices.len() >= MAX_SOUGHT && !self.devices.contains(&device) {
                tracing::warn!(device = %device.short(), "too many devices are looked for; this one is not");
            } else if self.devices.insert(device) {
                self.ended.remove(&device);
                writes.push(Write::Put { table: Table::Settings, key: key(&device), value: Vec::new() });
            }
        }
        writes
    }

    /// Looks no more for those of whom this is true.
    pub(crate) fn end(&mut self, has_ended: impl Fn(&DeviceId) -> bool) {
        let ended = &mut self.ended;
        self.devices.retain(|device| {
            let goes_on = !has_ended(device);
            if !goes_on {
                ended.insert(*device);
            }
            goes_on
        });
    }

    /// The writes that drop those that have ended. To be taken when nothing waits to be stored: else a power cut
    /// could leave neither the row nor what it was there for.
    pub(crate) fn take_ended(&mut self) -> Vec<Write> {
        let ended = std::mem::take(&mut self.ended);
        ended.iter().map(|device| Write::Delete { table: Table::Settings, key: key(device) }).collect()
    }
}

fn key(device: &DeviceId) -> Vec<u8> {
    [PREFIX, device.as_bytes()].concat()
}

/// The rows by which a new store looks for devices from its first start on, as [`Hub::seek`](crate::Hub::seek) does:
/// written together with who the device is, so that a recovery that is cut short still finds its way.
#[must_use]
pub fn rows_to_seek(contacts: &[Contact]) -> Vec<Write> {
    let book = AddressBook::default();
    let addresses = contacts.iter().filter_map(|contact| book.learn(contact.device, &contact.addresses));
    let mut rows: Vec<Write> = addresses.collect();
    rows.extend(Sought::default().seek(contacts.iter().map(|contact| contact.device)));
    rows
}

#[cfg(test)]
mod tests {
    use katori_core::store::MemoryStore;

    use super::*;

    fn device(byte: u8) -> DeviceId {
        DeviceId::from_bytes([byte; 32])
    }

    #[test]
    fn what_is_looked_for_is_kept_until_that_has_ended() {
        let store = MemoryStore::new();
        let addresses = vec!["192.0.2.7:1".to_owned()];
        let contacts = [1, 2].map(|byte| Contact { device: device(byte), addresses: addresses.clone() });
        store.commit(&rows_to_seek(&contacts)).unwrap();
        assert_eq!(AddressBook::read(&store).unwrap().addresses(&device(2)), addresses);
        let mut sought = Sought::read(&store).unwrap();
        assert_eq!(*sought.devices(), BTreeSet::from([device(1), device(2)]));
        sought.end(|found| *found == device(1));
        assert_eq!(Sought::read(&store).unwrap().devices().len(), 2, "the row stays until its end is taken");
        store.commit(&sought.take_ended()).unwrap();
        assert_eq!(*Sought::read(&store).unwrap().devices(), BTreeSet::from([device(2)]));
        assert_eq!((sought.take_ended(), sought.seek([device(2)])), (Vec::new(), Vec::new()));
    }

    #[test]
    fn few_are_looked_for_in_all() {
        let mut sought = Sought::default();
        for byte in 0..=u8::MAX {
            sought.seek([device(byte)]);
        }
        assert_eq!(sought.devices().len(), MAX_SOUGHT);
        sought.end(|found| *found == device(0));
        assert_eq!(sought.seek([device(254), device(255)]).len(), 1);
    }
}
