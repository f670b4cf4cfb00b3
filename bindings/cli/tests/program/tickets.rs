//! Tickets from making them to looking at what became of them.

use serde_json::json;

use crate::store::Store;

#[test]
fn a_ticket_without_a_hub_works_once_one_runs() {
    let mut ana = Store::new("Ana");
    ana.ok(&["new", "list"]);
    ana.ok(&["set", "list", "milk", "2"]);
    let invited = ana.ok(&["invite", "list", "--role", "read"]);
    assert_eq!((&invited["hub"], &invited["role"]), (&json!(false), &json!("read")));
    let ticket = invited["ticket"].as_str().unwrap();
    let mut ben = Store::new("Ben");
    ben.fails(7, &["join", ticket]);
    ana.serve();
    ben.ok(&["join", ticket]);
    assert_eq!(ben.ok(&["cat", "list"])["value"], json!({ "milk": 2 }));
    assert!(ben.fails(5, &["set", "list", "milk", "3"]).contains("nothing was changed"));
    let carol = Store::new("Carol");
    carol.fails(6, &["join", ticket]);
    let other = ben.ok(&["id"])["person"].as_str().unwrap().to_owned();
    assert_eq!(
        ana.ok(&["grant", "list", "Ben", "--role", "read"])["done"],
        "Ben may read list already; nothing was changed"
    );
    assert!(ben.fails(5, &["revoke", "list", "Ana"]).contains("Ana owns list"));
    ana.ok(&["revoke", "list", "Ben"]);
    assert!(ana.fails(5, &["revoke", "list", &other]).contains("Ben has no role in list"));
    let why = ana.ok(&["why", "Ben", "list"]);
    assert!(why["role"].is_null() && why["lines"].to_string().contains("revoked by Ana"), "{why}");
    let grant = &why["chains"][0]["grants"][0];
    assert_eq!((&grant["status"], &grant["by"]["name"]), (&json!("revoked"), &json!("Ana")), "{why}");
    ben.serve();
    let lost = |_| ben.ok(&["ls"])[0]["standing"] == "left";
    assert!((0..500).any(lost), "Ben hears of it");
    assert_eq!(ben.ok(&["cat", "list"])["value"], json!({ "milk": 2 }));
    for command in [
        &["held", "list"][..],
        &["log", "list"],
        &["members", "list"],
        &["export", "list"],
        &["why", "Ben", "list"],
    ] {
        ben.ok(command);
    }
    assert!(ben.fails(5, &["set", "list", "milk", "3"]).contains("nothing was changed"));
}

#[test]
fn nothing_is_sent_before_the_inviter_says_yes() {
    let [mut ana, mut ben, mut cleo] = ["Ana", "Ben", "Cleo"].map(Store::new);
    ana.ok(&["new", "list"]);
    ana.ok(&["set", "list", "milk", "2"]);
    ana.serve();
    ben.serve();
    cleo.serve();
    let invited = ana.ok(&["invite", "list", "--confirm", "--uses", "2"]);
    let ticket = invited["ticket"].as_str().unwrap();
    let looked = ben.ok(&["look", ticket]);
    assert_eq!(
        (&looked["name"], &looked["role"], &looked["changes"]),
        (&json!("list"), &json!("write"), &json!(1))
    );
    for guest in [&ben, &cleo] {
        let join = guest.ok(&["join", ticket]);
        assert_eq!((&join["state"], &join["hub"]), (&json!("awaiting_confirmation"), &json!(true)));
        assert_eq!(guest.ok(&["ls"]), json!([]));
    }
    assert_eq!(ana.ok(&["status"])["waiting"], 2);
    assert!(ana.fails(2, &["invites", "answer", "yes"]).contains("nobody was answered"));
    ana.ok(&["invites", "answer", "yes", "Ben"]);
    ana.ok(&["invites", "answer", "no"]);
    ana.fails(3, &["invites", "answer", "yes"]);
    ben.until(&["joins", "ls"], |joins| joins[0]["state"] == "joined");
    cleo.until(&["joins", "ls"], |joins| joins[0]["state"] == "declined");
    ben.until(&["cat", "list"], |list| list["value"]["milk"] == 2);
    let guests = &ana.ok(&["invites", "ls"])[0]["guests"];
    let state = |name: &str| {
        let named = |guest: &&serde_json::Value| guest["who"]["name"] == name;
        guests.as_array().unwrap().iter().find(named).unwrap()["state"].clone()
    };
    assert_eq!((state("Ben (desk)"), state("Cleo (desk)")), (json!("admitted"), json!("refused")));
}

