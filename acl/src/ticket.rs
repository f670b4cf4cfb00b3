//! The ticket that lets somebody in whose key is not yet known: text that fits a message or a QR code.
//!
//! `katori1`, then base32 of the length of the content, the content, and a checksum over both, so that a text
//! that was cut is told from one that was changed.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use thiserror::Error;

use crate::bounds::{
    MAX_ADDRESS_BYTES, MAX_TICKET_ADDRESSES, MAX_TICKET_DEVICES, MAX_TICKET_TEXT, MAX_TITLE_BYTES,
};
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, PersonId, ResourceId};
use crate::keys::InviteSecret;
use crate::records::{line, name};
use crate::role::Role;

/// What every ticket begins with, without its version.
const PREFIX: &str = "katori";
/// The version of tickets that this code writes and reads.
const VERSION: &str = "1";
/// Bytes of BLAKE3 at the end, against letters lost or changed on the way.
const CHECKSUM_BYTES: usize = 4;
/// What derives the key of an invitation from its seed.
const CONTEXT: &str = "katori v1 invite key";

/// What a ticket lets in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketKind {
    /// A document.
    Document {
        /// Which.
        resource: ResourceId,
        /// What the inviter calls it.
        name: String,
        /// The role it gives.
        role: Role,
    },
    /// The inviter's own person: the device that redeems it becomes one of its devices.
    Device,
    /// The roster of a person who lost every device, from a friend's device or one of their own.
    Recovery {
        /// Whose.
        person: PersonId,
    },
}

/// A device that may be asked to redeem a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The device.
    pub device: DeviceId,
    /// Where it was last: text that only the network layer understands.
    pub addresses: Vec<String>,
}

/// A ticket. Whoever holds it can redeem it, so its `Debug` leaves the seed out.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What it lets in to.
    pub kind: TicketKind,
    /// Who invites.
    pub person: PersonId,
    /// What the inviter calls itself.
    pub person_name: String,
    /// The inviter's devices.
    pub devices: Vec<Contact>,
    /// The secret.
    pub seed: [u8; 32],
    /// Until when, in milliseconds since 1970.
    pub expires: Option<u64>,
}

/// Why a text is no ticket. Ask for it again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The text does not begin like a ticket.
    #[error("this is no ticket: a ticket begins with `{PREFIX}{VERSION}`")]
    NotATicket,
    /// The end is missing.
    #[error("the ticket was cut short: copy all of it")]
    CutShort,
    /// Letters were lost or changed.
    #[error("the ticket was altered on its way: copy it again")]
    Altered,
    /// A version that this code does not know.
    #[error("the ticket was made by a newer Katori: update this one")]
    NewerVersion,
    /// Longer than any ticket.
    #[error("the text has {0} characters, more than any ticket")]
    TooLong(usize),
    /// The checksum holds and the content does not.
    #[error("the ticket is not valid: {0}")]
    Invalid(#[from] DecodeError),
}

impl Ticket {
    /// The key that the ticket carries.
    #[must_use]
    pub fn secret(&self) -> InviteSecret {
        InviteSecret::from_secret(blake3::derive_key(CONTEXT, &self.seed))
    }

