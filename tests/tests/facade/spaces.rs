//! Documents that are shared together.

use katori::{CommandError, Error, Principal, Role, Standing};
use serde_json::json;

use crate::house::{Home, until, until_asked, within};

#[tokio::test]
async fn a_guest_of_a_space_gets_what_is_in_it_now_and_later() {
    let (ana, ben) = (Home::new("Ana", "laptop").open().await, Home::new("Ben", "phone").open().await);
    let kitchen = ana.create_space("kitchen").await.unwrap();
    let list = kitchen.create("groceries").await.unwrap();
    list.put(&json!({ "milk": 2 })).unwrap().await.unwrap();
    let his = within(ben.join_space(&kitchen.invite(Role::Write).await.unwrap())).await.unwrap();
    assert_eq!((his.id(), his.name()), (kitchen.id(), "kitchen".to_owned()));

    until_asked(&ben, || async { ben.doc("groceries").await.is_ok() }).await;
    let same = ben.doc("groceries").await.unwrap();
    until(&same, |same| same.view_json()["milk"] == 2).await;
    same.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    until(&list, |list| list.view_json()["milk"] == 3).await;

    kitchen.create("recipes").await.unwrap();
    until_asked(&ben, || async { ben.doc("recipes").await.is_ok() }).await;
    // What he makes in it is his, and hers to write.
    let wishes = his.create("wishes").await.unwrap();
    until_asked(&ana, || async { ana.doc("wishes").await.is_ok() }).await;
    let hers = ana.doc("wishes").await.unwrap();
    hers.put(&json!({ "more": "cake" })).unwrap().await.unwrap();
    until(&wishes, |wishes| wishes.view_json()["more"] == "cake").await;
    let names = |docs: Vec<katori::DocInfo>| docs.into_iter().map(|doc| doc.name).collect::<Vec<_>>();
    assert_eq!(names(his.documents().await.unwrap()), ["groceries", "recipes", "wishes"]);
    assert_eq!(names(ben.docs().await.unwrap()), ["groceries", "recipes", "wishes"]);

    let member = wishes.members().await.unwrap().into_iter().find(|member| member.who.person_name == "Ana");
    assert!(member.unwrap().through_space);
    ana.close().await;
    ben.close().await;
}

#[tokio::test]
async fn spaces_and_the_shelf_are_no_documents() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let kitchen = node.create_space("kitchen").await.unwrap();
    assert!(node.docs().await.unwrap().is_empty());
    assert!(matches!(node.doc("kitchen").await, Err(Error::NotFound { .. })));
    assert_eq!(node.space(&kitchen.id().to_string()).await.unwrap().id(), kitchen.id());
    assert!(matches!(node.space("groceries").await, Err(Error::NotFound { .. })));
    let spaces = node.spaces().await.unwrap();
    assert_eq!((spaces.len(), spaces[0].standing, spaces[0].documents), (1, Standing::Accepted, 0));
    kitchen.rename_here("mess").await.unwrap();
    assert_eq!((node.space("mess").await.unwrap().name(), kitchen.name()), ("mess".into(), "mess".into()));
    kitchen.rename_here(None).await.unwrap();
    assert_eq!(kitchen.name(), "kitchen");
    kitchen.delete().await.unwrap();
    assert!(matches!(node.space("kitchen").await, Err(Error::NotFound { .. })));
    node.close().await;
}

#[tokio::test]
async fn who_is_out_of_the_space_is_out_of_all_that_is_in_it() {
    let (ana, ben) = (Home::new("Ana", "laptop").open().await, Home::new("Ben", "phone").open().await);
    let kitchen = ana.create_space("kitchen").await.unwrap();
    let list = kitchen.create("groceries").await.unwrap();
    let his = within(ben.join_space(&kitchen.invite(Role::Write).await.unwrap())).await.unwrap();
    until_asked(&ben, || async { ben.doc("groceries").await.is_ok() }).await;
    let same = ben.doc("groceries").await.unwrap();
    until_asked(&ben, || async { same.may_write() }).await;
    let person = ben.me().person;
    let why = list.why(Principal::Person(person)).await.unwrap();
    assert_eq!((why.role, why.chains[0].space), (Some(Role::Write), Some(kitchen.id())));

    let would = kitchen.would_revoke(person, katori::RevokeOptions::default()).await.unwrap();
    let mut places: Vec<_> = would.places.iter().map(|place| (place.is_space, place.name.as_str())).collect();
    places.sort_unstable();
    assert_eq!(places, [(false, "groceries"), (true, "kitchen")]);
    assert_eq!(kitchen.revoke(person).await.unwrap(), None);
    until_asked(&ben, || async { !same.may_write() }).await;
    assert!(matches!(his.create("more").await, Err(Error::Command(_))));
    assert_eq!(list.members().await.unwrap().len(), 1);
    let again = kitchen.revoke(person).await;
    assert!(matches!(again, Err(Error::Command(CommandError::NothingToRevoke(_)))));
    ana.close().await;
    ben.close().await;
}

#[tokio::test]
async fn a_ticket_to_a_space_joins_it_whatever_was_thought_it_is() {
    let (ana, ben) = (Home::new("Ana", "laptop").open().await, Home::new("Ben", "phone").open().await);
    let kitchen = ana.create_space("kitchen").await.unwrap();
    let ticket = kitchen.invite(Role::Read).await.unwrap();
    let joined = within(ben.join(&ticket)).await;
    assert!(matches!(joined, Err(Error::IsASpace(id)) if id == kitchen.id()), "{joined:?}");
    assert_eq!(ben.space("kitchen").await.unwrap().id(), kitchen.id());
    ana.close().await;
    ben.close().await;
}
