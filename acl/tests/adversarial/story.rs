//! Olga owns a document. Ada and Ben are Admins by her grants, and Cy writes by Ada's.

use katori_acl::{
    Audience, DeviceKey, Grant, Inserted, Parent, PersonId, Record, RecordId, Registry, ResourceId, Role,
    VerifiedRecord,
};

use crate::cast::{device, document, granting, person, resource_of, revoking, roster_of};

/// A person and its first device.
pub(crate) struct Who {
    pub(crate) id: PersonId,
    pub(crate) key: DeviceKey,
}

pub(crate) struct Story {
    pub(crate) registry: Registry,
    pub(crate) document: ResourceId,
    pub(crate) olga: Who,
    pub(crate) ada: Who,
    pub(crate) ben: Who,
    pub(crate) cy: Who,
    /// Has nothing to do with the document.
    pub(crate) mallory: Who,
    pub(crate) to_ada: RecordId,
    pub(crate) to_ben: RecordId,
    pub(crate) to_cy: RecordId,
}

impl Story {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::new();
        let [olga, ada, ben, cy, mallory] = [1, 2, 3, 4, 5].map(|number| {
            let key = device(number);
            let genesis = person(&key, number);
            let id = roster_of(&genesis);
            registry.insert(genesis);
            Who { id, key }
        });
        let genesis = document(olga.id, &olga.key, 1);
        let document = resource_of(&genesis);
        registry.insert(genesis);
        let none = RecordId::from_bytes([0; 32]);
        let (to_ada, to_ben, to_cy) = (none, none, none);
        let mut story = Self { registry, document, olga, ada, ben, cy, mallory, to_ada, to_ben, to_cy };
        story.to_ada = story.stored(story.admin(&story.olga, &story.ada, Parent::Genesis));
        story.to_ben = story.stored(story.admin(&story.olga, &story.ben, Parent::Genesis));
        story.to_cy = story.stored(story.write(&story.ada, &story.cy, Parent::Grant(story.to_ada)));
        story
    }

    pub(crate) fn tell(&mut self, record: VerifiedRecord) -> Inserted {
        self.registry.insert(record)
    }

    /// Tells something that has to be stored.
    pub(crate) fn stored(&mut self, record: VerifiedRecord) -> RecordId {
        let id = record.id();
        assert_eq!(self.registry.insert(record), Inserted::New);
        id
    }

    /// A grant of Write that is not to be passed on.
    pub(crate) fn write(&self, issuer: &Who, to: &Who, parent: Parent) -> VerifiedRecord {
        self.grant(issuer, to, |grant| Grant { parent, ..grant })
    }

    /// A grant of Admin that is.
    pub(crate) fn admin(&self, issuer: &Who, to: &Who, parent: Parent) -> VerifiedRecord {
        self.grant(issuer, to, |grant| Grant { role: Role::Admin, share: true, parent, ..grant })
    }

    pub(crate) fn grant(&self, issuer: &Who, to: &Who, how: impl FnOnce(Grant) -> Grant) -> VerifiedRecord {
        let grant = granting(self.document, issuer.id, &issuer.key, Audience::Person(to.id));
        Record::Grant(how(grant)).sign(&issuer.key).unwrap()
    }

    pub(crate) fn revoke(&self, by: &Who, target: RecordId) -> VerifiedRecord {
        revoking(self.document, by.id, &by.key, target)
    }

    pub(crate) fn role(&self, who: &Who) -> Option<Role> {
        self.registry.access(self.document).unwrap().role_of_person(&who.id)
    }

    pub(crate) fn role_of_device(&self, key: &DeviceKey) -> Option<Role> {
        self.registry.access(self.document).unwrap().role_of_device(&key.public())
    }
}

impl Who {
    /// The record with which this person's roster begins.
    pub(crate) fn genesis(&self) -> RecordId {
        RecordId::from_bytes(*self.id.as_bytes())
    }
}
