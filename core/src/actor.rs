//! Automerge actor ids that say by syntax alone which device claims them, and in which document.

use automerge::ActorId;
use katori_acl::{DeviceId, ResourceId};

/// Bytes of an actor id in device form: device key, document tag, incarnation.
pub const ACTOR_BYTES: usize = 32 + TAG_BYTES + 8;
const TAG_BYTES: usize = 8;

/// What an actor id says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A device claims it, in this document: only that device's own vouch makes it good.
    Device(DeviceId),
    /// Another form, or another document's tag: an imported file or a copy. It is vouched for by somebody, and
    /// written by nobody that can be named.
    Other,
}

fn tag(document: &ResourceId) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    for (to, from) in tag.iter_mut().zip(document.as_bytes()) {
        *to = *from;
    }
    tag
}

/// The actor id of `device` in `document` under one incarnation.
#[must_use]
pub fn device_actor(device: &DeviceId, document: &ResourceId, incarnation: [u8; 8]) -> ActorId {
    let mut bytes = Vec::with_capacity(ACTOR_BYTES);
    bytes.extend_from_slice(device.as_bytes());
    bytes.extend_from_slice(&tag(document));
    bytes.extend_from_slice(&incarnation);
    ActorId::from(bytes)
}

/// Reads an actor id by its syntax, as it stands in `document`.
#[must_use]
pub fn claim(actor: &[u8], document: &ResourceId) -> Claim {
    let Some((device, rest)) = actor.split_first_chunk::<32>() else { return Claim::Other };
    match rest.split_first_chunk::<TAG_BYTES>() {
        Some((found, incarnation)) if incarnation.len() == 8 && *found == tag(document) => {
            Claim::Device(DeviceId::from_bytes(*device))
        }
        _ => Claim::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_document_makes_its_actors_other() {
        let (device, here, there) =
            (DeviceId::from_bytes([1; 32]), ResourceId::from_bytes([2; 32]), ResourceId::from_bytes([3; 32]));
        let actor = device_actor(&device, &here, [9; 8]);
        assert_eq!(actor.to_bytes().len(), ACTOR_BYTES);
        assert_eq!(claim(actor.to_bytes(), &here), Claim::Device(device));
        assert_eq!(claim(actor.to_bytes(), &there), Claim::Other);
        assert_eq!(claim(&actor.to_bytes()[..47], &here), Claim::Other);
        assert_eq!(claim(&[], &here), Claim::Other);
    }
}
