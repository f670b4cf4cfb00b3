//! What was granted, revoked and changed, told in an order that reads, with names: as data, and as a graph.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use katori_acl::{Audience, Issuer, Member, Record, RecordId, Role, RosterAction, Subject, VerifiedRecord};
use katori_acl::{EntryStatus, StoryEntry, StoryKind};
use katori_core::engine::Engine;

use crate::base::Base;
use crate::error::Error;
use crate::who::{Names, Who};

/// What was signed about a document, space, person or group, each part after those it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The parts.
    pub parts: Vec<StoryPart>,
}

/// One signed record, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryPart {
    /// The record.
    pub record: RecordId,
    /// What it does.
    pub kind: StoryKind,
    /// Whether it is of the space that the document was born in.
    pub of_space: bool,
    /// The device that signed it; nobody if the key of an invitation did.
    pub by: Option<Who>,
    /// In whose name, where it is not the device's alone.
    pub in_name_of: Option<Who>,
    /// Whom it is about: who is granted something, comes, goes or is named.
    pub whom: Option<Who>,
    /// The role it gives.
    pub role: Option<Role>,
    /// What it says besides: a name that is given, a reason, a time.
    pub words: Option<String>,
    /// What it rests on.
    pub rests_on: Vec<RecordId>,
    /// Whether it counts.
    pub counts: bool,
    /// What became of it.
    pub status: EntryStatus,
    /// The same for people, where it does not count.
    pub because: Option<String>,
}

impl Story {
    pub(crate) async fn read(base: &Base, subject: Subject) -> Result<Self, Error> {
        base.ask(move |engine, names| {
            let entries = engine.registry().story(subject);
            let mut story = Self { parts: Vec::with_capacity(entries.len()) };
            for entry in &entries {
                story.parts.push(part(engine, names, subject, entry));
            }
            story
        })
        .await
    }

    /// The story as a graph in the language of Graphviz: arrows lead from each record to what it rests on, and what
    /// does not count is dashed.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let numbers: BTreeMap<RecordId, usize> =
            self.parts.iter().enumerate().map(|(number, part)| (part.record, number)).collect();
        let mut dot = String::from("digraph story {\n  rankdir=BT;\n  node [shape=box];\n");
        // Writing to a string never fails.
        for (number, part) in self.parts.iter().enumerate() {
            let style = if part.counts { "solid" } else { "dashed" };
            let label = escaped(&part.to_string());
            let _ = writeln!(dot, "  r{number} [label=\"{label}\", style={style}];");
            for below in part.rests_on.iter().filter_map(|below| numbers.get(below)) {
                let _ = writeln!(dot, "  r{number} -> r{below};");
            }
        }
        dot.push_str("}\n");
        dot
    }
}

/// A text in quotes of Graphviz. Names hold no control characters, but this does not depend on it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| writeln!(f, "{part}"))
    }
}

impl fmt::Display for StoryPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match (&self.by, &self.in_name_of) {
            (Some(by), Some(name)) if by.person == name.person => by.to_string(),
            (Some(by), Some(name)) => format!("{by} for {name}"),
            (Some(who), None) | (None, Some(who)) => who.to_string(),
            (None, None) => "an invitation".to_owned(),
        };
        let whom = self.whom.as_ref().map_or_else(|| "an invitation".to_owned(), ToString::to_string);
        match self.kind {
            StoryKind::Begin => write!(f, "{who} began")?,
            StoryKind::Add => write!(f, "{who} added {whom}")?,
            StoryKind::Remove => write!(f, "{who} removed {whom}")?,
            StoryKind::Recover => write!(f, "{who} came back by the recovery words")?,
            StoryKind::Rename => write!(f, "{who} renamed {whom}")?,
            StoryKind::Grant => write!(f, "{who} gave {whom}")?,
            StoryKind::Revoke => write!(f, "{who} revoked what was given to {whom}")?,
            StoryKind::Exclude => write!(f, "{who} excluded changes")?,
            StoryKind::Delete => write!(f, "{who} deleted it")?,
            _ => write!(f, "{who} signed what this version does not know")?,
        }
        if let Some(role) = self.role {
            write!(f, " {role}")?;
        }
        if let Some(words) = &self.words {
            write!(f, ": {words}")?;
        }
        if self.of_space {
            f.write_str(", in the space")?;
        }
        match &self.because {
            Some(because) => write!(f, " ({because})"),
            None => Ok(()),
        }
    }
}

