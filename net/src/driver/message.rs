//! What the driver is told, and asking it something.

use std::fmt;

use katori_acl::{Contact, DeviceId, ResourceId};
use katori_core::engine::{Answer, Command, CommandError, Engine, Input};
use tokio::sync::{mpsc, oneshot};

use super::Candidate;
use crate::documents::Worked;
use crate::greeting::CloseCode;
use crate::link::{Admitted, LinkId};

/// A question to the engine.
type Question = Box<dyn FnOnce(&Engine) + Send>;

/// What the driver is told.
pub(crate) enum Message {
    Input(Input),
    /// Work on a document has ended.
    Worked {
        document: ResourceId,
        number: u64,
        worked: Worked,
    },
    Frame {
        peer: DeviceId,
        link: LinkId,
        frame: Vec<u8>,
    },
    Drained {
        peer: DeviceId,
        link: LinkId,
        bytes: usize,
    },
    /// A connection wants to become a link.
    Candidate(Candidate, oneshot::Sender<Result<Admitted, CloseCode>>),
    /// Whether a link to this device is needed.
    IsNeeded(DeviceId, oneshot::Sender<bool>),
    LinkDown {
        peer: DeviceId,
        link: LinkId,
    },
    DialFailed {
        peer: DeviceId,
    },
    Command(Command, oneshot::Sender<Result<Answer, CommandError>>),
    Ask(Question),
    /// Devices may be found there.
    Learned(Vec<Contact>),
    /// The same, and they are to be dialled although nothing is known to be shared with them.
    Sought(Vec<Contact>),
    /// This device has other addresses than before, and perhaps none of those under which it was known.
    NetworkChanged {
        has_moved: bool,
    },
    /// It goes faster or slower from now on.
    Paced,
    /// Edits are to be signed and stored at once.
    Hurry,
    /// Ends everything, in peace.
    Close,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").finish_non_exhaustive()
    }
}

/// Gives the engine a command; nothing if the driver is gone.
pub(crate) async fn command(
    messages: &mpsc::Sender<Message>,
    command: Command,
) -> Option<Result<Answer, CommandError>> {
    let (reply, answer) = oneshot::channel();
    messages.send(Message::Command(command, reply)).await.ok()?;
    answer.await.ok()
}

/// Asks the engine something; nothing if the driver is gone, or the question panicked.
pub(crate) async fn ask<R: Send + 'static>(
    messages: &mpsc::Sender<Message>,
    question: impl FnOnce(&Engine) -> R + Send + 'static,
) -> Option<R> {
    let (reply, answer) = oneshot::channel();
    let question = Box::new(move |engine: &Engine| {
        // Whoever asked may have stopped waiting.
        let _ = reply.send(question(engine));
    });
    messages.send(Message::Ask(question)).await.ok()?;
    answer.await.ok()
}
