//! A second device of one person.

use katori::{Error, JoinError, PairingEnd, Role};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::house::{Home, until, until_asked, within};

#[tokio::test]
async fn a_new_device_is_the_same_person_and_gets_its_documents() {
    let (laptop_home, phone_home) = (Home::new("Ana", "laptop"), Home::new("Ana", "phone"));
    let laptop = laptop_home.open().await;
    let list = laptop.create("groceries").await.unwrap();
    list.put(&json!({ "milk": 2 })).unwrap().await.unwrap();

    let phone = phone_home.paired_with(&laptop).await;
    assert_eq!((phone.me().person, phone.me().person_name), (laptop.me().person, "Ana".to_owned()));
    assert_ne!(phone.me().device, laptop.me().device);
    let devices = phone.devices().await.unwrap();
    let names: Vec<_> = devices.iter().map(|device| (device.name.as_str(), device.this)).collect();
    assert_eq!(names, [("laptop", false), ("phone", true)]);

    until_asked(&phone, || async { phone.doc("groceries").await.is_ok() }).await;
    let same = phone.doc("groceries").await.unwrap();
    until(&same, |same| same.view_json()["milk"] == 2).await;
    same.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    until(&list, |list| list.view_json()["milk"] == 3).await;
    assert_eq!(list.history().last().unwrap().who.as_ref().unwrap().to_string(), "Ana (phone)");
    phone.close().await;
    laptop.close().await;
}

#[tokio::test]
async fn a_ticket_does_what_it_is_for_and_nothing_else() {
    let laptop = Home::new("Ana", "laptop").open().await;
    let list = laptop.create("groceries").await.unwrap();
    let (to_pair, to_join) = (laptop.invite_device().await.unwrap(), list.invite(Role::Read).await.unwrap());
    let to_recover = laptop.help_recover(laptop.me().person).await.unwrap();
    assert!(matches!(laptop.join(&to_pair).await, Err(Error::WrongTicket(_))));
    assert!(matches!(laptop.join(&to_recover).await, Err(Error::WrongTicket(_))));
    for wrong in [&to_join, &to_recover] {
        let builder = Home::new("Ben", "x").builder().confirm_digits(|_| async { true });
        assert!(matches!(builder.pair(wrong).await, Err(Error::WrongTicket(_))));
    }
    let nobody = Home::new("Ana", "phone").builder().pair(&to_pair).await;
    assert!(matches!(nobody, Err(Error::NobodyConfirms)));
    laptop.close().await;
}

#[tokio::test]
async fn both_screens_show_the_same_digits_and_one_no_is_enough() {
    let laptop = Home::new("Ana", "laptop").open().await;
    for (here, there, end) in
        [(true, false, PairingEnd::RefusedThere), (false, true, PairingEnd::RefusedHere)]
    {
        let home = Home::new("Ana", "phone");
        let ticket = laptop.invite_device().await.unwrap();
        let (shown, mut seen) = mpsc::channel(1);
        let (answered, answer) = watch::channel(false);
        let builder = home.builder().confirm_digits(move |digits| {
            let (shown, mut answer) = (shown.clone(), answer.clone());
            async move {
                shown.send(digits).await.unwrap();
                answer.wait_for(|answered| *answered).await.unwrap();
                there
            }
        });
        let mut pairings = laptop.pairings();
        let answer = async {
            let pairing = pairings.next().await.unwrap();
            assert_eq!((pairing.name.as_str(), pairing.digits), ("phone", seen.recv().await.unwrap()));
            // The phone's answer comes after the laptop's.
            let (ended, _) = tokio::join!(pairing.answer(here), async { answered.send_replace(true) });
            assert_eq!(ended, end);
        };
        let (paired, ()) = within(async { tokio::join!(builder.pair(&ticket), answer) }).await;
        assert!(matches!(paired, Err(Error::Join(JoinError::DigitsRefused { .. }))), "{paired:?}");
    }
    assert_eq!(laptop.devices().await.unwrap().len(), 1);
    assert!(laptop.pairing_requests().is_empty());
    laptop.close().await;
}
