//! The exchange that gives both sides the same digits, and what both people say of them.
//!
//! In this order, so that neither side can steer (see `digits`): commitment, the joiner's nonce, reveal. Then both
//! sides wait for their person. The joiner's answer travels as a verdict; the inviter's is the welcome, or a refusal.

use std::pin::pin;
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::time::timeout;

use super::digits::{Digits, Transcript};
use super::joiner::{Asked, Given, explain, given, refusal_in};
use super::message::{JoinMessage, MAX_SMALL_BYTES, MAX_WELCOME_BYTES, MessageError, Verdict};
use super::pairings::{Attempt, PairingEnd};
use super::{JoinError, STEP_TIMEOUT};
use crate::randomness::random;

/// How long people are given to compare digits.
pub(super) const CONFIRM_TIMEOUT: Duration = Duration::from_mins(2);
/// How long the last word may take to arrive.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The inviter's half up to the digits.
pub(super) async fn commit(
    send: &mut SendStream,
    receive: &mut RecvStream,
    transcript: &Transcript,
) -> Result<Digits, MessageError> {
    let nonce = random().map_err(|_| MessageError::Ended)?;
    JoinMessage::Commitment(transcript.commit(&nonce)).write(send).await?;
    let JoinMessage::Nonce(joiner) = JoinMessage::next(receive, MAX_SMALL_BYTES).await? else {
        return Err(MessageError::OutOfTurn);
    };
    JoinMessage::Reveal(nonce).write(send).await?;
    Ok(transcript.digits(&nonce, &joiner))
}

/// The inviter's wait for both people.
pub(super) async fn agree(
    connection: &Connection,
    receive: &mut RecvStream,
    attempt: &mut Attempt,
) -> PairingEnd {
    let both = async {
        let mut verdict = pin!(JoinMessage::whenever(receive, MAX_SMALL_BYTES));
        let (mut here, mut there) = (false, false);
        while !(here && there) {
            tokio::select! {
                // Whoever goes away has said why before.
                biased;
                said = &mut verdict, if !there => match said {
                    Ok(JoinMessage::Verdict(Verdict::Same)) => there = true,
                    Ok(JoinMessage::Verdict(Verdict::Different)) => return PairingEnd::RefusedThere,
                    Ok(JoinMessage::Verdict(Verdict::Broken)) => return PairingEnd::CommitmentBroken,
                    Ok(JoinMessage::Verdict(Verdict::Unanswered)) => return PairingEnd::Unconfirmed,
                    Ok(_) | Err(_) => return PairingEnd::BrokenOff,
                },
                same = attempt.answer(), if !here => {
                    if !same {
                        return PairingEnd::RefusedHere;
                    }
                    here = true;
                }
                _ = connection.closed() => return PairingEnd::BrokenOff,
            }
        }
        PairingEnd::Paired
    };
    timeout(CONFIRM_TIMEOUT, both).await.unwrap_or(PairingEnd::Unconfirmed)
}

/// The joiner's half: shows the digits to the person, and goes on only if they are the same on the other screen.
pub(super) async fn confirm(
    asked: Asked,
    commitment: [u8; 32],
    confirm: impl AsyncFnOnce(Digits) -> bool,
) -> Result<Given, JoinError> {
    let Asked { connection, mut send, mut receive, transcript, .. } = asked;
    let told = |error: MessageError| explain(&connection, &error);
    let nonce = random().map_err(JoinError::Hub)?;
    JoinMessage::Nonce(nonce).write(&mut send).await.map_err(told)?;
    let answer = JoinMessage::next(&mut receive, MAX_SMALL_BYTES).await.map_err(told)?;
    let JoinMessage::Reveal(revealed) = answer else { return Err(refusal_in(answer)) };
    if transcript.commit(&revealed) != commitment {
        say_last(&mut send, Verdict::Broken).await;
        return Err(JoinError::CommitmentBroken);
    }
    let digits = transcript.digits(&revealed, &nonce);
    let mut answer = pin!(JoinMessage::whenever(&mut receive, MAX_WELCOME_BYTES));
    let same = tokio::select! {
        same = timeout(CONFIRM_TIMEOUT, confirm(digits)) => same,
        // Before this side has agreed there can only be bad news.
        early = &mut answer => return Err(refusal_in(early.map_err(told)?)),
    };
    match same {
        Ok(true) => {}
        Ok(false) => {
            say_last(&mut send, Verdict::Different).await;
            return Err(JoinError::DigitsRefused { by_us: true });
        }
        Err(_) => {
            say_last(&mut send, Verdict::Unanswered).await;
            return Err(JoinError::Unconfirmed);
        }
    }
    JoinMessage::Verdict(Verdict::Same).write(&mut send).await.map_err(told)?;
    let answer = timeout(CONFIRM_TIMEOUT + STEP_TIMEOUT, answer).await;
    given(answer.map_err(|_| JoinError::Unconfirmed)?.map_err(told)?)
}

/// Says something after which the connection is closed, and waits until it has arrived.
async fn say_last(send: &mut SendStream, verdict: Verdict) {
    let said = async {
        JoinMessage::Verdict(verdict).write(send).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    };
    // If it does not arrive, the other side notices that the connection is gone.
    let _ = timeout(LAST_WORD, said).await;
}
