//! Making, accepting, leaving and deleting documents and spaces.

use automerge::ChangeHash;
use katori_acl::bounds::MAX_EXCLUDED_CHANGES;
use katori_acl::{
    DeviceId, Exclude, Genesis, Principal, Record, ResourceId, ResourceKind, Role, Subject, Tombstone,
};

use super::{Answer, CommandError, Next};
use crate::engine::{Engine, Standing};
use crate::time::Timestamp;

impl Engine {
    pub(super) fn create(&mut self, name: String, space: Option<ResourceId>) -> Result<Next, CommandError> {
        if let Some(space) = space {
            let held = self.standing(space) == Standing::Accepted
                && self.registry.kind_of(space) == Some(ResourceKind::Space);
            if !held {
                return Err(CommandError::UnknownSpace(space));
            }
            if self.role_of(space, Principal::Person(self.me.person)) < Some(Role::Write) {
                let hint = ": ask an admin of the space, or its owner";
                return Err(CommandError::NotAllowed { needed: "write", hint });
            }
        }
        self.create_resource(ResourceKind::Document, name, space)
    }

    pub(super) fn create_space(&mut self, name: String) -> Result<Next, CommandError> {
        self.create_resource(ResourceKind::Space, name, None)
    }

    pub(super) fn create_shelf(&mut self) -> Result<Next, CommandError> {
        if let Some(shelf) = self.registry.shelf_of(self.me.person) {
            return Ok(Next::Records(Vec::new(), Answer::Created(shelf)));
        }
        let roster = self.registry.roster(self.me.person);
        let roster = roster.ok_or(CommandError::UnknownPerson(self.me.person))?;
        let senior = roster.devices.iter().min_by_key(|(_, member)| member.rank).map(|(device, _)| *device);
        if senior != Some(self.me.device()) {
            // Two made at once would be two; the most senior device's comes by itself.
            return Ok(Next::Records(Vec::new(), Answer::Done));
        }
        self.create_resource(ResourceKind::Shelf, "shelf".to_owned(), None)
    }

    fn create_resource(
        &mut self,
        kind: ResourceKind,
        name: String,
        space: Option<ResourceId>,
    ) -> Result<Next, CommandError> {
        self.require_full()?;
        let genesis = Record::Genesis(Genesis {
            kind,
            owner: self.me.person,
            space,
            name,
            nonce: self.random(),
            alias: self.random(),
            by: self.me.device(),
        });
        let record = genesis.sign(&self.me.key)?;
        let Subject::Resource(id) = record.subject() else {
            return Err(CommandError::Sign("a genesis of no resource".into()));
        };
        self.set_standing(id, Standing::Accepted);
        Ok(Next::Records(vec![record], Answer::Created(id)))
    }

    pub(super) fn delete(&mut self, document: ResourceId) -> Result<Next, CommandError> {
        self.require_accepted(document)?;
        let owner = self.registry.access(document).is_some_and(|access| access.owner == self.me.person);
        if !owner {
            let hint = ": only the owner deletes a document for everybody; leave or forget it instead";
            return Err(CommandError::NotAllowed { needed: "to be the owner", hint });
        }
        let record = Record::Tombstone(Tombstone { resource: document, by: self.me.device() });
        Ok(Next::Records(vec![record.sign(&self.me.key)?], Answer::Done))
    }

    pub(super) fn forget(&mut self, document: ResourceId) -> Result<Next, CommandError> {
        if self.standing(document) == Standing::Unknown {
            return Err(CommandError::UnknownDocument(document));
        }
        self.set_standing(document, Standing::Forgotten);
        for born in self.registry.documents_in(document) {
            if matches!(self.standing(born), Standing::Accepted | Standing::Offered | Standing::Left) {
                self.set_standing(born, Standing::Forgotten);
            }
        }
        Ok(Next::Records(Vec::new(), Answer::Done))
    }

    pub(super) fn leave(&mut self, document: ResourceId) -> Result<Next, CommandError> {
        self.require_accepted(document)?;
        let records = self.give_back(document)?;
        let born = self.registry.documents_in(document);
        for left in born.into_iter().chain([document]) {
            self.give_up(left, true);
        }
        Ok(Next::Records(records, Answer::Done))
    }

    /// Says no to an offer: the grant is given back, and the document is put away.
    pub(super) fn reject(&mut self, document: ResourceId) -> Result<Next, CommandError> {
        if self.standing(document) != Standing::Offered {
            return Err(CommandError::NotOffered(document));
        }
        let records = self.give_back(document)?;
        self.set_standing(document, Standing::Rejected);
        Ok(Next::Records(records, Answer::Done))
    }

    pub(super) fn accept(&mut self, now: Timestamp, document: ResourceId) -> Result<Next, CommandError> {
        let readable = self.may_read(now, document, &self.me.device());
        match self.standing(document) {
            Standing::Left if !readable => Err(CommandError::NotOffered(document)),
            Standing::Offered | Standing::Forgotten | Standing::Left => {
                self.take(document);
                let born = self.registry.documents_in(document);
                for born in born {
                    if matches!(self.standing(born), Standing::Offered | Standing::Forgotten | Standing::Left)
                    {
                        self.take(born);
                    }
                }
                self.ask_for_what_was_named(now);
                Ok(Next::Records(Vec::new(), Answer::Done))
            }
            Standing::Accepted => Ok(Next::Records(Vec::new(), Answer::Done)),
            Standing::Unknown | Standing::Deleted | Standing::Erased | Standing::Rejected => {
                Err(CommandError::NotOffered(document))
            }
        }
    }

    fn take(&mut self, document: ResourceId) {
        // Whoever was told of it before is told again: nothing of it is here any more.
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.untell(peer, Subject::Resource(document));
        }
        self.give_up(document, false);
        self.set_standing(document, Standing::Accepted);
    }

    pub(super) fn exclude(
        &mut self,
        document: ResourceId,
        changes: &[ChangeHash],
        reason: &str,
    ) -> Result<Next, CommandError> {
        self.require_accepted(document)?;
        if self.role_of(document, Principal::Device(self.me.device())) < Some(Role::Admin) {
            return Err(super::ADMIN);
        }
        let mut changes: Vec<[u8; 32]> = changes.iter().map(|change| change.0).collect();
        changes.sort_unstable();
        changes.dedup();
        let mut records = Vec::new();
        for changes in changes.chunks(MAX_EXCLUDED_CHANGES) {
            let record = Record::Exclude(Exclude {
                resource: document,
                changes: changes.to_vec(),
                reason: reason.to_owned(),
                by: self.me.device(),
            });
            records.push(record.sign(&self.me.key)?);
        }
        Ok(Next::Records(records, Answer::Done))
    }
}
