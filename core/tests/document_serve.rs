//! What a peer is sent of the vouches, and when.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use katori_acl::{DeviceId, Role};
use katori_core::document::{Peer, Want};
use katori_core::vouch::UnverifiedVouch;

use replica::{Replica, deliver};
use scene::Scene;

#[test]
fn a_peer_that_is_ahead_is_not_sent_what_it_signed_itself() {
    let mut scene = Scene::new();
    let ben = scene.person();
    scene.grant(&ben, Role::Write);
    let (mut owner, mut ben) = (Replica::new(&scene, &scene.owner), Replica::new(&scene, &ben));
    owner.put("by the owner");
    deliver(&owner, &mut ben);
    ben.put("by ben");
    deliver(&ben, &mut owner);
    let signers = |is_ahead| {
        let known = Peer { version: ben.document.version(), ..Peer::default() };
        let want = Want { peer: ben.me.device(), known, receipt: Vec::new(), own_only: false, is_ahead };
        let served = owner.document.serve_all(vec![want]).served.remove(0);
        let signer = |bytes: &[u8]| UnverifiedVouch::decode(bytes).unwrap().claimed().device;
        let mut signers: Vec<DeviceId> = served.vouches.iter().map(|(_, bytes)| signer(bytes)).collect();
        signers.sort_unstable();
        signers
    };
    let (owner, ben) = (owner.me.device(), ben.me.device());
    assert_eq!(signers(true), [owner], "those of others are sent at once: the peer may leave early");
    assert_eq!(signers(false), [owner.min(ben), owner.max(ben)]);
}
