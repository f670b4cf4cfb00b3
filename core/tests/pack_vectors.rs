//! Packs written by this and earlier versions are read for ever.
//!
//! All hold the same eight changes by three actors with messages and times, or none: in `mixed` the second change
//! of each actor is carried raw.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

use katori_core::gate::Limits;
use katori_core::pack::{count, unpack};

const EIGHT: &str = "e7865b109f7e0461ba66de90e6e91e7b16f5f4e034f339268c4b10eb50429358";
const NONE: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

#[test]
fn packs_of_version_1() {
    let vectors: [(&[u8], usize, &str); 3] = [
        (include_bytes!("vectors/pack_1_empty.bin"), 0, NONE),
        (include_bytes!("vectors/pack_1_columns.bin"), 8, EIGHT),
        (include_bytes!("vectors/pack_1_mixed.bin"), 8, EIGHT),
    ];
    for (packed, changes, contents) in vectors {
        assert_eq!(count(packed), Ok(changes));
        let found = unpack(packed, &Limits::default()).unwrap();
        assert_eq!(found.len(), changes);
        let mut hasher = blake3::Hasher::new();
        for change in &found {
            hasher.update(change.bytes());
        }
        assert_eq!(hasher.finalize().to_hex().as_str(), contents);
    }
}
