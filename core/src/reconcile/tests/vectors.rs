//! Roots and messages as this and earlier versions write them. Other devices compute the same.

use super::super::{Brief, Budget, Fingerprint, Part, Range, Speaks, messages, respond};
use super::*;

const ROOTS: [&str; 5] = [
    "7428c1d5726b0845315af2b332d00483b8d265361554be68cbe8923a990c7062",
    "b574aff0981340982e8d365dc668cf09b6d0af1f5b1e7532406ede084b10aaaa",
    "ab217f0d739c6a1926e2c64b0ace011946a4c9e7badd3996a8f9b12349e5eb4c",
    "a985f418a0a67f4598f79f855f9abde1c7df0fd6ff9e0ed4b78c67c68d71ece5",
    "44e3021691de406de2f69ffa293a3aeb2a1a5d9bb749851a7e2171b9813ec0f8",
];

/// Lengths and hashes of the three messages of two runs: where one side has one more, and where it has one otherwise.
const MESSAGES: [[(usize, &str); 3]; 2] = [
    [
        (155, "e304c8ed5dc37d27b877834ad45e61929f69aaa88fe87b98a2bcc0da43fb272f"),
        (1283, "6e6e5057a72003fabba8ee351046d44ba1c275d81549bd98ffb4f46f08243a51"),
        (41, "8b1e4365d15188addfd03d4708f51babce1c474243eb9c49a5b5253462b62562"),
    ],
    [
        (155, "e304c8ed5dc37d27b877834ad45e61929f69aaa88fe87b98a2bcc0da43fb272f"),
        (238, "e27128f25a064f2e35480a1abbc2dc3abaf999d3f94bc75229b5a14b28bd9350"),
        (26, "cddedc0c593f082ef08e863160e171aa5100689d226948cd07fcc00fd225ad57"),
    ],
];

