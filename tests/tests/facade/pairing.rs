//! A second device of one person.

use katori::{Error, Role};
use serde_json::json;

use crate::house::{Home, until, within};

#[tokio::test]
async fn a_new_device_is_the_same_person_and_gets_its_documents() {
    let (laptop_home, phone_home) = (Home::new("Ana", "laptop"), Home::new("Ana", "phone"));
    let laptop = laptop_home.open().await;
    let list = laptop.create("groceries").await.unwrap();
    list.put(&json!({ "milk": 2 })).unwrap().await.unwrap();
    let ticket = laptop.invite_device().await.unwrap();
    assert!(matches!(laptop.join(&ticket).await, Err(Error::WrongTicket(_))));

    let phone = within(phone_home.builder().pair(&ticket)).await.unwrap();
    assert_eq!((phone.me().person, phone.me().person_name), (laptop.me().person, "Ana".to_owned()));
    assert_ne!(phone.me().device, laptop.me().device);
    let devices = phone.devices().await.unwrap();
    let mut names: Vec<_> = devices.iter().map(|device| (device.name.as_str(), device.this)).collect();
    names.sort_unstable();
    assert_eq!(names, [("laptop", false), ("phone", true)]);

    within(async {
        let mut events = phone.hub().events();
        while phone.doc("groceries").await.is_err() {
            events.recv().await.unwrap();
        }
    })
    .await;
    let same = phone.doc("groceries").await.unwrap();
    until(&same, |same| same.view_json()["milk"] == 2).await;
    same.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    until(&list, |list| list.view_json()["milk"] == 3).await;
    assert_eq!(list.history().last().unwrap().who.as_ref().unwrap().to_string(), "Ana (phone)");
    let wrong = list.invite(Role::Read).await.unwrap();
    assert!(matches!(Home::new("Ben", "x").builder().pair(&wrong).await, Err(Error::WrongTicket(_))));
    phone.close().await;
    laptop.close().await;
}
