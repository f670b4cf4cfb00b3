//! Who this device is, and the rows that say so.

use katori_acl::{
    DeviceId, DeviceKey, Inserted, PersonId, Record, RecoveryPhrase, Registry, RosterAction, RosterGenesis,
    RosterKind, RosterOperation, SignError, Subject, VerifiedRecord,
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

/// Why recovery words bring nobody back. Nothing was signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The records hold no person's roster.
    #[error("what came holds no person's roster; ask whoever made the ticket to make a new one")]
    NoRoster,
    /// The roster commits to other words.
    #[error(
        "these words are not the ones that {0} is recovered by: words that were used once are replaced by new ones"
    )]
    WrongWords(String),
    /// The record cannot be signed.
    #[error("the record cannot be signed: {0}; try a shorter name for this device")]
    Sign(#[from] SignError),
    /// The record does not count.
    #[error("the roster does not take the recovery: it is damaged or incomplete; ask for a new ticket")]
    NotTaken,
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
            founder_person: None,
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

    /// Comes back as a person after all devices are lost: a new device with this key, brought in by the recovery
    /// words, and the roster in which it outranks every other. `next` are the words for another time; the old
    /// ones count no more after them.
    ///
    /// # Errors
    /// [`RecoverError`] if the words are not this person's, or the roster is none.
    pub fn recover(
        key: DeviceKey,
        words: &RecoveryPhrase,
        next: &RecoveryPhrase,
        mut roster: Vec<VerifiedRecord>,
        device_name: String,
    ) -> Result<(Self, Vec<VerifiedRecord>), RecoverError> {
        let genesis = roster.iter().find_map(|record| match (record.record(), record.subject()) {
            (Record::RosterGenesis(genesis), Subject::Roster(person))
                if genesis.kind == RosterKind::Person =>
            {
                Some(person)
            }
            _ => None,
        });
        let person = genesis.ok_or(RecoverError::NoRoster)?;
        roster.retain(|record| record.subject() == Subject::Roster(person));
        let (mut registry, _) = Registry::load(roster.clone());
        let known = registry.roster(person).ok_or(RecoverError::NoRoster)?;
        if !known.recoveries.contains(&words.hash()) {
            return Err(RecoverError::WrongWords(known.name.clone()));
        }
        let secret = words.secret();
        let recover = Record::RosterOperation(RosterOperation {
            roster: person,
            person: None,
            by: key.public(),
            previous: registry.heads_to_recover(person, &words.hash()),
            action: RosterAction::Recover {
                device: key.public(),
                name: device_name,
                recovery_key: secret.public(),
                next_recovery: next.hash(),
                consent: key.consent(person),
            },
        })
        .sign_as_recovery(&secret)?;
        let taken = registry.insert(recover.clone()) == Inserted::New
            && registry.roster(person).is_some_and(|roster| roster.is_full(&key.public()));
        if !taken {
            return Err(RecoverError::NotTaken);
        }
        roster.push(recover);
        Ok((Self { key, person }, roster))
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
