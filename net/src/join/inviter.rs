//! The inviter's side: a challenge, and an answer that tells a stranger no more than it must.

use std::sync::Arc;
use std::time::Instant;

use iroh::Endpoint;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use katori_acl::{
    Access, Contact, DeviceId, InviteKey, PersonId, ResourceId, Role, SignedClaim, VerifiedClaim,
};
use katori_core::engine::{Answer, Command, CommandError, Engine, InvitePurpose, Standing};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::comparison;
use super::digits::Transcript;
use super::message::{
    Intent, JoinMessage, MAX_CLAIM_BYTES, MAX_CONTACTS, MAX_INTRODUCE_BYTES, MessageError, Refusal,
};
use super::pairings::{PairingEnd, Pairings};
use super::{JOIN_TIMEOUT, STEP_TIMEOUT, WAITING_TIME};
use crate::address::{AddressBook, device_of};
use crate::driver::{self, Clock, Message};
use crate::endpoint::{contact, exporter};
use crate::greeting::{CloseCode, JOIN_ALPN};
use crate::guests::{Guests, JoinGate, JoinPlace, Source};
use crate::randomness::random;
use crate::status::path_of;

/// Joiners that stay connected while somebody here is to let them in. More are told to come again.
const WAITING_AT_ONCE: usize = 16;

/// The inviter's side.
#[derive(Debug)]
pub(crate) struct Inviter {
    pub(crate) endpoint: Endpoint,
    pub(crate) book: Arc<AddressBook>,
    pub(crate) guests: Arc<Guests>,
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) pairings: Arc<Pairings>,
    pub(crate) gate: JoinGate,
    /// Changes when somebody here has let somebody in, or not.
    pub(crate) answered: watch::Receiver<u64>,
    pub(crate) waiting: Semaphore,
}

/// The places a joiner takes up. They are given back before people are waited for.
struct Places {
    _arrival: OwnedSemaphorePermit,
    _join: JoinPlace,
}

/// A claim that holds.
struct Claimed {
    claim: VerifiedClaim,
    intent: Intent,
    roster: Vec<Vec<u8>>,
    transcript: Transcript,
}

/// Both directions of the one stream.
struct Streams {
    send: SendStream,
    receive: RecvStream,
}

/// What is known here of an invitation.
enum Known {
    Open(InvitePurpose),
    Expired,
    UsedUp,
    /// It was not made here; it may be the grant of another device that this one may answer for.
    Not,
    /// Whatever it is, it is not for somebody who is blocked.
    Blocked,
}

impl Inviter {
    pub(crate) fn new(
        endpoint: Endpoint,
        book: Arc<AddressBook>,
        guests: Arc<Guests>,
        messages: mpsc::Sender<Message>,
        pairings: Arc<Pairings>,
        answered: watch::Receiver<u64>,
    ) -> Self {
        let (gate, waiting) = (JoinGate::new(), Semaphore::new(WAITING_AT_ONCE));
        Self { endpoint, book, guests, messages, pairings, gate, answered, waiting }
    }

    /// Hears out somebody who wants to join or to introduce itself, and closes the connection.
    pub(crate) async fn receive(
        &self,
        connection: Connection,
        source: Source,
        arrival: OwnedSemaphorePermit,
    ) {
        let joiner = device_of(connection.remote_id());
        let code = match self.exchange(&connection, joiner, source, arrival).await {
            Ok(code) => code,
            Err(MessageError::TimedOut) => CloseCode::TimedOut,
            Err(error) => {
                tracing::info!(joiner = %joiner.short(), %error, "joining broke off");
                CloseCode::Protocol
            }
        };
        code.close(&connection);
    }

