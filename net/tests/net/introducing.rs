//! Devices that are not known, and what they present.

use iroh::endpoint::Connection;
use katori_acl::codec::Writer;
use katori_acl::{DeviceKey, Role};
use katori_net::{JOIN_ALPN, SYNC_ALPN};

use crate::world::{Device, Stranger, close_code, pair_with, read, secret, write};

const UNKNOWN: u64 = 0x4001;
const PROTOCOL: u64 = 0x4002;
const BUSY: u64 = 0x4006;

#[tokio::test(flavor = "multi_thread")]
async fn a_friends_new_device_is_served_while_the_old_one_sleeps() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    let contact = ana.hub().contact();
    // Ben's phone hears of the document from his laptop, while Ana's device is off.
    let mut ana = ana;
    ana.close().await;
    let mut phone = ben.second_device().await;
    phone.until_held(document).await;
    phone.shows(document, "milk", "one").await;
    phone.put(document, "bread", "from the phone").await;
    phone.close().await;
    ben.close().await;

    // Now the laptop sleeps: Ana has never heard of the phone.
    ana.open().await;
    phone.open().await;
    phone.hub().learn(&[contact]).await;
    phone.hub().learn(&[ana.hub().contact()]).await;
    ana.shows(document, "bread", "from the phone").await;
    ana.put(document, "bread", "from Ana").await;
    phone.shows(document, "bread", "from Ana").await;
}

async fn present(stranger: &Stranger, ana: &Device, records: &[Vec<u8>]) -> Connection {
    let connection = stranger.connect(&ana.hub().contact(), JOIN_ALPN).await;
    let (mut send, receive) = connection.open_bi().await.unwrap();
    let mut writer = Writer::new();
    writer.byte(1).byte(13).list(records, |writer, record| {
        writer.bytes(record);
    });
    // The stream is stopped in the middle of what is too large.
    let bytes = writer.finish();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    send.write_all(&length).await.unwrap();
    let _ = send.write_all(&bytes).await;
    drop(receive);
    connection
}

async fn is_still_unknown(stranger: &Stranger, ana: &Device) {
    let connection = stranger.connect(&ana.hub().contact(), SYNC_ALPN).await;
    assert_eq!(close_code(&connection).await, UNKNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_introduction_changes_nothing() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    let eve = Device::resting("Eve");
    let stranger = Stranger::with_key(&eve.identity.key).await;
    let rosters = ana.hub().ask(|engine| engine.registry().subjects().count()).await.unwrap();
    let real: Vec<Vec<u8>> = eve.roster.iter().map(|record| record.bytes().to_vec()).collect();
    let mut forged = real.clone();
    *forged[0].last_mut().unwrap() ^= 1;
    let friends: Vec<Vec<u8>> = ben.roster.iter().map(|record| record.bytes().to_vec()).collect();
    for (what, records) in [
        ("a roster that nothing here names", real),
        ("a forged one", forged),
        ("the roster of somebody else, who is known", friends),
        ("no record at all", vec![vec![9; 200]; 50]),
        ("nothing", Vec::new()),
    ] {
        let connection = present(&stranger, &ana, &records).await;
        assert_eq!(close_code(&connection).await, UNKNOWN, "{what}");
    }
    is_still_unknown(&stranger, &ana).await;
    let after = ana.hub().ask(|engine| engine.registry().subjects().count()).await.unwrap();
    assert_eq!(after, rosters, "nothing of it is kept");
    ana.put(document, "milk", "two").await;
    ben.shows(document, "milk", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_introduction_is_not_read_to_the_end() {
    let (ana, _ben, _) = pair_with(Role::Write).await;
    let stranger = Stranger::with_key(&DeviceKey::from_secret(secret())).await;
    let connection = present(&stranger, &ana, &vec![vec![7; 60 << 10]; 10]).await;
    assert_eq!(close_code(&connection).await, PROTOCOL, "too many bytes");
    let connection = present(&stranger, &ana, &vec![vec![7; 1]; 4097]).await;
    assert_eq!(close_code(&connection).await, PROTOCOL, "too many records");
    is_still_unknown(&stranger, &ana).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn introductions_do_not_take_up_the_room_of_joiners() {
    let ana = Device::start("Ana").await;
    let stranger = Stranger::with_key(&DeviceKey::from_secret(secret())).await;
    let mut codes = Vec::new();
    for _ in 0..14 {
        let connection = present(&stranger, &ana, &[vec![9; 200]]).await;
        codes.push(close_code(&connection).await);
    }
    assert_eq!(codes[..12], [UNKNOWN; 12]);
    assert_eq!(codes[12..], [BUSY; 2]);
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    let ben = Device::start("Ben").await;
    assert_eq!(ben.hub().redeem(&ticket).await.unwrap(), document);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_presents_what_entitles_it_is_told_so() {
    let (ana, ben, _) = pair_with(Role::Write).await;
    let phone = ben.second_device().await;
    let records = phone.hub().ask({
        let person = phone.person();
        move |engine| {
            let subject = katori_acl::Subject::Roster(person);
            engine.registry().records(&subject).map(|record| record.bytes().to_vec()).collect::<Vec<_>>()
        }
    });
    let records = records.await.unwrap();
    let mut phone = phone;
    phone.close().await;
    let stranger = Stranger::with_key(&phone.identity.key).await;
    let connection = stranger.connect(&ana.hub().contact(), JOIN_ALPN).await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let mut writer = Writer::new();
    writer.byte(1).byte(13).list(&records, |writer, record| {
        writer.bytes(record);
    });
    write(&mut send, &writer.finish()).await;
    assert_eq!(read(&mut receive).await, [1, 14]);
    stranger.link(&ana.hub().contact()).await;
}
