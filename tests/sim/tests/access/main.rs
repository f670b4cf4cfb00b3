//! Who may do what, as people meet it: in many devices' hands at once, with the real engine on each.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it stands"
)]

mod blocking;
mod consequences;
mod cut_off;
mod devices;
mod exclusions;
mod groups;
mod introductions;
mod invitations;
mod recovery;
mod roles;
mod spaces;

use katori_acl::{ResourceId, Role};
use katori_core::engine::Offer;
use katori_sim::{DeviceIndex, World};

/// An owner with one device, and a document of theirs.
fn owner(seed: u64) -> (World, DeviceIndex, ResourceId) {
    let mut world = World::new(seed);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "document");
    (world, olga, document)
}

/// A role with the right to pass it on where it usually comes with that.
fn offer(role: Role) -> Offer {
    Offer { role, share: role == Role::Admin, expires: None }
}
