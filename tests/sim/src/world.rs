//! The world: devices, links, and one queue of what is going to happen.

use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use automerge::Automerge;
use katori_acl::{DeviceId, PersonId, RecoveryPhrase, ResourceId, VerifiedRecord};
use katori_core::document::DocumentLimits;
use katori_core::engine::{Action, Answer, Command, CommandError, CommandId, Engine, Input, Outcome, Timer};
use katori_core::identity::Identity;
use katori_core::reconcile::Secret;
use katori_core::store::Storage;
use katori_core::time::Timestamp;
use katori_core::wire::Frame;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::device::Device;
use crate::happening::{Happening, Scheduled};

/// Names a device of a world.
pub type DeviceIndex = usize;

/// What crossed one direction of a link.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The frames, in order.
    pub frames: Vec<Frame>,
    /// Their bytes, without the length before each.
    pub bytes: usize,
}

#[derive(Debug)]
struct Link {
    id: u64,
    /// No frame overtakes another of its direction.
    last: [Timestamp; 2],
}

/// See the crate.
#[derive(Debug)]
pub struct World {
    rng: ChaCha12Rng,
    now: Timestamp,
    order: u64,
    devices: Vec<Device>,
    /// The words by which each person comes back.
    pub(crate) words: BTreeMap<PersonId, RecoveryPhrase>,
    links: BTreeMap<(DeviceIndex, DeviceIndex), Link>,
    links_made: u64,
    queue: BinaryHeap<Scheduled>,
    commands: u64,
    traffic: BTreeMap<(DeviceIndex, DeviceIndex), Traffic>,
    trace: blake3::Hasher,
    delay: Duration,
    /// Inputs that follow from the one that is being dealt with.
    inputs: VecDeque<(DeviceIndex, Input)>,
    busy: bool,
    /// How much time [`World::run`] lets pass; nothing for as much as there is something to wait for.
    patience: Option<Duration>,
}

