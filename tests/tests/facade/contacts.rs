//! Everybody known: what they are called, who they are, and whom one does not want to hear.

use katori::{Error, PeerState, Role};
use serde_json::json;

use crate::house::{Home, two, until_asked, within};

#[tokio::test]
async fn a_petname_is_shown_wherever_a_name_is() {
    let two = two(Role::Write).await;
    let ben = two.ben.me().person;
    two.ana.rename_contact(ben, " Sweet Ben ").await.unwrap();
    let contacts = two.ana.contacts().await.unwrap();
    assert_eq!(contacts.len(), 1, "she is not among her own contacts");
    let contact = &contacts[0];
    assert_eq!((contact.name(), contact.own_name.as_str(), contact.clash), ("Sweet Ben", "Ben", false));
    assert_eq!(contact.devices[0].name, "phone");
    let shared: Vec<_> = contact.shared.iter().map(|place| (place.name.as_str(), place.role)).collect();
    assert_eq!(shared, [("groceries", Role::Write)]);
    assert_eq!(two.hers.members().await.unwrap()[1].who.to_string(), "Sweet Ben");
    assert_eq!(two.ana.peers()[0].who.to_string(), "Sweet Ben (phone)");
    assert_eq!(two.ana.person("Sweet Ben").await.unwrap(), ben);
    assert_eq!(two.ben.me().person_name, "Ben", "it is hers alone");
    assert!(matches!(two.ana.rename_contact(ben, "two\nlines").await, Err(Error::NotAName { .. })));
    two.ana.rename_contact(ben, None).await.unwrap();
    assert_eq!(two.ana.contacts().await.unwrap()[0].name(), "Ben");
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn two_who_show_one_name_are_flagged_until_one_has_another() {
    let two = two(Role::Read).await;
    let other = Home::new("BEN ", "desk").open().await;
    let ticket = two.hers.invite(Role::Read).await.unwrap();
    within(other.join(&ticket)).await.unwrap();
    let clashes = || async {
        let contacts = two.ana.contacts().await.unwrap();
        contacts.iter().map(|contact| contact.clash).collect::<Vec<_>>()
    };
    assert_eq!(clashes().await, [true, true]);
    two.ana.rename_contact(other.me().person, "Ben from work").await.unwrap();
    assert_eq!(clashes().await, [false, false]);
    for node in [two.ana, two.ben, other] {
        node.close().await;
    }
}

#[tokio::test]
async fn who_was_verified_stays_verified() {
    let two = two(Role::Read).await;
    let (ana, ben) = (two.ana.me().person, two.ben.me().person);
    assert_eq!(two.ana.safety_number(ben), two.ben.safety_number(ana));
    assert_eq!(two.ana.contacts().await.unwrap()[0].verified, None);
    two.ana.mark_verified(ben, "in person").await.unwrap();
    two.ana.close().await;
    let again = two.homes.0.open_apart().await;
    let verified = again.contacts().await.unwrap()[0].verified.clone().unwrap();
    assert_eq!(verified.how, "in person");
    assert!(verified.when > 1_700_000_000_000);
    again.mark_unverified(ben).await.unwrap();
    assert_eq!(again.contacts().await.unwrap()[0].verified, None);
    again.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn somebody_blocked_is_cut_off_and_comes_back_when_unblocked() {
    let two = two(Role::Write).await;
    let ben = two.ben.me().person;
    let connected = || async {
        two.ben.peers().iter().any(|peer| matches!(peer.status.state, PeerState::Connected { .. }))
    };
    until_asked(&two.ben, connected).await;
    two.ana.block(ben).await.unwrap();
    assert!(two.ana.contacts().await.unwrap()[0].blocked);
    until_asked(&two.ben, || async { !connected().await }).await;
    two.his.put(&json!({ "milk": 7 })).unwrap().await.unwrap();
    two.ana.unblock(ben).await.unwrap();
    assert!(!two.ana.contacts().await.unwrap()[0].blocked);
    crate::house::until(&two.hers, |hers| hers.view_json()["milk"] == 7).await;
    assert!(matches!(two.ana.block(two.ana.me().person).await, Err(Error::Yourself)));
    two.ana.close().await;
    two.ben.close().await;
}
