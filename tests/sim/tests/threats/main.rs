//! The adversarial list of the notes on access (section 5), as far as it is about content, sessions and running things:
//! one test for each, with the number of the threat in the notes' table, and where it comes from. What is about records
//! alone is in `katori-acl`; forks (T9) are in `fork_stories`; bytes that are no good (T11, T13) in `hostile`.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it stands"
)]

mod content;
mod operations;
mod sessions;

use katori_acl::{ResourceId, Role};
use katori_core::gate::RawChange;
use katori_sim::{DeviceIndex, Rogue, World};

/// Olga owns a document; Mallory and Ben may write in it, Rita may read it, and all have the same.
fn scene(seed: u64) -> (World, [DeviceIndex; 4], ResourceId) {
    let mut world = World::new(seed);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "scene");
    world.write(olga, document, "first");
    let mallory = world.member("mallory", olga, document, Role::Write);
    let ben = world.member("ben", olga, document, Role::Write);
    let rita = world.member("rita", olga, document, Role::Read);
    world.sync_all(&[olga, mallory, ben, rita]);
    (world, [olga, mallory, ben, rita], document)
}

/// One device speaks a frame of its own making to another.
fn send(
    world: &mut World,
    rogue: &Rogue,
    [from, to]: [DeviceIndex; 2],
    changes: &[RawChange],
    vouches: Vec<Vec<u8>>,
) {
    world.connect(from, to);
    world.run();
    world.impersonate(from, to, &rogue.frame(changes, vouches));
    world.disconnect(from, to);
    world.run();
}
