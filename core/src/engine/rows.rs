//! The engine's own rows in the store, and reading them back at the start.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use automerge::ChangeHash;
use katori_acl::bounds::MAX_NAME_BYTES;
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{
    DeviceId, InviteKey, PersonId, RecordError, RecordId, Registry, ResourceId, Role, StoredRecords,
    VerifiedRecord,
};
use thiserror::Error;

use super::held::{DocumentState, HeldSummary};
use super::{InvitePurpose, JoinRequest, MAX_REQUESTS, OpenInvite, RequestState};
use crate::document::{Authors, LoadError, Summary};
use crate::store::{Storage, StoreError, Table, Write};
use crate::vouch::MAX_VOUCH_BYTES;

const ROW_VERSION: u8 = 1;
/// Devices or heads listed in one row.
const MAX_LISTED: usize = 1 << 16;
/// The row in [`Table::Settings`] that lists whom this device refuses.
const BLOCKED_ROW: &[u8] = b"blocked";

/// How a document stands with this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Standing {
    /// Nothing is known of it.
    Unknown,
    /// Somebody granted it; it is inert until it is accepted.
    Offered,
    /// It is held and synced here.
    Accepted,
    /// It was put away here, and is not offered again.
    Forgotten,
    /// This person lost its role in it, and has handed over what it had not sent. What is here stays readable.
    Left,
    /// Its owner deleted it, everywhere. Its genesis and tombstone are kept for ever.
    Deleted,
    /// This person lost its role in it, and dropped its copy because whoever took the role asked for that.
    Erased,
    /// This person said no to it, and those who offered it are still to be told.
    Rejected,
}

impl Standing {
    /// Whether content is held, and can be read.
    #[must_use]
    pub fn has_content(self) -> bool {
        matches!(self, Self::Accepted | Self::Left)
    }

    /// Whether its grants are answered for.
    pub(super) fn has_records(self) -> bool {
        matches!(self, Self::Accepted | Self::Left | Self::Deleted | Self::Rejected)
    }
}

