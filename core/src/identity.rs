//! Who this device is, and the rows that say so.

use katori_acl::{
    DeviceId, DeviceKey, PersonId, Record, RosterGenesis, RosterKind, SignError, Subject, VerifiedRecord,
};
use thiserror::Error;

use crate::engine::record_row;
use crate::store::{Storage, StoreError, Table, Write};

const DEVICE_ROW: &[u8] = b"device";
const PERSON_ROW: &[u8] = b"person";

/// Who this device is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The device's key.
    pub key: DeviceKey,
    /// The person it belongs to.
    pub person: PersonId,
}

/// Why a store says of no device whose it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows are missing or of the wrong size.
    #[error("the store holds no identity; it was not made by `init`, or is damaged")]
    Missing,
}

/// What a person begins with.
#[derive(Debug, Clone)]
pub struct Founding {
    /// What the person calls itself.
    pub person_name: String,
    /// What the first device is called.
    pub device_name: String,
    /// The hash of the recovery key's public half.
    pub recovery: [u8; 32],
    /// Fresh randomness.
    pub nonce: [u8; 16],
}

impl Identity {
    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.key.public()
    }

    /// A new person, whose first device has this key, and the record it begins with.
    ///
    /// # Errors
    /// [`SignError`] if a name is too long.
    pub fn found(key: DeviceKey, founding: Founding) -> Result<(Self, VerifiedRecord), SignError> {
        let genesis = Record::RosterGenesis(RosterGenesis {
            kind: RosterKind::Person,
            founder: key.public(),
            founder_name: founding.device_name,
            name: founding.person_name,
            recovery: founding.recovery,
            sealing: None,
            nonce: founding.nonce,
        })
        .sign(&key)?;
        let person = match genesis.subject() {
            Subject::Roster(person) => person,
            Subject::Resource(resource) => PersonId::from_bytes(*resource.as_bytes()),
        };
        Ok((Self { key, person }, genesis))
    }

    /// The rows a store begins with: who this device is, and its person's roster.
    #[must_use]
    pub fn rows(&self, roster: &[VerifiedRecord]) -> Vec<Write> {
        let put = |key: &[u8], value: &[u8; 32]| Write::Put {
            table: Table::Settings,
            key: key.to_vec(),
            value: value.to_vec(),
        };
        let mut rows = vec![put(DEVICE_ROW, &self.key.to_secret()), put(PERSON_ROW, self.person.as_bytes())];
        rows.extend(roster.iter().map(record_row));
        rows
    }

    /// Reads who this device is.
    pub fn read(storage: &dyn Storage) -> Result<Self, IdentityError> {
        let row = |key: &[u8]| -> Result<[u8; 32], IdentityError> {
            let bytes = storage.get(Table::Settings, key)?.ok_or(IdentityError::Missing)?;
            bytes.try_into().map_err(|_| IdentityError::Missing)
        };
        Ok(Self {
            key: DeviceKey::from_secret(row(DEVICE_ROW)?),
            person: PersonId::from_bytes(row(PERSON_ROW)?),
        })
    }
}
