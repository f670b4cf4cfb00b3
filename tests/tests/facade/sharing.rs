//! Two people and a document: roles, conflicts, and what each is told.

use katori::{Error, InviteOptions, Principal, Role, Standing};
use serde_json::json;

use crate::house::{Home, two, until, within};

#[tokio::test]
async fn both_values_of_a_conflict_can_be_read_with_who_wrote_them() {
    let two = two(Role::Write).await;
    let (ana_home, ben_home) = two.homes;
    two.ana.close().await;
    two.ben.close().await;
    for (home, milk) in [(&ana_home, 3), (&ben_home, 4)] {
        let apart = home.open_apart().await;
        let doc = apart.doc("groceries").await.unwrap();
        doc.put(&json!({ "milk": milk })).unwrap().await.unwrap();
        assert_eq!(doc.conflicts("milk").unwrap().len(), 1);
        apart.close().await;
    }
    let (ana, ben) = (ana_home.open().await, ben_home.open().await);
    let (hers, his) = (ana.doc("groceries").await.unwrap(), ben.doc("groceries").await.unwrap());
    let conflicted = |doc: &katori::Doc| doc.conflicts("milk").unwrap().len() == 2;
    until(&hers, conflicted).await;
    until(&his, conflicted).await;
    assert_eq!(hers.heads(), his.heads());
    let conflicts = hers.conflicts("milk").unwrap();
    let mut found: Vec<_> = conflicts
        .iter()
        .map(|conflict| (conflict.who.as_ref().unwrap().person_name.as_str(), conflict.value.clone()))
        .collect();
    found.sort_by_key(|(name, _)| *name);
    assert_eq!(found, [("Ana", json!(3)), ("Ben", json!(4))]);
    assert_eq!(conflicts.last().unwrap().value, hers.view_json()["milk"], "the one shown comes last");
    assert!(matches!(hers.conflicts("nothing/here"), Err(Error::NoSuchPath { .. })));
    ana.close().await;
    ben.close().await;
}

#[tokio::test]
async fn a_reader_is_told_that_nothing_was_changed() {
    let two = two(Role::Read).await;
    let before = two.his.heads();
    let refused = two.his.put(&json!({ "milk": 3 }));
    let Err(error @ Error::ReadOnly) = refused else { panic!("a reader wrote") };
    assert!(error.to_string().contains("nothing was changed"));
    assert!(!two.his.may_write());
    assert_eq!((two.his.heads(), two.his.view_json()), (before, json!({ "milk": 2 })));
    assert!(matches!(two.his.invite(Role::Read).await, Err(Error::Command(_))));
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn members_know_where_their_role_comes_from() {
    let two = two(Role::Write).await;
    let ben = two.ana.person("Ben").await.unwrap();
    let members = two.hers.members().await.unwrap();
    let found: Vec<_> = members
        .iter()
        .map(|member| (member.who.person_name.as_str(), member.role, member.owner, member.devices.len()))
        .collect();
    assert_eq!(found, [("Ana", Role::Admin, true, 1), ("Ben", Role::Write, false, 1)]);
    assert_eq!(members[1].via.as_ref().unwrap().person_name, "Ana");
    assert_eq!(two.hers.why(Principal::Person(ben)).await.unwrap().role, Some(Role::Write));
    assert_eq!(two.ana.peers()[0].who.to_string(), "Ben (phone)");

    two.hers.change_role(ben, Role::Admin).await.unwrap();
    within(async {
        let mut events = two.ben.hub().events();
        while two.his.why(Principal::Person(ben)).await.unwrap().role != Some(Role::Admin) {
            events.recv().await.unwrap();
        }
    })
    .await;
    two.his.invite(Role::Read).await.unwrap();
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn revoking_ends_writing_and_keeps_what_was_written() {
    let two = two(Role::Write).await;
    two.his.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    until(&two.hers, |hers| hers.view_json()["milk"] == 3).await;
    let ben = two.ben.me().person;
    two.hers.revoke(ben).await.unwrap();
    within(async {
        let mut events = two.ben.hub().events();
        while two.his.may_write() {
            events.recv().await.unwrap();
        }
    })
    .await;
    assert!(matches!(two.his.put(&json!({})), Err(Error::ReadOnly)));
    assert_eq!(two.hers.view_json(), json!({ "milk": 3 }));
    assert_eq!(two.hers.members().await.unwrap().len(), 1);
    assert!(matches!(two.hers.revoke(ben).await, Err(Error::Command(_))));
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn a_receipt_says_what_a_friend_has_made_durable() {
    let two = two(Role::Write).await;
    let ben = two.ben.me().person;
    two.hers.put(&json!({ "milk": 5 })).unwrap().await.unwrap();
    within(async {
        let mut events = two.ana.hub().events();
        while !two.hers.synced_with(ben).await.unwrap() {
            events.recv().await.unwrap();
        }
    })
    .await;
    assert_eq!(two.his.view_json()["milk"], 5);
    two.ben.close().await;
    two.hers.put(&json!({ "milk": 6 })).unwrap().await.unwrap();
    assert!(!two.hers.synced_with(ben).await.unwrap());
    assert!(!two.hers.synced_with(two.ana.me().person).await.unwrap(), "she has no other device");
    two.ana.close().await;
}

#[tokio::test]
async fn a_ticket_for_one_is_for_one() {
    let two = two(Role::Write).await;
    let third = Home::new("Cleo", "tablet").open().await;
    let once = two.hers.invite_with(InviteOptions::new(Role::Read)).await.unwrap();
    let doc = within(third.join(&once)).await.unwrap();
    assert!(!doc.may_write());
    let fourth = Home::new("Dora", "desk").open().await;
    assert!(matches!(within(fourth.join(&once)).await, Err(Error::Join(_))));
    assert!(fourth.docs().await.unwrap().is_empty());
    for node in [two.ana, two.ben, third, fourth] {
        node.close().await;
    }
}

#[tokio::test]
async fn what_is_forgotten_here_stays_there_and_can_come_back() {
    let two = two(Role::Write).await;
    let id = two.his.id();
    // Ana knows that he has it all: that must not keep her from sending it again.
    let ben = two.ben.me().person;
    within(async {
        let mut events = two.ana.hub().events();
        while !two.hers.synced_with(ben).await.unwrap() {
            events.recv().await.unwrap();
        }
    })
    .await;
    two.ben.forget(id).await.unwrap();
    assert!(matches!(two.ben.doc("groceries").await, Err(Error::NotFound { .. })));
    assert_eq!(two.ben.docs().await.unwrap()[0].standing, Standing::Forgotten);
    assert!(matches!(two.his.put(&json!({ "milk": 9 })), Err(Error::NotOpen(_))));
    assert_eq!(two.hers.view_json(), json!({ "milk": 2 }));

    let again = two.ben.accept(id).await.unwrap();
    until(&again, |again| again.view_json() == json!({ "milk": 2 })).await;
    again.put(&json!({ "milk": 7 })).unwrap().await.unwrap();
    until(&two.hers, |hers| hers.view_json()["milk"] == 7).await;
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn a_deleted_document_is_gone_everywhere() {
    let two = two(Role::Write).await;
    let mut changes = two.his.watch();
    assert!(matches!(two.ben.delete(two.his.id()).await, Err(Error::Command(_))));
    two.ana.delete(two.hers.id()).await.unwrap();
    within(async { while changes.next().await.is_some() {} }).await;
    assert!(matches!(two.ben.doc("groceries").await, Err(Error::NotFound { .. })));
    assert!(two.his.put(&json!({})).is_err());
    two.ana.close().await;
    two.ben.close().await;
}
