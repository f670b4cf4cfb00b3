//! Whole runs between two trees, and what they share.

mod hostile;
mod runs;
mod shape;
mod vectors;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use katori_acl::codec::{Reader, Writer};
use katori_acl::{PersonId, ResourceId, Subject};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::{BriefSummary, Entry, Exchange, Findings, Message, Secret, Side, Summary, Told, Tree};

type Set = BTreeMap<Subject, Entry>;

const SECRET: Secret = Secret::from_bytes([0x5c; 32]);

/// A side that takes itself to be ahead in a third of all subjects.
const SIDE: Side<'static> = Side { secret: &SECRET, is_ahead: &guess };

fn guess(subject: &Subject) -> bool {
    let Subject::Resource(id) = subject else { return false };
    id.as_bytes()[31] % 3 == 0
}

fn seeded(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

fn below(rng: &mut ChaCha12Rng, limit: usize) -> usize {
    usize::try_from(rng.next_u64() % limit.max(1) as u64).unwrap()
}

fn bytes(rng: &mut ChaCha12Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn entry(rng: &mut ChaCha12Rng) -> Entry {
    Entry { records: bytes(rng), content: bytes(rng) }
}

/// One in sixteen is a roster; with `clustered`, most ids begin with one of few long prefixes.
fn subject(rng: &mut ChaCha12Rng, clustered: bool) -> Subject {
    let mut id = bytes(rng);
    if clustered && below(rng, 8) > 0 {
        let cluster = u8::try_from(below(rng, 5)).unwrap();
        let length = usize::from(cluster) * 7;
        id[..length].fill(cluster.wrapping_mul(0x37));
    }
    if below(rng, 16) == 0 {
        Subject::Roster(PersonId::from_bytes(id))
    } else {
        Subject::Resource(ResourceId::from_bytes(id))
    }
}

fn set(rng: &mut ChaCha12Rng, count: usize, clustered: bool) -> Set {
    (0..count).map(|_| (subject(rng, clustered), entry(rng))).collect()
}

fn tree(set: &Set) -> Tree {
    Tree::from_sorted(set.iter().map(|(subject, entry)| (*subject, *entry)))
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut writer = Writer::new();
    message.encode(&mut writer);
    writer.finish()
}

fn decoded(bytes: &[u8]) -> Message {
    let mut reader = Reader::new(bytes);
    let message = Message::decode(&mut reader).unwrap();
    reader.finish().unwrap();
    message
}

fn over_the_wire(summary: &Summary) -> (Summary, usize) {
    let mut writer = Writer::new();
    summary.encode(&mut writer);
    let bytes = writer.finish();
    let mut reader = Reader::new(&bytes);
    let read = Summary::decode(&mut reader).unwrap();
    reader.finish().unwrap();
    (read, bytes.len())
}

/// What came of a whole run.
#[derive(Debug, Default)]
struct Run {
    /// Turns after the greetings.
    turns: usize,
    /// Bytes of greetings and messages, both ways.
    bytes: usize,
    /// What each side learned. The first leads.
    findings: [Findings; 2],
}

fn run(one: &mut Tree, other: &mut Tree) -> Run {
    let mut run = Run::default();
    let (exchange, greeting) = Exchange::begin(one, SECRET);
    let (other_exchange, other_greeting) = Exchange::begin(other, SECRET);
    let (greeting, length) = over_the_wire(&greeting);
    let (other_greeting, other_length) = over_the_wire(&other_greeting);
    run.bytes = length + other_length;
    let mut sides = [(exchange, one), (other_exchange, other)];

    let mut queue = VecDeque::new();
    for (at, greeting) in [other_greeting, greeting].into_iter().enumerate() {
        let (exchange, tree) = &mut sides[at];
        let turn = exchange.greeted(tree, greeting, at == 0).unwrap();
        queue.extend(turn.messages.into_iter().map(|message| (1 - at, message)));
        gather(&mut run.findings[at], turn.findings);
    }
    while let Some((at, message)) = queue.pop_front() {
        let sent = encoded(&message);
        run.bytes += sent.len();
        run.turns += usize::from(!message.more());
        assert!(run.turns < 50, "no end");
        let (exchange, tree) = &mut sides[at];
        let turn = exchange.heard(tree, &decoded(&sent), &guess).unwrap();
        queue.extend(turn.messages.into_iter().map(|message| (1 - at, message)));
        gather(&mut run.findings[at], turn.findings);
    }
    assert!(sides.iter().all(|(exchange, _)| exchange.is_over()));
    run
}

fn gather(all: &mut Findings, some: Findings) {
    all.same.extend(some.same);
    all.named.extend(some.named);
    all.answered.extend(some.answered);
    all.lacked.extend(some.lacked);
}

/// What was said of an entry is true, and says at least what is other than here.
fn assert_told(told: &Told, theirs: &Entry, mine: Option<&Entry>) {
    let halves = [
        (told.records, theirs.records, mine.map(|mine| mine.records)),
        (told.content, theirs.content, mine.map(|mine| mine.content)),
    ];
    for (told, theirs, mine) in halves {
        match told {
            Some(told) => assert_eq!(told, theirs),
            None => assert!(mine.is_some_and(|mine| mine != theirs), "what is the same is said so"),
        }
    }
}

/// Runs two sets against each other and checks that each side learned all that it should and nothing else.
fn check(one: &Set, other: &Set) -> Run {
    let run = run(&mut tree(one), &mut tree(other));
    let [first, second] = &run.findings;
    for (waits, speaks) in [(first, second), (second, first)] {
        for (subject, _) in &waits.answered {
            assert!(speaks.named.iter().any(|(named, _)| named == subject), "nobody speaks of it first");
        }
    }
    for (findings, mine, theirs) in [(&run.findings[0], one, other), (&run.findings[1], other, one)] {
        let said: Vec<(Subject, Told)> = findings.named.iter().chain(&findings.answered).copied().collect();
        let named: BTreeMap<Subject, Told> = said.iter().copied().collect();
        assert_eq!(named.len(), said.len(), "something was named twice");
        let expected = theirs.iter().filter(|(subject, entry)| mine.get(subject) != Some(entry));
        assert!(named.keys().eq(expected.map(|(subject, _)| subject)));
        for (subject, told) in &named {
            assert_told(told, &theirs[subject], mine.get(subject));
        }

        let lacked: BTreeSet<Subject> = findings.lacked.iter().copied().collect();
        assert_eq!(lacked.len(), findings.lacked.len(), "something lacked twice");
        assert!(lacked.iter().eq(mine.keys().filter(|subject| !theirs.contains_key(subject))));

        let tree = tree(mine);
        let same: Vec<Subject> =
            findings.same.iter().flat_map(|range| tree.range(range)).map(|(subject, _)| *subject).collect();
        let unique: BTreeSet<Subject> = same.iter().copied().collect();
        assert_eq!(unique.len(), same.len(), "something was the same twice");
        let expected = mine.iter().filter(|(subject, entry)| theirs.get(subject) == Some(entry));
        assert!(unique.iter().eq(expected.map(|(subject, _)| subject)));
    }
    run
}