    async fn exchange(
        &self,
        connection: &Connection,
        joiner: DeviceId,
        source: Source,
        arrival: OwnedSemaphorePermit,
    ) -> Result<CloseCode, MessageError> {
        let Some(silent) = self.gate.arrive(joiner, source) else { return Ok(CloseCode::Busy) };
        let opening = async {
            let streams = connection.accept_bi().await;
            let (send, mut receive) = streams.map_err(|_| MessageError::Ended)?;
            let first = JoinMessage::whenever(&mut receive, MAX_INTRODUCE_BYTES).await;
            Ok((Streams { send, receive }, first))
        };
        let opened = timeout(STEP_TIMEOUT, opening).await;
        let (mut streams, first) = opened.unwrap_or(Err(MessageError::TimedOut))?;
        let is_invited = match &first {
            Ok(JoinMessage::Hello { invite }) => self.is_invited(*invite, joiner).await,
            _ => false,
        };
        drop(silent);
        let answer = match first {
            // Only what is well-formed counts against the limits of all.
            Ok(JoinMessage::Introduce { records }) => {
                let Some(_place) = self.gate.enter_to_introduce(Instant::now()) else {
                    return Ok(CloseCode::Busy);
                };
                if !self.introduced(joiner, records).await {
                    return Ok(CloseCode::Unknown);
                }
                self.note(connection, joiner).await;
                JoinMessage::Known
            }
            Ok(JoinMessage::Hello { invite }) => {
                let now = Instant::now();
                let place =
                    if is_invited { self.gate.enter_invited(now) } else { self.gate.enter_to_join(now) };
                let Some(place) = place else { return Ok(CloseCode::Busy) };
                let places = Places { _arrival: arrival, _join: place };
                self.hear(connection, &mut streams, invite, places).await?
            }
            Ok(_) => refused(Refusal::Other, "a hello was expected"),
            Err(MessageError::Version) => refused(Refusal::Version, "another version of the protocol"),
            Err(error) => return Err(error),
        };
        answer.write(&mut streams.send).await?;
        if streams.send.finish().is_ok() {
            // The joiner closes when it has read the answer; waiting longer than a step serves nobody.
            let _ = timeout(STEP_TIMEOUT, connection.closed()).await;
        }
        Ok(CloseCode::Done)
    }

    async fn hear(
        &self,
        connection: &Connection,
        streams: &mut Streams,
        invite: InviteKey,
        places: Places,
    ) -> Result<JoinMessage, MessageError> {
        let claimed = timeout(JOIN_TIMEOUT, self.claimed(connection, streams, invite)).await;
        let claimed = match claimed.unwrap_or(Err(MessageError::TimedOut)) {
            Ok(Ok(claimed)) => claimed,
            Ok(Err(refusal)) => return Ok(refusal),
            Err(MessageError::Version) => {
                return Ok(refused(Refusal::Version, "another version of the protocol"));
            }
            Err(error) => return Err(error),
        };
        let purpose = match self.known(&claimed.claim).await {
            Some(Known::Open(purpose)) => Some(purpose),
            Some(Known::Not) => None,
            Some(Known::Expired) => return Ok(refused(Refusal::Expired, "")),
            Some(Known::UsedUp | Known::Blocked) => return Ok(refused(Refusal::NotValid, "")),
            None => return Ok(closing()),
        };
        match (claimed.intent, purpose) {
            (Intent::Look, _) => Ok(self.look(claimed.claim).await),
            (Intent::Decline, _) => Ok(self.declined(claimed.claim).await),
            (Intent::Join, Some(InvitePurpose::Device)) => {
                self.pair(connection, streams, claimed, places).await
            }
            (Intent::Join, purpose) => self.join(connection, streams, claimed, purpose, places).await,
        }
    }

