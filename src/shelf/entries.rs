//! The entries of a shelf: what each is called in the document, and what counts as one.
//!
//! Every entry is one scalar under one key of the root, so that two devices that write different things at the same
//! time never meet, and of two that write the same thing one wins whole. Keys that this version does not know
//! belong to a newer one and are left alone.
//!
//! A person that came back with its recovery words may have several shelves. They are read one after the other, and
//! of two words on one thing the one that was read first stays; whoever is blocked on one of them is blocked.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use automerge::{Automerge, ROOT, ReadDoc, ScalarValue};
use katori_acl::bounds::{MAX_NAME_BYTES, MAX_TITLE_BYTES};
use katori_acl::{PersonId, ResourceId};

use crate::error::Error;

/// Entries of one kind that are read. A person has not as many things and friends; a stolen device may write more,
/// and crowds out nothing of another kind with them.
pub(crate) const MAX_ENTRIES: usize = 1 << 14;
/// What the key of an entry begins with, before a slash and the id that it is about.
const KINDS: [&str; 5] = ["accepted", "name", "petname", "verified", "blocked"];

/// How and when this person made sure who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How, in this person's words: "in person", "on the phone".
    pub how: String,
    /// When, in milliseconds since 1970.
    pub when: u64,
}

/// One thing to be noted; nothing takes it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A document or space was accepted, or turned down.
    Accepted(ResourceId, Option<bool>),
    /// What a document or space is called here.
    Name(ResourceId, Option<String>),
    /// What a person or group is called here.
    Petname(PersonId, Option<String>),
    /// This person made sure who somebody is.
    Verified(PersonId, Option<Verified>),
    /// Somebody's devices are refused.
    Blocked(PersonId, Option<bool>),
}

impl Entry {
    pub(super) fn key(&self) -> String {
        match self {
            Self::Accepted(id, _) => format!("accepted/{id}"),
            Self::Name(id, _) => format!("name/{id}"),
            Self::Petname(id, _) => format!("petname/{id}"),
            Self::Verified(id, _) => format!("verified/{id}"),
            Self::Blocked(id, _) => format!("blocked/{id}"),
        }
    }

    pub(super) fn value(&self) -> Option<ScalarValue> {
        match self {
            Self::Accepted(_, value) | Self::Blocked(_, value) => value.map(ScalarValue::Boolean),
            Self::Name(_, value) | Self::Petname(_, value) => {
                value.as_deref().map(|name| ScalarValue::Str(name.into()))
            }
            Self::Verified(_, value) => {
                value.as_ref().map(|Verified { how, when }| ScalarValue::Str(format!("{when} {how}").into()))
            }
        }
    }

    /// Reads one.
    fn read(key: &str, value: &ScalarValue) -> Result<Self, ()> {
        let (kind, id) = key.split_once('/').ok_or(())?;
        let text = value.as_str();
        let entry = match kind {
            "accepted" => Self::Accepted(id_of(id)?, Some(value.as_bool().ok_or(())?)),
            "name" => Self::Name(id_of(id)?, Some(name(text, MAX_TITLE_BYTES)?)),
            "petname" => Self::Petname(id_of(id)?, Some(name(text, MAX_NAME_BYTES)?)),
            "verified" => {
                let (when, how) = text.and_then(|text| text.split_once(' ')).ok_or(())?;
                let when = when.parse().map_err(|_| ())?;
                Self::Verified(id_of(id)?, Some(Verified { how: name(Some(how), MAX_NAME_BYTES)?, when }))
            }
            "blocked" => Self::Blocked(id_of(id)?, Some(value.as_bool().ok_or(())?)),
            _ => return Err(()),
        };
        // An id that is written in another way would be found by none who takes the entry back.
        if entry.key() == key { Ok(entry) } else { Err(()) }
    }
}

fn id_of<I: FromStr>(text: &str) -> Result<I, ()> {
    text.parse().map_err(|_| ())
}

fn name(text: Option<&str>, most: usize) -> Result<String, ()> {
    text.filter(|text| is_name(text, most)).map(str::to_owned).ok_or(())
}

/// One line that is not empty, not long, and begins and ends with what can be seen.
fn is_name(text: &str, most: usize) -> bool {
    !text.is_empty() && text.trim() == text && text.len() <= most && !text.chars().any(char::is_control)
}

/// A name that somebody here gives, without the space around it.
pub(crate) fn check_name(text: &str, most: usize) -> Result<String, Error> {
    let text = text.trim();
    if is_name(text, most) { Ok(text.to_owned()) } else { Err(Error::NotAName { limit: most }) }
}

