//! The demo is the first thing anybody tries, and tells the whole story with real processes, so it has to pass.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_demo_passes_all_of_its_checks() {
    let output = Command::new(env!("CARGO_BIN_EXE_katori")).args(["demo", "--json"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let story: Value = serde_json::from_str(&told).unwrap();
    let checks = story["checks"].as_array().unwrap();
    assert!(checks.len() >= 8, "{story}");
    for check in checks {
        assert_eq!(check["passed"], true, "{check}");
        assert!(!check["figure"].as_str().unwrap().is_empty(), "{check}");
    }
}
