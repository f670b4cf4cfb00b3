//! What has to be so when a history is over and everybody honest has met everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use automerge::ChangeHash;
use katori_acl::{DeviceId, RecordId, Registry, Role, Subject};
use katori_core::actor::{Claim, claim};
use katori_core::document::Decision;
use katori_core::gate::RawChange;
use katori_core::vouch::Vouch;
use katori_sim::DeviceIndex;

use crate::history::History;
use crate::oracle::{self, Facts};

/// Rounds in which everybody meets everybody, before it has to be quiet.
const ROUNDS: usize = 12;
/// Vouches that an honest device may sign, in all, while everybody meets at the end: what it owes for revocations it
/// had not heard of, for each fork that comes to light, and for what it writes again.
const FEW: u64 = 24;

/// What is not as it has to be: a kind, by which a shorter story of the same is found, and the details.
pub(crate) type Violation = (&'static str, String);

/// What came up in a history, so that many of them do not pass for want of anything to check.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct CameUp {
    pub(crate) forks_by_word: usize,
    pub(crate) forks_by_hash: usize,
    pub(crate) written_again: usize,
    pub(crate) held_back: usize,
    pub(crate) excluded: usize,
    pub(crate) out_of_a_roster: usize,
}

impl CameUp {
    pub(crate) fn add(&mut self, other: Self) {
        self.forks_by_word += other.forks_by_word;
        self.forks_by_hash += other.forks_by_hash;
        self.written_again += other.written_again;
        self.held_back += other.held_back;
        self.excluded += other.excluded;
        self.out_of_a_roster += other.out_of_a_roster;
    }

    /// Whether each of them did, but forks that nobody's word decides, which are rare.
    pub(crate) fn is_everything(self) -> bool {
        let Self { forks_by_word, written_again, held_back, excluded, out_of_a_roster, .. } = self;
        [forks_by_word, written_again, held_back, excluded, out_of_a_roster].iter().all(|it| *it > 0)
    }
}

/// What a device has: everything that decides what it shows.
#[derive(Debug, PartialEq, Eq)]
struct Sets {
    stored: Vec<ChangeHash>,
    vouches: BTreeSet<RecordId>,
    records: BTreeSet<RecordId>,
}

impl History {
    /// Brings everybody honest together and checks everything.
    pub(crate) fn end(&mut self) -> Result<CameUp, Violation> {
        self.world.hurry(None);
        self.world.run();
        let before = self.counters();
        let mut last = None;
        for round in 0.. {
            self.accept_all();
            let honest = self.honest();
            for (position, one) in honest.iter().enumerate() {
                for other in honest.iter().skip(position + 1) {
                    self.meet(*one, *other);
                    self.note_accepted();
                }
            }
            let sets: Vec<_> = honest.iter().map(|device| self.sets(*device)).collect();
            if last.as_ref() == Some(&sets) {
                break;
            }
            if round == ROUNDS {
                let moving = honest.iter().zip(sets.iter().zip(last.iter().flatten()));
                let moving = moving.filter(|(_, (now, before))| now != before);
                return Err(("unquiet", format!("after {ROUNDS} rounds: {:?}", moving.collect::<Vec<_>>())));
            }
            last = Some(sets);
        }
        for (device, counter) in self.counters() {
            let signed = counter - before.get(&device).copied().unwrap_or(0);
            if signed > FEW && signed < 1 << 19 {
                return Err(("unquiet", format!("device {} signed {signed} vouches", device.short())));
            }
        }
        self.check_sets()?;
        for device in self.honest() {
            if self.holds(device) {
                self.check_device(device)?;
            }
        }
        self.check_reopening()?;
        self.check_told()?;
        Ok(self.came_up())
    }

