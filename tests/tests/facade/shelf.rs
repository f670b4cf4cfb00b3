//! The shelf: what one device of a person knows of people and things, its others know too.

use katori::automerge::AutomergeError;
use katori::{DocumentId, Error, Node, PersonId, ROOT, ReadDoc, Role, Standing, Transactable};

use crate::house::{Home, two, until, until_asked, within};

/// Writes to a person's shelf what its owner may never have meant.
async fn write_on_shelf(node: &Node, entries: impl IntoIterator<Item = (String, bool)>) {
    let person = node.me().person;
    let shelf = node.hub().ask(move |engine| engine.registry().shelf_of(person)).await.unwrap().unwrap();
    let open = node.hub().open(shelf).await.unwrap();
    let edited = open.edit(|edit| {
        for (key, value) in entries {
            edit.put(ROOT, key, value)?;
        }
        Ok::<_, AutomergeError>(())
    });
    let ((), _, saving, _) = edited.unwrap();
    saving.await.unwrap();
}

async fn standing(node: &Node, id: DocumentId) -> Option<Standing> {
    let docs = node.docs().await.unwrap();
    docs.into_iter().find(|doc| doc.id == id).map(|doc| doc.standing)
}

#[tokio::test]
async fn no_device_cuts_the_others_off_from_each_other() {
    let laptop = Home::new("Ana", "laptop").open().await;
    let (phone_home, me) = (Home::new("Ana", "phone"), laptop.me().person);
    let phone = phone_home.paired_with(&laptop).await;
    let has_shelf =
        async || phone.hub().ask(move |engine| engine.registry().shelf_of(me).is_some()).await.unwrap();
    until_asked(&phone, || async { has_shelf().await }).await;
    write_on_shelf(&phone, [(format!("blocked/{me}"), true)]).await;
    until_asked(&laptop, || async { laptop.ignored_on_shelf() == 1 }).await;
    assert!(laptop.hub().ask(|engine| engine.blocked_persons().is_empty()).await.unwrap());
    // They still hear each other.
    laptop.create("groceries").await.unwrap();
    until_asked(&phone, || async { phone.doc("groceries").await.is_ok() }).await;
    laptop.close().await;
    phone.close().await;
}

#[tokio::test]
async fn a_shelf_that_is_full_still_blocks() {
    let two = two(Role::Read).await;
    let ben = two.ben.me().person;
    // Written as text, these come before all others.
    let id = |number: u16| {
        let mut bytes = [0xd6, 0xb5, 0xad, 0x6b, 0x5a].repeat(6);
        bytes.extend(number.to_be_bytes());
        PersonId::from_bytes(bytes.try_into().unwrap())
    };
    // As many as are read, as a stolen device could write them.
    for part in 0..8 {
        let numbers = part * 2048..(part + 1) * 2048;
        let entries = numbers.map(|number| (format!("accepted/{}", id(number)), true));
        write_on_shelf(&two.ana, entries).await;
    }
    let plans = two.ben.create("plans").await.unwrap();
    plans.grant(two.ana.me().person, Role::Read).await.unwrap();
    until_asked(&two.ana, || async { standing(&two.ana, plans.id()).await == Some(Standing::Offered) }).await;
    let accepted = two.ana.accept(plans.id()).await.err();
    assert!(matches!(accepted, Some(Error::ShelfFull)), "{accepted:?}");
    two.ana.block(ben).await.unwrap();
    assert!(two.ana.contacts().await.unwrap()[0].blocked);
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn whoever_left_is_not_pulled_back_through_another_device() {
    let two = two(Role::Write).await;
    let tablet = Home::new("Ben", "tablet").paired_with(&two.ben).await;
    let (list, ben) = (two.hers.id(), two.ben.me().person);
    until_asked(&tablet, || async { standing(&tablet, list).await == Some(Standing::Accepted) }).await;
    // Both devices stay in touch with her.
    let plans = two.ana.create("plans").await.unwrap();
    within(tablet.join(&plans.invite(Role::Read).await.unwrap())).await.unwrap();
    until_asked(&two.ben, || async { two.ben.doc("plans").await.is_ok() }).await;
    within(two.his.leave()).await.unwrap();
    let same = tablet.doc("groceries").await.unwrap();
    until_asked(&tablet, || async { !same.may_write() }).await;
    until_asked(&two.ana, || async { two.hers.members().await.unwrap().len() == 1 }).await;
    assert_ne!(standing(&tablet, list).await, Some(Standing::Forgotten), "it keeps what it has");
    two.hers.grant(ben, Role::Write).await.unwrap();
    until_asked(&tablet, || async { standing(&tablet, list).await == Some(Standing::Forgotten) }).await;
    assert_ne!(standing(&two.ben, list).await, Some(Standing::Accepted));
    // Who wants to be back is.
    until_asked(&two.ben, || async { two.ben.accept(list).await.is_ok() }).await;
    tablet.accept(list).await.unwrap();
    two.hers.put(&serde_json::json!({ "milk": 8 })).unwrap().await.unwrap();
    for node in [&two.ben, &tablet] {
        let doc = node.doc("groceries").await.unwrap();
        until(&doc, |doc| doc.view_json()["milk"] == 8).await;
        assert_eq!(standing(node, list).await, Some(Standing::Accepted));
    }
    for node in [two.ana, two.ben, tablet] {
        node.close().await;
    }
}

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
    until_asked(&two.ben, || async { standing(&two.ben, plans.id()).await == Some(Standing::Offered) }).await;
    two.ben.accept(plans.id()).await.unwrap();
    until_asked(&tablet, || async { standing(&tablet, plans.id()).await == Some(Standing::Accepted) }).await;
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
