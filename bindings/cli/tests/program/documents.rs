//! Documents on one device: edited, read, imported, with a hub and without.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use katori::automerge::AutoCommit;
use katori::{ObjType, ROOT, Transactable};
use serde_json::{Value, json};

use crate::store::Store;

fn write(folder: &Path, name: &str, content: &[u8]) -> String {
    let file = folder.join(name);
    fs::write(&file, content).unwrap();
    file.display().to_string()
}

#[test]
fn a_document_is_edited_and_read_with_a_hub_and_without() {
    let mut store = Store::new("Ana");
    for hub in [false, true] {
        if hub {
            assert_eq!(store.serve()["ready"], true);
        }
        let name = if hub { "with" } else { "without" };
        let made = store.ok(&["new", name]);
        assert_eq!((&made["role"], &made["owner"]["name"]), (&json!("admin"), &json!("Ana")));
        store.ok(&["set", name, "items/milk", "2"]);
        let before = store.ok(&["set", name, "list", "[\"a\"]"])["heads"][0].as_str().unwrap().to_owned();
        store.ok(&["text", name, "notes", "insert", "0", "d\u{e9}j\u{e0}"]);
        store.ok(&["text", name, "notes", "splice", "2", "2", "but"]);
        store.ok(&["unset", name, "list"]);
        let expected = json!({ "items": { "milk": 2 }, "notes": "d\u{e9}but" });
        assert_eq!(store.ok(&["cat", name])["value"], expected);
        assert_eq!(store.ok(&["cat", name, "items/milk"])["value"], 2);
        let then = store.ok(&["cat", name, "--at", &before[..8]]);
        assert_eq!(then["value"], json!({ "items": { "milk": 2 }, "list": ["a"] }));
        assert_eq!(store.ok(&["log", name]).as_array().unwrap().len(), 5);
        assert_eq!(store.ok(&["status"])["hub"], hub);
    }
    assert_eq!(store.ok(&["ls"]).as_array().unwrap().len(), 2);
}

#[test]
fn failures_have_their_codes() {
    let store = Store::empty();
    assert!(store.fails(4, &["ls"]).contains("katori init"));
    store.ok(&["init", "--person", "Ana"]);
    assert!(store.fails(4, &["init", "--person", "Ana"]).contains("already"));
    store.fails(3, &["cat", "nothing"]);
    store.ok(&["new", "list"]);
    store.fails(3, &["cat", "list", "a/b"]);
    store.fails(3, &["unset", "list", "a"]);
    store.fails(1, &["text", "list", "notes", "insert", "9", "x"]);
    store.fails(2, &["cat", "list", "--at", "nonsense"]);
    assert!(store.fails(2, &["set", "list", "a", "{b: 1}"]).contains("nothing was changed"));
    store.fails(5, &["leave", "list"]);
    assert!(store.fails(2, &["new", ""]).contains("name"));
    assert!(store.fails(2, &["new", &"x".repeat(65)]).contains("64"));
    store.fails(6, &["join", "hello"]);
    store.fails(3, &["import", "/there/is/no/such.json"]);
    let file = write(store.folder.parent().unwrap(), "file", b"");
    let inside = Path::new(&file).join("store").display().to_string();
    for folder in [&file, &inside] {
        for command in ["init", "ls"] {
            let output =
                Command::new(env!("CARGO_BIN_EXE_katori")).args([command, "--store", folder]).output();
            assert_eq!(output.unwrap().status.code(), Some(4), "{command} {folder}");
        }
    }
    assert_eq!(store.command(&["nonsense"]).stderr(Stdio::null()).status().unwrap().code(), Some(2));
}

