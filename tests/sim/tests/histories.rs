//! Random histories, hostile devices among them, against an oracle that states the rule of admission in the
//! fewest lines and shares nothing with the implementation.
//!
//! `HISTORIES=n` runs more of them; `SEED=n` runs one. A failure prints its seed.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash};
use katori_acl::{DeviceId, ResourceId, Role};
use katori_core::actor::{Claim, claim};
use katori_core::document::{Peer, Want};
use katori_core::engine::{Command, Offer};
use katori_core::gate::{Limits, RawChange};
use katori_core::pack::unpack;
use katori_core::vouch::{UnverifiedVouch, Vouch};
use katori_sim::{DeviceIndex, Rogue, World};

/// What a document has stored, read from what it would send a newcomer.
fn stored(world: &mut World, device: DeviceIndex, document: ResourceId) -> (Vec<RawChange>, Vec<Vouch>) {
    let (mut changes, mut vouches) = (Vec::new(), Vec::new());
    let mut known = Peer::default();
    loop {
        let want = Want { peer: DeviceId::from_bytes([0; 32]), known, receipt: Vec::new(), own_only: false };
        let done = world.device(device).document(document).serve_all(vec![want]);
        let served = done.served.into_iter().next().expect("one answer");
        if let Some(pack) = &served.pack {
            changes.extend(unpack(pack, &Limits::default()).expect("an honest pack"));
        }
        for (_, bytes) in &served.vouches {
            vouches.push(UnverifiedVouch::decode(bytes).expect("a vouch").claimed().clone());
        }
        known = served.then;
        if !served.more {
            return (changes, vouches);
        }
    }
}

/// The rule, as `docs` and DESIGN word it: good changes, then what lacks a dependency goes until nothing does.
fn oracle(
    changes: &[RawChange],
    vouches: &[Vouch],
    document: &ResourceId,
    writes: impl Fn(&DeviceId) -> bool,
) -> BTreeSet<ChangeHash> {
    let by_hash: BTreeMap<ChangeHash, &RawChange> = changes.iter().map(|c| (c.hash(), c)).collect();
    let under = |vouch: &Vouch| {
        let mut set = BTreeSet::new();
        let mut left: Vec<ChangeHash> = vouch.heads.clone();
        while let Some(hash) = left.pop() {
            if let Some(change) = by_hash.get(&hash)
                && set.insert(hash)
            {
                left.extend(&change.header().deps);
            }
        }
        set
    };
    let covers: Vec<(DeviceId, BTreeSet<ChangeHash>)> =
        vouches.iter().map(|v| (v.device, under(v))).collect();
    let stands = |device: &DeviceId, hash: &ChangeHash| {
        covers.iter().any(|(by, cover)| by == device && cover.contains(hash))
    };
    let forks = |device: &DeviceId| {
        let mut places = BTreeMap::new();
        changes.iter().any(|c| {
            let place = (&c.header().actor, c.header().seq);
            claim(&c.header().actor, document) == Claim::Device(*device)
                && stands(device, &c.hash())
                && places.insert(place, c.hash()).is_some()
        })
    };
    let mut good: BTreeSet<ChangeHash> = changes
        .iter()
        .filter(|c| {
            let covered =
                covers.iter().any(|(by, cover)| writes(by) && !forks(by) && cover.contains(&c.hash()));
            let authored = match claim(&c.header().actor, document) {
                Claim::Device(device) => stands(&device, &c.hash()),
                Claim::Other => true,
            };
            covered && authored
        })
        .map(RawChange::hash)
        .collect();
    loop {
        let before = good.len();
        let closed = good.clone();
        good.retain(|hash| by_hash[hash].header().deps.iter().all(|under| closed.contains(under)));
        if good.len() == before {
            return good;
        }
    }
}

