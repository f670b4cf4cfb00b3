//! Coming back after every device is lost.

use katori::{Error, RecoverError, RecoveryPhrase, RemoveOptions, Role};
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
