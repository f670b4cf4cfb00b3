//! The inviter's side: a challenge, and an answer that tells a stranger no more than it must.

use std::sync::Arc;

use iroh::Endpoint;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use katori_acl::{Contact, DeviceId, InviteKey, ResourceId, Role, SignedClaim, VerifiedClaim};
use katori_core::engine::{Answer, Command, CommandError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::message::{JoinMessage, MAX_CLAIM_BYTES, MAX_CONTACTS, MAX_SMALL_BYTES, MessageError, Refusal};
use super::{JOIN_TIMEOUT, STEP_TIMEOUT, exporter};
use crate::address::{AddressBook, device_of};
use crate::driver::Message;
use crate::endpoint::contact;
use crate::greeting::CloseCode;
use crate::randomness::random;
use crate::status::path_of;

/// The inviter's side.
#[derive(Debug)]
pub(crate) struct Inviter {
    pub(crate) endpoint: Endpoint,
    pub(crate) book: Arc<AddressBook>,
    pub(crate) messages: mpsc::Sender<Message>,
}

impl Inviter {
    /// Hears out somebody who wants to join, and closes the connection.
    pub(crate) async fn receive(&self, connection: Connection) {
        let joiner = device_of(connection.remote_id());
        let code = match timeout(JOIN_TIMEOUT, self.exchange(&connection)).await {
            Ok(Ok(())) => CloseCode::Done,
            Ok(Err(error)) => {
                tracing::info!(joiner = %joiner.short(), %error, "joining broke off");
                CloseCode::Protocol
            }
            Err(_) => CloseCode::TimedOut,
        };
        code.close(&connection);
    }

    async fn exchange(&self, connection: &Connection) -> Result<(), MessageError> {
        let streams = timeout(STEP_TIMEOUT, connection.accept_bi()).await;
        let (mut send, mut receive) =
            streams.map_err(|_| MessageError::TimedOut)?.map_err(|_| MessageError::Ended)?;
        let answer = match self.hear(connection, &mut send, &mut receive).await {
            Err(MessageError::Version) => {
                let text = "another version of the protocol".to_owned();
                JoinMessage::Refused { refusal: Refusal::Version, text }
            }
            heard => heard?,
        };
        answer.write(&mut send).await?;
        if send.finish().is_ok() {
            // The joiner closes when it has read the answer; waiting longer than a step serves nobody.
            let _ = timeout(STEP_TIMEOUT, connection.closed()).await;
        }
        Ok(())
    }

    async fn hear(
        &self,
        connection: &Connection,
        send: &mut SendStream,
        receive: &mut RecvStream,
    ) -> Result<JoinMessage, MessageError> {
        let JoinMessage::Hello { invite } = JoinMessage::next(receive, MAX_SMALL_BYTES).await? else {
            return Ok(refused(Refusal::Other, "a hello was expected"));
        };
        let Ok(challenge) = random() else {
            return Ok(refused(Refusal::Other, "this device cannot draw a challenge; try again later"));
        };
        // Everybody gets one, whatever the invitation: before the claim nothing is said about it.
        JoinMessage::Challenge(challenge).write(send).await?;
        let JoinMessage::Claim { signed, roster } = JoinMessage::next(receive, MAX_CLAIM_BYTES).await? else {
            return Ok(refused(Refusal::Other, "a claim was expected"));
        };
        let Some(claim) = self.check(connection, invite, challenge, &signed) else {
            return Ok(refused(Refusal::Other, "the claim does not hold for this connection"));
        };
        Ok(self.answer(connection, claim, roster).await)
    }

    /// The claim, if it was signed by both keys for this very exchange.
    fn check(
        &self,
        connection: &Connection,
        invite: InviteKey,
        challenge: [u8; 32],
        signed: &[u8],
    ) -> Option<VerifiedClaim> {
        let verified = SignedClaim::decode(signed).and_then(SignedClaim::verify);
        let verified =
            verified.inspect_err(|error| tracing::warn!(%error, "a claim does not verify")).ok()?;
        let claim = verified.claim();
        let holds = claim.invite == invite
            && claim.challenge == challenge
            && claim.inviter == device_of(self.endpoint.id())
            && claim.joiner == device_of(connection.remote_id())
            && Some(claim.exporter) == exporter(connection);
        if !holds {
            tracing::warn!(joiner = %claim.joiner.short(), "a claim was made for another connection");
        }
        holds.then_some(verified)
    }

    async fn answer(
        &self,
        connection: &Connection,
        claim: VerifiedClaim,
        roster: Vec<Vec<u8>>,
    ) -> JoinMessage {
        let joiner = claim.claim().joiner;
        let (reply, answer) = oneshot::channel();
        let command = Command::Redeem { claim: Box::new(claim), roster };
        let sent = self.messages.send(Message::Command(command, reply)).await;
        let answer = match sent {
            Ok(()) => answer.await.ok(),
            Err(_) => None,
        };
        match answer {
            Some(Ok(Answer::Joined { document, records })) => {
                tracing::info!(joiner = %joiner.short(), "joined");
                self.note(connection, joiner).await;
                JoinMessage::Welcome { document, records, contacts: self.contacts(document).await }
            }
            Some(Err(CommandError::InviteInvalid)) => refused(Refusal::NotValid, ""),
            Some(Err(CommandError::InviteExpired)) => refused(Refusal::Expired, ""),
            Some(Err(CommandError::JoinerUnknown)) => {
                refused(Refusal::Other, "the device does not belong to the person it names")
            }
            // What goes wrong here is none of a stranger's business.
            Some(Ok(_) | Err(_)) | None => {
                refused(Refusal::Other, "it cannot let anybody in now; try again later")
            }
        }
    }

    /// Notes where the joiner is.
    async fn note(&self, connection: &Connection, joiner: DeviceId) {
        let addresses = path_of(connection).and_then(|path| path.address).into_iter().collect();
        let learned = Message::Learned(vec![Contact { device: joiner, addresses }]);
        // If the driver is gone there is nothing to be learned for.
        let _ = self.messages.send(learned).await;
    }

    /// Where the joiner finds this device, and others that have the document.
    async fn contacts(&self, document: Option<ResourceId>) -> Vec<Contact> {
        let mut contacts = vec![contact(&self.endpoint)];
        let (reply, devices) = oneshot::channel();
        let question = Message::Ask(Box::new(move |engine| {
            let access = document.and_then(|document| engine.access(document));
            let devices: Vec<DeviceId> = access
                .iter()
                .flat_map(|access| {
                    access
                        .devices()
                        .filter(|(_, standing)| standing.role >= Some(Role::Read))
                        .map(|(device, _)| device)
                })
                .collect();
            // Whoever asked may be gone.
            let _ = reply.send(devices);
        }));
        if self.messages.send(question).await.is_ok()
            && let Ok(devices) = devices.await
        {
            contacts.extend(devices.into_iter().filter_map(|device| self.book.contact(device)));
        }
        contacts.truncate(MAX_CONTACTS);
        contacts
    }
}

fn refused(refusal: Refusal, text: &str) -> JoinMessage {
    JoinMessage::Refused { refusal, text: text.to_owned() }
}
