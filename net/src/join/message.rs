//! What is said in `katori/join/1`, as bytes. Every message is a frame, decoded whole and bounded.

use iroh::endpoint::{RecvStream, SendStream};
use katori_acl::bounds::{MAX_RECORD_BYTES, MAX_ROSTER_LENGTH_FOR_REMOVAL, MAX_TITLE_BYTES};
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{Contact, DeviceId, InviteKey, ResourceId, Role};
use katori_core::engine::{MAX_INTRODUCTION_BYTES, Preview};
use katori_core::wire::{MAX_FRAME_BYTES, MAX_RECORDS};
use thiserror::Error;
use tokio::time::timeout;

use super::STEP_TIMEOUT;
use super::digits::Nonce;
use crate::address::{read_list, write_list};
use crate::framing::{FrameError, read_frame, write_frame};

const VERSION: u8 = 1;
/// Bytes of everything that has no limit of its own.
pub(super) const MAX_SMALL_BYTES: usize = 1 << 10;
/// Records in an introduction: each costs a signature to check, and this many cost a fifth of a second.
pub(super) const MAX_INTRODUCTION_RECORDS: usize = 4096;
/// Bytes of the message that carries them: each comes with its length, of three bytes at most.
pub(super) const MAX_INTRODUCE_BYTES: usize = MAX_INTRODUCTION_BYTES + 3 * MAX_INTRODUCTION_RECORDS + 16;
/// Bytes of a claim with the joiner's roster: operations stay under 1 KiB each but for a few.
pub(super) const MAX_CLAIM_BYTES: usize = 1 << 20;
/// Bytes of a welcome.
pub(super) const MAX_WELCOME_BYTES: usize = MAX_FRAME_BYTES;
/// Bytes of a signed claim: two signatures and less than a screen of ids.
const MAX_SIGNED_CLAIM_BYTES: usize = 1 << 10;
/// Devices whose addresses a welcome tells.
pub(super) const MAX_CONTACTS: usize = 16;
const MAX_TEXT_BYTES: usize = 256;
/// Bytes of the word for a role.
const MAX_ROLE_BYTES: usize = 16;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JoinMessage {
    /// The joiner: "I come with this invitation."
    Hello { invite: InviteKey },
    /// The inviter: "Then sign this."
    Challenge([u8; 32]),
    /// The joiner: "Here, this is my person, and this is what I want."
    Claim { intent: Intent, signed: Vec<u8>, roster: Vec<Vec<u8>> },
    /// The inviter: "You are in."
    Welcome { document: Option<ResourceId>, records: Vec<Vec<u8>>, contacts: Vec<Contact> },
    /// The inviter: "You are not."
    Refused { refusal: Refusal, text: String },
    /// The inviter: "Somebody here has to let you in first; stay, or come again."
    Waiting,
    /// The inviter: "This is what you would join."
    Preview(Preview),
    /// The inviter: "I have noted that you do not want to."
    Noted,
    /// The inviter, to a new device: "I have drawn a nonce, and cannot change it any more."
    Commitment([u8; 32]),
    /// The joiner: "And this is mine."
    Nonce(Nonce),
    /// The inviter: "This was mine."
    Reveal(Nonce),
    /// The joiner: "This is what the person here says of the digits."
    Verdict(Verdict),
    /// Somebody who is not known: "These records entitle me."
    Introduce { records: Vec<Vec<u8>> },
    /// The answer to that: "They do; come again."
    Known,
}

/// What somebody who holds a ticket wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// To be let in.
    Join,
    /// To see what it would be let in to.
    Look,
    /// To say no.
    Decline,
}

/// What comes of the digits at the joiner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The person says that they are the same.
    Same,
    /// The person says that they are not.
    Different,
    /// What was revealed does not fit the commitment.
    Broken,
    /// Nobody said anything in time.
    Unanswered,
}