/// Why a store cannot be used. Nothing in it was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// It cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// A signed record in it is damaged.
    #[error("a signed record in the store is damaged: {0}")]
    Record(#[from] RecordError),
    /// A row in it is damaged.
    #[error("a row of the store is damaged: {0}")]
    Row(#[from] DecodeError),
    /// A document's state in it is damaged.
    #[error(transparent)]
    Document(#[from] LoadError),
}

/// Everything an engine begins with.
#[derive(Debug, Default)]
pub struct StoredEngine {
    pub(super) registry: Registry,
    pub(super) documents: BTreeMap<ResourceId, DocumentState>,
    pub(super) authors: Authors,
    /// Those in which something is owed or due.
    pub(super) restless: Vec<ResourceId>,
    pub(super) receipts: BTreeMap<(ResourceId, DeviceId), Vec<ChangeHash>>,
    pub(super) invites: Vec<OpenInvite>,
    pub(super) blocked: BTreeSet<PersonId>,
}

fn standing_key(document: ResourceId) -> Vec<u8> {
    [document.as_bytes().as_slice(), b"standing"].concat()
}

impl DocumentState {
    /// The document's row as it is now.
    pub(super) fn row(&self, document: ResourceId) -> Write {
        let mut writer = Writer::new();
        let standing = match self.standing {
            Standing::Unknown => 0,
            Standing::Offered => 1,
            Standing::Accepted => 2,
            Standing::Forgotten => 3,
            Standing::Deleted => 4,
            Standing::Left => 5,
            Standing::Erased => 6,
            Standing::Rejected => 7,
        };
        writer
            .byte(ROW_VERSION)
            .byte(standing)
            .list(&self.work.rare.farewells, |writer, device| device.encode(writer));
        writer.list(&self.work.rare.escort, |writer, vouch| {
            writer.bytes(vouch);
        });
        writer.byte(u8::from(self.given_up)).byte(u8::from(self.erase_asked));
        Write::Put { table: Table::Documents, key: standing_key(document), value: writer.finish() }
    }
}

/// Reads a document's row; its summary is in another.
fn read_row(bytes: &[u8]) -> Result<DocumentState, DecodeError> {
    let mut reader = Reader::new(bytes);
    check_version(&mut reader)?;
    let standing = match reader.byte()? {
        0 => Standing::Unknown,
        1 => Standing::Offered,
        2 => Standing::Accepted,
        3 => Standing::Forgotten,
        4 => Standing::Deleted,
        5 => Standing::Left,
        6 => Standing::Erased,
        7 => Standing::Rejected,
        found => return Err(DecodeError::Unknown { what: "standing", found: found.into() }),
    };
    let mut state = DocumentState::new(standing);
    let farewells = reader.list("devices", MAX_LISTED, DeviceId::decode)?;
    let escort =
        reader.list("vouches", MAX_LISTED, |reader| Ok(reader.bytes("vouch", MAX_VOUCH_BYTES)?.to_vec()))?;
    if !farewells.is_empty() || !escort.is_empty() {
        state.work.rare.farewells.extend(farewells);
        state.work.rare.escort = escort;
    }
    (state.given_up, state.erase_asked) = (reader.byte()? == 1, reader.byte()? == 1);
    reader.finish()?;
    Ok(state)
}

fn check_version(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.byte()? {
        ROW_VERSION => Ok(()),
        found => Err(DecodeError::Unknown { what: "version of a row", found: found.into() }),
    }
}

/// The write that keeps a signed record.
#[must_use]
pub fn record_row(record: &VerifiedRecord) -> Write {
    Write::Put { table: Table::Records, key: record.id().as_bytes().to_vec(), value: record.bytes().to_vec() }
}

/// The write that drops a signed record.
pub(super) fn drop_record_row(id: &RecordId) -> Write {
    Write::Delete { table: Table::Records, key: id.as_bytes().to_vec() }
}

pub(super) fn receipt_row(document: ResourceId, peer: DeviceId, heads: &[ChangeHash]) -> Write {
    let mut writer = Writer::new();
    writer.byte(ROW_VERSION).list(heads, |writer, head| {
        writer.raw(&head.0);
    });
    let key = [document.as_bytes().as_slice(), peer.as_bytes()].concat();
    Write::Put { table: Table::Receipts, key, value: writer.finish() }
}

fn read_receipt(key: &[u8], bytes: &[u8]) -> Result<((ResourceId, DeviceId), Vec<ChangeHash>), DecodeError> {
    let mut ids = Reader::new(key);
    let ids = (ResourceId::decode(&mut ids)?, DeviceId::decode(&mut ids)?);
    let mut reader = Reader::new(bytes);
    check_version(&mut reader)?;
    let heads = reader.list("heads", MAX_LISTED, |reader| reader.array().map(ChangeHash))?;
    Ok((ids, heads))
}

impl OpenInvite {
    /// The write that keeps the invitation.
    pub(super) fn row(&self) -> Write {
        let mut writer = Writer::new();
        writer.byte(ROW_VERSION);
        match &self.purpose {
            InvitePurpose::Device => {
                writer.byte(0);
            }
            InvitePurpose::Document { document, role, grant, share } => {
                writer.byte(1);
                document.encode(&mut writer);
                writer.text(&role.to_string());
                grant.encode(&mut writer);
                writer.byte(u8::from(*share));
            }
            InvitePurpose::Recovery { person } => person.encode(writer.byte(2)),
        }
        writer.option(self.expires, |writer, expires| {
            writer.uint(expires);
        });
        writer.option(self.uses, |writer, uses| {
            writer.uint(uses.into());
        });
        writer.list(&self.used_by, |writer, (device, person)| {
            device.encode(writer);
            writer.option(*person, |writer, person| person.encode(writer));
        });
        writer.byte(u8::from(self.confirm));
        writer.list(&self.requests, |writer, (device, request)| {
            device.encode(writer);
            request.encode(writer);
        });
        Write::Put { table: Table::Invites, key: self.key.as_bytes().to_vec(), value: writer.finish() }
    }

    /// The write that ends the invitation.
    pub(super) fn end(key: &InviteKey) -> Write {
        Write::Delete { table: Table::Invites, key: key.as_bytes().to_vec() }
    }

    fn read(key: &[u8], bytes: &[u8]) -> Result<Self, DecodeError> {
        let key = InviteKey::decode(&mut Reader::new(key))?;
        let mut reader = Reader::new(bytes);
        check_version(&mut reader)?;
        let purpose = match reader.byte()? {
            0 => InvitePurpose::Device,
            1 => InvitePurpose::Document {
                document: ResourceId::decode(&mut reader)?,
                role: reader
                    .text("role", 16)?
                    .parse::<Role>()
                    .map_err(|_| DecodeError::Invalid("no role"))?,
                grant: RecordId::decode(&mut reader)?,
                share: reader.byte()? == 1,
            },
            2 => InvitePurpose::Recovery { person: PersonId::decode(&mut reader)? },
            found => {
                return Err(DecodeError::Unknown { what: "purpose of an invitation", found: found.into() });
            }
        };
        let expires = reader.option(Reader::uint)?;
        let uses = reader.option(|reader| reader.size("uses", u32::MAX as usize))?;
        let used_by = reader.list("devices", MAX_LISTED, |reader| {
            Ok((DeviceId::decode(reader)?, reader.option(PersonId::decode)?))
        })?;
        let used_by = used_by.into_iter().collect();
        let confirm = reader.byte()? == 1;
        let requests = reader.list("requests", MAX_REQUESTS, |reader| {
            Ok((DeviceId::decode(reader)?, JoinRequest::decode(reader)?))
        })?;
        reader.finish()?;
        let (uses, requests) =
            (uses.and_then(|uses| u32::try_from(uses).ok()), requests.into_iter().collect());
        Ok(Self { key, purpose, expires, uses, used_by, confirm, requests })
    }
}

impl JoinRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.option(self.person, |writer, person| person.encode(writer));
        writer.text(&self.name).byte(match self.state {
            RequestState::Waiting => 0,
            RequestState::Admitted => 1,
            RequestState::Refused => 2,
            RequestState::Declined => 3,
        });
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            person: reader.option(PersonId::decode)?,
            name: reader.text("name", MAX_NAME_BYTES)?.to_owned(),
            state: match reader.byte()? {
                0 => RequestState::Waiting,
                1 => RequestState::Admitted,
                2 => RequestState::Refused,
                3 => RequestState::Declined,
                found => {
                    return Err(DecodeError::Unknown { what: "state of a request", found: found.into() });
                }
            },
        })
    }
}

