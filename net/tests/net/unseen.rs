//! A peer that has no role in a document cannot tell it from one that does not exist, whatever it says.

use katori_acl::{RecordId, ResourceId, Role, Subject};
use katori_core::reconcile::Entry;
use katori_core::version::VersionVector;
use katori_core::wire::Frame;

use crate::world::{Device, Stranger, Wire, pair_with};

/// Everything one can ask about a document, and an answerable question after it, so that silence is seen too.
async fn interrogate(wire: &mut Wire, document: ResourceId, ask_after: Subject) -> Vec<Frame> {
    let subject = Subject::Resource(document);
    let records =
        |records, answer| Frame::Records { subject, records, vouches: Vec::new(), answer, size: None };
    let questions = [
        Frame::Inventory { entries: vec![(subject, Entry { records: [9; 32], content: [9; 32] })] },
        Frame::Want { subjects: vec![subject] },
        Frame::Have { subject, ids: Vec::new() },
        Frame::Have { subject, ids: vec![RecordId::from_bytes(*document.as_bytes())] },
        Frame::Version { document, version: VersionVector::default(), vouches: Vec::new() },
        Frame::Changes { document, pack: None, vouches: Vec::new(), more: false, has_all_but: None },
        Frame::Changes {
            document,
            pack: Some(vec![1, 2, 3]),
            vouches: Vec::new(),
            more: false,
            has_all_but: None,
        },
        Frame::Receipt { document, heads: Vec::new() },
        records(vec![vec![1; 40]], false),
        records(Vec::new(), true),
    ];
    let mut answers = Vec::new();
    for question in questions {
        wire.say(&question).await;
        wire.say(&Frame::Have { subject: ask_after, ids: Vec::new() }).await;
        loop {
            let answer = wire.hear().await;
            let last = matches!(&answer, Frame::Records { subject, .. } if *subject == ask_after);
            if last {
                break;
            }
            answers.push(answer);
        }
    }
    answers
}

/// The answers with the document's name struck out.
fn anonymous(answers: Vec<Frame>, document: ResourceId) -> Vec<Vec<u8>> {
    let name = document.as_bytes();
    let strike = |frame: Frame| {
        let mut bytes = frame.encode();
        while let Some(at) = bytes.windows(32).position(|window| window == name) {
            bytes[at..at + 32].fill(0);
        }
        bytes
    };
    answers.into_iter().map(strike).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn not_allowed_and_not_there_look_the_same() {
    let (ana, _cleo, shared) = pair_with(Role::Write).await;
    let mut ben = Device::start("Ben").await;
    let ticket = ana.invite(shared, Role::Read).await;
    ben.hub().redeem(&ticket).await.unwrap();
    ben.close().await;
    // Ana's own, of which Ben knows the id from somewhere.
    let secret = ana.create("diary").await;
    ana.put(secret, "today", "rain").await;
    let stranger = Stranger::with_key(&ben.identity.key).await;
    let mut wire = stranger.link(&ana.hub().contact()).await;
    let ask_after = Subject::Roster(ana.person());

    // What comes by itself at the beginning must not name it either.
    wire.say(&Frame::Inventory { entries: Vec::new() }).await;
    wire.say(&Frame::Have { subject: ask_after, ids: Vec::new() }).await;
    loop {
        let frame = wire.hear().await;
        assert!(!frame.encode().windows(32).any(|window| window == secret.as_bytes()), "{frame:?}");
        if matches!(&frame, Frame::Records { subject, .. } if *subject == ask_after) {
            break;
        }
    }
    let nothing = ResourceId::from_bytes([0x77; 32]);
    let of_the_secret = interrogate(&mut wire, secret, ask_after).await;
    let of_nothing = interrogate(&mut wire, nothing, ask_after).await;
    assert!(!of_nothing.is_empty());
    assert_eq!(anonymous(of_the_secret, secret), anonymous(of_nothing, nothing));
}
