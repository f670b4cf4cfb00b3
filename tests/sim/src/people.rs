//! What people do in a world: found themselves, take on devices, come back, share, and let each other in.

use std::sync::Arc;

use katori_acl::{
    Access, Capacity, Claim, DeviceKey, InviteSecret, Member, PersonId, Principal, Record, RecoveryPhrase,
    ResourceId, Role, RosterAction, RosterOperation, SignedClaim, Subject, UnverifiedRecord, VerifiedClaim,
    VerifiedRecord,
};
use katori_core::engine::{Answer, Command, CommandError, Offer, RevokeTerms, Standing};
use katori_core::identity::{Founding, Identity};

use crate::world::{DeviceIndex, World};

impl World {
    /// A person with this many devices, all running.
    pub fn person(&mut self, name: &str, devices: usize) -> Vec<DeviceIndex> {
        let key = DeviceKey::from_secret(self.random_bytes());
        let words = RecoveryPhrase::from_entropy(self.random_bytes());
        let founding = Founding {
            person_name: name.to_owned(),
            device_name: format!("{name}-0"),
            recovery: words.hash(),
            nonce: self.random_bytes(),
        };
        let (first, genesis) = Identity::found(key.clone(), founding).expect("a short name");
        let person = first.person;
        self.words.insert(person, words);
        let mut records = vec![genesis.clone()];
        let mut identities = vec![first];
        let mut previous = vec![genesis.id()];
        for index in 1..devices {
            let new = DeviceKey::from_secret(self.random_bytes());
            let add = Record::RosterOperation(RosterOperation {
                roster: person,
                person: None,
                by: key.public(),
                previous,
                action: RosterAction::Add {
                    member: Member::Device(new.public()),
                    name: format!("{name}-{index}"),
                    capacity: Capacity::Full,
                    sealing: None,
                    consent: Some(new.consent(person)),
                },
            })
            .sign(&key)
            .expect("a valid record");
            previous = vec![add.id()];
            records.push(add);
            identities.push(Identity { key: new, person });
        }
        identities.into_iter().map(|identity| self.add_device(identity, &records)).collect()
    }

    /// The words by which a person comes back.
    #[must_use]
    pub fn words(&self, person: PersonId) -> RecoveryPhrase {
        self.words.get(&person).expect("a person of this world").clone()
    }

    /// Pairs a new device with one that its person has.
    pub fn pair(&mut self, by: DeviceIndex, name: &str) -> DeviceIndex {
        let secret = InviteSecret::from_secret(self.random_bytes());
        let result = self.command(by, Command::InviteDevice { key: secret.public(), expires: None });
        assert!(result.is_ok(), "a device was not invited: {result:?}");
        let key = DeviceKey::from_secret(self.random_bytes());
        let person = self.person_of(by);
        let claim = Claim {
            person: None,
            consent: Some(key.consent(person)),
            name: name.to_owned(),
            ..self.claim_of(by, &secret, &key)
        };
        let claim = Box::new(proven(claim, &secret, &key));
        match self.command(by, Command::Redeem { claim, roster: Vec::new() }) {
            Ok(Answer::Joined { records, .. }) => {
                self.add_device(Identity { key, person }, &verified(&records))
            }
            other => panic!("pairing answered {other:?}"),
        }
    }

    /// Comes back as a person who has lost all devices, by the words, with the roster that another device knows.
    pub fn recover(&mut self, person: PersonId, from: DeviceIndex) -> DeviceIndex {
        let secret = InviteSecret::from_secret(self.random_bytes());
        let invite = Command::InviteRecovery { key: secret.public(), person, expires: None };
        let result = self.command(from, invite);
        assert!(result.is_ok(), "a recovery was not invited: {result:?}");
        let key = DeviceKey::from_secret(self.random_bytes());
        let claim = Claim { person: Some(person), ..self.claim_of(from, &secret, &key) };
        let claim = Box::new(proven(claim, &secret, &key));
        let answer = self.command(from, Command::Redeem { claim, roster: Vec::new() });
        let Ok(Answer::Joined { records, .. }) = answer else { panic!("recovering answered {answer:?}") };
        let next = RecoveryPhrase::from_entropy(self.random_bytes());
        let words = self.words.insert(person, next.clone()).expect("a person of this world");
        let name = "recovered".to_owned();
        let recovered = Identity::recover(key, &words, &next, verified(&records), name);
        let (identity, roster) = recovered.expect("the right words");
        self.add_device(identity, &roster)
    }

    /// A new document.
    pub fn create(&mut self, index: DeviceIndex, name: &str) -> ResourceId {
        self.create_with(index, Command::Create { name: name.to_owned(), space: None })
    }

