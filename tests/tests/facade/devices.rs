//! The devices of one person: their names, and losing one.

use katori::{CommandError, Error, RemoveOptions, Role};
use serde_json::json;

use crate::house::{Home, until, until_asked, within};

#[tokio::test]
async fn a_new_name_is_seen_by_friends() {
    let two = crate::house::two(Role::Read).await;
    let phone = two.ben.me().device;
    two.ben.rename_device(phone, "red phone").await.unwrap();
    two.ben.rename_me("Benjamin").await.unwrap();
    assert_eq!(two.ben.device("red phone").await.unwrap().device, phone);
    until_asked(&two.ana, || async {
        let people = two.ana.people().await.unwrap();
        people.iter().any(|who| who.person_name == "Benjamin")
    })
    .await;
    assert_eq!(two.ana.peers()[0].who.to_string(), "Benjamin (red phone)");
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn a_lost_device_is_out_everywhere_and_what_it_wrote_stays() {
    let (laptop_home, phone_home) = (Home::new("Ana", "laptop"), Home::new("Ana", "phone"));
    let laptop = laptop_home.open().await;
    let list = laptop.create("groceries").await.unwrap();
    let phone = phone_home.paired_with(&laptop).await;
    let gone = phone.me().device;
    until_asked(&phone, || async { phone.doc("groceries").await.is_ok() }).await;
    let same = phone.doc("groceries").await.unwrap();
    same.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    until(&list, |list| list.view_json()["milk"] == 3).await;

    let would = laptop.would_remove_device(gone, RemoveOptions::default()).await.unwrap();
    let place = would.places.iter().find(|place| place.name == "groceries").unwrap();
    assert_eq!(place.devices.len(), 1);
    let change = &place.devices[0];
    assert_eq!(change.who.to_string(), "Ana (phone)");
    assert_eq!((change.before, change.after), (Some(Role::Admin), None));
    assert!(place.people.is_empty(), "Ana keeps what is hers");
    assert_eq!(laptop.devices().await.unwrap().len(), 2, "nothing was done");

    laptop.remove_device(gone, RemoveOptions::default()).await.unwrap();
    assert_eq!(laptop.devices().await.unwrap().len(), 1);
    until_asked(&phone, || async { !same.may_write() }).await;
    assert!(same.put(&json!({ "milk": 4 })).is_err());
    assert_eq!(list.view_json(), json!({ "milk": 3 }));
    phone.close().await;
    laptop.close().await;
}

#[tokio::test]
async fn the_last_device_stays() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let device = node.me().device;
    let refused = within(node.remove_device(device, RemoveOptions::default())).await;
    assert!(matches!(refused, Err(Error::Command(CommandError::LastDevice(last))) if last == device));
    let refused = node.would_remove_device(device, RemoveOptions::default().keep(false)).await;
    assert!(matches!(refused, Err(Error::Command(CommandError::LastDevice(_)))));
    node.close().await;
}
