//! A pack comes from a peer or from a disk: whatever is wrong with it, nothing of it is taken.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/chunks.rs"]
mod chunks;
#[path = "gate_support/documents.rs"]
mod documents;

use chunks::{deflate, uint};
use documents::{Random, inspected, random_document, typing};
use katori_core::gate::{GateError, Limits};
use katori_core::pack::{MAX_PACK_BYTES, PACK_VERSION, PackError, count, pack, unpack};

/// A pack with any streams in it.
fn pack_of(changes: u64, rebuilt: u64, streams: &[Vec<u8>]) -> Vec<u8> {
    let mut inflated = Vec::new();
    for stream in streams {
        chunks::bytes(&mut inflated, stream);
    }
    let mut out = vec![PACK_VERSION];
    uint(&mut out, changes);
    uint(&mut out, rebuilt);
    uint(&mut out, inflated.len() as u64);
    out.extend_from_slice(&[0; 32]);
    out.extend(deflate(&inflated));
    out
}

#[test]
fn a_pack_cut_off_at_any_byte() {
    let packed = pack(&inspected(&random_document(1, 30)));
    for length in 0..packed.len() {
        assert!(unpack(&packed[..length], &Limits::default()).is_err(), "{length} bytes");
    }
}

#[test]
fn a_pack_with_any_bit_flipped() {
    let changes = inspected(&random_document(1, 30));
    let packed = pack(&changes);
    let mut unnoticed = 0;
    for index in 0..packed.len() * 8 {
        let mut damaged = packed.clone();
        damaged[index / 8] ^= 1 << (index % 8);
        if let Ok(found) = unpack(&damaged, &Limits::default()) {
            // Deflate has bits that mean nothing, the last ones for instance. Then nothing is damaged.
            assert_eq!(found, changes, "bit {index}");
            unnoticed += 1;
        }
    }
    assert!(unnoticed < 32, "{unnoticed}");
}

#[test]
fn a_pack_with_bytes_after_it() {
    let mut packed = pack(&inspected(&typing(10)));
    packed.push(0);
    assert_eq!(unpack(&packed, &Limits::default()), Err(PackError::Inflate));
}

#[test]
fn garbage_and_nothing() {
    assert!(unpack(&[], &Limits::default()).is_err());
    assert!(count(&[]).is_err());
    let mut random = Random(5);
    for _ in 0..2_000 {
        let mut garbage: Vec<u8> = (0..random.below(200)).map(|_| random.next().to_le_bytes()[0]).collect();
        assert!(unpack(&garbage, &Limits::default()).is_err());
        if let Some(version) = garbage.first_mut() {
            *version = PACK_VERSION;
            assert!(unpack(&garbage, &Limits::default()).is_err());
        }
    }
}

#[test]
fn a_pack_of_a_newer_version_says_so() {
    let mut packed = pack(&[]);
    packed[0] = PACK_VERSION + 1;
    assert_eq!(unpack(&packed, &Limits::default()), Err(PackError::Version { found: PACK_VERSION + 1 }));
    assert_eq!(count(&packed), Err(PackError::Version { found: PACK_VERSION + 1 }));
}

#[test]
fn other_changes_than_were_packed() {
    let changes = inspected(&typing(10));
    let (five, four) = (pack(&changes[..5]), pack(&changes[..4]));
    // The prefix of one, with its digest, before the streams of the other.
    let digest = 1 + 1 + prefix_length(&five);
    let mut mixed = five.clone();
    mixed.splice(digest..digest + 32, four[digest..digest + 32].iter().copied());
    assert_eq!(unpack(&mixed, &Limits::default()), Err(PackError::Digest));
}

/// The bytes of the two lengths in a pack's prefix.
fn prefix_length(packed: &[u8]) -> usize {
    let mut rest = &packed[2..];
    leb128::read::unsigned(&mut rest).unwrap();
    leb128::read::unsigned(&mut rest).unwrap();
    packed.len() - 2 - rest.len()
}

#[test]
fn a_claim_of_too_much_costs_nothing() {
    let mut packed = vec![PACK_VERSION];
    uint(&mut packed, 1 << 21);
    assert!(matches!(unpack(&packed, &Limits::default()), Err(PackError::Malformed(_))));
    let mut packed = vec![PACK_VERSION, 1];
    uint(&mut packed, MAX_PACK_BYTES as u64 + 1);
    assert!(matches!(unpack(&packed, &Limits::default()), Err(PackError::Malformed(_))));
    let millions = pack_of(1 << 20, 1 << 20, &vec![Vec::new(); 40]);
    assert!(matches!(unpack(&millions, &Limits::default()), Err(PackError::Malformed(_))));
}

#[test]
fn a_deflate_bomb() {
    let mut bomb = vec![PACK_VERSION, 1, 100, 100];
    bomb.extend_from_slice(&[0; 32]);
    bomb.extend(deflate(&vec![0; 50 << 20]));
    assert!(bomb.len() < 60_000);
    assert_eq!(unpack(&bomb, &Limits::default()), Err(PackError::Inflate));
    let mut limits = Limits::default();
    limits.pack_bytes = 1 << 20;
    let packed = pack(&inspected(&typing(100)));
    assert!(unpack(&packed, &limits).is_ok());
    limits.pack_bytes = 1 << 10;
    assert!(matches!(unpack(&packed, &limits), Err(PackError::Malformed(_))));
}

#[test]
fn a_raw_change_that_does_not_pass_the_gate() {
    let mut streams = vec![Vec::new(); 40];
    streams[2] = vec![0];
    chunks::bytes(&mut streams[3], b"no change");
    let found = unpack(&pack_of(1, 100, &streams), &Limits::default());
    assert!(
        matches!(found, Err(PackError::Change { index: 0, error: GateError::NotAutomerge })),
        "{found:?}"
    );
}

#[test]
fn altered_streams_never_escape() {
    let packed = pack(&inspected(&random_document(8, 25)));
    let start = 2 + prefix_length(&packed) + 32;
    let mut inflated = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&packed[start..]), &mut inflated)
        .unwrap();
    let mut random = Random(3);
    for _ in 0..5_000 {
        let mut altered = inflated.clone();
        let place = random.below(altered.len());
        altered[place] = altered[place].wrapping_add(1 + random.next().to_le_bytes()[0] % 255);
        let mut damaged = packed[..start].to_vec();
        damaged.extend(deflate(&altered));
        assert!(unpack(&damaged, &Limits::default()).is_err(), "byte {place}");
    }
}