    /// A new space.
    pub fn create_space(&mut self, index: DeviceIndex, name: &str) -> ResourceId {
        self.create_with(index, Command::CreateSpace { name: name.to_owned() })
    }

    /// A new document, born in a space.
    pub fn create_in(&mut self, index: DeviceIndex, space: ResourceId, name: &str) -> ResourceId {
        self.create_with(index, Command::Create { name: name.to_owned(), space: Some(space) })
    }

    fn create_with(&mut self, index: DeviceIndex, command: Command) -> ResourceId {
        match self.command(index, command) {
            Ok(Answer::Created(document)) => document,
            other => panic!("a document was not created: {other:?}"),
        }
    }

    /// A new group, of which the device's person is the first member.
    pub fn create_group(&mut self, index: DeviceIndex, name: &str) -> PersonId {
        match self.command(index, Command::CreateGroup { name: name.to_owned() }) {
            Ok(Answer::CreatedGroup(group)) => group,
            other => panic!("a group was not created: {other:?}"),
        }
    }

    /// Adds the person of a device to a group.
    pub fn add_member(&mut self, by: DeviceIndex, group: PersonId, member: DeviceIndex, capacity: Capacity) {
        self.introduce(member, by);
        let member = self.person_of(member);
        let result = self.command(by, Command::AddMember { group, member, capacity });
        assert!(matches!(result, Ok(Answer::Done)), "a member was not added: {result:?}");
    }

    /// A grant to a person, whose roster the grantor learns as it would from an invitation.
    pub fn grant(&mut self, by: DeviceIndex, document: ResourceId, to: DeviceIndex, role: Role) {
        self.introduce(to, by);
        let to = self.person_of(to);
        let offer = Offer { role, share: role == Role::Admin, expires: None };
        let result = self.command(by, Command::Grant { document, to: Principal::Person(to), offer });
        assert!(matches!(result, Ok(Answer::Done)), "a grant failed: {result:?}");
    }

    /// Lets one device know the roster of another's person.
    pub fn introduce(&mut self, whom: DeviceIndex, to: DeviceIndex) {
        let person = self.person_of(whom);
        let roster = self.records(whom, Subject::Roster(person));
        let result = self.command(to, Command::Meet { roster });
        assert!(result.is_ok(), "an introduction failed: {result:?}");
    }

    /// The records of a subject, as a device has them.
    pub fn records(&mut self, index: DeviceIndex, subject: Subject) -> Vec<Vec<u8>> {
        let engine = self.device(index).engine.as_ref();
        engine
            .map(|engine| engine.registry().records(&subject).map(|record| record.bytes().to_vec()).collect())
            .unwrap_or_default()
    }

    /// A device that is unknown somewhere presents what entitles it, as it would before its first session.
    pub fn present(&mut self, who: DeviceIndex, to: DeviceIndex) {
        let (peer, other) = (self.device(who).id(), self.device(to).id());
        let engine = self.device(who).engine.as_ref().expect("running");
        let records = engine.introduction_for(other);
        let result = self.command(to, Command::Introduced { peer, records });
        assert!(result.is_ok(), "an introduction failed: {result:?}");
    }

    /// Whether a device lets another one in.
    pub fn lets_in(&mut self, index: DeviceIndex, other: DeviceIndex) -> bool {
        let other = self.device(other).id();
        self.device(index).known_devices().contains(&other)
    }

    /// Accepts a document on a device that was offered it.
    pub fn accept(&mut self, index: DeviceIndex, document: ResourceId) {
        let result = self.command(index, Command::Accept { document });
        assert!(result.is_ok(), "accepting failed: {result:?}");
    }

    /// A grant that reaches its person's device by one sync, and is accepted there.
    pub fn share(&mut self, by: DeviceIndex, document: ResourceId, to: DeviceIndex, role: Role) {
        self.grant(by, document, to, role);
        self.sync(by, to);
        self.accept(to, document);
        self.sync(by, to);
    }

    /// A new person with one device, with whom a document is shared.
    pub fn member(&mut self, name: &str, by: DeviceIndex, document: ResourceId, role: Role) -> DeviceIndex {
        let member = self.person(name, 1).pop().expect("one device");
        self.share(by, document, member, role);
        member
    }

    /// Revokes every grant to a person that the device's person may revoke.
    pub fn revoke(&mut self, by: DeviceIndex, document: ResourceId, from: DeviceIndex) {
        let result = self.revoke_with(by, document, from, RevokeTerms::default());
        assert!(matches!(result, Ok(Answer::Revoked { .. })), "a revocation failed: {result:?}");
    }

