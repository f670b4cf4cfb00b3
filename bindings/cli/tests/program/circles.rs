//! Groups of people and spaces of documents.

use serde_json::json;

use crate::store::Store;

#[test]
fn a_space_is_shared_with_all_that_is_in_it_now_and_later() {
    let [mut ana, mut ben] = ["Ana", "Ben"].map(Store::new);
    ana.serve();
    ben.serve();
    ana.ok(&["space", "new", "house"]);
    ana.ok(&["new", "chores", "--in", "house"]);
    ana.ok(&["set", "chores", "stairs", "sweep"]);
    let joined =
        ben.ok(&["join", ana.ok(&["invite", "house", "--role", "read"])["ticket"].as_str().unwrap()]);
    assert_eq!((&joined["name"], &joined["role"]), (&json!("house"), &json!("read")));
    ben.until(&["cat", "chores"], |chores| chores["value"]["stairs"] == "sweep");
    ana.ok(&["new", "garden", "--in", "house"]);
    ben.until(&["ls"], |documents| documents.as_array().unwrap().len() == 2);
    assert_eq!(ben.ok(&["ls"])[0]["space"], "house");
    let shown = ben.ok(&["space", "show", "house"]);
    assert_eq!(
        (shown["documents"].as_array().unwrap().len(), shown["members"].as_array().unwrap().len()),
        (2, 2)
    );
    let why = ana.ok(&["why", "Ben", "garden"]);
    assert_eq!((&why["role"], &why["chains"][0]["space"]), (&json!("read"), &json!("house")), "{why}");
    assert_eq!(ana.ok(&["members", "garden"])[1]["who"]["name"], "Ben");
    ana.ok(&["revoke", "house", "Ben"]);
    ben.until(&["ls"], |documents| {
        documents.as_array().unwrap().iter().all(|document| document["role"].is_null())
    });
    assert!(ana.fails(2, &["delete", "house"]).contains("all that is in it"));
    ana.ok(&["delete", "house", "--yes"]);
    assert_eq!(ana.ok(&["space", "ls"]), json!([]));
    assert_eq!(ana.ok(&["ls"]), json!([]));
}

#[test]
fn a_group_is_usable_wherever_a_person_is() {
    let [mut ana, mut ben] = ["Ana", "Ben"].map(Store::new);
    ana.serve();
    ben.serve();
    ana.ok(&["new", "list"]);
    ben.ok(&["join", ana.ok(&["invite", "list", "--role", "read"])["ticket"].as_str().unwrap()]);
    ana.ok(&["group", "new", "family"]);
    ana.ok(&["group", "add", "family", "Ben"]);
    let family = ana.ok(&["group", "members", "family"]);
    assert_eq!(family["members"].as_array().unwrap().len(), 2);
    ana.ok(&["grant", "list", "family", "--role", "write"]);
    ben.until(&["ls"], |documents| documents[0]["role"] == "write");
    let why = ana.ok(&["why", "Ben", "list"]);
    let groups = |chain: &serde_json::Value| chain["groups"] == json!(["family"]);
    assert!(why["chains"].as_array().unwrap().iter().any(groups), "{why}");
    let would = ana.ok(&["revoke", "list", "family", "--dry-run"]);
    assert_eq!(would["places"][0]["people"][0]["after"], "read", "{would}");
    ana.ok(&["group", "remove", "family", "Ben"]);
    ben.until(&["ls"], |documents| documents[0]["role"] == "read");
    assert!(ana.ok(&["why", "Ben", "list"])["lines"].to_string().contains("no longer one of family"));
    ana.fails(3, &["group", "add", "friends", "Ben"]);
    ana.fails(3, &["group", "remove", "family", "Ben"]);
}

#[test]
fn a_name_that_means_two_things_is_asked_about() {
    let ana = Store::new("Ana");
    ana.ok(&["new", "house"]);
    let space = ana.ok(&["space", "new", "house"]);
    assert!(ana.fails(2, &["members", "house"]).contains("a document and a space"));
    ana.ok(&["members", space["id"].as_str().unwrap()]);
    ana.ok(&["rename", space["id"].as_str().unwrap(), "home"]);
    ana.ok(&["members", "house"]);
    assert_eq!(ana.ok(&["space", "ls"])[0]["name"], "home");
    ana.ok(&["rename", "home"]);
    assert_eq!(ana.ok(&["space", "ls"])[0]["name"], "house");
}