    fn came_up(&mut self) -> CameUp {
        let mut up = CameUp::default();
        let Some(device) = self.readers().first().copied().filter(|device| self.holds(*device)) else {
            return up;
        };
        let decided = |decision: &Decision| match decision {
            Decision::Word { .. } => (1, 0),
            Decision::LowerHash => (0, 1),
            Decision::Needless => (0, 0),
        };
        let view = self.world.device(device).document(self.document);
        for fork in view.forks() {
            let (by_word, by_hash) = decided(&fork.decision);
            up.forks_by_word += by_word;
            up.forks_by_hash += by_hash;
        }
        up.written_again = view.history().filter(|entry| entry.reapplies.is_some()).count();
        up.held_back = view.held().len();
        let access = self.world.access(device, self.document).expect("a known document");
        up.excluded = access.exclusions().len();
        let rosters = self.all_records();
        for device in self.devices.clone() {
            let (id, person) = (self.world.device(device).id(), self.world.person_of(device));
            let out = rosters.roster(person).is_some_and(|roster| !roster.contains(&id));
            up.out_of_a_roster += usize::from(out);
        }
        up
    }

    /// The highest counter of each honest device's vouches.
    fn counters(&mut self) -> BTreeMap<DeviceId, u64> {
        let mut counters = BTreeMap::new();
        for device in self.honest() {
            if self.holds(device) {
                let id = self.world.device(device).id();
                let (_, vouches) = self.stored(device);
                let own =
                    vouches.iter().filter(|(_, vouch)| vouch.device == id).map(|(_, vouch)| vouch.counter);
                let highest = counters.entry(id).or_insert(0);
                *highest = own.max().unwrap_or(0).max(*highest);
            }
        }
        counters
    }

    fn sets(&mut self, device: DeviceIndex) -> Option<Sets> {
        if !self.holds(device) {
            return None;
        }
        let document = self.document;
        let view = self.world.device(device).document(document);
        let (stored, vouches) = (view.stored_heads(), view.vouch_ids().into_iter().collect());
        let engine = self.world.device(device).engine.as_ref()?;
        let registry = engine.registry();
        let mut records: BTreeSet<RecordId> = BTreeSet::new();
        for resource in registry.space_of(document).into_iter().chain([document]) {
            records.extend(registry.record_ids(&Subject::Resource(resource)));
            for roster in registry.rosters_named_by(resource) {
                records.extend(registry.record_ids(&Subject::Roster(roster)));
            }
        }
        Some(Sets { stored, vouches, records })
    }

    /// Everything that anybody honest knows of rosters and grants.
    fn all_records(&mut self) -> Registry {
        let mut all = Registry::new();
        for device in self.honest() {
            let engine = self.world.device(device).engine.as_ref().expect("running");
            let records: Vec<_> = engine
                .registry()
                .subjects()
                .flat_map(|subject| engine.registry().records(&subject).cloned().collect::<Vec<_>>())
                .collect();
            for record in records {
                all.insert(record);
            }
        }
        all
    }

    /// Who may read, by what anybody honest knows.
    fn readers(&mut self) -> Vec<DeviceIndex> {
        let access = self.all_records().access(self.document);
        let reads = |device: DeviceId| {
            access.as_ref().is_some_and(|access| access.role_of_device(&device) >= Some(Role::Read))
        };
        let honest = self.honest();
        honest.into_iter().filter(|device| reads(self.world.device(*device).id())).collect()
    }

    /// Whoever lost a role knows that it did.
    fn check_told(&mut self) -> Result<(), Violation> {
        let readers = self.readers();
        for device in self.honest() {
            let believes = self.holds(device) && self.role(device) >= Some(Role::Read);
            if believes && !readers.contains(&device) {
                return Err((
                    "not told",
                    format!("{} does not know that it may not read", self.name(device)),
                ));
            }
        }
        Ok(())
    }