#[test]
fn a_hub_has_the_store_to_itself_and_its_socket_is_private() {
    let mut store = Store::new("Ana");
    store.serve();
    let mode = fs::metadata(store.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(store.fails(4, &["serve"]).contains("already"));
    store.ok(&["new", "list"]);
    store.kill();
    assert!(store.socket().exists(), "kill -9 leaves the socket behind");
    store.ok(&["set", "list", "a", "1"]);
    store.serve();
    assert_eq!(store.ok(&["cat", "list", "a"])["value"], 1);
}

#[test]
fn a_store_in_a_folder_with_a_long_path_has_a_hub_too() {
    let mut store = Store::empty();
    store.folder = store.folder.join("long".repeat(30));
    store.ok(&["init", "--person", "Ana"]);
    store.serve();
    assert_eq!(store.ok(&["status"])["hub"], true);
}

#[test]
fn documents_go_through_files() {
    let store = Store::new("Ana");
    let folder = tempfile::tempdir().unwrap();
    let content = json!({ "name": "soup", "steps": ["boil", { "wait": [1, 2.5, null, true] }] });
    let json_file = write(folder.path(), "soup.json", content.to_string().as_bytes());
    store.ok(&["import", &json_file]);
    assert_eq!(store.ok(&["cat", "soup"])["value"], content);
    let shown = store.ok(&["export", "soup"]);
    assert_eq!(serde_json::from_str::<Value>(shown["content"].as_str().unwrap()).unwrap(), content);

    let saved = folder.path().join("soup.automerge").display().to_string();
    store.ok(&["export", "soup", &saved]);
    assert!(store.fails(2, &["export", "soup", &saved]).contains("left as it is"));
    store.ok(&["import", &saved, "--name", "copy"]);
    assert_eq!(store.ok(&["cat", "copy"])["value"], content);
    assert_eq!(
        store.ok(&["log", "copy"])[0]["who"],
        Value::Null,
        "an imported change was written by nobody known"
    );

    let long = "na\u{ef}ve ".repeat(40_000);
    let text_file = write(folder.path(), "long.txt", long.as_bytes());
    store.ok(&["import", &text_file, "--name", "text"]);
    assert_eq!(store.ok(&["export", "text", "--as", "text"])["content"], long);

    let broken = write(folder.path(), "broken.json", b"{\"a\":");
    assert!(store.fails(1, &["import", &broken]).contains("nothing was imported"));
    let broken = write(folder.path(), "broken.automerge", b"not automerge");
    store.fails(1, &["import", &broken]);
    let unknown = write(folder.path(), "photo.jpg", b"");
    assert!(store.fails(2, &["import", &unknown]).contains("--as"));
    assert_eq!(store.ok(&["ls"]).as_array().unwrap().len(), 3);
    assert!(store.fails(2, &["delete", "soup"]).contains("--yes"));
    assert!(store.fails(2, &["forget", "copy"]).contains("--yes"), "nobody else has it");
    store.ok(&["delete", "soup", "--yes"]);
    store.ok(&["forget", "copy", "--yes"]);
    assert_eq!(store.ok(&["ls"]).as_array().unwrap().len(), 1);
    assert_eq!(store.ok(&["ls", "--all"]).as_array().unwrap().len(), 3);
}

#[test]
fn what_was_written_at_once_is_told() {
    let store = Store::new("Ana");
    let mut document = AutoCommit::new();
    let items = document.put_object(ROOT, "items", ObjType::Map).unwrap();
    let mut other = document.fork();
    document.put(&items, "milk", 2).unwrap();
    other.put(&items, "milk", 3).unwrap();
    document.merge(&mut other).unwrap();
    let folder = tempfile::tempdir().unwrap();
    store.ok(&["import", &write(folder.path(), "list.automerge", &document.save())]);
    let content = store.ok(&["cat", "list"]);
    let shown = &content["value"]["items"]["milk"];
    let conflicts = store.ok(&["cat", "list", "items", "--conflicts"]);
    assert_eq!(content["conflicts"], conflicts);
    assert_eq!(conflicts[0]["path"], json!(["items", "milk"]));
    let values = conflicts[0]["values"].as_array().unwrap();
    assert_eq!((values.len(), &values[0]["value"], &values[0]["shown"]), (2, shown, &json!(true)));
    assert_eq!(store.ok(&["cat", "list", "other", "--conflicts"]), json!([]));
    store.ok(&["set", "list", "items/milk", "4"]);
    assert_eq!(store.ok(&["cat", "list", "--conflicts"]), json!([]), "whoever writes anew settles it");
}
