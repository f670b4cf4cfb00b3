//! Bytes that nobody signed, or that were signed as something else.

use ed25519_dalek::Signer;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use katori_acl::{
    DeviceId, Exclude, Inserted, Parent, Record, RecordError, RecordId, Registry, Role, UnverifiedRecord,
    VerifiedRecord,
};
use sha2::Sha512;

use crate::cast::{device, person};
use crate::story::Story;

const SIGNATURE: usize = 64;

fn read(bytes: &[u8]) -> Result<VerifiedRecord, RecordError> {
    UnverifiedRecord::decode(bytes)?.verify()
}

fn payload(record: &VerifiedRecord) -> &[u8] {
    &record.bytes()[..record.bytes().len() - SIGNATURE]
}

fn with_signature(payload: &[u8], signature: &[u8; SIGNATURE]) -> Vec<u8> {
    [payload, signature].concat()
}

/// What is signed for a record: its domain, then its payload.
fn signed_bytes(kind: &str, payload: &[u8]) -> Vec<u8> {
    [b"katori/v1/", kind.as_bytes(), b"\0", payload].concat()
}

/// T3. dialog-db's pull request 448: the structure of chains was checked, the signatures of their links never.
#[test]
fn forged_middle_signature() {
    let story = Story::new();
    let link = story.admin(&story.ben, &story.mallory, Parent::Grant(story.to_ben));
    let last = story.write(&story.mallory, &story.cy, Parent::Grant(link.id()));
    // Mallory makes the link herself, in Ben's name.
    let forged = story.mallory.key.sign("grant", payload(&link));
    assert!(matches!(read(&with_signature(payload(&link), &forged.0)), Err(RecordError::BadSignature(_))));
    // What hangs on it waits for it, and gives nothing to anybody.
    let mut story = story;
    assert_eq!(story.tell(last), Inserted::Waiting);
    assert_eq!(story.role(&story.mallory), None);
    assert_eq!(story.role(&story.cy), Some(Role::Write));
}

/// T24. A signature given for one kind of record, for TLS 1.3, or for the bare bytes, stands under no other.
#[test]
fn wrong_domain_signature() {
    let story = Story::new();
    let grant = story.admin(&story.ben, &story.mallory, Parent::Grant(story.to_ben));
    let bytes = payload(&grant);
    let secret = ed25519_dalek::SigningKey::from_bytes(&story.ben.key.to_secret());
    let tls =
        [&[b' '; 64][..], b"TLS 1.3, client CertificateVerify\0", blake3::hash(bytes).as_bytes()].concat();
    let mut elsewhere: Vec<[u8; SIGNATURE]> =
        ["revoke", "member", "vouch", "claim-by-device"].map(|kind| story.ben.key.sign(kind, bytes).0).into();
    elsewhere.push(secret.sign(&tls).to_bytes());
    elsewhere.push(secret.sign(bytes).to_bytes());
    for signature in elsewhere {
        assert!(matches!(read(&with_signature(bytes, &signature)), Err(RecordError::BadSignature(_))));
    }
    assert!(read(&with_signature(bytes, &story.ben.key.sign("grant", bytes).0)).is_ok());
}

/// T3. One record has one encoding: anything else is refused even where the signature over it holds, so no
/// second id exists for what a revocation names.
#[test]
fn non_canonical_encoding() {
    let story = Story::new();
    let resource = story.document;
    let (changes, reason) = (vec![[1; 32], [2; 32]], String::new());
    let exclude = Record::Exclude(Exclude { resource, changes, reason, by: story.olga.key.public() });
    let exclude = exclude.sign(&story.olga.key).unwrap();
    let at = payload(&exclude).windows(64).position(|window| window == [[1; 32], [2; 32]].concat()).unwrap();
    let swapped = [&payload(&exclude)[..at], &[2; 32], &[1; 32], &payload(&exclude)[at + 64..]].concat();
    let doubled = [&payload(&exclude)[..at], &[1; 32], &[1; 32], &payload(&exclude)[at + 64..]].concat();
    let longer = [payload(&exclude), &[0]].concat();
    // The same number in more bytes than it needs.
    let count = [&payload(&exclude)[..at - 1], &[0x82, 0x00], &payload(&exclude)[at..]].concat();
    for bytes in [swapped, doubled, longer, count] {
        let signature = story.olga.key.sign("exclude", &bytes);
        assert!(matches!(read(&with_signature(&bytes, &signature.0)), Err(RecordError::Malformed(_))));
    }
    let signature = story.olga.key.sign("exclude", payload(&exclude));
    assert!(read(&with_signature(payload(&exclude), &signature.0)).is_ok());
}