fn pair(a: DeviceIndex, b: DeviceIndex) -> (DeviceIndex, DeviceIndex) {
    (a.min(b), a.max(b))
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha12Rng::seed_from_u64(seed),
            now: Timestamp(1_700_000_000_000),
            order: 0,
            devices: Vec::new(),
            words: BTreeMap::new(),
            links: BTreeMap::new(),
            links_made: 0,
            queue: BinaryHeap::new(),
            commands: 0,
            traffic: BTreeMap::new(),
            trace: blake3::Hasher::new(),
            delay: Duration::from_millis(20),
            inputs: VecDeque::new(),
            busy: false,
            patience: None,
        }
    }

    /// A number below `limit`, from the world's seed.
    pub fn random(&mut self, limit: u64) -> u64 {
        self.rng.next_u64() % limit.max(1)
    }

    pub(crate) fn random_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn add_device(&mut self, identity: Identity, records: &[VerifiedRecord]) -> DeviceIndex {
        let index = self.devices.len();
        let rows = identity.rows(records);
        let device = Device::new(identity);
        device.store.commit(&rows).expect("a new store takes rows");
        self.devices.push(device);
        self.start(index);
        index
    }

    /// A second device with the key and the store of this one, as it is now: a copied disk.
    pub fn clone_device(&mut self, index: DeviceIndex) -> DeviceIndex {
        let image = self.device(index).image();
        let copy = self.devices.len();
        let mut device = Device::new((*self.device(index).identity).clone());
        device.copied = true;
        device.store.commit(&image).expect("a new store takes rows");
        self.devices.push(device);
        self.start(copy);
        copy
    }

    /// A device.
    #[must_use]
    pub fn device(&mut self, index: DeviceIndex) -> &mut Device {
        self.devices.get_mut(index).expect("a device of this world")
    }

    /// A device's person.
    #[must_use]
    pub fn person_of(&self, index: DeviceIndex) -> PersonId {
        self.devices.get(index).expect("a device of this world").person()
    }

    /// Bounds on the documents of a device, from now on.
    pub fn limit(&mut self, index: DeviceIndex, limits: DocumentLimits) {
        let device = self.device(index);
        device.limits = limits;
        device.documents.clear();
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sets a device's clock this many milliseconds ahead of the others', or behind.
    pub fn skew(&mut self, index: DeviceIndex, milliseconds: i64) {
        self.device(index).skew = milliseconds;
    }

    /// The time by a device's own clock.
    fn clock(&self, index: DeviceIndex) -> Timestamp {
        let skew = self.devices.get(index).map_or(0, |device| device.skew);
        Timestamp(self.now.0.saturating_add_signed(skew))
    }

    /// How much time [`World::run`] lets pass from now on: with little, vouches that are owed and work that is to be
    /// written again stay undone for a while. Nothing lets everything happen that is going to.
    pub fn hurry(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Lets time pass with nothing happening in it.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for index in 0..self.devices.len() {
            self.input(index, Input::Timer(Timer::Expiry));
        }
        self.run();
    }

    /// The hash of everything that has happened: equal for equal seeds.
    #[must_use]
    pub fn trace(&self) -> [u8; 32] {
        *self.trace.finalize().as_bytes()
    }

    /// What has crossed from one device to another since the last [`World::clear_traffic`].
    #[must_use]
    pub fn traffic(&self, from: DeviceIndex, to: DeviceIndex) -> Traffic {
        self.traffic.get(&(from, to)).cloned().unwrap_or_default()
    }

    /// Forgets what has crossed.
    pub fn clear_traffic(&mut self) {
        self.traffic.clear();
    }

    fn schedule(&mut self, at: Timestamp, device: DeviceIndex, what: Happening) {
        self.order += 1;
        let (order, life) = (self.order, self.device(device).life);
        self.queue.push(Scheduled { at, order, device, life, what });
    }

    fn some_time(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(1);
        Duration::from_millis(self.random(most + 1))
    }

    /// Hands a device an input, and carries out what follows. What follows from that in turn comes after it.
    fn input(&mut self, index: DeviceIndex, input: Input) {
        self.inputs.push_back((index, input));
        if std::mem::replace(&mut self.busy, true) {
            return;
        }
        while let Some((index, input)) = self.inputs.pop_front() {
            let now = self.clock(index);
            let Some(engine) = &mut self.device(index).engine else { continue };
            engine.handle(now, input);
            while let Some(action) = self.device(index).engine.as_mut().and_then(Engine::poll_action) {
                self.carry_out(index, action);
            }
        }
        self.busy = false;
    }

    fn carry_out(&mut self, index: DeviceIndex, action: Action) {
        match action {
            Action::Send { peer, frame } => self.transmit(index, peer, frame),
            Action::Work { document, work } => {
                let at = self.now + self.some_time(Duration::from_millis(3));
                self.schedule(at, index, Happening::Work { document, work });
            }
            Action::Refresh { document, access } => {
                if let Some(document) = self.device(index).documents.get_mut(&document) {
                    document.note_access(&access);
                }
            }
            Action::Drop { document, .. } => {
                self.device(index).documents.remove(&document);
            }
            Action::Persist { commit, writes } => {
                self.device(index).commits.insert(commit.0, writes);
                let at = self.now + self.some_time(Duration::from_millis(5));
                self.schedule(at, index, Happening::Durable(commit));
            }
            Action::Schedule { timer: Timer::Expiry, .. } | Action::Consumed { .. } => {}
            Action::Schedule { at, timer } => {
                let skew = self.device(index).skew;
                let at = Timestamp(at.0.saturating_add_signed(-skew));
                self.schedule(at, index, Happening::Timer(timer));
            }
            Action::Close { peer, .. } => {
                if let Some(other) = self.linked(index, peer) {
                    self.disconnect(index, other);
                }
            }
            Action::Notify(event) => self.device(index).events.push(event),
            Action::Reply { id, result } => {
                self.device(index).replies.insert(id, result);
            }
            other => panic!("an action that the simulator does not know: {other:?}"),
        }
    }

    /// The device with this id to which another one has a link. Of copies of one store it has a link to one.
    fn linked(&self, from: DeviceIndex, peer: DeviceId) -> Option<DeviceIndex> {
        let ends = self.links.keys().filter_map(|(a, b)| match () {
            () if *a == from => Some(*b),
            () if *b == from => Some(*a),
            () => None,
        });
        ends.into_iter().find(|index| self.devices.get(*index).is_some_and(|device| device.id() == peer))
    }

    fn transmit(&mut self, from: DeviceIndex, peer: DeviceId, frame: Vec<u8>) {
        let Some(to) = self.linked(from, peer) else { return };
        let delay = self.delay;
        let delay = Duration::from_millis(1) + self.some_time(delay);
        let now = self.now;
        let Some(link) = self.links.get_mut(&pair(from, to)) else { return };
        let last = link.last.get_mut(usize::from(from < to)).expect("two directions");
        let at = (now + delay).max(*last + Duration::from_millis(1));
        *last = at;
        let link = link.id;
        let traffic = self.traffic.entry((from, to)).or_default();
        traffic.bytes += frame.len();
        traffic.frames.push(Frame::decode(&frame).expect("the engine sends frames"));
        let bytes = frame.len();
        self.schedule(at, to, Happening::Deliver { from, to, link, frame });
        self.input(from, Input::Drained { peer, bytes });
    }

    fn step(&mut self, next: Scheduled) {
        self.now = self.now.max(next.at);
        let index = next.device;
        if self.device(index).life != next.life {
            return;
        }
        self.trace.update(&self.now.0.to_le_bytes()).update(&(index as u64).to_le_bytes());
        match next.what {
            Happening::Deliver { from, to, link, frame } => {
                if self.links.get(&pair(from, to)).is_some_and(|present| present.id == link) {
                    self.trace.update(&frame);
                    let peer = self.device(from).id();
                    self.input(to, Input::Received { peer, frame });
                }
            }
            Happening::Timer(timer) => self.input(index, Input::Timer(timer)),
            Happening::Work { document, work } => {
                let number = work.number;
                let outcome = self.device(index).work(document, work);
                if let Outcome::Done(done) = &outcome {
                    self.trace.update(&done.summary.digest());
                }
                self.input(index, Input::Worked { document, number, outcome });
            }
            Happening::Durable(commit) => {
                let device = self.device(index);
                let Some(writes) = device.commits.remove(&commit.0) else { return };
                device.commits_made += 1;
                match device.store.commit(&writes) {
                    Ok(()) => self.input(index, Input::Stored { commit }),
                    Err(error) => {
                        self.input(index, Input::StoreFailed { commit, error: error.to_string() });
                    }
                }
            }
        }
    }

    /// Lets everything happen that is going to, until nothing is left but time, or as [`World::hurry`] has it.
    pub fn run(&mut self) {
        match self.patience {
            None => self.run_until(Timestamp(u64::MAX)),
            Some(patience) => self.run_for(patience),
        }
    }

    /// Lets this much time pass, and everything happen that does in it.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.run_until(until);
        self.now = self.now.max(until);
    }

    fn run_until(&mut self, until: Timestamp) {
        let mut steps = 0u32;
        while self.queue.peek().is_some_and(|next| next.at <= until) {
            let Some(next) = self.queue.pop() else { break };
            self.step(next);
            steps += 1;
            assert!(steps < 2_000_000, "the world does not come to rest");
        }
    }

    /// Lets at most this many things happen.
    pub fn run_some(&mut self, steps: u64) {
        for _ in 0..steps {
            let Some(next) = self.queue.pop() else { break };
            self.step(next);
        }
    }

    /// Connects two devices.
    pub fn connect(&mut self, a: DeviceIndex, b: DeviceIndex) {
        let (first, second) = (self.device(a).id(), self.device(b).id());
        if first == second || self.linked(a, second).is_some() || self.linked(b, first).is_some() {
            return;
        }
        if self.device(a).engine.is_none() || self.device(b).engine.is_none() {
            return;
        }
        self.links_made += 1;
        self.links.insert(pair(a, b), Link { id: self.links_made, last: [self.now; 2] });
        let secret = Secret::from_bytes(*blake3::hash(&self.links_made.to_le_bytes()).as_bytes());
        self.input(a, Input::Connected { peer: second, secret });
        self.input(b, Input::Connected { peer: first, secret });
    }

    /// Cuts the link between two devices; what is in flight on it is lost.
    pub fn disconnect(&mut self, a: DeviceIndex, b: DeviceIndex) {
        if self.links.remove(&pair(a, b)).is_none() {
            return;
        }
        let (first, second) = (self.device(a).id(), self.device(b).id());
        self.input(a, Input::Disconnected { peer: second });
        self.input(b, Input::Disconnected { peer: first });
    }

    /// Connects two devices, lets them exchange everything, and parts them.
    pub fn sync(&mut self, a: DeviceIndex, b: DeviceIndex) {
        self.connect(a, b);
        self.run();
        self.disconnect(a, b);
        self.run();
    }

    /// Syncs every pair, until a round changes nothing.
    pub fn sync_all(&mut self, devices: &[DeviceIndex]) {
        for _ in 0..2 {
            for (position, a) in devices.iter().enumerate() {
                for b in devices.iter().skip(position + 1) {
                    self.sync(*a, *b);
                }
            }
        }
    }

    /// Speaks one frame to a device as another one, whose engine does not know of it. A link must be up.
    pub fn impersonate(&mut self, from: DeviceIndex, to: DeviceIndex, frame: &Frame) {
        let peer = self.device(from).id();
        self.input(to, Input::Received { peer, frame: frame.encode() });
        self.run();
    }

    /// Speaks bytes that need not be a frame.
    pub fn impersonate_bytes(&mut self, from: DeviceIndex, to: DeviceIndex, bytes: Vec<u8>) {
        let peer = self.device(from).id();
        self.input(to, Input::Received { peer, frame: bytes });
        self.run();
    }

    /// Ends a device's life at once: what is not durable is lost.
    pub fn crash(&mut self, index: DeviceIndex) {
        let others: Vec<DeviceIndex> = (0..self.devices.len()).collect();
        for other in others {
            self.disconnect(index, other);
        }
        let device = self.device(index);
        device.engine = None;
        device.documents.clear();
        device.commits.clear();
        device.life += 1;
    }

    /// Starts a device from what its disk holds.
    pub fn start(&mut self, index: DeviceIndex) {
        let seed = self.random_bytes();
        self.device(index).start(seed);
        self.input(index, Input::Started);
    }

    /// Gives a command and lets it happen.
    pub fn command(&mut self, index: DeviceIndex, command: Command) -> Result<Answer, CommandError> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.input(index, Input::Command { id, command });
        self.run();
        while !self.device(index).replies.contains_key(&id)
            && let Some(next) = self.queue.pop()
        {
            self.step(next);
        }
        self.device(index).replies.remove(&id).expect("every command is answered")
    }

    /// Edits a document, without waiting; says whether the device could.
    pub fn edit(&mut self, index: DeviceIndex, document: ResourceId, key: &str) -> bool {
        let now = self.clock(index);
        let value = format!("by {index}");
        let done = self.device(index).edit(now, document, key, &value);
        self.input(index, Input::Edited { document });
        done
    }

    /// Edits a document and waits until that is durable.
    pub fn write(&mut self, index: DeviceIndex, document: ResourceId, key: &str) {
        assert!(self.edit(index, document, key), "device {index} cannot edit");
        self.run();
    }

    /// A copy of what a document shows on a device.
    #[must_use]
    pub fn copy(&mut self, index: DeviceIndex, document: ResourceId) -> Automerge {
        self.device(index).document(document).automerge().clone()
    }

    /// The keys that a document shows on a device.
    #[must_use]
    pub fn keys(&mut self, index: DeviceIndex, document: ResourceId) -> Vec<String> {
        self.device(index).shows(document).into_keys().collect()
    }
}
