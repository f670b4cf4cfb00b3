//! What somebody who lost a role is still told: what ended it, and nothing more; and what it may hand over.

use std::collections::BTreeMap;

use katori_acl::{DeviceId, Issuer, PersonId, Record, ResourceId, Subject, VerifiedRecord};

use super::{Engine, Standing};
use crate::time::Timestamp;

/// Bytes of frames that somebody who lost the role may hand over in the one session it is given.
pub const FAREWELL_BYTES: usize = 256 << 10;

impl Engine {
    /// A peer that lost its role names a document: it is served the revocation that says so and no more, and may
    /// hand over, once, what it had not sent. Or it names one that this person has left, of which it has not heard:
    /// then it is told that again.
    pub(super) fn farewell(&mut self, now: Timestamp, peer: DeviceId, document: ResourceId) -> bool {
        let standing = self.standing(document);
        let reads = self.may_read(now, document, &peer);
        if !self.ever_read(document, &peer) || !standing.has_records() || reads && standing != Standing::Left
        {
            return false;
        }
        let whose = if reads { Some(self.me.person) } else { self.registry.person_ever_of(peer) };
        let Some(person) = whose else { return false };
        let mut records: Vec<(Subject, VerifiedRecord)> = Vec::new();
        let mut rosters = self.registry.rosters_named_by(document);
        let limited = self.registry.limited_records_for(document, person);
        // A role through a group ends in the group's roster; and whose word the rest is stands in theirs.
        let mut needed = self.registry.rosters_above(person);
        needed.insert(self.me.person);
        for issuer in limited.iter().filter_map(issuer_of) {
            needed.insert(issuer);
            needed.extend(
                self.registry
                    .roster(issuer)
                    .into_iter()
                    .flat_map(|roster| roster.ever_persons.keys().copied().collect::<Vec<_>>()),
            );
        }
        rosters.retain(|roster| needed.contains(roster));
        for subject in rosters.into_iter().map(Subject::Roster) {
            records.extend(self.registry.records(&subject).map(|record| (subject, record.clone())));
        }
        let subject = Subject::Resource(document);
        // What came of a role in the space is told with the space.
        records.extend(limited.into_iter().map(|record| (record.subject(), record)));
        let accepted = standing == Standing::Accepted;
        let spent =
            self.documents.get(&document).is_some_and(|state| state.work.rare.farewells.contains(&peer));
        self.untell(peer, subject);
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        if !spent && accepted {
            session.farewells.entry(document).or_default();
        }
        let mut new: BTreeMap<Subject, Vec<Vec<u8>>> = BTreeMap::new();
        if !reads && session.parted.insert(document) {
            // Even if the peer lacks no record, this is its word that the role is lost.
            new.insert(subject, Vec::new());
        }
        for (subject, record) in records {
            if session.records.insert(record.id()) {
                new.entry(subject).or_default().push(record.bytes().to_vec());
            }
        }
        // What ended the role first, rosters before what they are named in; then the word about the document.
        let word = new.remove_entry(&subject);
        for (subject, records) in new.into_iter().chain(word) {
            let vouches = self.escort(&subject);
            self.send_records(now, peer, subject, records, vouches, false);
        }
        true
    }

    /// The vouches that travel with a revocation signed here: they cover what its author had accepted then, and
    /// say nothing of what came later.
    pub(super) fn escort(&self, subject: &Subject) -> Vec<Vec<u8>> {
        match subject {
            Subject::Resource(document) => {
                self.documents.get(document).map(|state| state.work.rare.escort.clone()).unwrap_or_default()
            }
            Subject::Roster(_) => Vec::new(),
        }
    }
}

/// In whose name a grant or revocation was made, if in that of a person or group.
fn issuer_of(record: &VerifiedRecord) -> Option<PersonId> {
    let issuer = match record.record() {
        Record::Grant(grant) => grant.issuer,
        Record::Revoke(revoke) => revoke.issuer,
        Record::Genesis(genesis) => return Some(genesis.owner),
        Record::RosterGenesis(_)
        | Record::RosterOperation(_)
        | Record::Exclude(_)
        | Record::Tombstone(_)
        | Record::Keys(_) => return None,
    };
    match issuer {
        Issuer::Person(person) | Issuer::Group(person) => Some(person),
        Issuer::Invite(_) => None,
    }
}