/// T3. A second valid signature over a record makes no second record.
#[test]
fn second_signature_same_id() {
    let story = Story::new();
    let grant = story.write(&story.ben, &story.mallory, Parent::Grant(story.to_ben));
    let mut expanded = ExpandedSecretKey::from(&story.ben.key.to_secret());
    expanded.hash_prefix = [9; 32];
    let key = ed25519_dalek::VerifyingKey::from(&expanded);
    let other = raw_sign::<Sha512>(&expanded, &signed_bytes("grant", payload(&grant)), &key).to_bytes();
    let second = read(&with_signature(payload(&grant), &other)).unwrap();
    assert_ne!(second.bytes(), grant.bytes());
    assert_eq!(second.id(), grant.id());
    let mut story = story;
    assert_eq!(story.tell(grant), Inserted::New);
    assert_eq!(story.tell(second), Inserted::Known);
}

/// T24. Keys of small order sign anything for anybody, and a valid signature can be bent into another
/// (Wycheproof's cases); strict verification takes neither.
#[test]
fn small_order_and_malleable() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let order_eight: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    let mut not_canonical = [0xff; 32];
    not_canonical[0] = 0xee;
    not_canonical[31] = 0x7f;
    for key in [[0; 32], identity, minus_one, order_eight, not_canonical] {
        for point in [[0; 32], identity, minus_one, order_eight, key] {
            let mut signature = [0; SIGNATURE];
            signature[..32].copy_from_slice(&point);
            let by = DeviceId::from_bytes(key);
            assert!(by.verify("grant", b"anything", &katori_acl::Signature(signature)).is_err());
        }
    }
    // S and S + L are the same to whoever does not look closely.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let genesis = person(&device(7), 7);
    let mut bent: [u8; SIGNATURE] = genesis.bytes()[genesis.bytes().len() - SIGNATURE..].try_into().unwrap();
    let mut carry = 0;
    for (byte, add) in bent[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(matches!(read(&with_signature(payload(&genesis), &bent)), Err(RecordError::BadSignature(_))));
}

/// T3. Every cut and every flipped bit of a grant, a revocation, and an operation makes it nothing.
#[test]
fn truncated_and_bit_flipped() {
    let story = Story::new();
    let grant = story.write(&story.ben, &story.cy, Parent::Grant(story.to_ben));
    for record in [person(&device(7), 7), story.revoke(&story.ada, story.to_cy), grant] {
        let bytes = record.bytes();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err());
        }
        for place in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 1 << (place % 8);
            assert!(read(&flipped).is_err(), "{place}");
        }
        assert!(read(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(read(bytes), Ok(record));
    }
}

/// T31. What a newer version made is refused, whatever it is signed with, and changes nothing.
#[test]
fn unknown_version_inert() {
    let story = Story::new();
    let revocation = story.revoke(&story.ada, story.to_cy);
    for (place, found) in [(0, 2), (0, 0), (1, 99), (1, 0)] {
        let mut bytes = payload(&revocation).to_vec();
        bytes[place] = found;
        let signature = story.ada.key.sign("revoke", &bytes);
        assert!(matches!(read(&with_signature(&bytes, &signature.0)), Err(RecordError::Malformed(_))));
    }
    assert_eq!(story.role(&story.cy), Some(Role::Write));
}

/// T16. A record says which resource it is part of, under its signature: told of another, it is another.
#[test]
fn cross_resource_replay() {
    let mut story = Story::new();
    let other = crate::cast::document(story.olga.id, &story.olga.key, 2);
    let elsewhere = crate::cast::resource_of(&other);
    story.stored(other);
    let grant = story.write(&story.olga, &story.mallory, Parent::Genesis);
    story.stored(grant.clone());
    assert_eq!(story.registry.access(elsewhere).unwrap().role_of_person(&story.mallory.id), None);
    let at = payload(&grant).windows(32).position(|window| window == story.document.as_bytes()).unwrap();
    let mut moved = grant.bytes().to_vec();
    moved[at..at + 32].copy_from_slice(elsewhere.as_bytes());
    assert!(matches!(read(&moved), Err(RecordError::BadSignature(_))));
}

/// T3. Whatever else is in a registry, records that hang on nothing there give nobody anything.
#[test]
fn a_chain_without_its_root_gives_nothing() {
    let story = Story::new();
    let mut registry = Registry::new();
    for number in [1, 2, 3, 4] {
        registry.insert(person(&device(number), number));
    }
    let missing = RecordId::from_bytes([7; 32]);
    let grant = story.admin(&story.ada, &story.cy, Parent::Grant(missing));
    assert_eq!(registry.insert(grant), Inserted::Waiting);
    assert!(registry.access(story.document).is_none());
}
