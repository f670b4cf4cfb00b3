//! What a check found, as data and in words.

use std::fmt;

use katori_acl::ResourceId;

use crate::store::Table;

/// Findings told one by one; of more, only their number is told. Nobody reads more, and a repair finds the rest again.
pub const MAX_FINDINGS: usize = 10_000;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// The file beneath the rows is damaged.
    Database,
    /// The store does not say who this device is.
    Identity,
    /// A row lies under a key that no row of its table has, or another row's.
    Key,
    /// A row cannot be read.
    Row,
    /// A signed record does not count among the others: one that it rests on is gone.
    Uncounted,
    /// Content of a document of which nothing else is known.
    Orphan,
    /// A document has content, and no row that says how it stands with this device.
    Standing,
    /// A document has content, and no signed record that founds it.
    Unfounded,
    /// Changes build on others that are not in the store.
    Gap,
    /// The row of state says something else than the history.
    State,
    /// What is shown of a document is not up to date with who may write it. That mends itself when the document is
    /// next opened, and is no damage: a process that is killed may leave it so.
    Behind,
    /// A snapshot cannot be used.
    Snapshot,
    /// Each part of a document's history can be read, and the whole cannot.
    History,
    /// It is as it was written, and larger than this version takes in. That is no damage: a version with wider bounds
    /// reads it.
    TooLarge,
}

/// What a repair does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Remedy {
    /// Moves the row into the store that is set aside.
    SetAside,
    /// Moves the row there, and keeps of it what can be used.
    KeepWhatLinks,
    /// Writes it anew from the history.
    Rebuild,
    /// Copies every row that can be read into a new file.
    CopyOver,
    /// Nothing can be done here: it is told, and left as it is.
    Nothing,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SetAside => "would be set aside",
            Self::KeepWhatLinks => "would be set aside, and what links of it kept",
            Self::Rebuild => "would be written anew from the history",
            Self::CopyOver => "what can be read would be copied into a new file",
            Self::Nothing => "is left as it is",
        })
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// In which table, if in one.
    pub table: Option<Table>,
    /// The key of the row, or what the keys of the rows begin with.
    pub key: Vec<u8>,
    /// Of which document, if of one.
    pub document: Option<ResourceId>,
    /// More about it, for people.
    pub detail: String,
    /// What a repair does about it.
    pub remedy: Remedy,
}

impl Finding {
    /// Whether something is lost or wrong, and not merely old or large.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        !matches!(self.fault, Fault::Behind | Fault::TooLarge)
    }

    pub(super) fn of_database(detail: String, remedy: Remedy) -> Self {
        Self { fault: Fault::Database, table: None, key: Vec::new(), document: None, detail, remedy }
    }

    pub(super) fn of_row(fault: Fault, table: Table, key: &[u8], detail: impl fmt::Display) -> Self {
        Self {
            fault,
            table: Some(table),
            key: key.to_vec(),
            document: None,
            detail: detail.to_string(),
            remedy: Remedy::SetAside,
        }
    }

    pub(super) fn of_document(fault: Fault, document: ResourceId, detail: impl fmt::Display) -> Self {
        Self {
            fault,
            table: None,
            key: Vec::new(),
            document: Some(document),
            detail: detail.to_string(),
            remedy: Remedy::Rebuild,
        }
    }

    pub(super) fn in_document(self, document: ResourceId) -> Self {
        Self { document: Some(document), ..self }
    }

    pub(super) fn with(self, remedy: Remedy) -> Self {
        Self { remedy, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(document) = &self.document {
            write!(f, "document {}: ", document.short())?;
        }
        match self.fault {
            Fault::Database => f.write_str("the file is damaged")?,
            Fault::Identity => f.write_str("it does not say who this device is")?,
            Fault::Key => f.write_str("a row lies under a wrong key")?,
            Fault::Row => f.write_str("a row cannot be read")?,
            Fault::Uncounted => f.write_str("a signed record does not count")?,
            Fault::Orphan => f.write_str("content of a document that is not known here")?,
            Fault::Standing => f.write_str("it is not said how it stands with this device")?,
            Fault::Unfounded => f.write_str("the record that founds it is not here")?,
            Fault::Gap => f.write_str("changes build on others that are not here")?,
            Fault::State => f.write_str("its state is not what its history says")?,
            Fault::Behind => f.write_str("what is shown of it is not up to date")?,
            Fault::Snapshot => f.write_str("a snapshot cannot be used")?,
            Fault::History => f.write_str("its history cannot be opened")?,
            Fault::TooLarge => f.write_str("it is larger than this version takes in")?,
        }
        match (self.table, self.key.is_empty()) {
            (Some(table), false) => write!(f, " (table {}, key {})", table.name(), hex(&self.key))?,
            (Some(table), true) => write!(f, " (table {})", table.name())?,
            (None, _) => {}
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// Bytes as people name them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Rows of all kinds.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Signed records.
    pub records: u64,
    /// Documents and spaces.
    pub documents: u64,
    /// Changes of documents.
    pub changes: u64,
    /// Vouches.
    pub vouches: u64,
    /// Rows of kinds that this version does not know, which are left to the one that does.
    pub unknown: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, at most [`MAX_FINDINGS`] of it.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those.
    pub more: u64,
    /// How much was looked at.
    pub counted: Counted,
    /// How long the file is; 0 for a store without one.
    pub file_bytes: u64,
}

impl Report {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.more == 0 && !self.findings.iter().any(Finding::is_damage)
    }

    /// Whether a repair has something to do.
    #[must_use]
    pub fn is_repairable(&self) -> bool {
        self.findings.iter().any(|finding| finding.remedy != Remedy::Nothing)
    }

    /// It is not known whose store this is, so nothing in it can be judged or signed anew: its rows stay as they are.
    pub(super) fn leave_rows(&mut self) {
        for finding in &mut self.findings {
            if finding.remedy != Remedy::CopyOver {
                finding.remedy = Remedy::Nothing;
            }
        }
    }

    /// Whose store it is decides what may be mended, so that finding is noted however many there are.
    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS || finding.fault == Fault::Identity {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_where_and_why() {
        let document = ResourceId::from_bytes([0xab; 32]);
        let finding = Finding::of_row(Fault::Row, Table::Packs, &[1, 2], "cut off").in_document(document);
        let expected =
            format!("document {}: a row cannot be read (table packs, key 0102): cut off", document.short());
        assert_eq!(finding.to_string(), expected);
        assert!(finding.is_damage());
        assert!(!Finding::of_document(Fault::Behind, document, "").is_damage());
    }

    #[test]
    fn findings_are_bounded_and_the_rest_is_counted() {
        let mut report = Report::default();
        for _ in 0..=MAX_FINDINGS {
            report.add(Finding::of_database(String::new(), Remedy::Nothing));
        }
        assert_eq!((report.findings.len(), report.more), (MAX_FINDINGS, 1));
        assert!(!report.is_clean() && !report.is_repairable());
    }
}
