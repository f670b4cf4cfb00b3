//! What is kept and not shown: which rule keeps each change out, and what can be done about it.

use automerge::ChangeHash;
use katori_core::document::{Document, HeldReason, Rule, Voucher};
use katori_core::engine::Command;

use super::Doc;
use crate::error::Error;
use crate::who::Who;

/// A change that is kept here and not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldChange {
    /// The change.
    pub hash: ChangeHash,
    /// Whose name it bears; nobody's for what was imported.
    pub who: Option<Who>,
    /// Whether that device signed it, so that it is really its own.
    pub signed: bool,
    /// When, in seconds since 1970 by its author's clock.
    pub time: i64,
    /// How many operations it has.
    pub operations: u64,
    /// Why it is not shown.
    pub reason: HeldReason,
    /// The part of the rule that the reason comes from.
    pub rule: Rule,
    /// Who stands behind it and does not count now.
    pub uncounted: Vec<Uncounted>,
}

/// Somebody who signed for a change, and does not count now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// Who.
    pub who: Who,
    /// Whether the device is proven to have signed two histories; otherwise it may not write any more.
    pub forked: bool,
}

impl Doc {
    /// The changes that are kept here and not shown, with the reason.
    #[must_use]
    pub fn held(&self) -> Vec<HeldChange> {
        let names = self.names();
        let mut who = self.namer();
        self.open().with(|document| {
            let held = document.held().into_iter().map(|held| HeldChange {
                hash: held.hash,
                who: held.device.map(&mut who),
                signed: held.signed,
                time: held.time,
                operations: held.operations,
                rule: held.rule,
                uncounted: held
                    .uncounted
                    .iter()
                    .map(|Voucher { device, person, forked }| {
                        let mut who = who(*device);
                        if who.person.is_none() {
                            // The roster that would say whose it is is not here; its own word is.
                            who = Who { person: Some(*person), ..who };
                            who.person_name = names.person(*person).person_name;
                        }
                        Uncounted { who, forked: *forked }
                    })
                    .collect(),
                reason: held.reason,
            });
            held.collect()
        })
    }

    /// Stands behind changes that are held back, so that they are shown here and everywhere.
    ///
    /// # Errors
    /// [`Error::Command`] if this device may not write, or they cannot come in by its word.
    pub async fn take_in(&self, changes: &[ChangeHash]) -> Result<(), Error> {
        let command = Command::TakeIn { document: self.id(), changes: changes.to_vec() };
        self.hub().command(command).await?;
        Ok(())
    }

    /// Keeps changes out of the document, for everybody, and with them all that builds on them. They are kept, and
    /// shown to nobody while an admin says so. The reason is for people to read. Of a change that applied another one
    /// again, that other is kept out as well, or somebody would apply it once more.
    ///
    /// # Errors
    /// [`Error::Command`] if this device is no admin's.
    pub async fn exclude(&self, changes: &[ChangeHash], reason: &str) -> Result<(), Error> {
        let (document, mut changes, reason) = (self.id(), changes.to_vec(), reason.to_owned());
        let originals = |document: &Document| -> Vec<ChangeHash> {
            changes.iter().filter_map(|change| document.stands_for(change)).collect()
        };
        let originals = self.open().with(originals);
        changes.extend(originals);
        self.hub().command(Command::Exclude { document, changes, reason }).await?;
        Ok(())
    }
}