struct History {
    world: World,
    document: ResourceId,
    devices: Vec<DeviceIndex>,
    hostile: BTreeSet<DeviceIndex>,
    /// The hostile devices' own views, as big as they like.
    copies: BTreeMap<DeviceIndex, Automerge>,
    rogue_changes: Vec<RawChange>,
    /// What each honest device has accepted while it held Write.
    accepted: BTreeMap<DeviceIndex, BTreeSet<String>>,
    edits: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let owners = 1 + usize::try_from(world.random(2)).expect("small");
        let mut devices = world.person("owner", owners);
        let document = world.create(devices[0], "history");
        let mut hostile = BTreeSet::new();
        for index in 0..2 + world.random(2) {
            let count = 1 + usize::try_from(world.random(2)).expect("small");
            let person = world.person(&format!("p{index}"), count);
            let role = [Role::Write, Role::Write, Role::Admin, Role::Read]
                [usize::try_from(world.random(4)).expect("small")];
            world.grant(devices[0], document, person[0], role);
            for device in &person {
                world.sync(devices[0], *device);
                world.accept(*device, document);
                if world.random(100) < 30 {
                    hostile.insert(*device);
                }
            }
            devices.extend(person);
        }
        let mut history = Self {
            world,
            document,
            devices,
            hostile,
            copies: BTreeMap::new(),
            rogue_changes: Vec::new(),
            accepted: BTreeMap::new(),
            edits: 0,
        };
        let all = history.devices.clone();
        history.world.sync_all(&all);
        history
    }

    fn pick(&mut self, from: &[DeviceIndex]) -> DeviceIndex {
        from[usize::try_from(self.world.random(from.len() as u64)).expect("small")]
    }

    fn honest(&self) -> Vec<DeviceIndex> {
        self.devices.iter().copied().filter(|device| !self.hostile.contains(device)).collect()
    }

    fn role(&mut self, device: DeviceIndex) -> Option<Role> {
        let (id, document) = (self.world.device(device).id(), self.document);
        let access = self.world.device(device).engine.as_ref().and_then(|engine| engine.access(document))?;
        access.role_of_device(&id)
    }

    fn note_accepted(&mut self) {
        for device in self.honest() {
            let shown: BTreeSet<String> = self.world.keys(device, self.document).into_iter().collect();
            if self.role(device) >= Some(Role::Write) {
                self.accepted.entry(device).or_default().extend(shown);
            } else {
                self.accepted.remove(&device);
            }
        }
    }

    fn step(&mut self) {
        let honest = self.honest();
        let (devices, document) = (self.devices.clone(), self.document);
        let (one, other) = (self.pick(&honest), self.pick(&devices));
        self.edits += 1;
        let key = format!("e{}", self.edits);
        let hostile: Vec<DeviceIndex> = self.hostile.iter().copied().collect();
        match self.world.random(if hostile.is_empty() { 22 } else { 34 }) {
            0..=7 => {
                self.world.edit(one, document, &key);
                self.world.run();
            }
            8..=16 => self.world.sync(one, other),
            17 | 18 => {
                let from = self.world.person_of(other);
                let _ = self.world.command(one, Command::Revoke { document, from });
            }
            19 | 20 => {
                let to = self.world.person_of(other);
                let role = [Role::Write, Role::Read, Role::Admin]
                    [usize::try_from(self.world.random(3)).expect("small")];
                let offer = Offer { role, share: role == Role::Admin, expires: None };
                let _ = self.world.command(one, Command::Grant { document, to, offer });
            }
            21 => {
                let _ = self.world.command(one, Command::Leave { document });
            }
            _ => {
                let rogue = self.pick(&hostile);
                self.mischief(rogue, one, &key);
            }
        }
        self.note_accepted();
    }

    /// A hostile device makes something and sends it, or sends a part of what was made before, to an honest one.
    fn mischief(&mut self, from: DeviceIndex, to: DeviceIndex, key: &str) {
        let rogue = Rogue::of(&mut self.world, from, self.document);
        let mut base = match self.copies.get(&from) {
            Some(copy) if self.world.random(2) == 0 => copy.clone(),
            _ => self.world.device(from).document(self.document).automerge().clone(),
        };
        let counter = self.world.random(30);
        let mut vouches = Vec::new();
        let mut changes = Vec::new();
        let incarnation = u8::try_from(100 + self.edits % 150).expect("small");
        match self.world.random(5) {
            0 => {
                // An ordinary edit, or a back-dated one on an old copy.
                let change = rogue.change(&mut base, rogue.actor(incarnation), key);
                vouches.push(rogue.vouch(counter, &base.get_heads()));
                changes.push(change);
            }
            1 => {
                // A change in another device's name, and one of its own on top.
                let devices = self.devices.clone();
                let victim = self.pick(&devices);
                let victim = self.world.device(victim).id();
                changes.push(rogue.change(&mut base, rogue.forged_actor(&victim, [incarnation; 8]), key));
                changes.push(rogue.change(&mut base, rogue.actor(incarnation), &format!("{key}+")));
                vouches.push(rogue.vouch(counter, &base.get_heads()));
            }
            2 => {
                // A vouch over everything it has, or over little.
                let mut heads = base.get_heads();
                if self.world.random(2) == 0
                    && let Some(one) = base.get_changes(&[]).first()
                {
                    heads = vec![one.hash()];
                }
                if !heads.is_empty() {
                    vouches.push(rogue.vouch(counter, &heads));
                }
            }
            3 => {
                // Two vouches with one counter.
                for change in base.get_changes(&[]).iter().take(2) {
                    vouches.push(rogue.vouch(counter, &[change.hash()]));
                }
            }
            _ => {
                // Somebody's earlier mischief, carried on, in part.
                let earlier = self.rogue_changes.clone();
                changes.extend(earlier.into_iter().filter(|_| self.world.random(3) > 0));
            }
        }
        self.rogue_changes.extend(changes.iter().cloned());
        self.copies.insert(from, base);
        self.world.connect(from, to);
        self.world.run();
        let frame = rogue.frame(&changes, vouches);
        self.world.impersonate(from, to, &frame);
        self.world.disconnect(from, to);
        self.world.run();
    }

    /// All honest devices sync until nothing moves; then everything is checked.
    fn check(&mut self, seed: u64) {
        let honest = self.honest();
        for _ in 0..3 {
            self.world.sync_all(&honest);
        }
        let document = self.document;
        let mut first: Option<(DeviceIndex, Vec<ChangeHash>, Vec<ChangeHash>)> = None;
        for device in honest {
            let (changes, vouches) = stored(&mut self.world, device, document);
            let access = self.world.device(device).engine.as_ref().and_then(|engine| engine.access(document));
            let access = access.expect("a known document");
            let expected =
                oracle(&changes, &vouches, &document, |by| access.role_of_device(by) >= Some(Role::Write));
            let view = self.world.device(device).document(document);
            assert!(view.forkers().is_empty(), "SEED={seed}: an honest device forked itself");
            let shown: BTreeSet<ChangeHash> =
                view.automerge().get_changes(&[]).iter().map(automerge::Change::hash).collect();
            assert_eq!(shown, expected, "SEED={seed}: device {device} shows other than the rule says");
            if self.role(device) < Some(Role::Read) {
                continue;
            }
            let heads = self.world.device(device).heads(document);
            let stored = self.world.device(device).document(document).stored_heads();
            match &first {
                None => first = Some((device, heads, stored)),
                Some((other, their_heads, their_stored)) => {
                    assert_eq!(
                        &stored, their_stored,
                        "SEED={seed}: {device} and {other} hold different sets"
                    );
                    assert_eq!(
                        &heads, their_heads,
                        "SEED={seed}: {device} and {other} show different documents"
                    );
                }
            }
            if let Some(accepted) = self.accepted.get(&device).cloned()
                && self.role(device) >= Some(Role::Write)
            {
                let shown: BTreeSet<String> = self.world.keys(device, document).into_iter().collect();
                let lost: Vec<_> = accepted.difference(&shown).collect();
                assert!(lost.is_empty(), "SEED={seed}: device {device} lost {lost:?}, which it had accepted");
            }
        }
    }
}

fn run(seed: u64) {
    let mut history = History::new(seed);
    for _ in 0..40 {
        history.step();
    }
    history.check(seed);
}

#[test]
fn random_histories_agree_with_the_oracle() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        run(seed);
        return;
    }
    let histories = number("HISTORIES").unwrap_or(150);
    for seed in 0..histories {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "run again with SEED={seed}");
    }
}
