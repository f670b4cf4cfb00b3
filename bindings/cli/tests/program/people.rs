//! Devices, contacts, and coming back.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::store::Store;

/// A process that asks, and waits for what somebody says.
struct Asking {
    process: Child,
    keyboard: ChildStdin,
    screen: BufReader<ChildStdout>,
}

impl Asking {
    fn begin(store: &Store, arguments: &[&str]) -> Self {
        let mut command = store.command(arguments);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keyboard, screen) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, keyboard, screen: BufReader::new(screen) }
    }

    fn shows(&mut self) -> Value {
        let mut line = String::new();
        self.screen.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn is_told(&mut self, answer: &str) {
        self.keyboard.write_all(answer.as_bytes()).unwrap();
    }

    /// The last thing that it shows, and its exit code.
    fn ends(mut self) -> (i32, Value) {
        let last = self.shows();
        drop(self.keyboard);
        (self.process.wait().unwrap().code().unwrap(), last)
    }
}

/// Pairs as far as the digits, which both screens show alike.
fn until_digits(ana: &Store, phone: &Store) -> [Asking; 2] {
    let mut add = Asking::begin(ana, &["device", "add"]);
    let ticket = add.shows()["ticket"].as_str().unwrap().to_owned();
    let mut join = Asking::begin(phone, &["init", "--device", "phone", "--join", &ticket]);
    let (here, there) = (add.shows(), join.shows());
    assert_eq!(here["digits"], there["digits"]);
    assert_eq!(here["digits"].as_str().unwrap().len(), 7, "{here}");
    assert_eq!((&here["with"], &there["with"]), (&json!("phone"), &json!("Ana")));
    [add, join]
}

#[test]
fn a_device_is_added_once_both_screens_were_compared_with_a_hub_and_without() {
    let mut ana = Store::new("Ana");
    ana.ok(&["new", "list"]);
    for (hub, name) in [(false, "first phone"), (true, "second phone")] {
        if hub {
            ana.serve();
        }
        let phone = Store::empty();
        let [mut add, mut join] = until_digits(&ana, &phone);
        assert_eq!(ana_devices(&ana, hub), if hub { 2 } else { 1 }, "nothing is granted yet");
        add.is_told("y\n");
        join.is_told("yes\n");
        let (code, made) = join.ends();
        assert_eq!((code, &made["person_name"]), (0, &json!("Ana")), "{made}");
        let (code, devices) = add.ends();
        assert_eq!((code, devices.as_array().unwrap().len()), (0, if hub { 3 } else { 2 }), "{devices}");
        assert_eq!(phone.ok(&["ls"])[0]["name"], "list", "it has what there is");
        ana.ok(&["device", "rename", "phone", name]);
    }
    let would = ana.ok(&["device", "revoke", "second phone", "--dry-run"]);
    assert!(would["places"].as_array().unwrap().iter().any(|place| place["name"] == "list"), "{would}");
    ana.ok(&["device", "revoke", "second phone", "--void"]);
    assert_eq!(ana.ok(&["device", "ls"]).as_array().unwrap().len(), 2);
    ana.fails(3, &["device", "revoke", "second phone"]);
    ana.fails(2, &["device", "revoke", "desk"]);
}

/// Without a hub the store is in use by the command that asks.
fn ana_devices(ana: &Store, hub: bool) -> usize {
    if hub { ana.ok(&["device", "ls"]).as_array().unwrap().len() } else { 1 }
}

#[test]
fn a_no_on_either_screen_and_silence_grant_nothing() {
    let mut ana = Store::new("Ana");
    ana.serve();
    for (here, there) in [("n\n", "y\n"), ("y\n", "n\n"), ("", "y\n")] {
        let phone = Store::empty();
        let [mut add, mut join] = until_digits(&ana, &phone);
        if here.is_empty() {
            // The end of the input: nobody is there any more.
            add.keyboard = Asking::begin(&ana, &["id"]).keyboard;
        }
        add.is_told(here);
        join.is_told(there);
        for screen in [add, join] {
            let (code, failed) = screen.ends();
            assert_eq!(code, 5, "{failed}");
            assert!(failed["error"]["message"].as_str().unwrap().contains("nothing was granted"), "{failed}");
        }
        phone.fails(4, &["ls"]);
        assert_eq!(ana.ok(&["device", "ls"]).as_array().unwrap().len(), 1);
        assert_eq!(ana.ok(&["invites", "ls"]), json!([]), "the ticket is good for nothing more");
    }
}