/// Why somebody is not let in. An invitation that is unknown, revoked or used up gives the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotValid,
    Expired,
    Other,
    Version,
    /// The person at the inviter said no.
    Declined,
    /// The digits were not the same, says the person at the inviter.
    Digits,
    /// Nobody compared the digits in time.
    Unconfirmed,
    /// It cannot be done now.
    Later,
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
    #[error("a message out of turn")]
    OutOfTurn,
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
            Self::Claim { intent, signed, roster } => {
                let intent = match intent {
                    Intent::Join => 1,
                    Intent::Look => 2,
                    Intent::Decline => 3,
                };
                writer.byte(3).byte(intent).bytes(signed);
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
                    Refusal::Declined => 5,
                    Refusal::Digits => 6,
                    Refusal::Unconfirmed => 7,
                    Refusal::Later => 8,
                };
                writer.byte(5).byte(code).text(text);
            }
            Self::Waiting => {
                writer.byte(6);
            }
            Self::Preview(preview) => {
                writer.byte(7).text(&preview.name).text(&preview.role.to_string());
                writer.uint(preview.changes).uint(preview.bytes).uint(preview.documents);
            }
            Self::Noted => {
                writer.byte(8);
            }
            Self::Commitment(commitment) => {
                writer.byte(9).raw(commitment);
            }
            Self::Nonce(nonce) => {
                writer.byte(10).raw(nonce);
            }
            Self::Reveal(nonce) => {
                writer.byte(11).raw(nonce);
            }
            Self::Verdict(verdict) => {
                let verdict = match verdict {
                    Verdict::Same => 1,
                    Verdict::Different => 2,
                    Verdict::Broken => 3,
                    Verdict::Unanswered => 4,
                };
                writer.byte(12).byte(verdict);
            }
            Self::Introduce { records } => write_records(writer.byte(13), records),
            Self::Known => {
                writer.byte(14);
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
                intent: match reader.byte()? {
                    1 => Intent::Join,
                    2 => Intent::Look,
                    3 => Intent::Decline,
                    found => return Err(DecodeError::Unknown { what: "intent", found: found.into() }),
                },
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
                    5 => Refusal::Declined,
                    6 => Refusal::Digits,
                    7 => Refusal::Unconfirmed,
                    8 => Refusal::Later,
                    _ => Refusal::Other,
                },
                text: reader.text("reason", MAX_TEXT_BYTES)?.to_owned(),
            },
            6 => Self::Waiting,
            7 => Self::Preview(Preview {
                name: reader.text("name", MAX_TITLE_BYTES)?.to_owned(),
                role: reader
                    .text("role", MAX_ROLE_BYTES)?
                    .parse::<Role>()
                    .map_err(|_| DecodeError::Invalid("no role"))?,
                changes: reader.uint()?,
                bytes: reader.uint()?,
                documents: reader.uint()?,
            }),
            8 => Self::Noted,
            9 => Self::Commitment(reader.array()?),
            10 => Self::Nonce(reader.array()?),
            11 => Self::Reveal(reader.array()?),
            12 => Self::Verdict(match reader.byte()? {
                1 => Verdict::Same,
                2 => Verdict::Different,
                3 => Verdict::Broken,
                4 => Verdict::Unanswered,
                found => return Err(DecodeError::Unknown { what: "verdict", found: found.into() }),
            }),
            13 => Self::Introduce { records: read_records(&mut reader, MAX_INTRODUCTION_RECORDS)? },
            14 => Self::Known,
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
        let message = timeout(STEP_TIMEOUT, Self::whenever(receive, limit)).await;
        message.unwrap_or(Err(MessageError::TimedOut))
    }

    /// Reads the next message, for which a person on the other side may be waited.
    pub(super) async fn whenever(receive: &mut RecvStream, limit: usize) -> Result<Self, MessageError> {
        Self::decode(&read_frame(receive, limit).await?.ok_or(MessageError::Ended)?)
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
            JoinMessage::Claim { intent: Intent::Look, signed: vec![5; 300], roster: vec![vec![6; 10]] },
            JoinMessage::Welcome { document, records: vec![vec![7; 9]], contacts: vec![contact] },
            JoinMessage::Refused { refusal: Refusal::Expired, text: "too late".into() },
            JoinMessage::Refused { refusal: Refusal::Later, text: String::new() },
            JoinMessage::Waiting,
            JoinMessage::Preview(Preview {
                name: "diary".into(),
                role: Role::Write,
                changes: 300,
                bytes: 7,
                documents: 1,
            }),
            JoinMessage::Noted,
            JoinMessage::Commitment([1; 32]),
            JoinMessage::Nonce([2; 32]),
            JoinMessage::Reveal([3; 32]),
            JoinMessage::Verdict(Verdict::Broken),
            JoinMessage::Introduce { records: vec![vec![8; 70]] },
            JoinMessage::Known,
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