/// Subject `n` has the id BLAKE3("subject n") and the digests BLAKE3("records n") and BLAKE3("content n");
/// each third is a roster.
fn numbered(count: u32) -> Set {
    let hash = |what: &str, number: u32| *blake3::hash(format!("{what} {number}").as_bytes()).as_bytes();
    (0..count)
        .map(|number| {
            let id = hash("subject", number);
            let subject = if number % 3 == 0 {
                Subject::Roster(PersonId::from_bytes(id))
            } else {
                Subject::Resource(ResourceId::from_bytes(id))
            };
            (subject, Entry { records: hash("records", number), content: hash("content", number) })
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The definition, as a program in another language would write it: over the 257 bits of ascending subjects.
fn reference(items: &[(Vec<bool>, Vec<u8>)]) -> [u8; 32] {
    if items.len() <= 16 {
        let bytes: Vec<u8> = items.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        return *blake3::keyed_hash(b"katori/reconcile/items/version-1", &bytes).as_bytes();
    }
    let differs = (0..257).find(|bit| items.iter().any(|(bits, _)| bits[*bit] != items[0].0[*bit])).unwrap();
    let (upper, lower): (Vec<_>, Vec<_>) = items.iter().cloned().partition(|(bits, _)| bits[differs]);
    let both = [reference(&lower), reference(&upper)].concat();
    *blake3::keyed_hash(b"katori/reconcile/halves/version1", &both).as_bytes()
}

fn reference_of(set: &Set) -> [u8; 32] {
    let mut items = Vec::new();
    for (subject, entry) in set {
        let mut writer = Writer::new();
        subject.encode(&mut writer);
        entry.encode(&mut writer);
        let bytes = writer.finish();
        let id = bytes[1..33].iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1));
        items.push(([bytes[0] == 2].into_iter().chain(id).collect(), bytes));
    }
    reference(&items)
}

#[test]
fn roots_of_version_1() {
    let roots = [0, 1, 16, 17, 1000].map(|count| {
        let set = numbered(count);
        let root = tree(&set).root();
        assert_eq!(root.as_bytes(), &reference_of(&set), "{count}");
        hex(root.as_bytes())
    });
    assert_eq!(roots, ROOTS);
}

#[test]
fn messages_of_version_1() {
    let mut changed = numbered(100);
    if let Some(entry) = changed.values_mut().nth(50) {
        entry.content = [1; 32];
    }
    for (other, expected) in [numbered(101), changed].iter().zip(MESSAGES) {
        let expected = expected.map(|(length, hash)| (length, hash.to_owned()));
        assert_eq!(messages_of_a_run(&numbered(100), other), expected);
    }
}

/// Lengths and hashes.
fn messages_of_a_run(one: &Set, other: &Set) -> Vec<(usize, String)> {
    let (mut one, mut other) = (tree(one), tree(other));
    let greeting = other.summary(&Range::WHOLE);
    let summary = BriefSummary::of(&SECRET, &greeting);
    let mut parts = vec![Part::Fingerprint { range: Range::WHOLE, summary }];
    let mut hashes = Vec::new();
    for turn in 0..3 {
        let tree = if turn % 2 == 0 { &mut one } else { &mut other };
        parts = respond(tree, &parts, &SIDE, &mut Budget::new(100)).unwrap().parts;
        let [message] = messages(parts.clone(), false).try_into().unwrap();
        let bytes = encoded(&message);
        hashes.push((bytes.len(), hex(blake3::hash(&bytes).as_bytes())));
    }
    hashes
}

/// The definition of a brief, as a program in another language would write it.
fn reference_brief(subject: &Subject, entry: &Entry) -> String {
    let mut writer = Writer::new();
    subject.encode(&mut writer);
    let subject = writer.finish();
    let brief = |kind: u8, more: &[u8]| {
        let bytes = [&[kind], subject.as_slice(), more].concat();
        hex(&blake3::keyed_hash(&[0x5c; 32], &bytes).as_bytes()[..6])
    };
    [brief(0, &[]), brief(1, &entry.records), brief(2, &entry.content)].concat()
}

#[test]
fn what_is_said_in_brief_byte_by_byte() {
    let set = numbered(1);
    let (roster, entry) = set.first_key_value().unwrap();
    let (rosters, resources) = Range::WHOLE.halves().unwrap();
    let brief = Brief::of(&SECRET, roster, entry);
    let parts = vec![
        Part::Briefs { range: rosters, briefs: vec![brief] },
        Part::Differ { range: resources, briefs: vec![(brief, Speaks::Second)] },
    ];
    let [message] = messages(parts, false).try_into().unwrap();
    let expected = reference_brief(roster, entry);
    let expected = format!("00 02 05 01 01 01 {expected} 06 01 02 01 {expected} 01").replace(' ', "");
    assert_eq!(hex(&encoded(&message)), expected);
    assert_eq!(decoded(&encoded(&message)), message);

    let summary = Summary { count: 5, fingerprint: Fingerprint::from_bytes([9; 32]) };
    let reference = blake3::keyed_hash(&[0x5c; 32], &[[3].as_slice(), &[9; 32]].concat());
    assert_eq!(BriefSummary::of(&SECRET, &summary).fingerprint, reference.as_bytes()[..12]);
}

#[test]
fn a_message_of_version_1_byte_by_byte() {
    let set = numbered(3);
    let (roster, entry) = set.first_key_value().unwrap();
    let id = |subject: &Subject| match subject {
        Subject::Roster(person) => hex(person.as_bytes()),
        Subject::Resource(resource) => hex(resource.as_bytes()),
    };
    let (rosters, resources) = Range::WHOLE.halves().unwrap();
    let (lower, upper) = resources.halves().unwrap();
    let (lowest, next) = lower.halves().unwrap();
    let lacking: Vec<Subject> = set.keys().copied().filter(|subject| upper.contains(subject)).collect();
    assert_eq!(lacking.len(), 1);
    let summary = BriefSummary { count: 300, fingerprint: [7; 12] };
    let parts = vec![
        Part::Items { range: rosters, entries: vec![(*roster, *entry)] },
        Part::Same { range: lowest },
        Part::Fingerprint { range: next, summary },
        Part::Answer { range: upper, entries: vec![], lacking: lacking.clone() },
    ];
    let [message] = messages(parts, true).try_into().unwrap();
    let expected = [
        "01 04".to_owned(),
        format!("02 01 01 01 01 {} {} {}", id(roster), hex(&entry.records), hex(&entry.content)),
        "03 03 02 00".to_owned(),
        format!("01 03 02 40 ac02 {}", "07".repeat(12)),
        format!("04 02 02 80 00 01 02 {}", id(&lacking[0])),
    ];
    assert_eq!(hex(&encoded(&message)), expected.concat().replace(' ', ""));
    assert_eq!(decoded(&encoded(&message)), message);
}
