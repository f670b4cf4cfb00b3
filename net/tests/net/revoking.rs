//! A peer that is revoked while it is connected: told at once, and sent nothing more.

use katori_acl::{PersonId, Principal, RecordId, ResourceId, Role, Subject};
use katori_core::engine::{Command, RevokeTerms};
use katori_core::reconcile::Entry;
use katori_core::version::VersionVector;
use katori_core::wire::Frame;

use crate::world::{Stranger, pair_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_peer_is_told_and_gets_no_further_change() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    let (key, person) = (ben.identity.key.clone(), ben.person());
    ben.close().await;
    let stranger = Stranger::with_key(&key).await;
    let mut wire = stranger.link(&ana.hub().contact()).await;
    let subject = Subject::Resource(document);
    // It takes part until it gets changes as they come.
    wire.say(&Frame::Inventory { entries: vec![(subject, Entry { records: [9; 32], content: [9; 32] })] })
        .await;
    wire.say(&Frame::Have { subject, ids: Vec::new() }).await;
    wire.say(&Frame::Version { document, version: VersionVector::default(), vouches: Vec::new() }).await;
    let pack = loop {
        if let Frame::Changes { pack: Some(pack), .. } = wire.hear().await {
            break pack;
        }
    };
    assert!(!pack.is_empty());

    ana.hub().command(revoke(document, person)).await.unwrap();
    let mut further = 0;
    ana.put(document, "milk", "not for Ben").await;
    // Told in what was on its way already or comes next: no question of Ben's is needed.
    loop {
        match wire.hear().await {
            Frame::Records { subject: of, .. } if of == subject => break,
            Frame::Changes { .. } => further += 1,
            _ => {}
        }
    }
    // Everything queued before an answer has come when the answer has.
    if wire.connection.close_reason().is_none() {
        let last = Frame::Have { subject: Subject::Resource(nothing()), ids: Vec::<RecordId>::new() };
        wire.try_say(&last).await;
        while let Some(frame) = wire.try_hear().await {
            if matches!(&frame, Frame::Changes { .. }) {
                further += 1;
            }
            if matches!(&frame, Frame::Records { subject, .. } if *subject == Subject::Resource(nothing())) {
                break;
            }
        }
    }
    assert_eq!(further, 0, "changes after the revocation");
}

fn nothing() -> ResourceId {
    ResourceId::from_bytes([0x77; 32])
}

fn revoke(document: ResourceId, from: PersonId) -> Command {
    Command::Revoke { document, from: Principal::Person(from), terms: RevokeTerms::default() }
}
