//! Resources of which nothing but the genesis is stored: most of what a person has, and all of it alike.
//!
//! Each lies here packed, in some two hundred bytes, and is a full [`ResourceSet`] only after somebody asked for
//! what only that can say, until the next [`Dormant::rest`]. What they have in common is kept once for each
//! [`AccessClass`]. A resource leaves for the awake ones when a second record of it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use once_cell::race::OnceBox;

use super::ResourceSet;
use super::pages::{Keyed, Pages};
use crate::access::{AccessClass, Rights};
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{Family, Packed, Record, ResourceKind, VerifiedRecord};

/// How many may be unpacked before all are packed again: some megabyte of memory, and reason enough to look at
/// each of a hundred thousand.
const MAX_UNPACKED: usize = 1024;

/// One resource, packed.
#[derive(Debug, Clone)]
struct Entry {
    id: ResourceId,
    family: u32,
    packed: Packed,
    unpacked: OnceBox<Arc<Unpacked>>,
}

impl Keyed for Entry {
    type Key = ResourceId;

    fn key(&self) -> &ResourceId {
        &self.id
    }
}

/// The beginning of an id: enough to find it among the entries, in a quarter of its bytes. Two ids that begin alike
/// are a coincidence, or the work of somebody who tried four billion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Beginning(u64);

impl Beginning {
    fn of(id: &ResourceId) -> Self {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(id.as_bytes()).for_each(|(to, from)| *to = *from);
        Self(u64::from_be_bytes(bytes))
    }

    /// The lowest id that begins so.
    fn lowest(self) -> ResourceId {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(self.0.to_be_bytes()).for_each(|(to, from)| *to = from);
        ResourceId::from_bytes(bytes)
    }
}

impl Keyed for Beginning {
    type Key = Self;

    fn key(&self) -> &Self {
        self
    }
}

/// The same, as others ask for it.
#[derive(Debug)]
struct Unpacked {
    record: VerifiedRecord,
    set: OnceLock<ResourceSet>,
}

/// A family, and how many there are of it.
#[derive(Debug, Clone, Copy)]
struct Numbered {
    family: Family,
    count: usize,
}

/// What is the same for all of one class.
#[derive(Debug, Clone, Default)]
pub(super) struct Class {
    members: Pages<Beginning>,
    pub(super) rights: OnceLock<Arc<Rights>>,
    /// The rosters on which access to them depends.
    pub(super) rosters: OnceLock<Arc<[PersonId]>>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Dormant {
    entries: Pages<Entry>,
    /// Those that have members, by number; the numbers that are free.
    families: Vec<Numbered>,
    free: BTreeSet<u32>,
    numbers: BTreeMap<Family, u32>,
    /// Those that have members.
    classes: BTreeMap<AccessClass, Class>,
    /// The classes of documents born in each space.
    born_in: BTreeSet<(ResourceId, AccessClass)>,
    /// How many were unpacked since the last rest, by clones of this one too.
    unpacked: Arc<AtomicUsize>,
}

impl Dormant {
    pub(super) fn contains(&self, id: &ResourceId) -> bool {
        self.entries.get(id).is_some()
    }

    pub(super) fn family(&self, id: &ResourceId) -> Option<&Family> {
        self.family_of(self.entries.get(id)?)
    }

    fn family_of(&self, entry: &Entry) -> Option<&Family> {
        self.families.get(usize::try_from(entry.family).ok()?).map(|numbered| &numbered.family)
    }

    pub(super) fn class_of(&self, id: &ResourceId) -> Option<AccessClass> {
        self.family(id).map(|family| family.class)
    }

    /// Who may do what in a resource, if somebody has asked since something changed.
    pub(super) fn known_rights(&self, id: &ResourceId) -> Option<Arc<Rights>> {
        self.classes.get(&self.class_of(id)?)?.rights.get().cloned()
    }

    pub(super) fn name(&self, id: &ResourceId) -> Option<String> {
        self.entries.get(id).map(|entry| entry.packed.name())
    }

    /// All of them, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = ResourceId> {
        self.entries.iter().map(|entry| entry.id)
    }

    pub(super) fn class(&self, class: &AccessClass) -> Option<&Class> {
        self.classes.get(class)
    }

    pub(super) fn class_mut(&mut self, class: &AccessClass) -> Option<&mut Class> {
        self.classes.get_mut(class)
    }

