//! Serving a document that is not in memory: whoever has nothing of it is sent its rows as they are.

use katori_acl::{RecordId, ResourceId};

use super::state::vouches_of;
use super::{Done, LoadError, Peer, Served, Summary, Want};
use crate::store::{Storage, Table};
use crate::wire::MAX_VOUCHES;

/// Bytes of packs up to which a document is served from its rows, all at once. A larger one is loaded, and served in
/// parts as the peer takes them.
const MOST_AT_ONCE: usize = 256 << 10;

/// What these peers are to be sent of a stored document, if that can be said without loading it.
///
/// # Errors
/// [`LoadError`] if its rows cannot be read.
pub fn serve_stored(
    storage: &dyn Storage,
    document: &ResourceId,
    wants: &[Want],
) -> Result<Option<Done>, LoadError> {
    let has_nothing = |want: &Want| want.known == Peer::default() && !want.own_only;
    if !wants.iter().all(has_nothing) {
        return Ok(None);
    }
    let Some(summary) = Summary::read(storage, document)? else { return Ok(None) };
    // Stored packs take a thirtieth of the changes' bytes, or more.
    if summary.bytes > 64 * MOST_AT_ONCE as u64 {
        return Ok(None);
    }
    let rows = |table, prefix: &[u8]| {
        storage.scan(table, prefix).map(|rows| rows.into_iter().map(|(_, value)| value))
    };
    let mut packs: Vec<Vec<u8>> = rows(Table::Packs, document.as_bytes())?.collect();
    let stored: Vec<Vec<u8>> = rows(Table::Documents, &vouches_of(document))?.collect();
    if packs.iter().map(Vec::len).sum::<usize>() > MOST_AT_ONCE {
        return Ok(None);
    }
    let size: usize = stored.iter().map(Vec::len).sum();
    if stored.len() != summary.vouches.len() || stored.len() > MAX_VOUCHES || size > MOST_AT_ONCE {
        return Ok(None);
    }
    let vouches: Vec<(RecordId, Vec<u8>)> = summary.vouches.iter().copied().zip(stored).collect();
    let last = packs.pop();
    let mut served = Vec::new();
    for want in wants {
        let to = Some(want.peer);
        let part = |pack: &Vec<u8>| Served { to, pack: Some(pack.clone()), more: true, ..Served::default() };
        let mut parts: Vec<Served> = packs.iter().map(part).collect();
        let then =
            Peer { version: (*summary.version).clone(), vouches: summary.vouches.iter().copied().collect() };
        parts.push(Served { to, pack: last.clone(), then, ..Served::default() });
        // Vouches first: those of a writer let the other side make room for what they cover.
        if let Some(first) = parts.first_mut() {
            first.vouches.clone_from(&vouches);
        }
        served.extend(parts);
    }
    Ok(Some(Done { served, ..Done::default() }))
}
