//! When commits begin: with the first input that wants one, or when the driver says so.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use katori_acl::{DeviceKey, PersonId};
use katori_core::engine::{Action, Command, CommandId, CommitId, Engine, Input, StoredEngine};
use katori_core::identity::{Founding, Identity};
use katori_core::store::{MemoryStore, Storage, Table, Write};
use katori_core::time::Timestamp;

fn engine() -> Engine {
    let (person_name, device_name) = ("Ana".to_owned(), "laptop".to_owned());
    let founding = Founding { person_name, device_name, recovery: [0; 32], nonce: [0; 16] };
    let (identity, roster) = Identity::found(DeviceKey::from_secret([1; 32]), founding).unwrap();
    let store = MemoryStore::new();
    store.commit(&identity.rows(&[roster])).unwrap();
    let mut engine = Engine::new(Arc::new(identity), StoredEngine::read(&store).unwrap(), [2; 32]);
    engine.handle(Timestamp(0), Input::Started);
    assert!(actions(&mut engine).is_empty(), "nothing is to be stored yet");
    engine
}

fn create(engine: &mut Engine, number: u64) {
    let command = Command::Create { name: format!("document {number}"), space: None };
    engine.handle(Timestamp(number), Input::Command { id: CommandId(number), command });
}

/// Another person is refused from now on, which touches no document.
fn block(engine: &mut Engine, number: u64) {
    let person = PersonId::from_bytes([u8::try_from(number).unwrap(); 32]);
    let command = Command::SetBlocked { persons: BTreeSet::from([person]) };
    engine.handle(Timestamp(number), Input::Command { id: CommandId(number), command });
}

/// The commits that begin, each with how many records it holds, and the commands that are answered.
fn actions(engine: &mut Engine) -> Vec<Result<(CommitId, usize), CommandId>> {
    let mut seen = Vec::new();
    while let Some(action) = engine.poll_action() {
        match action {
            Action::Persist { commit, writes } => {
                let is_record = |write: &&Write| write.table() == Table::Records;
                seen.push(Ok((commit, writes.iter().filter(is_record).count())));
            }
            Action::Reply { id, result } => {
                result.unwrap();
                seen.push(Err(id));
            }
            Action::Send { .. } | Action::Work { .. } | Action::Schedule { .. } | Action::Notify(_) | _ => {}
        }
    }
    seen
}

#[test]
fn a_commit_begins_at_once_and_what_comes_meanwhile_shares_the_next() {
    let mut engine = engine();
    create(&mut engine, 1);
    assert_eq!(actions(&mut engine), [Ok((CommitId(1), 1))]);
    create(&mut engine, 2);
    create(&mut engine, 3);
    assert_eq!((actions(&mut engine), engine.gathered()), (vec![], 0), "none can begin");
    engine.handle(Timestamp(3), Input::Stored { commit: CommitId(1) });
    assert_eq!(actions(&mut engine), [Err(CommandId(1)), Ok((CommitId(2), 2))]);
}

#[test]
fn what_gathers_is_stored_together_and_acknowledged_after_that() {
    let mut engine = engine();
    engine.gather_commits();
    engine.begin_commit(Timestamp(3));
    assert_eq!(actions(&mut engine), [], "there is nothing to store");
    create(&mut engine, 1);
    for number in 2..=3 {
        block(&mut engine, number);
        assert_eq!((actions(&mut engine), engine.gathered()), (vec![], usize::try_from(number).unwrap()));
    }
    engine.begin_commit(Timestamp(3));
    assert_eq!((actions(&mut engine), engine.gathered()), (vec![Ok((CommitId(1), 1))], 0));
    block(&mut engine, 4);
    engine.begin_commit(Timestamp(3));
    assert_eq!((actions(&mut engine), engine.gathered()), (vec![], 0), "one is under way");
    engine.handle(Timestamp(4), Input::Stored { commit: CommitId(1) });
    let mut answered = actions(&mut engine);
    assert_eq!(answered.first(), Some(&Err(CommandId(1))));
    engine.begin_commit(Timestamp(3));
    assert_eq!(actions(&mut engine), [Ok((CommitId(2), 0))]);
    engine.handle(Timestamp(5), Input::Stored { commit: CommitId(2) });
    answered.extend(actions(&mut engine));
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3, 4].map(|id| Err(CommandId(id))));
}
