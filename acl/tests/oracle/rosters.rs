//! Who belongs to a roster: the rule of the design, sentence by sentence, with no thought for speed.
//!
//! Written from the design alone, and not from the code it is compared with.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use katori_acl::{
    Capacity, DeviceId, Member, PersonId, Record, RecordId, RosterAction, RosterGenesis, RosterOperation,
    VerifiedRecord,
};

/// How many groups may stand between a question and a person.
pub(crate) const NESTING: usize = 3;

/// Whether revocations and removals are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    Now,
    /// By signatures alone: as if nothing had ever been taken back.
    Ever,
}

/// A set of records, and what the design says about it.
#[derive(Default)]
pub(crate) struct Oracle<'a> {
    pub(crate) records: BTreeMap<RecordId, &'a Record>,
    /// Rosters read already.
    books: RefCell<Books<'a>>,
}

/// Rosters as they are when groups are looked into so deep.
type Books<'a> = BTreeMap<(PersonId, When, usize), Option<Rc<Book<'a>>>>;

/// How senior a member is: recoveries by generation, of equal ones those that another rests on, then the founder, then the others in the order of the
/// ancestors of what added them, then the id of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Recovered(Reverse<usize>, Reverse<bool>, usize, RecordId),
    Founder,
    Added(usize, RecordId),
}

/// One roster, read whole.
pub(crate) struct Book<'a> {
    founder: Member,
    /// The operations whose signer could ever have been entitled, and whose whole past is here.
    operations: BTreeMap<RecordId, &'a RosterOperation>,
    past: BTreeMap<RecordId, BTreeSet<RecordId>>,
    /// Operations of groups by a device that does not speak for the member it names.
    voiceless: BTreeSet<RecordId>,
    counted: Vec<RecordId>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(records: impl IntoIterator<Item = &'a VerifiedRecord>) -> Self {
        let records = records.into_iter().map(|record| (record.id(), record.record())).collect();
        Self { records, ..Self::default() }
    }

    fn roster_genesis(&self, roster: PersonId) -> Option<&'a RosterGenesis> {
        match self.records.get(&RecordId::from_bytes(*roster.as_bytes())) {
            Some(Record::RosterGenesis(genesis)) => Some(genesis),
            _ => None,
        }
    }

    /// Whether this device speaks for the person or group in this record.
    pub(crate) fn speaks(
        &self,
        who: PersonId,
        device: DeviceId,
        record: RecordId,
        when: When,
        level: usize,
    ) -> bool {
        self.speaks_within(who, device, record, when, level, level)
    }

    fn speaks_within(
        &self,
        who: PersonId,
        device: DeviceId,
        record: RecordId,
        when: When,
        level: usize,
        steps: usize,
    ) -> bool {
        let Some(book) = self.book(who, when, level) else { return false };
        if book.is_group() && steps == 0 {
            return false;
        }
        book.everybody().into_iter().any(|member| match member {
            Member::Device(one) => {
                one == device && (book.is_full(member, when) || book.kept(member, record, when))
            }
            Member::Person(one) => {
                let by = |when| self.speaks_within(one, device, record, when, level, steps - 1);
                (book.is_full(member, when) && by(when))
                    // What the group keeps of a member it removed stands without him.
                    || (book.kept(member, record, when) && by(When::Ever))
            }
        })
    }

    /// The persons of a group, through groups; a person is itself.
    pub(crate) fn persons(&self, who: PersonId, when: When, steps: usize) -> BTreeSet<PersonId> {
        let Some(book) = self.book(who, when, NESTING) else { return BTreeSet::new() };
        if !book.is_group() {
            return BTreeSet::from([who]);
        }
        if steps == 0 {
            return BTreeSet::new();
        }
        let members = book.everybody().into_iter().filter(|member| book.contains(*member, when));
        members
            .filter_map(|member| match member {
                Member::Person(person) => Some(person),
                Member::Device(_) => None,
            })
            .flat_map(|person| self.persons(person, when, steps - 1))
            .collect()
    }

    /// The devices of a person, limited ones too.
    pub(crate) fn devices(&self, person: PersonId, when: When) -> BTreeSet<DeviceId> {
        let Some(book) = self.book(person, when, NESTING) else { return BTreeSet::new() };
        book.everybody()
            .into_iter()
            .filter(|member| book.contains(*member, when))
            .filter_map(|member| match member {
                Member::Device(device) => Some(device),
                Member::Person(_) => None,
            })
            .collect()
    }

    /// A roster, read whole; a group asked about from too far away has nobody in it.
    pub(crate) fn book(&self, roster: PersonId, when: When, level: usize) -> Option<Rc<Book<'a>>> {
        let known = self.books.borrow().get(&(roster, when, level)).cloned();
        known.unwrap_or_else(|| {
            let book = self.read(roster, when, level).map(Rc::new);
            self.books.borrow_mut().insert((roster, when, level), book.clone());
            book
        })
    }

    fn read(&self, roster: PersonId, when: When, level: usize) -> Option<Book<'a>> {
        let genesis = self.roster_genesis(roster)?;
        let founder = genesis.founder_person.map_or(Member::Device(genesis.founder), Member::Person);
        let group = genesis.founder_person.is_some();
        if group && level == 0 {
            return None;
        }
        // Nobody founds a group in somebody else's name.
        if let Some(person) = genesis.founder_person
            && !self.speaks(person, genesis.founder, founding(roster), When::Ever, level - 1)
        {
            return None;
        }
        let mut book = Book {
            founder,
            operations: BTreeMap::new(),
            past: BTreeMap::from([(founding(roster), BTreeSet::new())]),
            voiceless: BTreeSet::new(),
            counted: Vec::new(),
        };
        while let Some((id, operation, past)) = self.next_operation(&book, roster, genesis, level) {
            book.operations.insert(id, operation);
            book.past.insert(id, past);
        }
        if when == When::Now {
            for (id, operation) in &book.operations {
                if let (Some(person), Some(_)) = (operation.person, operation.author())
                    && !self.speaks(person, operation.by, *id, When::Now, level - 1)
                {
                    book.voiceless.insert(*id);
                }
            }
            book.count_removals(genesis);
        }
        Some(book)
    }

    /// An operation not read yet, whose past is read and which its signer could have been entitled to.
    fn next_operation(
        &self,
        book: &Book<'a>,
        roster: PersonId,
        genesis: &RosterGenesis,
        level: usize,
    ) -> Option<(RecordId, &'a RosterOperation, BTreeSet<RecordId>)> {
        self.records.iter().find_map(|(id, record)| {
            let Record::RosterOperation(operation) = record else { return None };
            if operation.roster != roster || book.operations.contains_key(id) {
                return None;
            }
            let mut past = BTreeSet::new();
            for previous in &operation.previous {
                past.extend(book.past.get(previous)?.iter().copied());
                past.insert(*previous);
            }
            let entitled = match (&operation.action, operation.author()) {
                (RosterAction::Recover { recovery_key, .. }, _) => {
                    book.generation(&past, genesis, recovery_key.hash()).is_some()
                }
                (RosterAction::Remove { member, .. }, Some(author)) => {
                    book.ever_full_in(&past, author) && book.ever_in(&past, *member)
                }
                (_, Some(author)) => book.ever_full_in(&past, author),
                (_, None) => false,
            };
            let fits = operation.person.is_some() == book.is_group();
            let voiced = operation
                .person
                .is_none_or(|person| self.speaks(person, operation.by, *id, When::Ever, level - 1));
            (entitled && fits && voiced).then_some((*id, operation, past))
        })
    }
}