fn part(engine: &Engine, names: &Names, subject: Subject, entry: &StoryEntry) -> StoryPart {
    let signed = engine.registry().record(&entry.record).map(VerifiedRecord::record);
    let said = signed.map(|record| said(engine, names, record)).unwrap_or_default();
    let by = entry.by.map(|device| names.device(device));
    StoryPart {
        record: entry.record,
        kind: entry.kind,
        of_space: entry.of != subject,
        in_name_of: entry.name.and_then(|name| issuer(names, name)),
        whom: said.whom,
        role: said.role,
        words: said.words,
        rests_on: entry.rests_on.clone(),
        counts: entry.status.counts(),
        because: because(engine, names, &entry.status),
        status: entry.status,
        by,
    }
}

/// What a record says about whom.
#[derive(Default)]
struct Said {
    whom: Option<Who>,
    role: Option<Role>,
    words: Option<String>,
}

fn said(engine: &Engine, names: &Names, record: &Record) -> Said {
    match record {
        Record::Grant(grant) => Said { whom: audience(names, grant.to), role: Some(grant.role), words: None },
        Record::Revoke(revoke) => {
            match engine.registry().record(&revoke.target).map(VerifiedRecord::record) {
                Some(Record::Grant(grant)) => {
                    let words = revoke.erase.then(|| "and asked to drop every copy".to_owned());
                    Said { whom: audience(names, grant.to), role: Some(grant.role), words }
                }
                _ => Said::default(),
            }
        }
        Record::Exclude(exclude) => Said { words: Some(exclude.reason.clone()), ..Said::default() },
        Record::Genesis(genesis) => Said { words: Some(genesis.name.clone()), ..Said::default() },
        Record::RosterGenesis(genesis) => Said { words: Some(genesis.name.clone()), ..Said::default() },
        Record::RosterOperation(operation) => match &operation.action {
            RosterAction::Add { member: added, .. } | RosterAction::Remove { member: added, .. } => {
                Said { whom: Some(member(names, *added)), ..Said::default() }
            }
            RosterAction::Recover { device, .. } => {
                Said { whom: Some(names.device(*device)), ..Said::default() }
            }
            RosterAction::Rename { member: of, name } => {
                let whom = of.map_or_else(|| names.person(operation.roster), |of| member(names, of));
                Said { whom: Some(whom), words: Some(name.clone()), role: None }
            }
        },
        Record::Tombstone(_) | Record::Keys(_) => Said::default(),
    }
}

fn member(names: &Names, member: Member) -> Who {
    match member {
        Member::Device(device) => names.device(device),
        Member::Person(person) => names.person(person),
    }
}

fn audience(names: &Names, audience: Audience) -> Option<Who> {
    match audience {
        Audience::Person(id) | Audience::Group(id) => Some(names.person(id)),
        Audience::Device(device) => Some(names.device(device)),
        Audience::Invite(_) => None,
    }
}

fn issuer(names: &Names, issuer: Issuer) -> Option<Who> {
    match issuer {
        Issuer::Person(id) | Issuer::Group(id) => Some(names.person(id)),
        Issuer::Invite(_) => None,
    }
}

fn because(engine: &Engine, names: &Names, status: &EntryStatus) -> Option<String> {
    Some(match status {
        EntryStatus::Counts => return None,
        EntryStatus::Revoked { issuer: by, .. } => match issuer(names, *by) {
            Some(who) => format!("revoked by {who}"),
            None => "revoked".to_owned(),
        },
        EntryStatus::SignerRemoved(device) => {
            format!("void: {} does not speak for it any more", names.device(*device))
        }
        EntryStatus::ParentEnded(parent) => {
            let granted = match engine.registry().record(parent).map(VerifiedRecord::record) {
                Some(Record::Grant(grant)) => audience(names, grant.to),
                _ => None,
            };
            match granted {
                Some(who) => format!("void: what {who} was given has ended"),
                None => "void: what it rests on has ended".to_owned(),
            }
        }
        EntryStatus::NoAdmin(device) => format!("void: {} is no admin's any more", names.device(*device)),
        EntryStatus::UsedUp | EntryStatus::Void(_) | _ => status.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_box() {
        let who = Who {
            person: None,
            person_name: "a\"];\n r9 [label=\"b\\".into(),
            device: None,
            device_name: String::new(),
        };
        let part = StoryPart {
            record: RecordId::from_bytes([1; 32]),
            kind: StoryKind::Grant,
            of_space: false,
            by: Some(who),
            in_name_of: None,
            whom: None,
            role: Some(Role::Read),
            words: None,
            rests_on: vec![RecordId::from_bytes([2; 32])],
            counts: false,
            status: EntryStatus::UsedUp,
            because: None,
        };
        let dot = Story { parts: vec![part] }.to_dot();
        let lines: Vec<&str> = dot.lines().collect();
        assert_eq!(lines.len(), 5, "{dot}");
        assert!(lines[3].starts_with("  r0 [label=\"a\\\"];  r9 [label=\\\"b\\\\ gave"), "{dot}");
        assert!(lines[3].ends_with("\", style=dashed];"), "{dot}");
    }
}
