//! Roles that change: promoted, demoted, revoked on terms, left.

use katori::{CommandError, Error, RevokeOptions, Role};
use serde_json::json;

use crate::house::{Home, two, until, until_asked, within};

#[tokio::test]
async fn a_demoted_writer_goes_on_reading() {
    let two = two(Role::Write).await;
    let ben = two.ben.me().person;
    two.his.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    until(&two.hers, |hers| hers.view_json()["milk"] == 3).await;
    two.hers.change_role(ben, Role::Read).await.unwrap();
    until_asked(&two.ben, || async { !two.his.may_write() }).await;
    two.hers.put(&json!({ "milk": 4 })).unwrap().await.unwrap();
    until(&two.his, |his| his.view_json()["milk"] == 4).await;
    assert_eq!(two.hers.members().await.unwrap()[1].role, Role::Read);
    two.hers.change_role(ben, Role::Admin).await.unwrap();
    until_asked(&two.ben, || async { two.his.may_write() }).await;
    two.his.invite(Role::Read).await.unwrap();
    let owner = two.his.change_role(two.ana.me().person, Role::Read).await;
    assert!(matches!(owner, Err(Error::Command(CommandError::OwnerStays))));
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn those_an_admin_let_in_go_or_stay_as_one_says() {
    for keep in [false, true] {
        let two = two(Role::Admin).await;
        let cleo = Home::new("Cleo", "desk").open().await;
        let hers = within(cleo.join(&two.his.invite(Role::Write).await.unwrap())).await.unwrap();
        let (ben, guest) = (two.ben.me().person, cleo.me().person);
        until_asked(&two.ana, || async { two.hers.members().await.unwrap().len() == 3 }).await;
        let options = RevokeOptions::default().keep_invitees(keep);
        let would = two.hers.would_revoke(ben, options).await.unwrap();
        let lose = |person| {
            let places = would.places.iter().flat_map(|place| &place.people);
            places.clone().any(|change| change.who.person == Some(person) && change.after.is_none())
        };
        assert_eq!((lose(ben), lose(guest)), (true, !keep));
        assert_eq!(two.hers.members().await.unwrap().len(), 3, "nothing was done");
        assert_eq!(two.hers.revoke_with(ben, options).await.unwrap(), None);
        let left = two.hers.members().await.unwrap();
        assert_eq!(left.iter().any(|member| member.who.person == Some(guest)), keep);
        if keep {
            assert!(hers.may_write());
        }
        for node in [two.ana, two.ben, cleo] {
            node.close().await;
        }
    }
}

#[tokio::test]
async fn nobody_leaves_with_the_only_copy() {
    let two = two(Role::Write).await;
    two.ana.close().await;
    two.ben.close().await;
    let ben = two.homes.1.open_apart().await;
    let his = ben.doc("groceries").await.unwrap();
    his.put(&json!({ "milk": 9 })).unwrap().await.unwrap();
    let stuck = his.leave().await;
    assert!(matches!(stuck, Err(Error::LeftBehind { changes: 1 })), "{stuck:?}");
    assert!(his.may_write(), "he has not left");
    ben.close().await;
    // With Ana there, he leaves and she has it.
    let (ana, ben) = (two.homes.0.open().await, two.homes.1.open().await);
    let (hers, his) = (ana.doc("groceries").await.unwrap(), ben.doc("groceries").await.unwrap());
    within(his.leave()).await.unwrap();
    assert_eq!(hers.view_json()["milk"], 9);
    until_asked(&ana, || async { hers.members().await.unwrap().len() == 1 }).await;
    assert_eq!(hers.view_json()["milk"], 9);
    assert!(matches!(hers.leave().await, Err(Error::Command(CommandError::OwnerCannotLeave))));
    ana.close().await;
    ben.close().await;
}

#[tokio::test]
async fn who_wants_to_leaves_anyway() {
    let two = two(Role::Write).await;
    two.ana.close().await;
    two.ben.close().await;
    let ben = two.homes.1.open_apart().await;
    let his = ben.doc("groceries").await.unwrap();
    his.put(&json!({ "milk": 9 })).unwrap().await.unwrap();
    his.leave_anyway().await.unwrap();
    assert!(!his.may_write());
    ben.close().await;
}

#[tokio::test]
async fn whoever_is_asked_to_drop_its_copy_does() {
    let two = two(Role::Write).await;
    let ben = two.ben.me().person;
    two.hers.revoke_with(ben, RevokeOptions::default().erase(true)).await.unwrap();
    until_asked(&two.ben, || async { two.ben.doc("groceries").await.is_err() }).await;
    assert!(two.his.put(&json!({ "milk": 3 })).is_err());
    let story = two.hers.story().await.unwrap().to_string();
    assert!(story.contains("asked to drop every copy"), "{story}");
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn a_guest_leaves_a_space_with_all_that_is_in_it() {
    let (ana, ben) = (Home::new("Ana", "laptop").open().await, Home::new("Ben", "phone").open().await);
    let kitchen = ana.create_space("kitchen").await.unwrap();
    let list = kitchen.create("groceries").await.unwrap();
    let his = within(ben.join_space(&kitchen.invite(Role::Write).await.unwrap())).await.unwrap();
    until_asked(&ben, || async { ben.doc("groceries").await.is_ok() }).await;
    let same = ben.doc("groceries").await.unwrap();
    same.put(&json!({ "milk": 7 })).unwrap().await.unwrap();
    within(his.leave()).await.unwrap();
    assert!(!same.may_write());
    assert_eq!(list.view_json()["milk"], 7, "it was waited for");
    ana.close().await;
    ben.close().await;
}
