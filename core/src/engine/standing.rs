//! How each document and space stands with this device, and what follows when that changes.

use std::collections::BTreeSet;

use katori_acl::{Audience, DeviceId, Record, ResourceId, ResourceKind, Subject, VerifiedRecord};

use super::{Action, CommandError, DocumentState, Engine, MAX_OFFERS, Standing};
use crate::document::remove_content;
use crate::time::Timestamp;

/// Spaces kept that this person has no role in: those in which a document was born that it has one in. Their
/// grants say who else may write there. More come in again with their documents.
const MAX_FOREIGN_SPACES: usize = 1024;

impl Engine {
    /// Whether this is a space that nothing is granted in here, kept for the documents born in it.
    pub(super) fn is_foreign_space(&self, document: ResourceId) -> bool {
        let foreign = |id: ResourceId| {
            self.registry.kind_of(id) == Some(ResourceKind::Space) && self.standing(id) == Standing::Unknown
        };
        let others = self.registry.subjects().filter(|subject| match subject {
            Subject::Resource(id) => *id != document && foreign(*id),
            Subject::Roster(_) => false,
        });
        foreign(document) && others.take(MAX_FOREIGN_SPACES).count() < MAX_FOREIGN_SPACES
    }

    /// Gives a document that has come to be known, or was deleted, its standing.
    pub(super) fn note_standing(&mut self, now: Timestamp, document: ResourceId, from: Option<DeviceId>) {
        let Some(access) = self.registry.access(document) else { return };
        let before = self.standing(document);
        let mine = access.owner == self.me.person;
        let space = self.registry.space_of(document).filter(|_| !mine);
        let in_space = space.map(|space| self.standing(space));
        let ours = mine
            || in_space == Some(Standing::Accepted)
            || from.is_some_and(|peer| {
                self.registry.roster(self.me.person).is_some_and(|roster| roster.contains(&peer))
            });
        // What comes with a space that is on offer waits for the space to be accepted, and is not kept until then.
        let with_the_space = matches!(in_space, Some(Standing::Offered | Standing::Forgotten));
        let readable = self.may_read(now, document, &self.me.device());
        let offers = || self.documents.values().filter(|state| state.standing == Standing::Offered).count();
        let after = match before {
            Standing::Forgotten => Standing::Forgotten,
            _ if access.deleted => Standing::Deleted,
            Standing::Unknown | Standing::Offered if readable && ours => Standing::Accepted,
            Standing::Unknown | Standing::Erased | Standing::Rejected
                if readable && !with_the_space && offers() < MAX_OFFERS =>
            {
                Standing::Offered
            }
            Standing::Left if readable => Standing::Accepted,
            Standing::Left if self.is_to_be_erased(document) => Standing::Erased,
            Standing::Unknown
            | Standing::Offered
            | Standing::Accepted
            | Standing::Left
            | Standing::Erased
            | Standing::Rejected
            | Standing::Deleted => before,
        };
        if after != before {
            self.set_standing(document, after);
        }
    }

    /// Whether whoever took this person's role away asked that its copy be dropped.
    pub(super) fn is_to_be_erased(&self, document: ResourceId) -> bool {
        let mine = |to: Audience| match to {
            Audience::Person(to) => to == self.me.person,
            Audience::Group(group) => self.registry.groups_of(self.me.person).contains(&group),
            Audience::Device(device) => device == self.me.device(),
            Audience::Invite(_) => false,
        };
        let resources = self.registry.space_of(document).into_iter().chain([document]);
        resources.flat_map(|resource| self.registry.counted_revocations(resource)).any(|id| {
            match self.registry.record(&id).map(VerifiedRecord::record) {
                Some(Record::Revoke(revoke)) => {
                    revoke.erase && self.granted(&revoke.target).is_some_and(|grant| mine(grant.to))
                }
                _ => false,
            }
        })
    }

    /// Changes a document's standing, in the next change of access.
    pub(super) fn set_standing(&mut self, document: ResourceId, standing: Standing) {
        let state = self.documents.entry(document).or_insert_with(|| DocumentState {
            standing,
            summary: crate::document::Summary::default(),
            work: super::content::Held::default(),
            farewells: BTreeSet::new(),
            escort: Vec::new(),
            offered: None,
        });
        let held_content = state.standing.has_content();
        state.standing = standing;
        let row = state.row(document);
        self.access_next.writes.push(row);
        self.access_next.documents.insert(document);
        if held_content && !standing.has_content() {
            self.access_next.writes.extend(remove_content(&document));
            self.access_next.removed.push(document);
            self.removing.insert(document);
            self.drop_content(document);
        }
    }

    /// Lets go of a document's content in memory; what was under way with it is answered to nobody.
    fn drop_content(&mut self, document: ResourceId) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        let held = std::mem::take(&mut state.work);
        state.summary = crate::document::Summary::default();
        self.receipts.retain(|(of, _), _| *of != document);
        for (peer, bytes) in held.received {
            self.act(Action::Consumed { peer, bytes });
        }
        for (id, _) in held.commands {
            if self.vouched_for(id, document) {
                continue;
            }
            let result = Err(CommandError::UnknownDocument(document));
            self.act(Action::Reply { id, result });
        }
        for session in self.sessions.values_mut() {
            session.live.remove(&document);
            session.version_sent.remove(&document);
            session.farewells.remove(&document);
            session.handed_over.remove(&document);
        }
        if let Some(change) = &mut self.access_now {
            change.remaining.remove(&document);
        }
        self.finish_access_change();
        if let Some(access) = self.registry.access(document) {
            self.act(Action::Drop { document, access });
        }
    }
}