    /// The challenge, and the claim that answers it; or why it does not hold.
    async fn claimed(
        &self,
        connection: &Connection,
        streams: &mut Streams,
        invite: InviteKey,
    ) -> Result<Result<Claimed, JoinMessage>, MessageError> {
        let Ok(challenge) = random() else {
            return Ok(Err(refused(Refusal::Later, "this device cannot draw a challenge")));
        };
        // Everybody gets one, whatever the invitation: before the claim nothing is said about it.
        JoinMessage::Challenge(challenge).write(&mut streams.send).await?;
        let message = JoinMessage::next(&mut streams.receive, MAX_CLAIM_BYTES).await?;
        let JoinMessage::Claim { intent, signed, roster } = message else {
            return Ok(Err(refused(Refusal::Other, "a claim was expected")));
        };
        let claim = self.check(connection, invite, challenge, &signed);
        let (joiner, me) = (device_of(connection.remote_id()), device_of(self.endpoint.id()));
        let transcript = Transcript::of(connection, me, joiner, invite, &signed);
        match (claim, transcript) {
            (Some(claim), Some(transcript)) => Ok(Ok(Claimed { claim, intent, roster, transcript })),
            _ => Ok(Err(refused(Refusal::Other, "the claim does not hold for this connection"))),
        }
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
            && Some(claim.exporter) == exporter(connection, JOIN_ALPN);
        if !holds {
            tracing::warn!(joiner = %claim.joiner.short(), "a claim was made for another connection");
        }
        holds.then_some(verified)
    }

    /// What is known here of an invitation. The engine decides; this is to know what kind of exchange follows.
    async fn known(&self, claim: &VerifiedClaim) -> Option<Known> {
        let (invite, joiner, person) = (claim.claim().invite, claim.claim().joiner, claim.claim().person);
        let question = move |engine: &Engine| {
            if engine.blocked(&joiner) || person.is_some_and(|it| engine.blocked_persons().contains(&it)) {
                return Known::Blocked;
            }
            let Some(open) = engine.invites().find(|open| open.key == invite) else { return Known::Not };
            if open.uses == Some(0) && !open.used_by.contains_key(&joiner) {
                return Known::UsedUp;
            }
            let now = Clock::default().now().0;
            if open.expires.is_some_and(|expires| expires <= now) {
                return Known::Expired;
            }
            Known::Open(open.purpose)
        };
        driver::ask(&self.messages, question).await
    }

    /// Whether somebody names an invitation by which it may be let in, for all that is known before the claim.
    async fn is_invited(&self, invite: InviteKey, joiner: DeviceId) -> bool {
        let question = move |engine: &Engine| {
            let mut accepted = engine.documents().filter(|(_, standing, _)| *standing == Standing::Accepted);
            let mut open = engine.invites();
            let names_it = |access: &Access| access.invites().iter().any(|open| open.key == invite);
            !engine.blocked(&joiner)
                && (open.any(|open| open.key == invite)
                    || accepted
                        .any(|(document, _, _)| engine.access(document).is_some_and(|it| names_it(&it))))
        };
        driver::ask(&self.messages, question).await.unwrap_or(false)
    }

    async fn look(&self, claim: VerifiedClaim) -> JoinMessage {
        let question = move |engine: &Engine| engine.preview_for(Clock::default().now(), &claim);
        match driver::ask(&self.messages, question).await {
            Some(Some(preview)) => JoinMessage::Preview(preview),
            Some(None) => refused(Refusal::NotValid, ""),
            None => closing(),
        }
    }

    async fn declined(&self, claim: VerifiedClaim) -> JoinMessage {
        let joiner = claim.claim().joiner;
        let command = Command::Decline { claim: Box::new(claim) };
        match driver::command(&self.messages, command).await {
            Some(Ok(_)) => {
                tracing::info!(joiner = %joiner.short(), "declined");
                JoinMessage::Noted
            }
            failed => refusal_for(failed.as_ref()),
        }
    }

