//! What is said about ranges, and the messages it is said in.

use katori_acl::Subject;
use katori_acl::codec::{DecodeError, Reader, Writer};

use super::Item;
use super::brief::{Brief, BriefSummary, Speaks};
use super::fingerprint::Entry;
use super::range::Range;
use super::view::narrowed_by;

/// Parts in one message. Twice what one answer needs when little differs, and some 160 KB of fingerprints.
pub const MAX_PARTS: usize = 4096;
/// Entries in all parts of one message together, and subjects that are lacking: 800 KB.
pub const MAX_MESSAGE_ENTRIES: usize = 8192;
/// Entries in one part. A range that has more is listed in several, each with a range of its own.
pub const MAX_PART_ENTRIES: usize = 256;

/// What one side says about a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// "This is what I have there, in short. What about you?"
    Fingerprint {
        /// Where.
        range: Range,
        /// What is there.
        summary: BriefSummary,
    },
    /// "This is all that I have there. What about you?"
    Items {
        /// Where.
        range: Range,
        /// All of it, ascending.
        entries: Vec<(Subject, Entry)>,
    },
    /// "This is all that I have there, which I think you have as well. What about you?"
    Briefs {
        /// Where.
        range: Range,
        /// All of it, ascending as bytes.
        briefs: Vec<Brief>,
    },
    /// "What you said of this range is true here as well." Ends it.
    Same {
        /// Where.
        range: Range,
    },
    /// "Of what you listed there, all is the same here but this." Ends it.
    Answer {
        /// Where.
        range: Range,
        /// What is other here, or only here. Ascending.
        entries: Vec<(Subject, Entry)>,
        /// What is not here. Ascending.
        lacking: Vec<Subject>,
    },
    /// "Of what you told in brief, I have all, and the same but for this, which I have so." Ends it.
    Differ {
        /// Where.
        range: Range,
        /// What is other here, ascending as bytes, and which side is to say first what it has of it.
        briefs: Vec<(Brief, Speaks)>,
    },
}

impl Part {
    /// What it is about.
    #[must_use]
    pub const fn range(&self) -> &Range {
        match self {
            Self::Fingerprint { range, .. }
            | Self::Items { range, .. }
            | Self::Briefs { range, .. }
            | Self::Same { range }
            | Self::Answer { range, .. }
            | Self::Differ { range, .. } => range,
        }
    }

    /// Whether the other side has to say something about the range in turn.
    #[must_use]
    pub const fn is_question(&self) -> bool {
        matches!(self, Self::Fingerprint { .. } | Self::Items { .. } | Self::Briefs { .. })
    }

    /// How many entries and lacking subjects it has.
    pub(super) fn listed(&self) -> usize {
        match self {
            Self::Fingerprint { .. } | Self::Same { .. } => 0,
            Self::Items { entries, .. } => entries.len(),
            Self::Briefs { briefs, .. } => briefs.len(),
            Self::Differ { briefs, .. } => briefs.len(),
            Self::Answer { entries, lacking, .. } => entries.len() + lacking.len(),
        }
    }

    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Fingerprint { range, summary } => {
                range.encode(writer.byte(1));
                summary.encode(writer);
            }
            Self::Items { range, entries } => {
                range.encode(writer.byte(2));
                write_entries(writer, entries);
            }
            Self::Same { range } => range.encode(writer.byte(3)),
            Self::Answer { range, entries, lacking } => {
                range.encode(writer.byte(4));
                write_entries(writer, entries);
                writer.list(lacking, |writer, subject| subject.encode(writer));
            }
            Self::Briefs { range, briefs } => {
                range.encode(writer.byte(5));
                writer.list(briefs, |writer, brief| brief.encode(writer));
            }
            Self::Differ { range, briefs } => {
                range.encode(writer.byte(6));
                writer.list(briefs, |writer, (brief, speaks)| {
                    brief.encode(writer);
                    writer.byte(match speaks {
                        Speaks::First => 0,
                        Speaks::Second => 1,
                    });
                });
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tag = reader.byte()?;
        let range = Range::decode(reader)?;
        Ok(match tag {
            1 => Self::Fingerprint { range, summary: BriefSummary::decode(reader)? },
            2 => Self::Items { range, entries: read_entries(reader, &range)? },
            3 => Self::Same { range },
            4 => {
                let entries = read_entries(reader, &range)?;
                let lacking = reader.list("lacking subjects", MAX_PART_ENTRIES, Subject::decode)?;
                check(&lacking, &range, |subject| subject)?;
                if lacking.iter().any(|lacked| entries.binary_search_by_key(lacked, |item| item.0).is_ok()) {
                    return Err(DecodeError::Invalid("a subject is both there and lacking"));
                }
                Self::Answer { range, entries, lacking }
            }
            5 => Self::Briefs { range, briefs: read_briefs(reader, Brief::decode, |brief| brief)? },
            6 => {
                let read = |reader: &mut Reader<'_>| Ok((Brief::decode(reader)?, Speaks::decode(reader)?));
                Self::Differ { range, briefs: read_briefs(reader, read, |(brief, _)| brief)? }
            }
            found => return Err(DecodeError::Unknown { what: "part", found: found.into() }),
        })
    }
}

