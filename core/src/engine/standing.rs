//! How each document and space stands with this device, and what follows when that changes.

use std::collections::BTreeSet;

use katori_acl::{Audience, DeviceId, Record, RecordId, ResourceId, ResourceKind, Role, Subject};

use super::content::{Kind, Phase};
use super::{Action, CommandError, DocumentState, Engine, MAX_OFFERS, Standing};
use crate::document::remove_content;
use crate::time::Timestamp;

/// Spaces kept that this person has no role in and of which no document is held here yet: the grants of one in which
/// a document was born that this person has a role in come before or after the document, and are kept with it.
const MAX_FOREIGN_SPACES: usize = 64;

impl Engine {
    /// Whether this is a space that nothing is granted in here, kept for the documents born in it.
    pub(super) fn is_foreign_space(&self, document: ResourceId) -> bool {
        let needed =
            |id: ResourceId| self.registry.born_in(id).any(|born| self.standing(born) != Standing::Unknown);
        let foreign = |id: ResourceId| {
            self.registry.kind_of(id) == Some(ResourceKind::Space) && self.standing(id) == Standing::Unknown
        };
        let others = self.registry.spaces().filter(|id| *id != document && foreign(*id) && !needed(*id));
        foreign(document)
            && (needed(document) || others.take(MAX_FOREIGN_SPACES).count() < MAX_FOREIGN_SPACES)
    }

    /// Gives a document that has come to be known, or was deleted, its standing.
    pub(super) fn note_standing(&mut self, now: Timestamp, document: ResourceId, from: Option<DeviceId>) {
        let Some(access) = self.registry.rights(document).cloned() else { return };
        let before = self.standing(document);
        let mine = access.owner == self.me.person;
        let space = self.registry.space_of(document).filter(|_| !mine);
        let in_space = space.map(|space| self.standing(space));
        let ours = mine
            || in_space == Some(Standing::Accepted) && self.is_founded_by_a_writer(document)
            || from.is_some_and(|peer| {
                self.registry.roster(self.me.person).is_some_and(|roster| roster.contains(&peer))
            });
        // What comes with a space that is on offer waits for the space to be accepted, and is not kept until then.
        let with_the_space = matches!(in_space, Some(Standing::Offered | Standing::Forgotten));
        let readable = self.may_read(now, document, &self.me.device());
        if readable {
            self.note_wish(document, false);
        }
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
            // Its copy stays as it is until it is accepted anew.
            Standing::Accepted if readable && self.is_given_up(document) => Standing::Left,
            Standing::Left if readable && !self.is_given_up(document) => Standing::Accepted,
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

    /// Whether the owner of a document may write in the space it was born in, now: who could once may still found
    /// documents there, and those are on offer like a stranger's.
    fn is_founded_by_a_writer(&self, document: ResourceId) -> bool {
        let owner = self.registry.rights(document).map(|access| access.owner);
        let space = self.registry.space_of(document).and_then(|space| self.registry.rights(space));
        space.zip(owner).is_some_and(|(space, owner)| {
            let group =
                space.groups().find(|(group, _)| *group == owner).and_then(|(_, standing)| standing.role);
            space.role_of_person(&owner).max(group) >= Some(Role::Write)
        })
    }

    fn is_given_up(&self, document: ResourceId) -> bool {
        self.documents.get(&document).is_some_and(|state| state.given_up)
    }

    /// Notes whether this person has left a document, so that a new grant does not bring it back unasked.
    pub(super) fn give_up(&mut self, document: ResourceId, given_up: bool) {
        if let Some(state) = self.documents.get_mut(&document)
            && state.given_up != given_up
        {
            state.given_up = given_up;
            let row = state.row(document);
            self.access_next.writes.push(row);
        }
    }

    /// Notes that what ended this person's role asked that its copy be dropped.
    pub(super) fn note_wishes(&mut self, now: Timestamp, new: &BTreeSet<RecordId>) {
        let mine = |to: Audience| match to {
            Audience::Person(to) => to == self.me.person,
            Audience::Group(group) => self.registry.rosters_above(self.me.person).contains(&group),
            Audience::Device(device) => device == self.me.device(),
            Audience::Invite(_) => false,
        };
        let asked = new.iter().filter_map(|id| {
            let Record::Revoke(revoke) = self.registry.record(id)?.record() else { return None };
            revoke.erase.then_some((revoke.resource, revoke.target))
        });
        let asked: Vec<ResourceId> = asked
            .filter(|(_, target)| self.granted(target).is_some_and(|grant| mine(grant.to)))
            .flat_map(|(resource, _)| self.registry.documents_in(resource).into_iter().chain([resource]))
            .filter(|document| !self.may_read(now, *document, &self.me.device()))
            .collect();
        for document in asked {
            self.note_wish(document, true);
        }
    }

    fn note_wish(&mut self, document: ResourceId, erase: bool) {
        if let Some(state) = self.documents.get_mut(&document)
            && state.erase_asked != erase
        {
            state.erase_asked = erase;
            let row = state.row(document);
            self.access_next.writes.push(row);
        }
    }

    /// Whether what ended this person's role asked that its copy be dropped.
    pub(super) fn is_to_be_erased(&self, document: ResourceId) -> bool {
        self.documents.get(&document).is_some_and(|state| state.erase_asked)
    }

    /// Changes a document's standing, in the next change of access.
    pub(super) fn set_standing(&mut self, document: ResourceId, standing: Standing) {
        let state = self.documents.entry(document).or_insert_with(|| DocumentState::new(standing));
        self.inventories.touch_access(Subject::Resource(document));
        if let Some(space) = self.registry.space_of(document) {
            self.inventories.touch_access(Subject::Resource(space));
        }
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
        let held = state.work.take();
        state.summary.set(crate::document::Summary::default());
        self.receipts.retain(|(of, _), _| *of != document);
        self.inventories.doubt();
        for (peer, bytes) in held.received {
            self.act(Action::Consumed { peer, bytes });
        }
        let mut commands: Vec<_> = held.commands.into_iter().map(|(id, _)| id).collect();
        if let Phase::Working(Kind::Command(id), _) = held.phase {
            commands.push(id);
        }
        for id in commands {
            if self.vouched_for(id, document) {
                continue;
            }
            let result = Err(CommandError::UnknownDocument(document));
            self.act(Action::Reply { id, result });
        }
        for session in self.sessions.values_mut() {
            session.single_out(Subject::Resource(document));
            session.unfollow(&document);
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
