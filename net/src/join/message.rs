//! What is said in `katori/join/1`, as bytes. Every message is a frame, decoded whole and bounded.

use iroh::endpoint::{RecvStream, SendStream};
use katori_acl::bounds::{MAX_RECORD_BYTES, MAX_ROSTER_LENGTH_FOR_REMOVAL};
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{Contact, DeviceId, InviteKey, ResourceId};
use katori_core::wire::{MAX_FRAME_BYTES, MAX_RECORDS};
use thiserror::Error;
use tokio::time::timeout;

use super::STEP_TIMEOUT;
use crate::address::{read_list, write_list};
use crate::framing::{FrameError, read_frame, write_frame};

const VERSION: u8 = 1;
/// Bytes of a hello, a challenge or a refusal.
pub(super) const MAX_SMALL_BYTES: usize = 1 << 10;
/// Bytes of a claim with the joiner's roster: operations stay under 1 KiB each but for a few.
pub(super) const MAX_CLAIM_BYTES: usize = 1 << 20;
/// Bytes of a welcome.
pub(super) const MAX_WELCOME_BYTES: usize = MAX_FRAME_BYTES;
/// Bytes of a signed claim: two signatures and less than a screen of ids.
const MAX_SIGNED_CLAIM_BYTES: usize = 1 << 10;
/// Devices whose addresses a welcome tells.
pub(super) const MAX_CONTACTS: usize = 16;
const MAX_TEXT_BYTES: usize = 256;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JoinMessage {
    /// The joiner: "I come with this invitation."
    Hello { invite: InviteKey },
    /// The inviter: "Then sign this."
    Challenge([u8; 32]),
    /// The joiner: "Here, and this is my person."
    Claim { signed: Vec<u8>, roster: Vec<Vec<u8>> },
    /// The inviter: "You are in."
    Welcome { document: Option<ResourceId>, records: Vec<Vec<u8>>, contacts: Vec<Contact> },
    /// The inviter: "You are not."
    Refused { refusal: Refusal, text: String },
}

/// Why somebody is not let in. An invitation that is unknown, revoked or used up gives the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotValid,
    Expired,
    Other,
    Version,
}

/// Why no message was read.
#[derive(Debug, Error)]
pub(super) enum MessageError {
    #[error("nothing came in time")]
    TimedOut,
    #[error("the stream ended")]
    Ended,
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("another version")]
    Version,
    #[error("{0}")]
    Decode(DecodeError),
}

impl JoinMessage {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(VERSION);
        match self {
            Self::Hello { invite } => invite.encode(writer.byte(1)),
            Self::Challenge(challenge) => {
                writer.byte(2).raw(challenge);
            }
            Self::Claim { signed, roster } => {
                writer.byte(3).bytes(signed);
                write_records(&mut writer, roster);
            }
            Self::Welcome { document, records, contacts } => {
                writer.byte(4).option(*document, |writer, document| document.encode(writer));
                write_records(&mut writer, records);
                writer.list(contacts, |writer, contact| {
                    contact.device.encode(writer);
                    write_list(writer, &contact.addresses);
                });
            }
            Self::Refused { refusal, text } => {
                let code = match refusal {
                    Refusal::NotValid => 1,
                    Refusal::Expired => 2,
                    Refusal::Other => 3,
                    Refusal::Version => 4,
                };
                writer.byte(5).byte(code).text(text);
            }
        }
        writer.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        match reader.byte().map_err(MessageError::Decode)? {
            VERSION => {}
            _ => return Err(MessageError::Version),
        }
        Self::read(reader).map_err(MessageError::Decode)
    }

    fn read(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let message = match reader.byte()? {
            1 => Self::Hello { invite: InviteKey::decode(&mut reader)? },
            2 => Self::Challenge(reader.array()?),
            3 => Self::Claim {
                signed: reader.bytes("claim", MAX_SIGNED_CLAIM_BYTES)?.to_vec(),
                roster: read_records(&mut reader, MAX_ROSTER_LENGTH_FOR_REMOVAL * 2)?,
            },
            4 => Self::Welcome {
                document: reader.option(ResourceId::decode)?,
                records: read_records(&mut reader, MAX_RECORDS)?,
                contacts: reader.list("contacts", MAX_CONTACTS, |reader| {
                    Ok(Contact { device: DeviceId::decode(reader)?, addresses: read_list(reader)? })
                })?,
            },
            5 => Self::Refused {
                refusal: match reader.byte()? {
                    1 => Refusal::NotValid,
                    2 => Refusal::Expired,
                    4 => Refusal::Version,
                    _ => Refusal::Other,
                },
                text: reader.text("reason", MAX_TEXT_BYTES)?.to_owned(),
            },
            found => return Err(DecodeError::Unknown { what: "message", found: found.into() }),
        };
        reader.finish()?;
        Ok(message)
    }

    /// Writes the message.
    pub(super) async fn write(&self, send: &mut SendStream) -> Result<(), MessageError> {
        let written = timeout(STEP_TIMEOUT, write_frame(send, &self.encode())).await;
        written.map_err(|_| MessageError::TimedOut)?.map_err(|error| FrameError::from(error).into())
    }

    /// Reads the next message.
    pub(super) async fn next(receive: &mut RecvStream, limit: usize) -> Result<Self, MessageError> {
        let frame = timeout(STEP_TIMEOUT, read_frame(receive, limit)).await;
        let frame = frame.map_err(|_| MessageError::TimedOut)??.ok_or(MessageError::Ended)?;
        Self::decode(&frame)
    }
}

fn write_records(writer: &mut Writer, records: &[Vec<u8>]) {
    writer.list(records, |writer, record| {
        writer.bytes(record);
    });
}

fn read_records(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Vec<u8>>, DecodeError> {
    reader.list("records", count, |reader| Ok(reader.bytes("record", MAX_RECORD_BYTES)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_bytes() {
        let contact =
            Contact { device: DeviceId::from_bytes([1; 32]), addresses: vec!["192.0.2.7:1".into()] };
        let document = Some(ResourceId::from_bytes([2; 32]));
        let messages = [
            JoinMessage::Hello { invite: InviteKey::from_bytes([3; 32]) },
            JoinMessage::Challenge([4; 32]),
            JoinMessage::Claim { signed: vec![5; 300], roster: vec![vec![6; 10]] },
            JoinMessage::Welcome { document, records: vec![vec![7; 9]], contacts: vec![contact] },
            JoinMessage::Refused { refusal: Refusal::Expired, text: "too late".into() },
        ];
        for message in messages {
            let bytes = message.encode();
            assert_eq!(JoinMessage::decode(&bytes).unwrap(), message);
            for end in 0..bytes.len() {
                assert!(JoinMessage::decode(&bytes[..end]).is_err(), "{message:?} cut to {end}");
            }
        }
        assert!(matches!(JoinMessage::decode(&[9, 1]), Err(MessageError::Version)));
    }
}
