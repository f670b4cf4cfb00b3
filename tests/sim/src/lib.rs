//! Many devices in one process: the real engine and the real documents over a seeded network, disk and clock.
//! The same seed gives the same trace, to the byte.
//!
//! A [`World`] holds devices, links between them, and one queue of what is going to happen, ordered by virtual
//! time. Links deliver in order, after a delay drawn from the seed, and can be cut with frames in flight. A
//! commit becomes durable some time after it is asked for; what has not, a crash loses. A hostile device is one
//! whose key the test holds: it speaks frames of its own making through [`World::impersonate`].
//!
//! A test that misuses this panics: it is a tool for tests.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that asks for what is not there is wrong"
)]

mod device;
mod happening;
mod people;
mod rogue;
mod world;

pub use device::Device;
pub use rogue::Rogue;
pub use world::{DeviceIndex, Traffic, World};
