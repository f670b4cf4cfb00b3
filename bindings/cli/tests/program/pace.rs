//! Flushing, the cap, and the figures.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::store::Store;

fn ask(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics")).unwrap();
    ask_host(address, address, path)
}

fn ask_host(address: &str, host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_hub_shows_its_figures_and_names_nobody() {
    let mut ana = Store::new("Ana");
    let ready = ana.serve_with(&["--metrics", "127.0.0.1:0", "--limit-upload", "200KiB/s", "--memory", "64"]);
    let me = ready["me"]["device"].as_str().unwrap();
    let url = ready["metrics"].as_str().unwrap();
    ana.ok(&["new", "groceries"]);
    ana.ok(&["set", "groceries", "milk", "2"]);
    let figures = ask(url, "/metrics");
    assert!(figures.starts_with("HTTP/1.1 200"), "{figures}");
    // The shelf is one more.
    for line in [
        "katori_documents 2",
        "katori_documents_loaded_bytes ",
        "katori_task_seconds_count{task=\"flush\"} ",
        "katori_commit_seconds_bucket{le=\"0.5\"} ",
        "# HELP katori_store_bytes The store's file",
        "# TYPE katori_commit_bytes histogram",
    ] {
        assert!(figures.contains(line), "{line} in {figures}");
    }
    assert!(!figures.contains(me) && !figures.contains("groceries"));
    assert!(ask(url, "/").starts_with("HTTP/1.1 404"));
    // As a web page would whose name was made to lead here.
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics")).unwrap();
    let refused = ask_host(address, "page.example", "/metrics");
    assert!(refused.starts_with("HTTP/1.1 421") && !refused.contains("katori_"), "{refused}");
}

#[test]
fn a_flush_says_what_is_done() {
    let (mut ana, ben) = (Store::new("Ana"), Store::new("Ben"));
    ana.serve();
    let list = ana.ok(&["new", "groceries"]);
    let ticket = ana.ok(&["invite", "groceries"]);
    let mut ben = ben;
    ben.serve();
    ben.ok(&["join", ticket["ticket"].as_str().unwrap()]);
    ana.ok(&["set", "groceries", "milk", "2"]);
    let flushed = ana.until(&["flush", "--timeout", "10s"], |flushed| flushed["complete"] == true);
    assert_eq!(flushed["unsaved"], serde_json::json!([]));
    assert_eq!(flushed["peers"][0]["behind"], serde_json::json!([]));
    assert_eq!(ben.ok(&["cat", list["id"].as_str().unwrap(), "milk"])["value"], 2);
    // Without a hub the store is opened, and whoever can be reached gets what there is.
    ana.kill();
    ana.ok(&["set", "groceries", "milk", "3"]);
    let flushed = ana.until(&["flush", "--timeout", "10s"], |flushed| {
        flushed["complete"] == true && !flushed["peers"].as_array().unwrap().is_empty()
    });
    assert_eq!(flushed["peers"][0]["behind"], serde_json::json!([]));
    assert_eq!(ben.ok(&["cat", list["id"].as_str().unwrap(), "milk"])["value"], 3);
}
