//! The shelf: what one device of a person knows of people and things, its others know too.

use katori::automerge::AutomergeError;
use katori::{Error, ROOT, ReadDoc, Role, Standing, Transactable};

use crate::house::{Home, two, until_asked, within};

#[tokio::test]
async fn names_and_blocks_reach_the_other_device() {
    let two = two(Role::Read).await;
    let (phone_home, ben) = (Home::new("Ana", "phone"), two.ben.me().person);
    two.ana.rename_contact(ben, "Benny").await.unwrap();
    two.hers.rename_here("food").await.unwrap();
    let phone = phone_home.paired_with(&two.ana).await;
    until_asked(&phone, || async { phone.doc("food").await.is_ok() }).await;
    until_asked(&phone, || async { phone.person("Benny").await.is_ok() }).await;
    assert_eq!(two.his.name(), "groceries", "Ben calls it what he likes");
    // And back.
    phone.mark_verified(ben, "in person").await.unwrap();
    phone.block(ben).await.unwrap();
    until_asked(&two.ana, || async {
        let contact = two.ana.contacts().await.unwrap().remove(0);
        contact.blocked && contact.verified.is_some()
    })
    .await;
    for node in [two.ana, two.ben, phone] {
        node.close().await;
    }
}

#[tokio::test]
async fn what_one_device_accepts_the_other_takes() {
    let two = two(Role::Read).await;
    let tablet = Home::new("Ben", "tablet").paired_with(&two.ben).await;
    until_asked(&tablet, || async { tablet.doc("groceries").await.is_ok() }).await;
    let plans = two.ana.create("plans").await.unwrap();
    plans.grant(two.ben.me().person, Role::Write).await.unwrap();
    let standing = |node: katori::Node| async move {
        let docs = node.docs().await.unwrap();
        docs.into_iter().find(|doc| doc.name == "plans").map(|doc| doc.standing)
    };
    until_asked(&two.ben, || async { standing(two.ben.clone()).await == Some(Standing::Offered) }).await;
    two.ben.accept(plans.id()).await.unwrap();
    until_asked(&tablet, || async { standing(tablet.clone()).await == Some(Standing::Accepted) }).await;
    for node in [two.ana, two.ben, tablet] {
        node.close().await;
    }
}

#[tokio::test]
async fn what_is_no_entry_is_left_out_and_what_is_unknown_is_kept() {
    let home = Home::new("Ana", "laptop");
    let node = home.open_apart().await;
    let person = node.me().person;
    let shelf = node.hub().ask(move |engine| engine.registry().shelf_of(person)).await.unwrap().unwrap();
    let open = node.hub().open(shelf).await.unwrap();
    let edited = open.edit(|edit| {
        edit.put(ROOT, "blocked/nobody", true)?;
        edit.put(ROOT, format!("petname/{person}"), "")?;
        edit.put(ROOT, "of/a/newer/version", 7)?;
        Ok::<_, AutomergeError>(())
    });
    let ((), _, saving, _) = edited.unwrap();
    saving.await.unwrap();
    node.close().await;
    let node = home.open_apart().await;
    assert_eq!(node.ignored_on_shelf(), 2);
    assert_eq!(node.me().person_name, "Ana");
    node.create("groceries").await.unwrap().rename_here("food").await.unwrap();
    let open = node.hub().open(shelf).await.unwrap();
    let kept = open.with(|document| document.automerge().keys(ROOT).any(|key| key == "of/a/newer/version"));
    assert!(kept);
    node.close().await;
}

#[tokio::test]
async fn a_joined_document_is_not_given_to_others_by_the_shelf() {
    let two = within(two(Role::Read)).await;
    let id = two.his.id();
    // The shelf says what was accepted, never who may read.
    let cleo = Home::new("Cleo", "desk").open().await;
    assert!(matches!(cleo.accept(id).await, Err(Error::Command(_))));
    for node in [two.ana, two.ben, cleo] {
        node.close().await;
    }
}
