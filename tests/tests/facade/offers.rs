//! What others grant waits, inert, until it is accepted.

use katori::{CommandError, Error, Role, Standing};
use serde_json::json;

use crate::house::{two, until, until_asked};

#[tokio::test]
async fn an_offer_says_who_and_how_large_and_nothing_of_it_is_here() {
    let two = two(Role::Read).await;
    let plans = two.ana.create("plans").await.unwrap();
    plans.put(&json!({ "trip": "sea" })).unwrap().await.unwrap();
    plans.grant(two.ben.me().person, Role::Write).await.unwrap();
    until_asked(&two.ben, || async {
        two.ben.offers().await.unwrap().first().is_some_and(|offer| offer.changes.is_some())
    })
    .await;
    let offer = two.ben.offers().await.unwrap().remove(0);
    assert_eq!((offer.id, offer.name.as_str(), offer.is_space), (plans.id(), "plans", false));
    assert_eq!((offer.from.unwrap().to_string().as_str(), offer.role), ("Ana", Some(Role::Write)));
    assert_eq!(offer.changes, Some(1));
    assert!(offer.bytes > Some(0));
    assert!(matches!(two.ben.doc("plans").await, Err(Error::NotAccepted(id)) if id == plans.id()));
    let his = two.ben.accept(plans.id()).await.unwrap();
    until(&his, |his| his.view_json()["trip"] == "sea").await;
    assert!(two.ben.offers().await.unwrap().is_empty());
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn a_rejected_offer_is_given_back() {
    let two = two(Role::Read).await;
    let (plans, ben) = (two.ana.create("plans").await.unwrap(), two.ben.me().person);
    plans.grant(ben, Role::Write).await.unwrap();
    until_asked(&two.ben, || async { !two.ben.offers().await.unwrap().is_empty() }).await;
    two.ben.reject(plans.id()).await.unwrap();
    assert!(two.ben.offers().await.unwrap().is_empty());
    let docs = two.ben.docs().await.unwrap();
    let rejected = docs.iter().find(|doc| doc.id == plans.id()).unwrap();
    assert_eq!((rejected.standing, rejected.role), (Standing::Forgotten, None));
    let again = two.ben.reject(plans.id()).await;
    assert!(matches!(again, Err(Error::Command(CommandError::NotOffered(_)))));
    two.ana.close().await;
    two.ben.close().await;
}
