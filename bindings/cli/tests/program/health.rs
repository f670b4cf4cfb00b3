//! Copies of a store, with a hub and without; checks, and repairs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use katori_core::store::{Storage, Store as Rows, Table, Write};

use crate::store::Store;

#[test]
fn a_backup_is_made_with_a_hub_and_without_and_takes_the_place_of_a_lost_store() {
    let mut store = Store::new("Ana");
    store.ok(&["new", "list"]);
    store.ok(&["set", "list", "milk", "2"]);
    for hub in [false, true] {
        if hub {
            store.serve();
        }
        let file = store.folder.with_file_name(format!("copy-{hub}"));
        let path = file.display().to_string();
        let made = store.ok(&["backup", &path]);
        assert_eq!(made["file"], path);
        assert!(made["bytes"].as_u64().unwrap() > 0 && made["rows"].as_u64().unwrap() > 0);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(store.fails(2, &["backup", &path]).contains("left as it is"));

        let restored = Store::empty();
        fs::create_dir(&restored.folder).unwrap();
        fs::copy(&file, restored.folder.join(katori::STORE_FILE)).unwrap();
        assert_eq!(restored.ok(&["check"])["clean"], true);
        assert_eq!(restored.ok(&["cat", "list"])["value"], serde_json::json!({ "milk": 2 }));
        assert_eq!(restored.ok(&["id"])["device"], store.ok(&["id"])["device"]);
    }
    store.fails(1, &["backup", "/there/is/no/folder"]);
}

#[test]
fn a_check_wants_the_store_for_itself_and_finds_nothing_in_a_sound_one() {
    let mut store = Store::empty();
    assert!(store.fails(4, &["check"]).contains("katori init"));
    store.ok(&["init", "--person", "Ana", "--device", "desk"]);
    store.ok(&["new", "list"]);
    store.ok(&["set", "list", "milk", "2"]);
    let report = store.ok(&["check"]);
    assert_eq!((&report["clean"], report["findings"].as_array().unwrap().len()), (&true.into(), 0));
    assert!(report["changes"].as_u64().unwrap() >= 1 && report["records"].as_u64().unwrap() >= 2);
    let repaired = store.ok(&["check", "--repair"]);
    assert!(repaired["copy"].is_null() && repaired["set_aside"].is_null());
    store.serve();
    assert!(store.fails(4, &["check"]).contains("katori serve"));
    // As a process leaves it that is killed.
    store.kill();
    assert_eq!(store.ok(&["check"])["clean"], true);
}

#[test]
fn damage_is_told_by_the_exit_code_and_repaired() {
    let store = Store::new("Ana");
    store.ok(&["new", "list"]);
    for number in ["1", "2", "3"] {
        store.ok(&["set", "list", number, number]);
    }
    let file = store.folder.join(katori::STORE_FILE);
    let rows = Rows::open(&file).unwrap();
    let packs = rows.scan(Table::Packs, &[]).unwrap();
    let list = store.folder.display().to_string();
    let (key, mut value) = packs.into_iter().next_back().unwrap();
    value[40] ^= 1;
    rows.commit(&[Write::Put { table: Table::Packs, key, value }]).unwrap();
    rows.close().unwrap();
    let (code, report) = store.run(&["check"]);
    assert_eq!((code, &report["clean"]), (8, &false.into()), "{list}: {report}");
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["fault"], &finding["table"], &finding["remedy"]),
        (&"row".into(), &"packs".into(), &"set_aside".into())
    );
    let repaired = store.ok(&["check", "--repair"]);
    assert_eq!((&repaired["repaired"], repaired["left"].as_array().unwrap().len()), (&true.into(), 0));
    for file in ["copy", "set_aside"] {
        let path = repaired[file].as_str().unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
    }
    assert_eq!(store.ok(&["check"])["findings"].as_array().unwrap().len(), 0);
    assert!(store.ok(&["cat", "list"])["value"].is_object());
    let text = store.command(&["check"]).output().unwrap();
    assert!(text.status.success());
}
