//! Coming back after every device is lost.

use std::fs;

use katori::{Error, Network, OpenError, RecoverError, RecoveryPhrase, RemoveOptions, Role};
use serde_json::json;

use crate::house::{Home, two, until, until_asked, within};

#[tokio::test]
async fn words_are_kept_until_they_are_written_down() {
    let home = Home::new("Ana", "laptop");
    let node = home.open_apart().await;
    let words = node.recovery_words().await.unwrap().unwrap().words();
    assert_eq!(words.split(' ').count(), 24);
    node.close().await;
    let node = home.open_apart().await;
    assert_eq!(node.recovery_words().await.unwrap().unwrap().words(), words);
    node.forget_recovery_words().await.unwrap();
    assert!(node.recovery_words().await.unwrap().is_none());
    node.close().await;
    assert!(home.builder().take_recovery_phrase().await.unwrap().is_none());
}

#[tokio::test]
async fn words_that_bring_nobody_back_are_not_shown() {
    let (home, other) = (Home::new("Ana", "laptop"), Home::new("Ana", "phone"));
    let file = home.directory().join("recovery.words");
    let wrong = RecoveryPhrase::from_entropy([7; 32]);
    home.open_apart().await.close().await;
    let right = fs::read_to_string(&file).unwrap();
    fs::write(&file, wrong.words().as_bytes()).unwrap();
    let node = home.open_apart().await;
    assert!(node.recovery_words().await.unwrap().is_none());
    // The store was made, and the power went before they had their name.
    fs::write(home.directory().join("recovery.words.new-0123"), &right).unwrap();
    assert_eq!(*node.recovery_words().await.unwrap().unwrap().words(), right);
    let busy = home.builder().take_recovery_phrase().await;
    assert!(matches!(busy, Err(Error::Store(OpenError::Locked { .. }))));
    node.close().await;
    assert_eq!(*home.builder().take_recovery_phrase().await.unwrap().unwrap().words(), right);
    assert_eq!(fs::read_dir(home.directory()).unwrap().count(), 1, "nothing of them is left");

    // What a store left that was never finished is erased by the next.
    let file = other.directory().join("recovery.words");
    fs::write(&file, wrong.words().as_bytes()).unwrap();
    assert!(other.builder().take_recovery_phrase().await.unwrap().is_none(), "there is no store");
    let (node, phrase) = other.builder().network(Network::None).init().await.unwrap();
    assert!(!file.exists() && phrase.words() != wrong.words());
    node.close().await;
}

#[tokio::test]
async fn a_device_that_was_lost_for_a_while_shares_its_shelf_again() {
    let two = two(Role::Write).await;
    let (ana, ben) = (two.ana.me(), two.ben.me().person);
    two.ana.rename_contact(ben, "Benny").await.unwrap();
    two.ana.mark_verified(ben, "in person").await.unwrap();
    let words = two.ana.recovery_words().await.unwrap().unwrap();
    two.ana.close().await;

    let ticket = two.ben.help_recover(ana.person).await.unwrap();
    let again = within(Home::new("Ana", "new phone").builder().recover(&words, &ticket)).await.unwrap();
    until_asked(&again, || async { again.doc("groceries").await.is_ok() }).await;
    let list = again.doc("groceries").await.unwrap();
    list.rename_here("food").await.unwrap();
    again.rename_contact(ben, "Benedict").await.unwrap();

    let laptop = two.homes.0.open().await;
    // The words that were used are not shown once it has heard of that.
    until_asked(&laptop, || async { laptop.recovery_words().await.unwrap().is_none() }).await;
    until_asked(&laptop, || async { laptop.doc("food").await.is_ok() }).await;
    until_asked(&again, || async { again.contacts().await.unwrap()[0].verified.is_some() }).await;
    // Whichever shelf comes first, both call him the same.
    let name = async |node: &katori::Node| node.contacts().await.unwrap()[0].name().to_owned();
    until_asked(&again, || async { name(&again).await == name(&laptop).await }).await;
    // And what is taken back on one is gone from both.
    laptop.rename_contact(ben, None).await.unwrap();
    laptop.block(ben).await.unwrap();
    until_asked(&again, || async { again.contacts().await.unwrap()[0].blocked }).await;
    again.unblock(ben).await.unwrap();
    until_asked(&again, || async { name(&again).await == "Ben" }).await;
    until_asked(&laptop, || async { !laptop.contacts().await.unwrap()[0].blocked }).await;
    for node in [laptop, again, two.ben] {
        node.close().await;
    }
}

#[tokio::test]
async fn a_person_comes_back_with_the_words_and_a_friend() {
    let two = two(Role::Write).await;
    let ana = two.ana.me();
    let words = two.ana.recovery_words().await.unwrap().unwrap();
    two.ana.close().await;
    let old_home = two.homes.0;

    let ticket = two.ben.help_recover(ana.person).await.unwrap();
    let home = Home::new("Ana", "new phone");
    let wrong = within(home.builder().recover(&RecoveryPhrase::from_entropy([7; 32]), &ticket)).await;
    assert!(matches!(wrong, Err(Error::Recover(RecoverError::WrongWords(name))) if name == "Ana"));
    let ticket = two.ben.help_recover(ana.person).await.unwrap();
    let again = within(home.builder().recover(&words, &ticket)).await.unwrap();
    assert_eq!((again.me().person, again.me().device_name), (ana.person, "new phone".to_owned()));
    let next = again.recovery_words().await.unwrap().unwrap();
    assert_ne!(next.words(), words.words());

    // Her document comes back from Ben, who has it.
    until_asked(&again, || async { again.doc("groceries").await.is_ok() }).await;
    let list = again.doc("groceries").await.unwrap();
    until(&list, |list| list.view_json()["milk"] == 2).await;
    again.remove_device(ana.device, RemoveOptions::default()).await.unwrap();
    assert_eq!(again.devices().await.unwrap().len(), 1);
    list.put(&json!({ "milk": 5 })).unwrap().await.unwrap();
    until(&two.his, |his| his.view_json()["milk"] == 5).await;

    // Whoever has the old one is out.
    let thief = old_home.open().await;
    let stolen = thief.doc("groceries").await.unwrap();
    until_asked(&thief, || async { !stolen.may_write() }).await;
    for node in [thief, again, two.ben] {
        node.close().await;
    }
}