    /// The classes that there are.
    pub(super) fn classes(&self) -> impl Iterator<Item = &AccessClass> {
        self.classes.keys()
    }

    /// Those of what belongs to somebody.
    pub(super) fn classes_of(&self, owner: PersonId) -> impl Iterator<Item = &AccessClass> {
        let first = AccessClass { owner, kind: ResourceKind::Document, space: None };
        let from = self.classes.range(first..).map(|(class, _)| class);
        from.take_while(move |class| class.owner == owner)
    }

    /// Those of what was born in a space.
    pub(super) fn classes_in(&self, space: ResourceId) -> impl Iterator<Item = &AccessClass> {
        let owner = PersonId::from_bytes([0; 32]);
        let first = AccessClass { owner, kind: ResourceKind::Document, space: None };
        let from = self.born_in.range((space, first)..).take_while(move |(of, _)| *of == space);
        from.map(|(_, class)| class)
    }

    /// All of one class, in order.
    pub(super) fn members<'a>(&'a self, class: &AccessClass) -> impl Iterator<Item = ResourceId> + use<'a> {
        self.entries_of(*class).map(|entry| entry.id)
    }

    fn entries_of(&self, class: AccessClass) -> impl Iterator<Item = &Entry> {
        let members = self.classes.get(&class).into_iter().flat_map(|class| class.members.iter());
        members.flat_map(move |beginning| self.entries_beginning(*beginning, class))
    }

    /// Those of a class, mostly one.
    fn entries_beginning(&self, beginning: Beginning, class: AccessClass) -> impl Iterator<Item = &Entry> {
        let from = self.entries.from(&beginning.lowest());
        let alike = from.take_while(move |entry| Beginning::of(&entry.id) == beginning);
        alike.filter(move |entry| self.family_of(entry).is_some_and(|family| family.class == class))
    }

    /// The families of a class.
    pub(super) fn families_of(&self, class: AccessClass) -> impl Iterator<Item = &Family> {
        let first = Family { class, by: DeviceId::from_bytes([0; 32]) };
        let from = self.numbers.range(first..).map(|(family, _)| family);
        from.take_while(move |family| family.class == class)
    }

    /// All of one family, in order.
    pub(super) fn members_of(&self, family: &Family) -> impl Iterator<Item = ResourceId> {
        let number = self.numbers.get(family).copied();
        let of_class = self.entries_of(family.class);
        of_class.filter(move |entry| Some(entry.family) == number).map(|entry| entry.id)
    }

    /// The shelves that a device began.
    pub(super) fn shelves_by(&self, device: DeviceId) -> impl Iterator<Item = ResourceId> {
        let by = move |family: &&Family| family.by == device && family.class.kind == ResourceKind::Shelf;
        self.numbers.keys().filter(by).flat_map(|family| self.members_of(family))
    }

    /// Its one record. Without one it cannot have come here.
    pub(super) fn record(&self, id: &ResourceId) -> Option<&VerifiedRecord> {
        self.unpacked(id).map(|unpacked| &unpacked.record)
    }

    /// The resource as it is when it is awake.
    pub(super) fn set(&self, id: &ResourceId) -> Option<&ResourceSet> {
        let unpacked = self.unpacked(id)?;
        let Record::Genesis(genesis) = unpacked.record.record() else { return None };
        Some(unpacked.set.get_or_init(|| ResourceSet::new(*id, genesis.clone())))
    }

    fn unpacked(&self, id: &ResourceId) -> Option<&Unpacked> {
        let entry = self.entries.get(id)?;
        if let Some(unpacked) = entry.unpacked.get() {
            return Some(unpacked);
        }
        let record =
            entry.packed.unpack(RecordId::from_bytes(*id.as_bytes()), self.family_of(entry)?).ok()?;
        self.unpacked.fetch_add(1, Ordering::Relaxed);
        let unpacked = Arc::new(Unpacked { record, set: OnceLock::new() });
        Some(entry.unpacked.get_or_init(|| Box::new(unpacked)))
    }

    /// Takes in the genesis of a resource that has no other record.
    pub(super) fn insert(&mut self, id: ResourceId, genesis: &VerifiedRecord) {
        let Ok(Some((family, packed))) = Packed::new(genesis.bytes()) else { return };
        // Who brings it asks for it next.
        let unpacked = Arc::new(Unpacked { record: genesis.clone(), set: OnceLock::new() });
        self.unpacked.fetch_add(1, Ordering::Relaxed);
        self.enter(id, family, packed, OnceBox::with_value(Box::new(unpacked)));
        if self.unpacked.load(Ordering::Relaxed) > MAX_UNPACKED {
            self.rest();
        }
    }

    /// The same from its packed form. It is quickest with many in the order of their ids.
    pub(super) fn insert_packed(&mut self, id: ResourceId, family: Family, packed: Packed) {
        self.enter(id, family, packed, OnceBox::new());
    }

    fn enter(&mut self, id: ResourceId, family: Family, packed: Packed, unpacked: OnceBox<Arc<Unpacked>>) {
        self.remove(&id);
        self.begin(family.class).members.insert(Beginning::of(&id));
        let entry = Entry { id, family: self.number(family), packed, unpacked };
        self.entries.insert(entry);
    }

    /// Takes in all of another.
    pub(super) fn absorb(&mut self, mut other: Self) {
        if self.len() < other.len() {
            std::mem::swap(self, &mut other);
        }
        for entry in other.entries.iter() {
            if let Some(family) = other.family_of(entry) {
                self.enter(entry.id, *family, entry.packed.clone(), entry.unpacked.clone());
            }
        }
    }

    /// Takes out a resource, and gives back its record.
    pub(super) fn take(&mut self, id: &ResourceId) -> Option<VerifiedRecord> {
        let record = self.record(id)?.clone();
        self.remove(id);
        Some(record)
    }

    /// Takes out those of these families.
    pub(super) fn take_all_of(&mut self, chosen: impl Fn(&Family) -> bool) -> Self {
        let families: Vec<Family> = self.numbers.keys().filter(|family| chosen(family)).copied().collect();
        let mut taken = Self::default();
        if families.len() == self.numbers.len() {
            std::mem::swap(self, &mut taken);
            return taken;
        }
        for family in families {
            for id in self.members_of(&family).collect::<Vec<_>>() {
                if let Some(entry) = self.entries.get(&id) {
                    taken.insert_packed(id, family, entry.packed.clone());
                }
                self.remove(&id);
            }
        }
        taken
    }

    fn len(&self) -> usize {
        self.families.iter().map(|numbered| numbered.count).sum()
    }

    fn begin(&mut self, class: AccessClass) -> &mut Class {
        if let Some(space) = class.space {
            self.born_in.insert((space, class));
        }
        self.classes.entry(class).or_default()
    }

    /// Counts one more of a family, and says its number.
    fn number(&mut self, family: Family) -> u32 {
        let next = || u32::try_from(self.families.len()).unwrap_or(u32::MAX);
        let number =
            *self.numbers.entry(family).or_insert_with(|| self.free.pop_first().unwrap_or_else(next));
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        match self.families.get_mut(at) {
            Some(numbered) if numbered.family == family => numbered.count += 1,
            Some(numbered) => *numbered = Numbered { family, count: 1 },
            None => self.families.push(Numbered { family, count: 1 }),
        }
        number
    }

    /// Takes out a resource: it is forgotten, or awake from now on.
    pub(super) fn remove(&mut self, id: &ResourceId) -> Option<AccessClass> {
        let entry = self.entries.remove(id)?;
        let numbered = self.families.get_mut(usize::try_from(entry.family).ok()?)?;
        numbered.count -= 1;
        let family = numbered.family;
        if numbered.count == 0 {
            self.numbers.remove(&family);
            self.free.insert(entry.family);
        }
        let beginning = Beginning::of(id);
        if self.entries_beginning(beginning, family.class).next().is_none()
            && let Some(class) = self.classes.get_mut(&family.class)
        {
            class.members.remove(&beginning);
            if class.members.is_empty() {
                self.classes.remove(&family.class);
                if let Some(space) = family.class.space {
                    self.born_in.remove(&(space, family.class));
                }
            }
        }
        Some(family.class)
    }

    /// Lets go of all that was unpacked.
    pub(super) fn rest(&mut self) {
        self.unpacked.store(0, Ordering::Relaxed);
        self.entries.change(|entry| entry.unpacked.get().is_some(), |entry| entry.unpacked = OnceBox::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::DeviceKey;
    use crate::records::Genesis;

    fn genesis(number: u32, by: &DeviceKey, space: Option<ResourceId>) -> (ResourceId, VerifiedRecord) {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_le_bytes());
        let record = Record::Genesis(Genesis {
            kind: ResourceKind::Document,
            owner: PersonId::from_bytes([7; 32]),
            space,
            name: format!("document {number}"),
            nonce,
            alias: nonce,
            by: by.public(),
        });
        let record = record.sign(by).unwrap();
        (ResourceId::from_bytes(*record.id().as_bytes()), record)
    }

    /// How many of them are unpacked.
    fn unpacked(dormant: &Dormant) -> usize {
        dormant.entries.iter().filter(|entry| entry.unpacked.get().is_some()).count()
    }

    #[test]
    fn it_comes_back_byte_for_byte() {
        let laptop = DeviceKey::from_secret([1; 32]);
        let mut dormant = Dormant::default();
        let space = ResourceId::from_bytes([9; 32]);
        let all: Vec<_> =
            (0..40).map(|number| genesis(number, &laptop, (number % 2 == 0).then_some(space))).collect();
        for (id, record) in &all {
            dormant.insert(*id, record);
        }
        dormant.rest();
        assert_eq!(unpacked(&dormant), 0);
        for (id, record) in &all {
            assert_eq!(dormant.record(id), Some(record));
            assert_eq!(dormant.set(id).map(ResourceSet::class), dormant.class_of(id));
        }
        assert_eq!(dormant.classes_in(space).flat_map(|class| dormant.members(class)).count(), 20);
    }

    #[test]
    fn little_memory_for_each_and_a_bound_on_what_is_unpacked() {
        assert!(size_of::<Entry>() <= 64);
        let laptop = DeviceKey::from_secret([1; 32]);
        let mut dormant = Dormant::default();
        let all: Vec<_> = (0..3000).map(|number| genesis(number, &laptop, None)).collect();
        for (id, record) in &all {
            dormant.insert(*id, record);
            assert!(dormant.record(id).is_some());
            assert!(unpacked(&dormant) <= MAX_UNPACKED + 1);
        }
        let packed = dormant.entries.iter().map(|entry| entry.packed.len());
        // Name, nonce, alias and signature, which say something new each.
        assert!(packed.max().unwrap_or_default() <= 1 + "document 1234".len() + 16 + 16 + 64);
        dormant.rest();
        assert_eq!(unpacked(&dormant), 0);
    }

    #[test]
    fn ids_that_begin_alike_are_told_apart() {
        let laptop = DeviceKey::from_secret([1; 32]);
        let mut dormant = Dormant::default();
        let spaces = [1, 2].map(|space| ResourceId::from_bytes([space; 32]));
        let alike = [1, 2, 3, 4].map(|last| {
            let mut id = [7; 32];
            id[31] = last;
            ResourceId::from_bytes(id)
        });
        for (number, id) in (0..).zip(alike) {
            let space = spaces[usize::from(number >= 3)];
            dormant.insert(id, &genesis(number, &laptop, Some(space)).1);
        }
        let members = |dormant: &Dormant, space| dormant.members(&class(space)).collect::<Vec<ResourceId>>();
        assert_eq!(members(&dormant, spaces[0]), alike[..3]);
        assert_eq!(members(&dormant, spaces[1]), alike[3..]);
        dormant.remove(&alike[1]);
        assert_eq!(members(&dormant, spaces[0]), [alike[0], alike[2]]);
        dormant.remove(&alike[3]);
        assert!(members(&dormant, spaces[1]).is_empty());
        dormant.remove(&alike[0]);
        dormant.remove(&alike[2]);
        assert!(dormant.classes.is_empty());
    }

    #[test]
    fn nothing_is_left_of_what_went() {
        let mut dormant = Dormant::default();
        for round in 0..8_u8 {
            let device = DeviceKey::from_secret([round + 1; 32]);
            let space = ResourceId::from_bytes([round; 32]);
            let (id, record) = genesis(1, &device, Some(space));
            dormant.insert(id, &record);
            assert_eq!(dormant.remove(&id), Some(class(space)));
            assert_eq!(dormant.remove(&id), None);
        }
        assert!(dormant.entries.is_empty() && dormant.classes.is_empty() && dormant.numbers.is_empty());
        assert!(dormant.born_in.is_empty());
        assert_eq!(dormant.families.len(), 1, "numbers are used again");
    }

    fn class(space: ResourceId) -> AccessClass {
        AccessClass { owner: PersonId::from_bytes([7; 32]), kind: ResourceKind::Document, space: Some(space) }
    }
}
