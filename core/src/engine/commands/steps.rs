//! Steps that can cost somebody's work its cover: this device's own vouch is signed first and travels with the
//! word, so that normally nobody else has to sign, and whoever loses a role keeps seeing what had been accepted.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{DeviceId, PersonId, Principal, ResourceId};

use super::{Next, RevokeTerms};
use crate::engine::{Action, CommandId, Engine, Standing, Task};
use crate::time::Timestamp;

/// What is done when everything it touches is vouched for.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Step {
    /// Grants are ended.
    Revoke { document: ResourceId, from: Principal, terms: RevokeTerms },
    /// A device of this person goes.
    RemoveDevice { device: DeviceId, keep: bool },
    /// A member of a group goes.
    RemoveMember { group: PersonId, member: PersonId },
}

/// A step that waits.
#[derive(Debug)]
pub(in crate::engine) struct Waiting {
    vouching: BTreeSet<ResourceId>,
    step: Step,
}

/// Steps that wait for the vouches that go with them.
pub(in crate::engine) type Pending = BTreeMap<CommandId, Waiting>;

impl Engine {
    /// Signs over each of these documents that has content this device may write, then does the step.
    pub(super) fn vouch_first(
        &mut self,
        now: Timestamp,
        id: CommandId,
        documents: BTreeSet<ResourceId>,
        step: Step,
    ) {
        let me = self.me.device();
        let vouching: BTreeSet<ResourceId> = documents
            .into_iter()
            .filter(|document| {
                self.standing(*document) == Standing::Accepted && self.holds_content(*document)
            })
            .filter(|document| self.documents.get(document).is_some_and(|state| state.summary.changes > 0))
            .filter(|document| {
                self.role_of(*document, Principal::Device(me)) >= Some(katori_acl::Role::Write)
            })
            .collect();
        if vouching.is_empty() {
            self.take_step(now, id, step);
            return;
        }
        self.pending.insert(id, Waiting { vouching: vouching.clone(), step });
        for document in vouching {
            self.queue_command(now, document, id, Task::Vouch);
        }
    }

    /// A document is vouched for, or cannot be; says whether a step waits for that.
    pub(in crate::engine) fn vouched_for(&mut self, id: CommandId, document: ResourceId) -> bool {
        let Some(waiting) = self.pending.get_mut(&id) else { return false };
        waiting.vouching.remove(&document);
        true
    }

    /// Does the steps that wait for nothing any more.
    pub(in crate::engine) fn take_steps(&mut self, now: Timestamp) {
        let ready: Vec<CommandId> = self
            .pending
            .iter()
            .filter(|(_, waiting)| waiting.vouching.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in ready {
            if let Some(Waiting { step, .. }) = self.pending.remove(&id) {
                self.take_step(now, id, step);
            }
        }
    }

    fn take_step(&mut self, now: Timestamp, id: CommandId, step: Step) {
        let next = match step {
            Step::Revoke { document, from, terms } => {
                self.revocation(document, from, terms).map(|records| Next::Revoked(records, document, from))
            }
            Step::RemoveDevice { device, keep } => self.without_device(device, keep),
            Step::RemoveMember { group, member } => self.without_member(group, member),
        };
        match next {
            Ok(next) => self.follow(now, id, next),
            Err(error) => self.act(Action::Reply { id, result: Err(error) }),
        }
    }
}