    /// Whether it is over, at this time in milliseconds since 1970.
    #[must_use]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires.is_some_and(|expires| expires < now_ms)
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match &self.kind {
            TicketKind::Document { resource, name, role } => {
                resource.encode(writer.byte(1));
                role.encode(writer.text(name));
            }
            TicketKind::Device => {
                writer.byte(2);
            }
            TicketKind::Recovery { person } => person.encode(writer.byte(3)),
        }
        self.person.encode(&mut writer);
        writer.text(&self.person_name);
        writer.list(&self.devices, |writer, contact| {
            contact.device.encode(writer);
            writer.list(&contact.addresses, |writer, address| {
                writer.text(address);
            });
        });
        writer.raw(&self.seed).option(self.expires, |writer, expires| {
            writer.uint(expires);
        });
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let ticket = Self {
            kind: match reader.byte()? {
                1 => TicketKind::Document {
                    resource: ResourceId::decode(&mut reader)?,
                    name: line(&mut reader, "name", MAX_TITLE_BYTES)?.to_owned(),
                    role: Role::decode(&mut reader)?,
                },
                2 => TicketKind::Device,
                3 => TicketKind::Recovery { person: PersonId::decode(&mut reader)? },
                found => return Err(DecodeError::Unknown { what: "kind of ticket", found: found.into() }),
            },
            person: PersonId::decode(&mut reader)?,
            person_name: name(&mut reader)?,
            devices: reader.list("devices", MAX_TICKET_DEVICES, |reader| {
                Ok(Contact {
                    device: DeviceId::decode(reader)?,
                    addresses: reader.list("addresses", MAX_TICKET_ADDRESSES, |reader| {
                        line(reader, "address", MAX_ADDRESS_BYTES).map(str::to_owned)
                    })?,
                })
            })?,
            seed: reader.array()?,
            expires: reader.option(Reader::uint)?,
        };
        reader.finish()?;
        Ok(ticket)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer::new();
        writer.bytes(&self.encode());
        let mut bytes = writer.finish();
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        write!(f, "{PREFIX}{VERSION}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("kind", &self.kind)
            .field("person", &self.person)
            .field("devices", &self.devices)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        if text.len() > MAX_TICKET_TEXT {
            return Err(TicketError::TooLong(text.len()));
        }
        // QR codes are smaller in capitals, so case means nothing.
        let text = text.to_ascii_lowercase();
        let rest = text.strip_prefix(PREFIX).ok_or(TicketError::NotATicket)?;
        let Some(body) = rest.strip_prefix(VERSION) else {
            return Err(match rest.bytes().next() {
                None => TicketError::CutShort,
                Some(b'2'..=b'9') => TicketError::NewerVersion,
                Some(_) => TicketError::NotATicket,
            });
        };
        if body.bytes().any(|letter| !matches!(letter, b'a'..=b'z' | b'2'..=b'7')) {
            return Err(TicketError::Altered);
        }
        if is_cut_short(body) {
            return Err(TicketError::CutShort);
        }
        let bytes = BASE32_NOPAD_NOCASE.decode(body.as_bytes()).map_err(|_| TicketError::Altered)?;
        let Some((framed, sum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Err(TicketError::CutShort);
        };
        if checksum(framed) != *sum {
            return Err(TicketError::Altered);
        }
        let mut reader = Reader::new(framed);
        let content = reader.bytes("ticket", MAX_TICKET_TEXT)?;
        reader.finish()?;
        Ok(Self::decode(content)?)
    }
}

/// Whether fewer letters are here than the length at the start says.
fn is_cut_short(body: &str) -> bool {
    // Eight letters are five bytes, more than the length takes.
    let Some(start) = body.get(..8).and_then(|start| BASE32_NOPAD_NOCASE.decode(start.as_bytes()).ok())
    else {
        return true;
    };
    let mut reader = Reader::new(&start);
    reader.size("ticket", MAX_TICKET_TEXT).is_ok_and(|content| {
        let bytes = reader.offset() + content + CHECKSUM_BYTES;
        body.len() < (bytes * 8).div_ceil(5)
    })
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.iter_mut().zip(blake3::hash(content).as_bytes()).for_each(|(to, from)| *to = *from);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            kind: TicketKind::Document {
                resource: ResourceId::from_bytes([1; 32]),
                name: "groceries".to_owned(),
                role: Role::Write,
            },
            person: PersonId::from_bytes([2; 32]),
            person_name: "Ben".to_owned(),
            devices: vec![Contact {
                device: DeviceId::from_bytes([3; 32]),
                addresses: vec!["192.0.2.7:4433".to_owned()],
            }],
            seed: [4; 32],
            expires: Some(1_000),
        }
    }

    #[test]
    fn a_ticket_survives_its_text_in_any_case() {
        let text = ticket().to_string();
        assert!(text.starts_with("katori1"));
        assert_eq!(text.parse(), Ok(ticket()));
        assert_eq!(format!(" {}\n", text.to_uppercase()).parse(), Ok(ticket()));
        assert!(!ticket().is_expired(1_000) && ticket().is_expired(1_001));
        assert!(!format!("{:?}", ticket()).contains("seed"));
    }

    #[test]
    fn each_mishap_has_its_word() {
        let text = ticket().to_string();
        assert_eq!("hello".parse::<Ticket>(), Err(TicketError::NotATicket));
        assert_eq!("katori".parse::<Ticket>(), Err(TicketError::CutShort));
        assert_eq!(text.replacen('1', "2", 1).parse::<Ticket>(), Err(TicketError::NewerVersion));
        assert_eq!("katori1".repeat(2000).parse::<Ticket>(), Err(TicketError::TooLong(14_000)));
        for end in 7..text.len() {
            assert_eq!(text[..end].parse::<Ticket>(), Err(TicketError::CutShort), "cut to {end}");
        }
        for at in 7..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'a' { b'b' } else { b'a' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(altered.parse::<Ticket>().is_err(), "letter {at}");
        }
        let mut middle = text.clone();
        middle.replace_range(120..121, "!");
        assert_eq!(middle.parse::<Ticket>(), Err(TicketError::Altered));
    }

    #[test]
    fn the_largest_ticket_fits() {
        let mut large = ticket();
        large.devices = vec![
            Contact {
                device: DeviceId::from_bytes([3; 32]),
                addresses: vec!["a".repeat(MAX_ADDRESS_BYTES); MAX_TICKET_ADDRESSES],
            };
            MAX_TICKET_DEVICES
        ];
        large.person_name = "n".repeat(64);
        if let TicketKind::Document { name, .. } = &mut large.kind {
            *name = "n".repeat(MAX_TITLE_BYTES);
        }
        assert_eq!(large.to_string().parse(), Ok(large));
    }
}
