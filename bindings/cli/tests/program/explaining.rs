//! Who wrote what, what is kept out, and why.

use serde_json::{Value, json};

use crate::store::Store;

#[test]
fn each_part_of_a_text_names_who_wrote_it() {
    let [mut ana, mut ben] = ["Ana", "Ben"].map(Store::new);
    ana.serve();
    ben.serve();
    ana.ok(&["new", "story"]);
    ana.ok(&["text", "story", "text", "insert", "end", "Once upon a time"]);
    ben.ok(&["join", ana.ok(&["invite", "story"])["ticket"].as_str().unwrap()]);
    ben.ok(&["text", "story", "text", "insert", "end", ", in a kitchen"]);
    let parts =
        ana.until(&["blame", "story", "text"], |parts| parts.as_array().is_some_and(|all| all.len() == 2));
    let who = |part: &Value| (part["who"]["name"].clone(), part["text"].clone());
    assert_eq!(who(&parts[0]), (json!("Ana (desk)"), json!("Once upon a time")));
    assert_eq!(who(&parts[1]), (json!("Ben (desk)"), json!(", in a kitchen")));
    assert_eq!(ana.ok(&["blame", "story"])[0]["key"], "text");
    ana.fails(3, &["blame", "story", "nothing"]);
}

#[test]
fn what_an_admin_excludes_is_kept_and_explained() {
    let ana = Store::new("Ana");
    ana.ok(&["new", "list"]);
    ana.ok(&["set", "list", "milk", "2"]);
    let spam = ana.ok(&["set", "list", "spam", "1"])["hash"].as_str().unwrap().to_owned();
    ana.ok(&["exclude", "list", &spam[..8], "--reason", "nobody wants it"]);
    assert_eq!(ana.ok(&["cat", "list"])["value"], json!({ "milk": 2 }));
    let held = &ana.ok(&["why-held", "list"])[0];
    assert_eq!(
        (&held["hash"], &held["rule"], &held["signed"]),
        (&json!(spam), &json!("exclusion"), &json!(true))
    );
    assert!(!held["remedy"].as_str().unwrap().is_empty());
    assert!(ana.ok(&["access", "list"]).to_string().contains("nobody wants it"));
    assert_eq!(ana.ok(&["forks", "list"]), json!([]));
    ana.fails(3, &["forks", "list", "--copy", &spam[..8]]);
    ana.fails(2, &["exclude", "list", "x", "--reason", "y"]);
}
