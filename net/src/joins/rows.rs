//! Joins in the store: a row for each that is under way, with its ticket in full.

use katori_acl::bounds::MAX_TICKET_TEXT;
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{InviteKey, Ticket};
use katori_core::store::{Storage, StoreError, Table, Write};

const PREFIX: &[u8] = b"net/join/";
const ROW_VERSION: u8 = 1;

fn key(invite: &InviteKey) -> Vec<u8> {
    [PREFIX, invite.as_bytes()].concat()
}

/// The write that keeps a join.
pub(super) fn row(ticket: &Ticket, is_waiting: bool) -> Write {
    let mut writer = Writer::new();
    writer.byte(ROW_VERSION).byte(u8::from(is_waiting)).text(&ticket.to_string());
    Write::Put { table: Table::Settings, key: key(&ticket.secret().public()), value: writer.finish() }
}

/// The write that drops it.
pub(super) fn ended(invite: &InviteKey) -> Write {
    Write::Delete { table: Table::Settings, key: key(invite) }
}

/// The tickets of joins under way, each with whether it waits for the inviter. Rows of another version are passed
/// over: the ticket can be used again.
pub(crate) fn read(storage: &dyn Storage) -> Result<Vec<(Ticket, bool)>, StoreError> {
    let mut joins = Vec::new();
    for (_, bytes) in storage.scan(Table::Settings, PREFIX)? {
        match read_row(&bytes) {
            Ok(join) => joins.push(join),
            Err(error) => tracing::warn!(%error, "a join cannot be gone on with; use its ticket again"),
        }
    }
    Ok(joins)
}

fn read_row(bytes: &[u8]) -> Result<(Ticket, bool), DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != ROW_VERSION {
        return Err(DecodeError::Unknown { what: "version of a row", found: version.into() });
    }
    let is_waiting = reader.byte()? == 1;
    let ticket = reader.text("ticket", MAX_TICKET_TEXT)?;
    let ticket = ticket.parse().map_err(|_| DecodeError::Invalid("no ticket"))?;
    reader.finish()?;
    Ok((ticket, is_waiting))
}

#[cfg(test)]
mod tests {
    use katori_acl::{PersonId, ResourceId, Role, TicketKind};
    use katori_core::store::MemoryStore;

    use super::*;

    #[test]
    fn a_join_is_kept_until_it_has_ended() {
        let store = MemoryStore::new();
        let kind = TicketKind::Document {
            resource: ResourceId::from_bytes([1; 32]),
            name: "groceries".to_owned(),
            role: Role::Write,
        };
        let ticket = Ticket {
            kind,
            person: PersonId::from_bytes([2; 32]),
            person_name: "Ana".to_owned(),
            devices: Vec::new(),
            seed: [3; 32],
            expires: Some(4),
        };
        store.commit(&[row(&ticket, false)]).unwrap();
        assert_eq!(read(&store).unwrap(), [(ticket.clone(), false)]);
        store.commit(&[row(&ticket, true)]).unwrap();
        assert_eq!(read(&store).unwrap(), [(ticket.clone(), true)]);
        store.commit(&[ended(&ticket.secret().public())]).unwrap();
        assert_eq!(read(&store).unwrap(), []);
    }
}