/// The write that keeps whom this device refuses.
pub(super) fn blocked_row(blocked: &BTreeSet<PersonId>) -> Write {
    let mut writer = Writer::new();
    writer.byte(ROW_VERSION).list(blocked, |writer, person| person.encode(writer));
    Write::Put { table: Table::Settings, key: BLOCKED_ROW.to_vec(), value: writer.finish() }
}

fn read_blocked(bytes: &[u8]) -> Result<BTreeSet<PersonId>, DecodeError> {
    let mut reader = Reader::new(bytes);
    check_version(&mut reader)?;
    let blocked = reader.list("people", MAX_LISTED, PersonId::decode)?.into_iter().collect();
    reader.finish()?;
    Ok(blocked)
}

/// What the key of a document's row ends with.
pub(crate) const STANDING_SUFFIX: &[u8] = b"standing";

/// Whether a row of the engine's can be read; rows that are not the engine's are not looked at.
pub(crate) fn check_row(table: Table, key: &[u8], bytes: &[u8]) -> Result<(), DecodeError> {
    if table == Table::Documents && key.ends_with(STANDING_SUFFIX) {
        read_row(bytes)?;
    } else if table == Table::Receipts {
        read_receipt(key, bytes)?;
    } else if table == Table::Invites {
        OpenInvite::read(key, bytes)?;
    } else if table == Table::Settings && key == BLOCKED_ROW {
        read_blocked(bytes)?;
    }
    Ok(())
}

