//! A hostile device: a key whose holder signs and sends what it likes.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, AutomergeError, ChangeHash, ROOT};
use katori_acl::{DeviceId, DeviceKey, PersonId, ResourceId};
use katori_core::actor::device_actor;
use katori_core::gate::{Limits, RawChange, inspect};
use katori_core::pack::pack;
use katori_core::vouch::VerifiedVouch;
use katori_core::wire::Frame;

use crate::world::{DeviceIndex, World};

/// See the module.
#[derive(Debug, Clone)]
pub struct Rogue {
    key: DeviceKey,
    person: PersonId,
    document: ResourceId,
}

impl Rogue {
    /// The holder of a device's key, in one document.
    pub fn of(world: &mut World, index: DeviceIndex, document: ResourceId) -> Self {
        let identity = &world.device(index).identity;
        Self { key: identity.key.clone(), person: identity.person, document }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.key.public()
    }

    /// An actor id that names this device.
    #[must_use]
    pub fn actor(&self, incarnation: u8) -> ActorId {
        device_actor(&self.device(), &self.document, [incarnation; 8])
    }

    /// An actor id that names another device.
    #[must_use]
    pub fn forged_actor(&self, device: &DeviceId, incarnation: [u8; 8]) -> ActorId {
        device_actor(device, &self.document, incarnation)
    }

    /// Adds a change to a document of its own, under any actor, and returns it.
    pub fn change(&self, base: &mut Automerge, actor: ActorId, key: &str) -> RawChange {
        self.change_saying(base, actor, key, None)
    }

    /// The same, with a message: such as that it applies another change again.
    pub fn change_saying(
        &self,
        base: &mut Automerge,
        actor: ActorId,
        key: &str,
        message: Option<String>,
    ) -> RawChange {
        let before = base.get_heads();
        base.set_actor(actor);
        let options = CommitOptions::default();
        let options = match message {
            Some(message) => options.with_message(message),
            None => options,
        };
        let put =
            base.transact_with::<_, _, AutomergeError, _>(|()| options, |edit| edit.put(ROOT, key, "rogue"));
        assert!(put.is_ok(), "a rogue can edit its own copy");
        let change = base.get_changes(&before).pop().expect("a change was made");
        inspect(change.raw_bytes(), &Limits::default()).expect("automerge writes good changes")
    }

    /// A vouch with any counter over any heads.
    #[must_use]
    pub fn vouch(&self, counter: u64, heads: &[ChangeHash]) -> Vec<u8> {
        VerifiedVouch::sign(&self.key, self.document, self.person, counter, heads.to_vec()).bytes().to_vec()
    }

    /// A frame of changes and vouches.
    #[must_use]
    pub fn frame(&self, changes: &[RawChange], vouches: Vec<Vec<u8>>) -> Frame {
        let pack = (!changes.is_empty()).then(|| pack(changes));
        Frame::Changes { document: self.document, pack, vouches, more: false, has_all_but: None }
    }
}