    /// All who may read hold the same, and show the same.
    fn check_sets(&mut self) -> Result<(), Violation> {
        let readers = self.readers();
        let Some(first) = readers.first().copied() else { return Ok(()) };
        let ids: BTreeSet<DeviceId> = readers.iter().map(|device| self.world.device(*device).id()).collect();
        let has_nothing = format!("{} may read and has nothing", self.name(first));
        if ids.len() == 1 {
            // Copies of one disk have one key, so they meet through others, and there are none.
            let is_there = readers.iter().any(|device| self.holds(*device));
            return if is_there { Ok(()) } else { Err(("nothing there", has_nothing)) };
        }
        if !self.holds(first) {
            return Err(("nothing there", has_nothing));
        }
        let (sets, heads) = (self.sets(first), self.world.device(first).heads(self.document));
        for device in readers {
            if self.sets(device) != sets {
                let text = format!("{device} and {first}: {:?}, {sets:?}", self.sets(device));
                return Err(("sets differ", text));
            }
            if !self.holds(device) {
                return Err(("nothing there", format!("{} may read and has nothing", self.name(device))));
            }
            if self.world.device(device).heads(self.document) != heads {
                return Err((
                    "diverge",
                    format!("{device} and {first} hold the same and show other documents"),
                ));
            }
        }
        Ok(())
    }

    fn check_device(&mut self, device: DeviceIndex) -> Result<(), Violation> {
        let document = self.document;
        let (changes, vouches) = self.stored(device);
        let access = self.world.access(device, document).expect("a known document");
        let persons = self.persons();
        let writers = access.devices().filter(|(_, standing)| standing.role >= Some(Role::Write));
        let facts = Facts {
            document,
            changes: &changes,
            vouches: &vouches,
            writers: writers
                .filter(|_| !access.deleted)
                .map(|(device, standing)| (device, (standing.depth, standing.rank)))
                .collect(),
            person: &|device| persons.get(device).copied().unwrap_or(usize::MAX),
            excluded: access.excluded().iter().map(|hash| ChangeHash(*hash)).collect(),
        };
        let expected = oracle::judge(&facts);
        let view = self.world.device(device).document(document);
        if *view.forkers() != expected.forkers {
            return Err(("forkers", format!("device {device}: {:?}", view.forkers())));
        }
        let shown = view.automerge().get_changes(&[]);
        let shown: BTreeSet<ChangeHash> = shown.iter().map(automerge::Change::hash).collect();
        if view.summary().owes_vouch || view.summary().owes_reapply.is_some() && self.can_write(device) {
            return Err(("owes", format!("device {device} is at rest and owes something")));
        }
        if shown != expected.admitted {
            let more: Vec<_> = shown.difference(&expected.admitted).collect();
            let less: Vec<_> = expected.admitted.difference(&shown).collect();
            return Err((
                "oracle",
                format!("device {device} shows {more:?} too much and {less:?} too little"),
            ));
        }
        self.check_forkers(&expected.forkers)?;
        self.check_authors(device, &shown, &facts, &vouches)?;
        self.check_accepted(device, &facts, &changes)
    }

    /// What each honest device shows and holds back, for whoever reads the story.
    pub(crate) fn describe(&mut self) -> String {
        let mut text = String::new();
        let document = self.document;
        let all = self.all_records();
        let _ = writeln!(text, "who may read: {:?}", self.readers());
        for device in self.honest() {
            let engine = self.world.device(device).engine.as_ref().expect("running");
            let known = engine.registry();
            let mut lacks: Vec<_> = all.subjects().flat_map(|subject| all.record_ids(&subject)).collect();
            lacks.retain(|id| !known.contains(id));
            let lacks: Vec<_> =
                lacks.iter().filter_map(|id| all.record(id)).map(|it| it.record().clone()).collect();
            let _ = writeln!(text, "device {device} lacks {lacks:#?}");
            let (name, id, role) = (self.name(device), self.world.device(device).id(), self.role(device));
            let _ =
                writeln!(text, "{name} {} {role:?} {:?}", id.short(), self.world.standing(device, document));
            if !self.holds(device) {
                continue;
            }
            let _ = writeln!(text, "  shows {:?}", self.world.keys(device, document));
            let held = self.world.device(device).held(document);
            for held in held {
                let by = held.device.map(|device| device.short());
                let _ = writeln!(text, "  holds back {} by {by:?}: {}", held.hash, held.reason);
            }
            let view = self.world.device(device).document(document);
            let summary = view.summary();
            let _ = writeln!(text, "  owes {} {:?}", summary.owes_vouch, summary.owes_reapply);
            for fork in view.forks() {
                let _ = writeln!(text, "  {fork:?}");
            }
            for (id, vouch) in self.stored(device).1 {
                let _ =
                    writeln!(text, "  {id:?} {} {} {:?}", vouch.device.short(), vouch.counter, vouch.heads);
            }
        }
        text
    }