/// What a person's shelves hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) accepted: BTreeMap<ResourceId, bool>,
    pub(crate) names: BTreeMap<ResourceId, String>,
    pub(crate) petnames: BTreeMap<PersonId, String>,
    pub(crate) verified: BTreeMap<PersonId, Verified>,
    pub(crate) blocked: BTreeSet<PersonId>,
    /// Entries that are none, though this version knows their kind, and those beyond [`MAX_ENTRIES`].
    pub(crate) ignored: usize,
}

impl Entries {
    /// Reads another shelf of this person. What was read before stays.
    pub(super) fn read(&mut self, document: &Automerge, me: PersonId) {
        for kind in KINDS {
            // The character after the slash ends what can begin with it.
            for item in document.map_range(ROOT, format!("{kind}/")..format!("{kind}0")) {
                let value = item.value.into_value().into_scalar().unwrap_or(ScalarValue::Null);
                let taken = Entry::read(&item.key, &value).is_ok_and(|entry| self.take(entry, me));
                self.ignored += usize::from(!taken);
            }
        }
    }

    /// Whether this is what they hold of the matter.
    pub(super) fn say(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Accepted(id, accepted) => self.accepted.get(id) == accepted.as_ref(),
            Entry::Name(id, name) => self.names.get(id) == name.as_ref(),
            Entry::Petname(id, name) => self.petnames.get(id) == name.as_ref(),
            Entry::Verified(id, verified) => self.verified.get(id) == verified.as_ref(),
            Entry::Blocked(id, blocked) => self.blocked.contains(id) == (*blocked == Some(true)),
        }
    }

    /// Takes an entry, and says whether it is one that may be here and has room.
    fn take(&mut self, entry: Entry, me: PersonId) -> bool {
        match entry {
            Entry::Accepted(id, Some(accepted)) => keep(&mut self.accepted, id, accepted),
            Entry::Name(id, Some(name)) => keep(&mut self.names, id, name),
            Entry::Petname(id, Some(name)) => keep(&mut self.petnames, id, name),
            Entry::Verified(id, Some(verified)) => keep(&mut self.verified, id, verified),
            // Devices of one person that refused each other could never undo it.
            Entry::Blocked(id, Some(_)) if id == me => false,
            Entry::Blocked(id, Some(true)) => {
                let room = self.blocked.len() < MAX_ENTRIES || self.blocked.contains(&id);
                if room {
                    self.blocked.insert(id);
                }
                room
            }
            Entry::Blocked(..)
            | Entry::Accepted(_, None)
            | Entry::Name(_, None)
            | Entry::Petname(_, None)
            | Entry::Verified(_, None) => true,
        }
    }
}

/// Keeps the first word on something, and says whether there was room.
fn keep<I: Ord, V>(entries: &mut BTreeMap<I, V>, id: I, value: V) -> bool {
    let room = entries.len() < MAX_ENTRIES || entries.contains_key(&id);
    if room {
        entries.entry(id).or_insert(value);
    }
    room
}

#[cfg(test)]
mod tests {
    use automerge::ObjType;
    use automerge::transaction::Transactable;

    use super::*;

    fn write(document: &mut Automerge, entries: &[Entry]) {
        let mut edit = document.transaction();
        for entry in entries {
            match entry.value() {
                Some(value) => edit.put(ROOT, entry.key(), value).unwrap(),
                None => edit.delete(ROOT, entry.key()).unwrap(),
            }
        }
        edit.commit();
    }