const fn founding(roster: PersonId) -> RecordId {
    RecordId::from_bytes(*roster.as_bytes())
}

impl Book<'_> {
    const fn is_group(&self) -> bool {
        matches!(self.founder, Member::Person(_))
    }

    /// What brings members in: whom, as what.
    fn brings(action: &RosterAction) -> Option<(Member, Capacity)> {
        match action {
            RosterAction::Add { member, capacity, .. } => Some((*member, *capacity)),
            RosterAction::Recover { device, .. } => Some((Member::Device(*device), Capacity::Full)),
            RosterAction::Remove { .. } | RosterAction::Rename { .. } => None,
        }
    }

    fn ever_in(&self, past: &BTreeSet<RecordId>, member: Member) -> bool {
        member == self.founder
            || past
                .iter()
                .filter_map(|id| Self::brings(&self.operations.get(id)?.action))
                .any(|(one, _)| one == member)
    }

    fn ever_full_in(&self, past: &BTreeSet<RecordId>, member: Member) -> bool {
        member == self.founder
            || past
                .iter()
                .filter_map(|id| Self::brings(&self.operations.get(id)?.action))
                .any(|brought| brought == (member, Capacity::Full))
    }

    /// Which recovery this key would be, by what its own past committed to.
    fn generation(
        &self,
        past: &BTreeSet<RecordId>,
        genesis: &RosterGenesis,
        hash: [u8; 32],
    ) -> Option<usize> {
        let first = (genesis.recovery == hash).then_some(1);
        let later = past.iter().filter_map(|id| match &self.operations.get(id)?.action {
            RosterAction::Recover { recovery_key, next_recovery, .. } if *next_recovery == hash => {
                self.generation(&self.past[id], genesis, recovery_key.hash()).map(|before| before + 1)
            }
            _ => None,
        });
        later.chain(first).max()
    }

    /// Whether a later recovery is by the words that this one committed to.
    fn continued(&self, id: RecordId) -> bool {
        let RosterAction::Recover { next_recovery, .. } = &self.operations[&id].action else { return false };
        self.operations.iter().any(|(later, operation)| {
            matches!(&operation.action,
                RosterAction::Recover { recovery_key, .. } if recovery_key.hash() == *next_recovery)
                && self.past[later].contains(&id)
        })
    }

    /// By the most senior of what brought a member in and is not void.
    fn rank(&self, member: Member, genesis: &RosterGenesis) -> Option<Rank> {
        let founder = (member == self.founder).then_some(Rank::Founder);
        let others = self.operations.iter().filter_map(|(id, operation)| {
            let (one, _) = Self::brings(&operation.action)?;
            let past = &self.past[id];
            let rank = match &operation.action {
                RosterAction::Recover { recovery_key, .. } => {
                    let generation = self.generation(past, genesis, recovery_key.hash())?;
                    Rank::Recovered(Reverse(generation), Reverse(self.continued(*id)), past.len(), *id)
                }
                _ => Rank::Added(past.len(), *id),
            };
            (one == member && self.stands(*id)).then_some(rank)
        });
        others.chain(founder).min()
    }

    /// From the most senior remover down; one counts unless its author is already removed by a counted one
    /// that did not have it in its past. Of one author the earlier comes first.
    fn count_removals(&mut self, genesis: &RosterGenesis) {
        let mut open: BTreeSet<RecordId> = self
            .operations
            .iter()
            .filter(|(_, operation)| matches!(operation.action, RosterAction::Remove { .. }))
            .map(|(id, _)| *id)
            .collect();
        loop {
            let standing = open.iter().copied().filter(|id| self.stands(*id));
            let next = standing.min_by_key(|id| {
                let rank = self.operations[id].author().and_then(|author| self.rank(author, genesis));
                (rank, self.past[id].len(), *id)
            });
            let Some(next) = next else { break };
            open.remove(&next);
            self.counted.push(next);
        }
    }

    /// Whether this operation is not void: its author had not been removed by somebody who did not know of
    /// it, and had validly become a full member before it.
    fn stands(&self, id: RecordId) -> bool {
        let operation = self.operations[&id];
        let Some(author) = operation.author() else { return true };
        let removed_unseen =
            self.removals_of(author).any(|removal| removal != id && !self.past[&removal].contains(&id));
        let validly_in = author == self.founder
            || self.past[&id].iter().any(|earlier| {
                self.operations.get(earlier).is_some_and(|operation| {
                    Self::brings(&operation.action) == Some((author, Capacity::Full)) && self.stands(*earlier)
                })
            });
        !removed_unseen && validly_in && !self.voiceless.contains(&id)
    }

    /// The counted removals of a member.
    fn removals_of(&self, target: Member) -> impl Iterator<Item = RecordId> {
        self.counted.iter().copied().filter(move |id| {
            matches!(self.operations[id].action, RosterAction::Remove { member, .. } if member == target)
        })
    }

    /// Everybody whom some operation brings in.
    fn everybody(&self) -> BTreeSet<Member> {
        let brought = self.operations.values().filter_map(|operation| Self::brings(&operation.action));
        brought.map(|(member, _)| member).chain([self.founder]).collect()
    }

    fn brought_as(&self, member: Member, capacity: Option<Capacity>, when: When) -> bool {
        let founder = member == self.founder && capacity != Some(Capacity::Limited);
        founder
            || self.operations.iter().any(|(id, operation)| {
                Self::brings(&operation.action).is_some_and(|(one, as_what)| {
                    one == member && capacity.is_none_or(|capacity| capacity == as_what)
                }) && (when == When::Ever || self.stands(*id))
            })
    }

    /// Whether this is a member; a removed one never is again.
    pub(crate) fn contains(&self, member: Member, when: When) -> bool {
        self.brought_as(member, None, when) && self.removals_of(member).next().is_none()
    }

    /// Whether it is a member that may sign for the roster.
    pub(crate) fn is_full(&self, member: Member, when: When) -> bool {
        self.contains(member, when) && self.brought_as(member, Some(Capacity::Full), when)
    }

    /// Whether a removed member's record is kept by one of the counted removals that are by others.
    fn kept(&self, member: Member, record: RecordId, when: When) -> bool {
        self.brought_as(member, Some(Capacity::Full), when)
            && self.removals_of(member).any(|id| match &self.operations[&id].action {
                RosterAction::Remove { keep, .. } => {
                    keep.contains(&record) && self.operations[&id].author() != Some(member)
                }
                _ => false,
            })
    }
}
