//! Whoever is blocked is refused, whatever it comes with.

use std::collections::BTreeSet;

use katori_acl::Role;
use katori_core::engine::Command;
use katori_net::{JOIN_ALPN, JoinError, SYNC_ALPN};

use crate::world::{Stranger, close_code, pair_with};

const UNKNOWN: u64 = 0x4001;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_blocked_is_cut_off_and_refused() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    let stranger_key = ben.identity.key.clone();
    let persons = BTreeSet::from([ben.person()]);
    ana.hub().command(Command::SetBlocked { persons }).await.unwrap();
    // An invitation that is good for everybody else.
    let other = ana.create("diary").await;
    let ticket = ana.invite(other, Role::Write).await;
    let redeemed = ben.hub().redeem(&ticket).await;
    assert!(matches!(redeemed, Err(JoinError::NotValid)), "{redeemed:?}");
    ben.close().await;
    let stranger = Stranger::with_key(&stranger_key).await;
    for alpn in [SYNC_ALPN, JOIN_ALPN] {
        let connection = stranger.connect(&ana.hub().contact(), alpn).await;
        assert_eq!(close_code(&connection).await, UNKNOWN);
    }
    stranger.endpoint.close().await;

    ana.hub().command(Command::SetBlocked { persons: BTreeSet::new() }).await.unwrap();
    ana.put(document, "milk", "two").await;
    ben.open().await;
    ben.shows(document, "milk", "two").await;
    assert_eq!(ben.hub().redeem(&ticket).await.unwrap(), other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_somebody_who_comes_to_be_blocked_is_closed() {
    let (ana, mut ben, _) = pair_with(Role::Write).await;
    let key = ben.identity.key.clone();
    ben.close().await;
    let stranger = Stranger::with_key(&key).await;
    let wire = stranger.link(&ana.hub().contact()).await;
    let persons = BTreeSet::from([ben.person()]);
    ana.hub().command(Command::SetBlocked { persons }).await.unwrap();
    assert_ne!(close_code(&wire.connection).await, 0);
}
