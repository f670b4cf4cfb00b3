//! The links there are: at most one for each device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iroh::endpoint::WeakConnectionHandle;
use katori_acl::DeviceId;
use katori_core::reconcile::Secret;
use tokio::sync::{mpsc, oneshot};

use crate::flow::{Counters, Credit};
use crate::greeting::{CloseCode, Instance};
use crate::link::{Admitted, LinkId, Stop};
use crate::pace::{Bucket, Pace};

/// Bytes queued for one peer at which its link is closed: the engine stops serving at far less, so this much
/// gathers only if a peer asks and asks and does not read the answers.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// A connection that wants to become a link.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) peer: DeviceId,
    pub(crate) instance: Instance,
    /// Whether this side dialled.
    pub(crate) dialled_here: bool,
    /// Where the peer is and says it is.
    pub(crate) addresses: Vec<String>,
    pub(crate) connection: Option<WeakConnectionHandle>,
    /// What only the two ends of it know.
    pub(crate) secret: Secret,
}

#[derive(Debug)]
struct Link {
    id: LinkId,
    instance: Instance,
    dialled_here: bool,
    /// Gone when the link is to close in peace.
    queue: Option<mpsc::UnboundedSender<Vec<u8>>>,
    stop: Option<oneshot::Sender<Stop>>,
    queued: usize,
    settled: bool,
    /// This device has moved since, so that the peer may not find it any more.
    is_left_behind: bool,
    credit: Arc<Credit>,
    counters: Arc<Counters>,
    connection: Option<WeakConnectionHandle>,
}

impl Link {
    fn stop(&mut self, code: CloseCode) {
        self.end(Stop::Now(code));
    }

    /// Nothing more is queued, and the link ends when what is queued has left.
    fn part(&mut self, code: CloseCode) {
        // In this order: that the queue ends must not be heard before the reason for it.
        self.end(Stop::WhenSent(code));
        self.queue = None;
    }

    fn end(&mut self, stop: Stop) {
        if let Some(stopper) = self.stop.take() {
            // If it has ended already, so much the better.
            let _ = stopper.send(stop);
        }
    }
}

/// The links there are.
#[derive(Debug)]
pub(crate) struct Links {
    me: DeviceId,
    by_peer: BTreeMap<DeviceId, Link>,
    made: u64,
    /// Bytes queued for all of them.
    queued: usize,
    pace: Arc<Pace>,
}

impl Links {
    pub(crate) fn new(me: DeviceId, pace: Arc<Pace>) -> Self {
        Self { me, by_peer: BTreeMap::new(), made: 0, queued: 0, pace }
    }

    /// Makes a candidate the link to its device, unless the one there is has precedence. Says whether it took
    /// another's place.
    pub(crate) fn admit(&mut self, candidate: Candidate) -> Result<(Admitted, bool), CloseCode> {
        let before = self.by_peer.get_mut(&candidate.peer);
        let replaced = before.is_some();
        if let Some(link) = before {
            if has_precedence(self.me, link, &candidate) {
                return Err(CloseCode::Superseded);
            }
            link.stop(CloseCode::Superseded);
        }
        self.made += 1;
        let id = LinkId(self.made);
        let (sender, queue) = mpsc::unbounded_channel();
        let (stopper, stop) = oneshot::channel();
        let credit = Arc::new(Credit::new(Arc::clone(&self.pace)));
        let counters = Arc::<Counters>::default();
        let link = Link {
            id,
            instance: candidate.instance,
            dialled_here: candidate.dialled_here,
            queue: Some(sender),
            stop: Some(stopper),
            queued: 0,
            settled: false,
            is_left_behind: false,
            credit: Arc::clone(&credit),
            counters: Arc::clone(&counters),
            connection: candidate.connection,
        };
        if let Some(before) = self.by_peer.insert(candidate.peer, link) {
            self.queued -= before.queued;
        }
        let bucket = Bucket::new(Arc::clone(&self.pace));
        Ok((Admitted { id, queue, stop, credit, counters, bucket }, replaced))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_peer.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_peer.len()
    }

    pub(crate) fn is_linked(&self, peer: &DeviceId) -> bool {
        self.by_peer.contains_key(peer)
    }