#[test]
fn an_invitation_is_ended_or_declined() {
    let mut ana = Store::new("Ana");
    let ben = Store::new("Ben");
    ana.serve();
    ana.ok(&["new", "list"]);
    let invited = ana.ok(&["invite", "list"]);
    let ticket = invited["ticket"].as_str().unwrap();
    ben.ok(&["decline", ticket]);
    assert_eq!(ana.ok(&["invites", "ls"])[0]["guests"][0]["state"], "declined");
    ana.ok(&["invites", "revoke", &invited["invitation"].as_str().unwrap()[..8]]);
    ben.fails(6, &["join", ticket]);
    ben.fails(6, &["look", ticket]);
    assert_eq!(ana.ok(&["invites", "ls"]), json!([]));
    ana.fails(3, &["invites", "revoke", "list"]);
    let device = ana.ok(&["recovery", "help"]);
    assert_eq!(device["purpose"], "recovery");
    assert!(ben.fails(6, &["join", device["ticket"].as_str().unwrap()]).contains("katori recover --from"));
}

#[test]
fn what_is_granted_waits_for_a_yes() {
    let [mut ana, mut ben] = ["Ana", "Ben"].map(Store::new);
    ana.serve();
    ben.serve();
    ana.ok(&["new", "list"]);
    ben.ok(&["join", ana.ok(&["invite", "list"])["ticket"].as_str().unwrap()]);
    for name in ["wanted", "unwanted"] {
        ana.ok(&["new", name]);
        ana.ok(&["grant", name, "Ben", "--role", "read"]);
    }
    let offers = ben.until(&["offers"], |offers| offers.as_array().unwrap().len() == 2);
    assert_eq!((&offers[1]["name"], &offers[1]["from"]["name"]), (&json!("wanted"), &json!("Ana")));
    assert!(ben.fails(5, &["cat", "wanted"]).contains("accept"));
    ben.ok(&["accept", "wanted"]);
    ben.ok(&["reject", "unwanted"]);
    assert_eq!(ben.ok(&["offers"]), json!([]));
    ana.until(&["members", "unwanted"], |members| members.as_array().unwrap().len() == 1);
}

#[test]
fn a_role_goes_up_and_down_and_its_end_is_tried_first() {
    let [mut ana, mut ben] = ["Ana", "Ben"].map(Store::new);
    ana.serve();
    ben.serve();
    ana.ok(&["new", "list"]);
    ana.fails(3, &["role", "list", "Ben", "read"]);
    ben.ok(&["join", ana.ok(&["invite", "list"])["ticket"].as_str().unwrap()]);
    ben.ok(&["set", "list", "milk", "2"]);
    ana.until(&["cat", "list"], |list| list["value"]["milk"] == 2);
    ana.ok(&["role", "list", "Ben", "read"]);
    ben.until(&["ls"], |list| list[0]["role"] == "read");
    ben.fails(5, &["set", "list", "milk", "3"]);
    ana.ok(&["role", "list", "Ben", "admin"]);
    ben.until(&["ls"], |list| list[0]["role"] == "admin");
    ben.ok(&["set", "list", "milk", "3"]);
    let would = ana.ok(&["revoke", "list", "Ben", "--dry-run"]);
    let lost = &would["places"][0]["people"][0];
    assert_eq!(
        (&lost["who"]["name"], &lost["before"], &lost["after"]),
        (&json!("Ben"), &json!("admin"), &json!(null))
    );
    assert_eq!(would["cut_off"][0]["name"], "Ben (desk)");
    assert_eq!(ben.ok(&["ls"])[0]["role"], "admin", "nothing was done");
    let revoked = ana.ok(&["revoke", "list", "Ben", "--delete-copy"]);
    assert!(revoked["done"].as_str().unwrap().contains("cannot be forced"), "{revoked}");
    ben.until(&["ls"], |list| *list == json!([]));
    let story = ana.ok(&["access", "list"]);
    let entries = story["entries"].as_array().unwrap();
    let dead = entries.iter().find(|entry| entry["void_because"] == "revoked by Ana").unwrap();
    assert!(dead["counts"] == false && dead["text"].as_str().unwrap().contains("gave Ben"), "{story}");
    assert!(ana.ok(&["access", "list", "--dot"])["dot"].as_str().unwrap().contains("style=dashed"));
}

#[test]
fn a_writer_leaves_nothing_behind_unless_they_say_so() {
    let mut ana = Store::new("Ana");
    let ben = Store::new("Ben");
    ana.serve();
    ana.ok(&["new", "list"]);
    ben.ok(&["join", ana.ok(&["invite", "list"])["ticket"].as_str().unwrap()]);
    ana.kill();
    ben.ok(&["set", "list", "milk", "2"]);
    assert!(ben.fails(7, &["leave", "list"]).contains("--anyway"));
    ben.ok(&["leave", "list", "--anyway"]);
    ben.fails(5, &["set", "list", "milk", "3"]);
    assert!(ana.fails(5, &["leave", "list"]).contains("owner"));
}