    /// A new device of this person: both screens show digits, and both people say that they are the same.
    async fn pair(
        &self,
        connection: &Connection,
        streams: &mut Streams,
        claimed: Claimed,
        places: Places,
    ) -> Result<JoinMessage, MessageError> {
        let (invite, joiner) = (claimed.claim.claim().invite, claimed.claim.claim().joiner);
        let name = claimed.claim.claim().name.clone();
        if self.pairings.is_locked(invite, Instant::now()) {
            return Ok(self.lock(invite).await);
        }
        let Some(mut attempt) = self.pairings.begin(invite) else {
            return Ok(refused(Refusal::Later, "another device is being paired"));
        };
        drop(places);
        let Streams { send, receive } = streams;
        let end = match comparison::commit(send, receive, &claimed.transcript).await {
            Ok(digits) => {
                attempt.show(joiner, name, digits);
                tokio::select! {
                    end = comparison::agree(connection, receive, &mut attempt) => end,
                    // The hub is gone, and with it whoever could be asked.
                    () = self.messages.closed() => PairingEnd::BrokenOff,
                }
            }
            Err(error) => {
                tracing::info!(joiner = %joiner.short(), %error, "pairing broke off");
                PairingEnd::BrokenOff
            }
        };
        let (end, answer) = match end {
            PairingEnd::Paired => match self.redeem(claimed.claim, Vec::new()).await {
                Some(Ok(Answer::Joined { document, records })) => {
                    (end, self.welcome(connection, joiner, document, None, records).await)
                }
                other => (PairingEnd::BrokenOff, refusal_for(other.as_ref())),
            },
            PairingEnd::RefusedHere => (end, refused(Refusal::Digits, "")),
            PairingEnd::Unconfirmed => (end, refused(Refusal::Unconfirmed, "")),
            PairingEnd::RefusedThere
            | PairingEnd::CommitmentBroken
            | PairingEnd::BrokenOff
            | PairingEnd::Gone => (end, refused(Refusal::Other, "the digits were not confirmed")),
        };
        tracing::info!(joiner = %joiner.short(), ?end, "pairing ended");
        attempt.end(end);
        if self.pairings.is_locked(invite, Instant::now()) {
            self.lock(invite).await;
        }
        Ok(answer)
    }

    /// Ends an invitation by which pairing failed too often.
    async fn lock(&self, invite: InviteKey) -> JoinMessage {
        tracing::warn!("pairing failed too often; the invitation ends");
        // If it has ended already, so much the better.
        let _ = driver::command(&self.messages, Command::Uninvite { key: invite }).await;
        refused(Refusal::NotValid, "")
    }

    /// Redeems, and waits with the joiner if somebody here has to let it in first.
    async fn join(
        &self,
        connection: &Connection,
        streams: &mut Streams,
        claimed: Claimed,
        purpose: Option<InvitePurpose>,
        places: Places,
    ) -> Result<JoinMessage, MessageError> {
        let joiner = claimed.claim.claim().joiner;
        let recovered = match purpose {
            Some(InvitePurpose::Recovery { person }) => Some(person),
            Some(InvitePurpose::Document { .. } | InvitePurpose::Device) | None => None,
        };
        let mut answered = self.answered.clone();
        let mut places = Some(places);
        let mut _waiting = None;
        let by = Instant::now() + WAITING_TIME;
        loop {
            // Marked before the engine is asked, so that an answer in between is not missed.
            answered.mark_unchanged();
            match self.redeem(claimed.claim.clone(), claimed.roster.clone()).await {
                Some(Ok(Answer::Joined { document, records })) => {
                    return Ok(self.welcome(connection, joiner, document, recovered, records).await);
                }
                Some(Ok(Answer::Waiting)) => {}
                other => return Ok(refusal_for(other.as_ref())),
            }
            if places.take().is_some() {
                tracing::info!(joiner = %joiner.short(), "waits to be let in");
                JoinMessage::Waiting.write(&mut streams.send).await?;
                _waiting = match self.waiting.try_acquire() {
                    Ok(place) => Some(place),
                    Err(_) => return Ok(refused(Refusal::Later, "it waits to be confirmed")),
                };
            }
            tokio::select! {
                changed = answered.changed() => changed.map_err(|_| MessageError::Ended)?,
                _ = connection.closed() => return Err(MessageError::Ended),
                () = sleep(by.saturating_duration_since(Instant::now())) => {
                    return Ok(refused(Refusal::Later, "it waits to be confirmed"));
                }
            }
        }
    }

