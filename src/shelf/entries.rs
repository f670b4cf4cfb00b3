//! The entries of a shelf: what each is called in the document, and what counts as one.
//!
//! Every entry is one scalar under one key of the root, so that two devices that write different things at the same
//! time never meet, and of two that write the same thing one wins whole. Keys that this version does not know
//! belong to a newer one and are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use automerge::{Automerge, ROOT, ReadDoc, ScalarValue};
use katori_acl::bounds::{MAX_NAME_BYTES, MAX_TITLE_BYTES};
use katori_acl::{PersonId, ResourceId};

use crate::error::Error;

/// Entries that are read. A person has not as many things and friends; a stolen device may write more.
pub(crate) const MAX_ENTRIES: usize = 1 << 16;

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

    /// Reads one; nothing if this version does not know such a key.
    fn read(key: &str, value: &ScalarValue) -> Option<Result<Self, ()>> {
        let (kind, id) = key.split_once('/')?;
        let text = value.as_str();
        Some(match kind {
            "accepted" => id_of(id).and_then(|id| Ok(Self::Accepted(id, Some(value.as_bool().ok_or(())?)))),
            "name" => id_of(id).and_then(|id| Ok(Self::Name(id, Some(name(text, MAX_TITLE_BYTES)?)))),
            "petname" => id_of(id).and_then(|id| Ok(Self::Petname(id, Some(name(text, MAX_NAME_BYTES)?)))),
            "verified" => id_of(id).and_then(|id| {
                let (when, how) = text.and_then(|text| text.split_once(' ')).ok_or(())?;
                let when = when.parse().map_err(|_| ())?;
                Ok(Self::Verified(id, Some(Verified { how: name(Some(how), MAX_NAME_BYTES)?, when })))
            }),
            "blocked" => id_of(id).and_then(|id| Ok(Self::Blocked(id, Some(value.as_bool().ok_or(())?)))),
            _ => return None,
        })
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

/// What a shelf holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) accepted: BTreeMap<ResourceId, bool>,
    pub(crate) names: BTreeMap<ResourceId, String>,
    pub(crate) petnames: BTreeMap<PersonId, String>,
    pub(crate) verified: BTreeMap<PersonId, Verified>,
    pub(crate) blocked: BTreeSet<PersonId>,
    /// Entries that are none, though this version knows their key.
    pub(crate) ignored: usize,
}

impl Entries {
    pub(super) fn read(document: &Automerge) -> Self {
        let mut entries = Self::default();
        let mut seen = 0;
        for item in document.map_range(ROOT, ..) {
            seen += 1;
            if seen > MAX_ENTRIES {
                entries.ignored += 1;
                continue;
            }
            let value = item.value.into_value().into_scalar().unwrap_or(ScalarValue::Null);
            match Entry::read(&item.key, &value) {
                Some(Ok(entry)) => entries.take(entry),
                Some(Err(())) => entries.ignored += 1,
                None => {}
            }
        }
        entries
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Accepted(id, Some(accepted)) => drop(self.accepted.insert(id, accepted)),
            Entry::Name(id, Some(name)) => drop(self.names.insert(id, name)),
            Entry::Petname(id, Some(name)) => drop(self.petnames.insert(id, name)),
            Entry::Verified(id, Some(verified)) => drop(self.verified.insert(id, verified)),
            Entry::Blocked(id, Some(true)) => drop(self.blocked.insert(id)),
            Entry::Blocked(..)
            | Entry::Accepted(_, None)
            | Entry::Name(_, None)
            | Entry::Petname(_, None)
            | Entry::Verified(_, None) => {}
        }
    }
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
        let entries = Entries::read(&document);
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
        let entries = Entries::read(&document);
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
        assert_eq!(Entries::read(&document), Entries { ignored: 6, ..Entries::default() });
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
        let entries = Entries::read(&laptop);
        assert_eq!(entries, Entries::read(&phone));
        assert_eq!(entries.petnames, [(ben, "Benny".into()), (cleo, "Cleo".into())].into());
        assert!(entries.blocked.contains(&ben), "of blocking and unblocking at once, blocking stays");
    }
}