/// The row of a document whose own is lost, but whose content is here.
pub(crate) fn accepted_row(document: ResourceId) -> Write {
    let mut writer = Writer::new();
    let none: [(); 0] = [];
    writer.byte(ROW_VERSION).byte(2).list(none, |_, ()| ()).list(none, |_, ()| ()).byte(0).byte(0);
    Write::Put { table: Table::Documents, key: standing_key(document), value: writer.finish() }
}

impl StoredEngine {
    /// Reads what an engine begins with. What this device stored it had verified, so signatures are not checked
    /// again.
    pub fn read(storage: &dyn Storage) -> Result<Self, EngineError> {
        let mut stored = Self::default();
        let mut records = StoredRecords::default();
        each(storage, Table::Records, |key, bytes| {
            let Ok(id) = RecordId::decode(&mut Reader::new(key)) else { return Ok(()) };
            Ok(records.add(id, bytes)?)
        })?;
        let (registry, left) = Registry::load_stored(records);
        if !left.is_empty() {
            let first = left.first().map(ToString::to_string);
            tracing::error!(records = left.len(), first, "signed records in the store count no more");
        }
        stored.registry = registry;
        stored.read_documents(storage)?;
        let receipts = &mut stored.receipts;
        each(storage, Table::Receipts, |key, bytes| {
            let (ids, heads) = read_receipt(key, bytes)?;
            receipts.insert(ids, heads);
            Ok(())
        })?;
        for (key, bytes) in storage.scan(Table::Invites, &[])? {
            match OpenInvite::read(&key, &bytes) {
                Ok(invite) => stored.invites.push(invite),
                // One damaged invitation does not keep the store from opening.
                Err(error) => tracing::error!(%error, "an invitation in the store is damaged"),
            }
        }
        if let Some(bytes) = storage.get(Table::Settings, BLOCKED_ROW)? {
            stored.blocked = read_blocked(&bytes)?;
        }
        Ok(stored)
    }

    fn read_documents(&mut self, storage: &dyn Storage) -> Result<(), EngineError> {
        // A document's standing comes first, its state next, and vouches after that, which are not read here.
        let mut last: Option<(ResourceId, DocumentState)> = None;
        let mut documents = Vec::new();
        let (restless, authors) = (&mut self.restless, &mut self.authors);
        each(storage, Table::Documents, |key, bytes| {
            match key.split_first_chunk::<32>() {
                Some((id, b"standing")) => {
                    documents.extend(last.replace((ResourceId::from_bytes(*id), read_row(bytes)?)));
                }
                Some((id, b"state")) => {
                    let found = last.as_mut().filter(|(last, _)| last.as_bytes() == id);
                    let Some((id, state)) = found else { return Ok(()) };
                    match Summary::decode(bytes) {
                        Ok(summary) => {
                            if summary.owes_vouch || summary.owes_reapply.is_some() || summary.owes_merge {
                                restless.push(*id);
                            }
                            state.summary = HeldSummary::new(&summary, authors);
                        }
                        // One damaged document does not keep the others from opening; it says so when it is opened.
                        Err(error) => {
                            tracing::error!(document = %id, %error, "the summary of a document is damaged");
                        }
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        documents.extend(last);
        self.documents = documents.into_iter().collect();
        Ok(())
    }
}

/// Hands out the entries of a table, as long as they can be used.
fn each(
    storage: &dyn Storage,
    table: Table,
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut taken = Ok(());
    storage.visit(table, &mut |key, bytes| match take(key, bytes) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            taken = Err(error);
            ControlFlow::Break(())
        }
    })?;
    taken
}