    async fn redeem(
        &self,
        claim: VerifiedClaim,
        roster: Vec<Vec<u8>>,
    ) -> Option<Result<Answer, CommandError>> {
        driver::command(&self.messages, Command::Redeem { claim: Box::new(claim), roster }).await
    }

    async fn welcome(
        &self,
        connection: &Connection,
        joiner: DeviceId,
        document: Option<ResourceId>,
        recovered: Option<PersonId>,
        records: Vec<Vec<u8>>,
    ) -> JoinMessage {
        tracing::info!(joiner = %joiner.short(), "joined");
        self.note(connection, joiner).await;
        let contacts = self.contacts(document, recovered).await;
        JoinMessage::Welcome { document, records, contacts }
    }

    /// Notes where the joiner is.
    async fn note(&self, connection: &Connection, joiner: DeviceId) {
        let addresses = path_of(connection).and_then(|path| path.address).into_iter().collect();
        let learned = Message::Learned(vec![Contact { device: joiner, addresses }]);
        // If the driver is gone there is nothing to be learned for.
        let _ = self.messages.send(learned).await;
    }

    /// Where the joiner finds this device, and others that have the document, or are the recovered person's.
    async fn contacts(&self, document: Option<ResourceId>, recovered: Option<PersonId>) -> Vec<Contact> {
        let devices = driver::ask(&self.messages, move |engine| {
            let access = document.and_then(|document| engine.access(document));
            let readers = access.iter().flat_map(|access| {
                let readers = access.devices().filter(|(_, standing)| standing.role >= Some(Role::Read));
                readers.map(|(device, _)| device)
            });
            let roster = recovered.and_then(|person| engine.registry().roster(person));
            let own = roster.iter().flat_map(|roster| roster.devices.keys().copied());
            readers.chain(own).collect::<Vec<DeviceId>>()
        });
        let mut contacts = vec![contact(&self.endpoint)];
        let devices = devices.await.unwrap_or_default();
        contacts.extend(devices.into_iter().filter_map(|device| self.book.contact(device)));
        contacts.truncate(MAX_CONTACTS);
        contacts
    }
}

fn refused(refusal: Refusal, text: &str) -> JoinMessage {
    JoinMessage::Refused { refusal, text: text.to_owned() }
}

/// What a joiner is told when the hub closes: that decides nothing about an invitation.
fn closing() -> JoinMessage {
    refused(Refusal::Later, "it is being closed")
}

/// What a joiner is told when the engine did not let it in.
fn refusal_for(answer: Option<&Result<Answer, CommandError>>) -> JoinMessage {
    match answer {
        Some(Err(CommandError::InviteInvalid)) => refused(Refusal::NotValid, ""),
        Some(Err(CommandError::InviteExpired)) => refused(Refusal::Expired, ""),
        Some(Err(CommandError::Declined)) => refused(Refusal::Declined, ""),
        Some(Err(CommandError::TooManyRequests)) => refused(Refusal::Later, "too many wait to be let in"),
        Some(Err(CommandError::JoinerUnknown)) => {
            refused(Refusal::Other, "the device does not belong to the person it names")
        }
        // What goes wrong here is none of a stranger's business.
        Some(Ok(_) | Err(_)) | None => refused(Refusal::Later, "it cannot let anybody in now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_there_is_no_room_now_is_no_word_on_the_invitation() {
        let told = |error| refusal_for(Some(&Err(error)));
        assert_eq!(
            told(CommandError::TooManyRequests),
            refused(Refusal::Later, "too many wait to be let in")
        );
        assert_eq!(told(CommandError::InviteInvalid), refused(Refusal::NotValid, ""));
        assert!(matches!(refusal_for(None), JoinMessage::Refused { refusal: Refusal::Later, .. }));
    }
}