    /// The same, on any terms.
    pub fn revoke_with(
        &mut self,
        by: DeviceIndex,
        document: ResourceId,
        from: DeviceIndex,
        terms: RevokeTerms,
    ) -> Result<Answer, CommandError> {
        let from = Principal::Person(self.person_of(from));
        self.command(by, Command::Revoke { document, from, terms })
    }

    /// Removes a device from the roster of the person that another one belongs to as well.
    pub fn remove_device(&mut self, by: DeviceIndex, device: DeviceIndex, keep: bool) {
        let device = self.device(device).id();
        let result = self.command(by, Command::RemoveDevice { device, keep });
        assert!(matches!(result, Ok(Answer::Done)), "a device was not removed: {result:?}");
    }

    /// An invitation to a document, and the secret in its ticket.
    pub fn invite(
        &mut self,
        by: DeviceIndex,
        document: ResourceId,
        offer: Offer,
        uses: Option<u32>,
        confirm: bool,
    ) -> InviteSecret {
        let secret = InviteSecret::from_secret(self.random_bytes());
        let invite = Command::Invite { document, offer, key: secret.public(), uses, confirm };
        let result = self.command(by, invite);
        assert!(matches!(result, Ok(Answer::Done)), "an invitation failed: {result:?}");
        secret
    }

    fn claim_of(&mut self, inviter: DeviceIndex, secret: &InviteSecret, joiner: &DeviceKey) -> Claim {
        Claim {
            invite: secret.public(),
            challenge: self.random_bytes(),
            inviter: self.device(inviter).id(),
            joiner: joiner.public(),
            person: None,
            consent: None,
            exporter: self.random_bytes(),
            name: "device".to_owned(),
        }
    }

    /// What the holder of an invitation proves to one of the inviter's devices.
    pub fn claim(
        &mut self,
        inviter: DeviceIndex,
        joiner: DeviceIndex,
        secret: &InviteSecret,
    ) -> Box<VerifiedClaim> {
        let identity = Arc::clone(&self.device(joiner).identity);
        let claim = Claim { person: Some(identity.person), ..self.claim_of(inviter, secret, &identity.key) };
        Box::new(proven(claim, secret, &identity.key))
    }

    /// Redeems an invitation at a device as the join protocol would.
    pub fn redeem(
        &mut self,
        inviter: DeviceIndex,
        joiner: DeviceIndex,
        secret: &InviteSecret,
    ) -> Result<Answer, CommandError> {
        let claim = self.claim(inviter, joiner, secret);
        let roster = self.records(joiner, Subject::Roster(claim.claim().person.expect("a person asks")));
        self.command(inviter, Command::Redeem { claim, roster })
    }

    /// Redeems an invitation and takes what it gives.
    pub fn join(
        &mut self,
        inviter: DeviceIndex,
        joiner: DeviceIndex,
        secret: &InviteSecret,
    ) -> Result<(), CommandError> {
        let answer = self.redeem(inviter, joiner, secret)?;
        let Answer::Joined { document: Some(document), records } = answer else {
            panic!("redeeming answered {answer:?}")
        };
        self.command(joiner, Command::Joined { document, records }).map(|_| ())
    }

    /// Who may do what in a document, as a device has it.
    pub fn access(&mut self, index: DeviceIndex, document: ResourceId) -> Option<Arc<Access>> {
        self.device(index).engine.as_ref().and_then(|engine| engine.access(document))
    }

    /// The role of another device's person in a document, as a device has it.
    pub fn role(&mut self, index: DeviceIndex, document: ResourceId, of: DeviceIndex) -> Option<Role> {
        let person = self.person_of(of);
        self.access(index, document)?.role_of_person(&person)
    }

    /// The role of another device in a document, as a device has it.
    pub fn device_role(&mut self, index: DeviceIndex, document: ResourceId, of: DeviceIndex) -> Option<Role> {
        let device = self.device(of).id();
        self.access(index, document)?.role_of_device(&device)
    }

    /// How a document stands with a device.
    pub fn standing(&mut self, index: DeviceIndex, document: ResourceId) -> Standing {
        let engine = self.device(index).engine.as_ref();
        let found = engine.and_then(|engine| engine.documents().find(|(id, ..)| *id == document));
        found.map_or(Standing::Unknown, |(_, standing, _)| standing)
    }
}

fn proven(claim: Claim, secret: &InviteSecret, joiner: &DeviceKey) -> VerifiedClaim {
    claim.sign(secret, joiner).and_then(SignedClaim::verify).expect("a good claim")
}

fn verified(records: &[Vec<u8>]) -> Vec<VerifiedRecord> {
    let verify = |bytes: &Vec<u8>| UnverifiedRecord::decode(bytes).and_then(UnverifiedRecord::verify);
    records.iter().map(|bytes| verify(bytes).expect("a device hands out good records")).collect()
}