    /// The entries of these shelves of somebody who appears nowhere else.
    fn read<'a>(shelves: impl IntoIterator<Item = &'a Automerge>) -> Entries {
        let mut entries = Entries::default();
        for shelf in shelves {
            entries.read(shelf, person(0));
        }
        entries
    }

    fn person(byte: u8) -> PersonId {
        PersonId::from_bytes([byte; 32])
    }

    #[test]
    fn what_is_written_is_read() {
        let (list, ben) = (ResourceId::from_bytes([1; 32]), person(2));
        let verified = Verified { how: "in person, at the station".into(), when: 1_700_000_000_000 };
        let mut document = Automerge::new();
        let noted = [
            Entry::Accepted(list, Some(true)),
            Entry::Name(list, Some("food".into())),
            Entry::Petname(ben, Some("Benny".into())),
            Entry::Verified(ben, Some(verified.clone())),
            Entry::Blocked(ben, Some(true)),
        ];
        write(&mut document, &noted);
        let entries = read([&document]);
        let expected = Entries {
            accepted: [(list, true)].into(),
            names: [(list, "food".into())].into(),
            petnames: [(ben, "Benny".into())].into(),
            verified: [(ben, verified)].into(),
            blocked: [ben].into(),
            ignored: 0,
        };
        assert_eq!(entries, expected);
        write(&mut document, &[Entry::Blocked(ben, None), Entry::Petname(ben, None)]);
        let entries = read([&document]);
        assert!(entries.blocked.is_empty() && entries.petnames.is_empty());
    }

    #[test]
    fn what_is_no_entry_is_counted_and_what_a_newer_version_wrote_is_not() {
        let mut document = Automerge::new();
        let mut edit = document.transaction();
        let (ben, long) = (person(2), "x".repeat(MAX_NAME_BYTES + 1));
        edit.put(ROOT, "accepted/nobody", true).unwrap();
        edit.put(ROOT, format!("accepted/{ben}"), "yes").unwrap();
        edit.put(ROOT, format!("petname/{ben}"), long).unwrap();
        edit.put(ROOT, format!("petname/{}", person(3)), " two\nlines").unwrap();
        edit.put(ROOT, format!("verified/{ben}"), "once in person").unwrap();
        edit.put_object(ROOT, format!("blocked/{ben}"), ObjType::Map).unwrap();
        edit.put(ROOT, "theme", "dark").unwrap();
        edit.put_object(ROOT, format!("avatar/{ben}"), ObjType::Map).unwrap();
        edit.commit();
        assert_eq!(read([&document]), Entries { ignored: 6, ..Entries::default() });
    }

    #[test]
    fn two_devices_come_together_entry_by_entry() {
        let (ben, cleo) = (person(2), person(3));
        let mut laptop = Automerge::new();
        write(&mut laptop, &[Entry::Petname(ben, Some("Ben".into()))]);
        let mut phone = laptop.fork();
        write(&mut laptop, &[Entry::Petname(cleo, Some("Cleo".into())), Entry::Blocked(ben, None)]);
        write(&mut phone, &[Entry::Petname(ben, Some("Benny".into())), Entry::Blocked(ben, Some(true))]);
        laptop.merge(&mut phone).unwrap();
        phone.merge(&mut laptop).unwrap();
        let entries = read([&laptop]);
        assert_eq!(entries, read([&phone]));
        assert_eq!(entries.petnames, [(ben, "Benny".into()), (cleo, "Cleo".into())].into());
        assert!(entries.blocked.contains(&ben), "of blocking and unblocking at once, blocking stays");
    }

    #[test]
    fn nobody_is_cut_off_from_their_own_devices() {
        let mut document = Automerge::new();
        write(&mut document, &[Entry::Blocked(person(0), Some(true)), Entry::Blocked(person(2), Some(true))]);
        let entries = read([&document]);
        assert_eq!((entries.blocked, entries.ignored), ([person(2)].into(), 1));
    }

    #[test]
    fn several_shelves_are_read_as_one() {
        let (list, ben, cleo) = (ResourceId::from_bytes([1; 32]), person(2), person(3));
        let (mut now, mut before) = (Automerge::new(), Automerge::new());
        write(&mut now, &[Entry::Accepted(list, Some(false)), Entry::Petname(ben, Some("Ben".into()))]);
        let older = [
            Entry::Accepted(list, Some(true)),
            Entry::Petname(ben, Some("Benny".into())),
            Entry::Petname(cleo, Some("Cleo".into())),
            Entry::Blocked(cleo, Some(true)),
        ];
        write(&mut before, &older);
        let entries = read([&now, &before]);
        assert_eq!(entries.accepted, [(list, false)].into());
        assert_eq!(entries.petnames, [(ben, "Ben".into()), (cleo, "Cleo".into())].into());
        assert_eq!((entries.blocked.contains(&cleo), entries.ignored), (true, 0));
        assert!(entries.say(&older[2]) && entries.say(&older[3]) && !entries.say(&older[0]));
    }

    #[test]
    fn one_kind_crowds_out_no_other_and_unknown_keys_none() {
        let mut document = Automerge::new();
        let mut edit = document.transaction();
        for number in 0..=MAX_ENTRIES {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            edit.put(ROOT, Entry::Accepted(ResourceId::from_bytes(id), None).key(), true).unwrap();
            edit.put(ROOT, format!("a/newer/{number}"), true).unwrap();
        }
        edit.put(ROOT, Entry::Blocked(person(2), None).key(), true).unwrap();
        edit.commit();
        let entries = read([&document]);
        assert_eq!((entries.accepted.len(), entries.ignored), (MAX_ENTRIES, 1));
        assert!(entries.blocked.contains(&person(2)));
        // Written as text, it is nothing but the letter z.
        let last = [0xce, 0x73, 0x9c, 0xe7, 0x39].repeat(7);
        let last = ResourceId::from_bytes(last[..32].try_into().unwrap());
        write(&mut document, &[Entry::Accepted(last, Some(true))]);
        assert!(!read([&document]).say(&Entry::Accepted(last, Some(true))), "whoever writes it is told");
    }
}