    /// Whether there is a link to a device, which the device finds.
    pub(crate) fn is_well_linked(&self, peer: &DeviceId) -> bool {
        self.by_peer.get(peer).is_some_and(|link| !link.is_left_behind)
    }

    /// This device has moved: the devices that had dialled it, and whose links give way to new ones.
    pub(crate) fn leave_behind(&mut self) -> Vec<DeviceId> {
        let dialled_there = self.by_peer.iter_mut().filter(|(_, link)| !link.dialled_here);
        let leave = |(peer, link): (&DeviceId, &mut Link)| {
            link.is_left_behind = true;
            *peer
        };
        dialled_there.map(leave).collect()
    }

    pub(crate) fn is_current(&self, peer: DeviceId, id: LinkId) -> bool {
        self.by_peer.get(&peer).is_some_and(|link| link.id == id)
    }

    /// A link has ended; says whether it was the one in use.
    pub(crate) fn remove(&mut self, peer: DeviceId, id: LinkId) -> bool {
        if !self.is_current(peer, id) {
            return false;
        }
        let removed = self.by_peer.remove(&peer);
        self.queued -= removed.as_ref().map_or(0, |link| link.queued);
        removed.is_some()
    }

    pub(crate) fn send(&mut self, peer: DeviceId, frame: Vec<u8>) {
        let Some(link) = self.by_peer.get_mut(&peer) else { return };
        link.queued += frame.len();
        self.queued += frame.len();
        if link.queued > MAX_QUEUED_BYTES {
            tracing::warn!(peer = %peer.short(), queued = link.queued, "a peer does not read what it is sent");
            link.stop(CloseCode::TooSlow);
        } else if let Some(queue) = &link.queue {
            // If the link has ended, what is lost is sent again over the next.
            let _ = queue.send(frame);
        }
    }

    /// Bytes have left a queue; says whether it was that of a link in use.
    pub(crate) fn drained(&mut self, peer: DeviceId, id: LinkId, bytes: usize) -> bool {
        let link = self.by_peer.get_mut(&peer).filter(|link| link.id == id);
        if let Some(link) = link {
            let drained = bytes.min(link.queued);
            link.queued -= drained;
            self.queued -= drained;
            return true;
        }
        false
    }

    pub(crate) fn consumed(&self, peer: DeviceId, bytes: usize) {
        if let Some(link) = self.by_peer.get(&peer) {
            link.credit.give_back(bytes);
        }
    }

    pub(crate) fn stop(&mut self, peer: DeviceId, code: CloseCode) {
        if let Some(link) = self.by_peer.get_mut(&peer) {
            link.stop(code);
        }
    }

    /// Closes a link when what is queued has left, or a moment later.
    pub(crate) fn part(&mut self, peer: DeviceId, code: CloseCode) {
        if let Some(link) = self.by_peer.get_mut(&peer) {
            link.part(code);
        }
    }

    /// Closes the links to devices that are not among these.
    pub(crate) fn keep_only(&mut self, known: &BTreeSet<DeviceId>) {
        for (peer, link) in &mut self.by_peer {
            if !known.contains(peer) {
                link.part(CloseCode::NothingShared);
            }
        }
    }

    /// Lets every link end when what is queued has been sent.
    pub(crate) fn close_in_peace(&mut self) {
        for link in self.by_peer.values_mut() {
            link.queue = None;
        }
    }

    pub(crate) fn settled(&mut self, peer: DeviceId) {
        if let Some(link) = self.by_peer.get_mut(&peer) {
            link.settled = true;
        }
    }

    pub(crate) fn is_settled(&self, peer: &DeviceId) -> bool {
        self.by_peer.get(peer).is_some_and(|link| link.settled)
    }

    pub(crate) fn all_sent(&self) -> bool {
        self.queued == 0
    }

    pub(crate) fn watch(&self, peer: &DeviceId) -> Option<(WeakConnectionHandle, Arc<Counters>)> {
        let link = self.by_peer.get(peer)?;
        Some((link.connection.clone()?, Arc::clone(&link.counters)))
    }
}

