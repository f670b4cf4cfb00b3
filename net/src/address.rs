//! Where devices may be found: addresses as text, as tickets and stores hold them, and the book of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use iroh::{EndpointAddr, EndpointId, RelayUrl, TransportAddr};
use katori_acl::bounds::{MAX_ADDRESS_BYTES, MAX_TICKET_ADDRESSES};
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{Contact, DeviceId};
use katori_core::store::{Storage, StoreError, Table, Write};

/// Devices in the book. More than any person knows; beyond it, no new ones are noted.
const MAX_DEVICES: usize = 4096;
const ROW_VERSION: u8 = 1;

/// An address as text: `192.0.2.7:4433`, `[2001:db8::1]:4433`, or the URL of a relay.
pub(crate) fn to_text(address: &TransportAddr) -> Option<String> {
    let text = match address {
        TransportAddr::Ip(address) => address.to_string(),
        TransportAddr::Relay(url) => url.to_string(),
        TransportAddr::Custom(_) | _ => return None,
    };
    (text.len() <= MAX_ADDRESS_BYTES).then_some(text)
}

/// Reads an address; nothing if it is none of which this version knows the form.
pub(crate) fn from_text(text: &str) -> Option<TransportAddr> {
    if text.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        let usable = !address.ip().is_unspecified() && !address.ip().is_multicast() && address.port() != 0;
        return usable.then_some(TransportAddr::Ip(address));
    }
    let url: RelayUrl = text.parse().ok()?;
    matches!(url.scheme(), "http" | "https").then_some(TransportAddr::Relay(url))
}

/// What iroh is told to dial. A device id that is no curve point is nobody's.
pub(crate) fn to_dial(device: DeviceId, addresses: &[String]) -> Option<EndpointAddr> {
    let id = EndpointId::from_bytes(device.as_bytes()).ok()?;
    Some(EndpointAddr::from_parts(id, addresses.iter().filter_map(|text| from_text(text))))
}

/// The device behind a connection.
pub(crate) fn device_of(id: EndpointId) -> DeviceId {
    DeviceId::from_bytes(*id.as_bytes())
}

/// Last known addresses of devices, most recent first.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    devices: Mutex<BTreeMap<DeviceId, Vec<String>>>,
}

impl AddressBook {
    /// Reads the book. Rows of another version are passed over: an address can always be learned again.
    pub(crate) fn read(storage: &dyn Storage) -> Result<Self, StoreError> {
        let mut devices = BTreeMap::new();
        for (key, value) in storage.scan(Table::Addresses, &[])? {
            if let (Ok(device), Ok(addresses)) = (DeviceId::decode(&mut Reader::new(&key)), read_row(&value))
            {
                devices.insert(device, addresses);
            }
        }
        Ok(Self { devices: Mutex::new(devices) })
    }

    fn devices(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Vec<String>>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a device was last.
    pub(crate) fn addresses(&self, device: &DeviceId) -> Vec<String> {
        self.devices().get(device).cloned().unwrap_or_default()
    }

    /// Where a device was last, as a ticket says it.
    pub(crate) fn contact(&self, device: DeviceId) -> Option<Contact> {
        let addresses = self.addresses(&device);
        (!addresses.is_empty()).then_some(Contact { device, addresses })
    }

    /// Notes addresses of a device, which count as the most recent. Returns the write that keeps them, if they
    /// say anything new.
    pub(crate) fn learn(&self, device: DeviceId, addresses: &[String]) -> Option<Write> {
        let mut devices = self.devices();
        if !devices.contains_key(&device) && devices.len() >= MAX_DEVICES {
            return None;
        }
        let known = devices.entry(device).or_default();
        let mut merged: Vec<String> = Vec::new();
        for address in addresses.iter().filter(|text| from_text(text).is_some()).chain(known.iter()) {
            if !merged.contains(address) && merged.len() < MAX_TICKET_ADDRESSES {
                merged.push(address.clone());
            }
        }
        if merged == *known {
            return None;
        }
        known.clone_from(&merged);
        Some(Write::Put { table: Table::Addresses, key: device.as_bytes().to_vec(), value: row(&merged) })
    }
}

fn row(addresses: &[String]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.byte(ROW_VERSION).list(addresses, |writer, address| {
        writer.text(address);
    });
    writer.finish()
}

fn read_row(bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != ROW_VERSION {
        return Err(DecodeError::Unknown { what: "version of a row", found: version.into() });
    }
    let addresses = read_list(&mut reader)?;
    reader.finish()?;
    Ok(addresses)
}

/// Reads a list of addresses, as rows, greetings and contacts hold it.
pub(crate) fn read_list(reader: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    reader.list("addresses", MAX_TICKET_ADDRESSES, |reader| {
        reader.text("address", MAX_ADDRESS_BYTES).map(str::to_owned)
    })
}

/// Writes a list of addresses, no more of them than may be read.
pub(crate) fn write_list(writer: &mut Writer, addresses: &[String]) {
    let few = addresses.get(..MAX_TICKET_ADDRESSES).unwrap_or(addresses);
    writer.list(few, |writer, address| {
        writer.text(address);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_text() {
        for text in ["192.0.2.7:4433", "[2001:db8::1]:1", "https://relay.example/"] {
            let address = from_text(text).unwrap();
            assert_eq!(to_text(&address).as_deref(), Some(text));
        }
        for text in
            ["", "192.0.2.7", "0.0.0.0:1", "192.0.2.7:0", "file:///etc", "224.0.0.1:9", &"a".repeat(200)]
        {
            assert_eq!(from_text(text), None, "{text}");
        }
    }

    #[test]
    fn the_latest_address_comes_first_and_few_are_kept() {
        let (book, device) = (AddressBook::default(), DeviceId::from_bytes([1; 32]));
        for port in 1..20 {
            assert!(book.learn(device, &[format!("192.0.2.7:{port}")]).is_some());
        }
        assert_eq!(book.learn(device, &["192.0.2.7:19".to_owned()]), None);
        let known = book.addresses(&device);
        assert_eq!(known.len(), MAX_TICKET_ADDRESSES);
        assert_eq!(known.first().map(String::as_str), Some("192.0.2.7:19"));
        assert_eq!(read_row(&row(&known)), Ok(known));
    }
}