#[test]
fn contacts_are_named_verified_and_blocked() {
    let [mut ana, mut ben, mut other] = ["Ana", "Ben", "Ben"].map(Store::new);
    ana.serve();
    ben.serve();
    other.serve();
    ana.ok(&["new", "list"]);
    for guest in [&ben, &other] {
        guest.ok(&["join", ana.ok(&["invite", "list"])["ticket"].as_str().unwrap()]);
    }
    let contacts = ana.ok(&["contact", "ls"]);
    assert!(contacts[0]["clash"] == true && contacts[1]["clash"] == true, "{contacts}");
    assert!(ana.fails(2, &["contact", "rename", "Ben", "Benny"]).contains("several"));
    let id = ben.ok(&["id"])["person"].as_str().unwrap().to_owned();
    ana.ok(&["contact", "rename", &id, "Benny"]);
    let contacts = ana.ok(&["contact", "ls"]);
    let benny = contacts.as_array().unwrap().iter().find(|contact| contact["name"] == "Benny").unwrap();
    assert_eq!(
        (&benny["own_name"], &benny["clash"], &benny["verified"]),
        (&json!("Ben"), &json!(false), &json!(null))
    );

    let (code, lines) = ana.answering(&["contact", "verify", "Benny"], "n\n");
    assert_eq!((code, lines.len()), (5, 2), "{lines:?}");
    let number = lines[0]["safety_number"].clone();
    assert_eq!(number.as_str().unwrap().split(' ').count(), 12);
    let (_, theirs) = ben.answering(&["contact", "verify", "Ana"], "");
    assert_eq!(theirs[0]["safety_number"], number, "both see the same");
    assert!(ana.ok(&["contact", "ls"]).to_string().matches("\"verified\":null").count() == 2);
    let (code, _) = ana.answering(&["contact", "verify", "Benny", "--how", "on the phone"], "y\n");
    assert_eq!(code, 0);
    let contacts = ana.ok(&["contact", "ls"]);
    assert!(contacts.to_string().contains("on the phone"), "{contacts}");
    ana.fails(2, &["contact", "verify", "Ana"]);

    ana.ok(&["contact", "block", "Benny"]);
    ben.until(&["peers"], |peers| {
        let ana = |peer: &&Value| peer["who"]["name"] == "Ana (desk)";
        peers.as_array().unwrap().iter().find(ana).is_some_and(|peer| peer["state"] != "connected")
    });
    ana.ok(&["contact", "unblock", "Benny"]);
    assert!(ana.ok(&["contact", "ls"]).to_string().matches("\"blocked\":false").count() == 2);
}

#[test]
fn recovery_words_are_shown_until_they_are_written_down() {
    let now = Store::new("Ana");
    assert!(now.fails(3, &["recovery", "words"]).contains("paper"), "init has shown them");
    let later = Store::empty();
    let made = later.ok(&["init", "--person", "Ana", "--words-later"]);
    assert!(made["recovery_words"].is_null());
    assert_eq!(later.ok(&["status"])["recovery_words_kept"], true);
    let words = later.ok(&["recovery", "words"]);
    assert_eq!(words["recovery_words"].as_str().unwrap().split(' ').count(), 24);
    assert_eq!(later.ok(&["recovery", "words"]), words);
    later.ok(&["recovery", "words", "--done"]);
    later.fails(3, &["recovery", "words"]);
    assert_eq!(later.ok(&["status"])["recovery_words_kept"], false);
    later.fails(4, &["init", "--words-later"]);
}

#[test]
fn somebody_who_lost_everything_comes_back_with_words_and_a_friend() {
    let mut lost = Store::empty();
    let made = lost.ok(&["init", "--person", "Ana", "--device", "laptop"]);
    let words = made["recovery_words"].as_str().unwrap();
    lost.ok(&["new", "list"]);
    lost.ok(&["set", "list", "milk", "2"]);
    let mut ben = Store::new("Ben");
    lost.serve();
    ben.serve();
    ben.ok(&["join", lost.ok(&["invite", "list"])["ticket"].as_str().unwrap()]);
    lost.kill();
    let ticket = || ben.ok(&["recovery", "help", "Ana"])["ticket"].as_str().unwrap().to_owned();

    let mut back = Store::empty();
    let recover =
        |ticket: &str, said: &str| back.answering(&["recover", "--from", ticket, "--device", "phone"], said);
    assert_eq!(recover(&ticket(), "some words\n").0, 2);
    let wrong = format!("{}\n", [&["abandon"; 23][..], &["art"]].concat().join(" "));
    assert_eq!(recover(&ticket(), &wrong).0, 5);
    let (code, lines) = recover(&ticket(), &format!("{words}\n\n"));
    assert_eq!(code, 0, "{lines:?}");
    assert_eq!(lines[0]["other_devices"][0]["name"], "laptop");
    let [_, end] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&end["removed"], &end["me"]["person"]), (&json!(["laptop"]), &made["person"]));
    assert_eq!(end["me"]["device_name"], "phone");
    let next = end["me"]["recovery_words"].as_str().unwrap();
    assert!(next != words && next.split(' ').count() == 24);

    back.serve();
    back.until(&["cat", "list"], |list| list["value"]["milk"] == 2);
    assert_eq!(back.ok(&["device", "ls"]).as_array().unwrap().len(), 1);
    back.ok(&["set", "list", "milk", "3"]);
    ben.until(&["cat", "list"], |list| list["value"]["milk"] == 3);
}