    fn can_write(&mut self, device: DeviceIndex) -> bool {
        self.role(device) >= Some(Role::Write)
    }

    fn check_forkers(&mut self, forkers: &BTreeSet<DeviceId>) -> Result<(), Violation> {
        for device in self.honest() {
            if forkers.contains(&self.world.device(device).id()) {
                return Err(("honest fork", format!("{} forked itself", self.name(device))));
            }
        }
        Ok(())
    }

    /// Nothing bears an honest device's name that it did not write; nothing is shown of somebody who never held Write
    /// unless a hostile writer vouched for it.
    fn check_authors(
        &mut self,
        device: DeviceIndex,
        shown: &BTreeSet<ChangeHash>,
        facts: &Facts<'_>,
        vouches: &[(RecordId, Vouch)],
    ) -> Result<(), Violation> {
        let access = self.world.access(device, self.document).expect("a known document");
        let honest: BTreeSet<DeviceId> =
            self.honest().into_iter().map(|device| self.world.device(device).id()).collect();
        for (maker, change) in self.made_by_rogues.clone() {
            let hash = change.hash();
            if !shown.contains(&hash) {
                continue;
            }
            if let Claim::Device(named) = claim(&change.header().actor, &self.document)
                && honest.contains(&named)
            {
                return Err((
                    "authorship",
                    format!("{hash} by {} is shown in another's name", self.name(maker)),
                ));
            }
            let by_hash: BTreeMap<ChangeHash, &RawChange> =
                facts.changes.iter().map(|c| (c.hash(), c)).collect();
            let ever = |device: &DeviceId| access.ever_role_of_device(device) >= Some(Role::Write);
            let maker = self.world.device(maker).id();
            let answered_for = vouches.iter().any(|(_, vouch)| {
                ever(&vouch.device)
                    && !honest.contains(&vouch.device)
                    && oracle::under(&by_hash, &vouch.heads).contains(&hash)
            });
            if !ever(&maker) && !answered_for {
                return Err(("unauthorised", format!("{hash} is shown at {device}")));
            }
        }
        Ok(())
    }

    /// What an honest device accepted while it held Write, it still shows if it does, unless it was excluded.
    fn check_accepted(
        &mut self,
        device: DeviceIndex,
        facts: &Facts<'_>,
        changes: &[RawChange],
    ) -> Result<(), Violation> {
        if !self.can_write(device) {
            return Ok(());
        }
        let accepted = self.accepted.get(&device).cloned().unwrap_or_default();
        let shown: BTreeSet<String> = self.world.keys(device, self.document).into_iter().collect();
        for (token, origins) in accepted.iter().filter(|(token, _)| !shown.contains(*token)) {
            // It, or the same work applied again, was named itself, or it was made on top of something that was.
            let bears = |change: &&RawChange| {
                change.bytes().windows(token.len()).any(|window| window == token.as_bytes())
            };
            let excluded =
                changes.iter().filter(bears).any(|change| self.ever_excluded.contains(&change.hash()))
                    || origins.iter().all(|origin| oracle::rests_on(facts, origin, &self.ever_excluded));
            if !excluded {
                return Err(("lost", format!("{} lost {token}, which it had accepted", self.name(device))));
            }
        }
        Ok(())
    }

    /// What a store holds shows the same when it is opened again, built anew from nothing but what is stored.
    fn check_reopening(&mut self) -> Result<(), Violation> {
        let document = self.document;
        for device in self.honest() {
            if !self.holds(device) {
                continue;
            }
            let shows = |history: &mut Self| {
                let held = history.world.device(device).held(document);
                (history.world.device(device).heads(document), held)
            };
            let before = shows(self);
            self.world.crash(device);
            self.world.start(device);
            self.world.run();
            if shows(self) != before {
                return Err(("reopened", format!("{} shows something else", self.name(device))));
            }
        }
        Ok(())
    }
}