/// Whether a link stays although there is a candidate to take its place.
///
/// If both sides dialled at once there are two connections, and both sides keep the one that the lower id
/// dialled. Otherwise the newer one counts: its dialler knows that the other is dead. A device that has moved says
/// so with a new instance, as one that started again does.
fn has_precedence(me: DeviceId, link: &Link, candidate: &Candidate) -> bool {
    let started_again = link.instance != candidate.instance;
    let same_dialler = link.dialled_here == candidate.dialled_here;
    !link.is_left_behind && !started_again && !same_dialler && link.dialled_here == (me < candidate.peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(peer: DeviceId, dialled_here: bool, instance: u8) -> Candidate {
        let (addresses, secret) = (Vec::new(), Secret::from_bytes([0; 32]));
        Candidate { peer, instance: [instance; 8], dialled_here, addresses, connection: None, secret }
    }

    fn dialler(links: &Links, peer: DeviceId) -> DeviceId {
        if links.by_peer[&peer].dialled_here { links.me } else { peer }
    }

    #[test]
    fn both_sides_keep_the_connection_that_the_lower_id_dialled() {
        let (low, high) = (DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        for low_first in [false, true] {
            for high_first in [false, true] {
                let (mut at_low, mut at_high) =
                    (Links::new(low, Arc::default()), Links::new(high, Arc::default()));
                for own in [low_first, !low_first] {
                    let _ = at_low.admit(candidate(high, own, 0));
                }
                for own in [high_first, !high_first] {
                    let _ = at_high.admit(candidate(low, own, 0));
                }
                assert_eq!((dialler(&at_low, high), dialler(&at_high, low)), (low, low));
                assert_eq!((at_low.by_peer.len(), at_high.by_peer.len()), (1, 1));
            }
        }
    }

    #[test]
    fn a_device_that_started_again_takes_its_old_place() {
        let (me, peer) = (DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        let mut links = Links::new(me, Arc::default());
        let (first, _) = links.admit(candidate(peer, true, 0)).unwrap();
        assert_eq!(links.admit(candidate(peer, false, 0)).err(), Some(CloseCode::Superseded));
        let (second, replaced) = links.admit(candidate(peer, false, 1)).unwrap();
        assert!(replaced && links.is_current(peer, second.id));
        assert!(!links.remove(peer, first.id), "what an old link says goes unheard");
        assert!(links.remove(peer, second.id) && links.is_empty());
    }

    #[test]
    fn a_device_that_moved_dials_and_its_connection_counts_on_both_sides() {
        let (low, high) = (DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        for (moved, other) in [(low, high), (high, low)] {
            let (mut at_moved, mut at_other) =
                (Links::new(moved, Arc::default()), Links::new(other, Arc::default()));
            let _ = at_moved.admit(candidate(other, false, 0));
            let _ = at_other.admit(candidate(moved, true, 0));
            assert_eq!(at_moved.leave_behind(), [other]);
            let (first, replaced) = at_moved.admit(candidate(other, true, 0)).unwrap();
            assert!(replaced && at_moved.is_current(other, first.id));
            let (second, replaced) = at_other.admit(candidate(moved, false, 1)).unwrap();
            assert!(replaced && at_other.is_current(moved, second.id));
            assert_eq!(at_moved.leave_behind(), [], "who dials is found by the answer");
        }
    }

    #[test]
    fn whoever_is_parted_from_still_gets_what_was_queued() {
        let peer = DeviceId::from_bytes([2; 32]);
        let mut links = Links::new(DeviceId::from_bytes([1; 32]), Arc::default());
        let (mut admitted, _) = links.admit(candidate(peer, true, 0)).unwrap();
        links.send(peer, b"why".to_vec());
        links.part(peer, CloseCode::NothingShared);
        links.send(peer, b"too late".to_vec());
        assert_eq!(admitted.stop.try_recv(), Ok(Stop::WhenSent(CloseCode::NothingShared)));
        assert_eq!(admitted.queue.try_recv(), Ok(b"why".to_vec()));
        assert_eq!(admitted.queue.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn a_peer_that_does_not_read_is_let_go() {
        let peer = DeviceId::from_bytes([2; 32]);
        let mut links = Links::new(DeviceId::from_bytes([1; 32]), Arc::default());
        let (mut admitted, _) = links.admit(candidate(peer, true, 0)).unwrap();
        for _ in 0..=(MAX_QUEUED_BYTES >> 20) {
            links.send(peer, vec![0; 1 << 20]);
        }
        assert_eq!(admitted.stop.try_recv(), Ok(Stop::Now(CloseCode::TooSlow)));
    }
}
