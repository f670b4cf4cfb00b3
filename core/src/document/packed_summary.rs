//! A summary in few bytes, as it is kept in memory of the many documents that rest. It never leaves the process.

use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::RecordId;
use katori_acl::codec::{DecodeError, Reader, Writer};

use super::{Summary, Turn};
use crate::version::VersionVector;

/// Heads and vouches of one summary.
const MAX_LISTED: usize = 1 << 20;

/// Mostly a summary takes less.
const USUAL_BYTES: usize = 256;

/// The summary in short; nothing for that of an empty document.
#[must_use]
pub(crate) fn pack_summary(summary: &Summary) -> Box<[u8]> {
    if *summary == Summary::default() {
        return Box::default();
    }
    let mut writer = Writer::with_capacity(USUAL_BYTES);
    let heads = |writer: &mut Writer, heads: &[ChangeHash]| {
        writer.list(heads, |writer, head| {
            writer.raw(&head.0);
        });
    };
    heads(&mut writer, &summary.stored_heads);
    // Mostly everything is shown.
    let same = summary.heads == summary.stored_heads;
    writer.byte(u8::from(same));
    if !same {
        heads(&mut writer, &summary.heads);
    }
    summary.version.encode_with(&mut writer, |writer, tip| {
        // Mostly an actor's last change is a head.
        match summary.stored_heads.binary_search(tip) {
            Ok(head) => writer.uint(1 + head as u64),
            Err(_) => writer.uint(0).raw(&tip.0),
        };
    });
    writer.list(&summary.vouches, |writer, id| id.encode(writer));
    writer.uint(summary.changes).uint(summary.bytes).uint(summary.held).uint(summary.forks);
    writer.byte(u8::from(summary.owes_vouch)).byte(summary.owes_reapply.map_or(0, Turn::to_byte));
    writer.uint(summary.packs.into()).byte(u8::from(summary.owes_merge));
    // Copied, for what is cut off the end of a piece of memory lies about in scraps too small for the next.
    writer.finish().as_slice().into()
}

/// The summary that was packed.
#[must_use]
pub(crate) fn unpack_summary(packed: &[u8]) -> Summary {
    if packed.is_empty() {
        return Summary::default();
    }
    read(&mut Reader::new(packed)).unwrap_or_else(|error| {
        // These bytes were made here a moment ago.
        tracing::error!(%error, "a packed summary does not unpack");
        Summary::default()
    })
}

fn read(reader: &mut Reader<'_>) -> Result<Summary, DecodeError> {
    let heads =
        |reader: &mut Reader<'_>| reader.list("heads", MAX_LISTED, |reader| reader.array().map(ChangeHash));
    let stored_heads = heads(reader)?;
    let shown = if reader.byte()? == 1 { stored_heads.clone() } else { heads(reader)? };
    let version = VersionVector::decode_with(reader, |reader| {
        match reader.size("head", stored_heads.len())?.checked_sub(1) {
            Some(head) => stored_heads.get(head).copied().ok_or(DecodeError::Invalid("no such head")),
            None => reader.array().map(ChangeHash),
        }
    })?;
    Ok(Summary {
        stored_heads,
        heads: shown,
        version: Arc::new(version),
        vouches: reader.list("vouches", MAX_LISTED, RecordId::decode)?,
        changes: reader.uint()?,
        bytes: reader.uint()?,
        held: reader.uint()?,
        forks: reader.uint()?,
        owes_vouch: reader.byte()? == 1,
        owes_reapply: Turn::from_byte(reader.byte()?)?,
        packs: u32::try_from(reader.uint()?).unwrap_or(u32::MAX),
        owes_merge: reader.byte()? == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_comes_back_as_it_was() {
        let head = |byte| ChangeHash([byte; 32]);
        let mut version = VersionVector::default();
        version.raise(&[7; 48], 3, head(1));
        version.raise(&[8; 48], 2, head(9));
        let mut summary = Summary {
            stored_heads: vec![head(1), head(2)],
            heads: vec![head(1)],
            version: Arc::new(version),
            vouches: vec![RecordId::from_bytes([4; 32])],
            changes: 300,
            bytes: 70_000,
            held: 1,
            forks: 2,
            owes_vouch: true,
            owes_reapply: Some(Turn::Person),
            packs: 70,
            owes_merge: true,
        };
        assert_eq!(unpack_summary(&pack_summary(&summary)), summary);
        summary.heads = summary.stored_heads.clone();
        assert_eq!(unpack_summary(&pack_summary(&summary)), summary);
        assert!(pack_summary(&Summary::default()).is_empty());
        assert_eq!(unpack_summary(&[]), Summary::default());
    }
}
