//! A process that edits through the facade is killed at random moments: whatever it had awaited is there when the
//! store is opened again, and the store opens every time. (The store by itself is killed fifty times over, and
//! cut off from power thousands of times, in `core/tests/store_*`.)

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use katori::{Network, Node, ROOT, ReadDoc, Transactable};

const STORE: &str = "KATORI_TEST_KILL_STORE";
/// How often the process is killed.
const ROUNDS: u64 = 25;

async fn open(store: &Path) -> Node {
    Node::builder(store).network(Network::None).person_name("Olga").open_or_init().await.unwrap()
}

/// The process that is killed: counts up in a document, and prints each number once it is durable. Runs only when
/// the other test starts it.
#[tokio::test]
async fn counts_until_it_is_killed() {
    let Ok(store) = std::env::var(STORE) else { return };
    let node = open(Path::new(&store)).await;
    let doc = match node.doc("counter").await {
        Ok(doc) => doc,
        Err(_) => node.create("counter").await.unwrap(),
    };
    for number in highest(&doc) + 1.. {
        doc.change(|edit| edit.put(ROOT, "n", number)).unwrap().await.unwrap();
        println!("durable {number}");
    }
}

fn highest(doc: &katori::Doc) -> u64 {
    doc.view(|doc| doc.get(ROOT, "n").unwrap().and_then(|(value, _)| value.as_u64())).unwrap_or(0)
}

/// Starts the process, kills it after a while, and returns the last number it said was durable.
fn one_life(store: &Path, after: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "counts_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(STORE, store)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (tell, told) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let number =
                line.split_once("durable ").and_then(|(_, number)| number.trim().parse::<u64>().ok());
            // The other side listens until the process is dead.
            number.map_or(Ok(()), |number| tell.send(number)).unwrap();
        }
    });
    // Some lives end while the store is being made or opened, most while numbers are being written.
    let end = Instant::now() + after;
    let mut last = 0;
    while let Ok(number) = told.recv_timeout(end.saturating_duration_since(Instant::now())) {
        last = number;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    told.iter().last().unwrap_or(last)
}

#[test]
fn nothing_awaited_is_lost_to_kill_minus_nine() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut durable = 0;
    for round in 0..ROUNDS {
        let after = Duration::from_millis(20 + round * 97 % 600);
        durable = one_life(&store, after).max(durable);
        let found = runtime.block_on(async {
            let node = open(&store).await;
            let found = match node.doc("counter").await {
                Ok(doc) => highest(&doc),
                Err(_) => 0,
            };
            node.close().await;
            found
        });
        assert!(found >= durable, "round {round}: {durable} was acknowledged, {found} is there");
    }
    assert!(durable > ROUNDS, "the process got to work: {durable} edits");
}