/// Parts whose ranges ascend and do not overlap, within the bounds. Only such a one can be made or decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    parts: Vec<Part>,
    more: bool,
}

impl Message {
    /// The parts, ascending.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether the turn of its sender goes on with another message.
    #[must_use]
    pub const fn more(&self) -> bool {
        self.more
    }

    /// Appends whether more follows, and the parts.
    pub fn encode(&self, writer: &mut Writer) {
        writer.byte(u8::from(self.more)).list(&self.parts, |writer, part| part.encode(writer));
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, is out of bounds, or its ranges overlap or do not ascend.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let more = match reader.byte()? {
            0 => false,
            1 => true,
            found => return Err(DecodeError::Unknown { what: "flag", found: found.into() }),
        };
        let (mut listed, mut last) = (0, None::<Range>);
        let parts = reader.list("parts", MAX_PARTS, |reader| {
            let part = Part::decode(reader)?;
            listed += part.listed();
            if listed > MAX_MESSAGE_ENTRIES {
                let (found, limit) = (listed as u64, MAX_MESSAGE_ENTRIES as u64);
                return Err(DecodeError::TooLarge { what: "entries of a message", found, limit });
            }
            let range = *part.range();
            if last.is_some_and(|last| last >= range || last.covers(&range)) {
                return Err(DecodeError::Invalid("ranges of a message overlap or do not ascend"));
            }
            last = Some(range);
            Ok(part)
        })?;
        Ok(Self { parts, more })
    }
}

/// Cuts parts as [`respond`](super::respond()) gives them into messages within the bounds. At least one comes of
/// it, and all but the last say that more follows; the last says `more`.
#[must_use]
pub fn messages(parts: Vec<Part>, more: bool) -> Vec<Message> {
    let (mut cut, mut listed) = (Vec::new(), 0);
    let mut current = Vec::new();
    for part in parts {
        listed += part.listed();
        if current.len() == MAX_PARTS || listed > MAX_MESSAGE_ENTRIES {
            cut.push(Message { parts: std::mem::take(&mut current), more: true });
            listed = part.listed();
        }
        current.push(part);
    }
    cut.push(Message { parts: current, more });
    cut
}

fn write_entries(writer: &mut Writer, entries: &[Item]) {
    writer.list(entries, |writer, (subject, entry)| {
        subject.encode(writer);
        entry.encode(writer);
    });
}

fn read_entries(reader: &mut Reader<'_>, range: &Range) -> Result<Vec<Item>, DecodeError> {
    let entries = reader
        .list("entries", MAX_PART_ENTRIES, |reader| Ok((Subject::decode(reader)?, Entry::decode(reader)?)))?;
    check(&entries, range, |(subject, _)| subject)?;
    Ok(entries)
}

fn read_briefs<T>(
    reader: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
    brief: impl Fn(&T) -> &Brief,
) -> Result<Vec<T>, DecodeError> {
    let briefs = reader.list("briefs", MAX_PART_ENTRIES, read)?;
    if !briefs.is_sorted_by(|one, next| brief(one) < brief(next)) {
        return Err(DecodeError::Invalid("briefs of a part do not ascend"));
    }
    Ok(briefs)
}

/// Whether these ascend, and lie in the range.
fn check<T>(items: &[T], range: &Range, subject: impl Fn(&T) -> &Subject) -> Result<(), DecodeError> {
    if !items.is_sorted_by(|one, next| subject(one) < subject(next)) {
        return Err(DecodeError::Invalid("subjects of a part do not ascend"));
    }
    if narrowed_by(items, range, subject).len() < items.len() {
        return Err(DecodeError::Invalid("a subject lies outside the range of its part"));
    }
    Ok(())
}
