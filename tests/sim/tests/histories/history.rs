//! A history under way: the devices, which of them are hostile, and what each honest one has accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use automerge::{Automerge, ChangeHash};
use katori_acl::{Capacity, DeviceId, PersonId, Principal, RecordId, ResourceId, Role};
use katori_core::document::{Peer, Want};
use katori_core::engine::{Command, Invitees, Offer, RevokeTerms, Standing};
use katori_core::gate::{Limits, RawChange};
use katori_core::pack::unpack;
use katori_core::store::Write;
use katori_core::vouch::{UnverifiedVouch, Vouch};
use katori_sim::{DeviceIndex, World};

use crate::step::{Step, What};

/// See the module.
pub(crate) struct History {
    pub(crate) world: World,
    pub(crate) document: ResourceId,
    /// The space in which the document was born, if it was born in one.
    space: Option<ResourceId>,
    group: Option<PersonId>,
    pub(crate) devices: Vec<DeviceIndex>,
    pub(crate) hostile: BTreeSet<DeviceIndex>,
    /// Of how many steps of the story each line tells.
    pub(crate) told: Vec<String>,
    /// The hostile devices' own views, as big as they like.
    pub(crate) copies: BTreeMap<DeviceIndex, Automerge>,
    /// What hostile devices made, and which of them.
    pub(crate) made_by_rogues: Vec<(DeviceIndex, RawChange)>,
    /// What each honest device has accepted while it held Write, and the changes in which that was first made.
    pub(crate) accepted: BTreeMap<DeviceIndex, BTreeMap<String, BTreeSet<ChangeHash>>>,
    /// What somebody said was to stay out, whether or not it still counts.
    pub(crate) ever_excluded: BTreeSet<ChangeHash>,
    backups: BTreeMap<DeviceIndex, Vec<Write>>,
}

/// What an honest edit writes, of one length, so that none is a part of another.
pub(crate) fn token(number: u64) -> String {
    format!("honest-{number:05}")
}

impl History {
    pub(crate) fn new(seed: u64, hostile_too: bool) -> Self {
        let mut world = World::new(seed);
        let owners = 1 + world.random(2);
        let mut devices = world.person("owner", usize::try_from(owners).expect("small"));
        let olga = devices[0];
        let space = (world.random(3) == 0).then(|| world.create_space(olga, "space"));
        let document = match space {
            Some(space) => world.create_in(olga, space, "history"),
            None => world.create(olga, "history"),
        };
        let with_group = world.random(3) == 0;
        let mut hostile = BTreeSet::new();
        let mut members = Vec::new();
        for index in 0..2 + world.random(2) {
            let count = 1 + usize::try_from(world.random(2)).expect("small");
            let person = world.person(&format!("p{index}"), count);
            for device in &person {
                if world.random(100) < 30 && hostile_too {
                    hostile.insert(*device);
                }
            }
            members.push(person);
        }
        let mut group = None;
        for person in &members {
            let role = [Role::Write, Role::Write, Role::Admin, Role::Read][random(&mut world, 4)];
            let to = match space {
                Some(space) if world.random(2) == 0 => space,
                _ => document,
            };
            if with_group && world.random(2) == 0 {
                if group.is_none() {
                    let new = world.create_group(olga, "group");
                    let offer = Offer { role, share: role == Role::Admin, expires: None };
                    let grant = Command::Grant { document: to, to: Principal::Person(new), offer };
                    world.command(olga, grant).expect("granted");
                    group = Some(new);
                }
                let capacity = [Capacity::Full, Capacity::Limited][random(&mut world, 2)];
                world.add_member(olga, group.expect("just made"), person[0], capacity);
            } else {
                world.grant(olga, to, person[0], role);
            }
        }
        for person in members {
            for device in &person {
                world.sync(olga, *device);
            }
            devices.extend(person);
        }
        let mut history = Self {
            world,
            document,
            space,
            group,
            devices,
            hostile,
            told: Vec::new(),
            copies: BTreeMap::new(),
            made_by_rogues: Vec::new(),
            accepted: BTreeMap::new(),
            ever_excluded: BTreeSet::new(),
            backups: BTreeMap::new(),
        };
        history.accept_all();
        history.sync_all();
        history.accept_all();
        history.sync_all();
        history
    }

    /// Everybody takes what is on offer.
    pub(crate) fn accept_all(&mut self) {
        for device in self.devices.clone() {
            for resource in self.space.into_iter().chain([self.document]) {
                // Who left and was given a role again is asked, too.
                if matches!(self.world.standing(device, resource), Standing::Offered | Standing::Left) {
                    let _ = self.world.command(device, Command::Accept { document: resource });
                }
            }
        }
    }

    fn sync_all(&mut self) {
        let all = self.devices.clone();
        self.world.sync_all(&all);
    }

    /// One device meets another: who is unknown there presents what entitles it, as it would in the join protocol.
    pub(crate) fn meet(&mut self, one: DeviceIndex, other: DeviceIndex) {
        for (who, to) in [(one, other), (other, one)] {
            if self.world.device(who).id() != self.world.device(to).id() && !self.world.lets_in(to, who) {
                self.world.present(who, to);
            }
        }
        self.world.sync(one, other);
    }

    pub(crate) fn honest(&self) -> Vec<DeviceIndex> {
        self.devices.iter().copied().filter(|device| !self.hostile.contains(device)).collect()
    }

    pub(crate) fn name(&mut self, device: DeviceIndex) -> String {
        let person = self.world.person_of(device);
        let roster =
            self.world.device(device).engine.as_ref().and_then(|engine| engine.registry().roster(person));
        let name = roster.map(|roster| roster.name.clone()).unwrap_or_default();
        format!("{name}.{device}{}", if self.hostile.contains(&device) { "!" } else { "" })
    }

    pub(crate) fn tell(&mut self, text: &str) {
        self.told.push(text.to_owned());
    }

    /// Whether a device shows the document.
    pub(crate) fn holds(&mut self, device: DeviceIndex) -> bool {
        let document = self.document;
        let engine = self.world.device(device).engine.as_ref();
        engine.is_some_and(|engine| engine.holds_content(document) && engine.access(document).is_some())
    }

    /// What a device may do, as it has it itself.
    pub(crate) fn role(&mut self, device: DeviceIndex) -> Option<Role> {
        self.world.device_role(device, self.document, device)
    }

    /// What a device shows by the hand of somebody honest, each work with the changes in which it was first made: what
    /// a hostile device applied again is its own word.
    fn honest_work(&mut self, device: DeviceIndex) -> BTreeMap<String, BTreeSet<ChangeHash>> {
        let hostile: Vec<_> =
            self.hostile.clone().into_iter().map(|one| self.world.device(one).id()).collect();
        let shown =
            self.world.keys(device, self.document).into_iter().filter(|key| key.starts_with("honest-"));
        let view = self.world.device(device).document(self.document);
        let original: BTreeMap<ChangeHash, ChangeHash> =
            view.history().filter_map(|entry| Some((entry.hash, entry.reapplies?))).collect();
        let changes = view.automerge().get_changes(&[]);
        let by_honest = |change: &&automerge::Change| {
            hostile.iter().all(|one| !change.actor_id().to_bytes().starts_with(one.as_bytes()))
        };
        let origins = |token: &str| {
            let bears = |change: &&automerge::Change| {
                change.raw_bytes().windows(token.len()).any(|window| window == token.as_bytes())
            };
            let forms = changes.iter().filter(by_honest).filter(bears).map(automerge::Change::hash);
            forms.map(|hash| original.get(&hash).copied().unwrap_or(hash)).collect()
        };
        let work = shown.map(|token| (token.clone(), origins(&token)));
        work.filter(|(_, origins): &(_, BTreeSet<_>)| !origins.is_empty()).collect()
    }

    /// Whoever may write stands behind what it shows, and does so no more once it may not.
    pub(crate) fn note_accepted(&mut self) {
        for device in self.honest() {
            if self.holds(device) && self.role(device) >= Some(Role::Write) {
                let accepted = self.honest_work(device);
                let before = self.accepted.entry(device).or_default();
                for (token, origins) in accepted {
                    before.entry(token).or_default().extend(origins);
                }
            } else {
                self.accepted.remove(&device);
            }
        }
    }

    /// Does what a step says, as far as it can be done.
    pub(crate) fn take(&mut self, step: Step) {
        let honest = self.honest();
        let one = pick(&honest, step.a);
        let other = pick(&self.devices, step.b);
        let hostile: Vec<DeviceIndex> = self.hostile.iter().copied().collect();
        match step.what {
            What::Edit => self.edit(one, step),
            What::Sync => {
                self.meet(one, other);
                let text = format!("{} <-> {}", self.name(one), self.name(other));
                self.tell(&text);
            }
            What::Revoke => self.revoke(one, other, step.c),
            What::Grant => self.grant(one, other, step.c),
            What::Leave => {
                let document = self.resource(step.c);
                self.command(one, Command::Leave { document });
            }
            What::RemoveDevice => {
                let siblings = self.siblings(one);
                let device = pick(&siblings, step.b);
                let device = self.world.device(device).id();
                self.command(one, Command::RemoveDevice { device, keep: step.c.is_multiple_of(2) });
            }
            What::Restart => {
                self.world.crash(one);
                self.world.start(one);
                let text = format!("{} restarts", self.name(one));
                self.tell(&text);
            }
            What::Hurry => {
                let patience = [None, Some(40), Some(300), Some(4_000), Some(60_000)][(step.c % 5) as usize];
                self.world.hurry(patience.map(Duration::from_millis));
                self.tell(&format!("everybody has patience for {patience:?} ms"));
            }
            What::Pair => self.pair(one),
            What::Recover => self.recover(one, other),
            What::Exclude | What::TakeIn => self.judge(one, step),
            What::Clone => {
                if self.devices.len() < 12 {
                    let copy = self.world.clone_device(one);
                    self.devices.push(copy);
                    let text = format!("{} is copied, and used as {copy} as well", self.name(one));
                    self.tell(&text);
                }
            }
            What::Backup => {
                let image = self.world.device(one).image();
                self.backups.insert(one, image);
                let text = format!("{} is backed up", self.name(one));
                self.tell(&text);
            }
            What::Restore => self.restore(one),
            What::Group => self.change_group(one, other, step.c),
            _ if hostile.is_empty() => {}
            _ => self.mischief(step, pick(&hostile, step.a), pick(&honest, step.b)),
        }
        self.world.run();
        self.note_accepted();
    }

    fn command(&mut self, device: DeviceIndex, command: Command) {
        let text = format!("{} {command:?}", self.name(device));
        let result = self.world.command(device, command);
        if result.is_ok() {
            self.tell(&text);
        }
    }

    fn resource(&self, c: u64) -> ResourceId {
        self.space.filter(|_| !c.is_multiple_of(3)).unwrap_or(self.document)
    }

    fn edit(&mut self, device: DeviceIndex, step: Step) {
        if self.holds(device) && self.world.edit(device, self.document, &token(step.number)) {
            let text = format!("{} writes {}", self.name(device), token(step.number));
            self.tell(&text);
        }
    }

    /// A person, or the group, for a grant or its end.
    fn somebody(&mut self, device: DeviceIndex, c: u64) -> Principal {
        match self.group {
            Some(group) if c.is_multiple_of(5) => Principal::Person(group),
            _ if c % 11 == 1 => Principal::Device(self.world.device(device).id()),
            _ => Principal::Person(self.world.person_of(device)),
        }
    }

    fn revoke(&mut self, by: DeviceIndex, from: DeviceIndex, c: u64) {
        let offer = |role| Offer { role, share: role == Role::Admin, expires: None };
        let invitees = if c.is_multiple_of(3) { Invitees::Keep } else { Invitees::Drop };
        let instead =
            [None, None, None, Some(offer(Role::Read)), Some(offer(Role::Write))][(c / 7 % 5) as usize];
        let terms = RevokeTerms { invitees, instead, erase: false };
        let from = self.somebody(from, c / 100);
        let document = self.resource(c / 1000);
        self.command(by, Command::Revoke { document, from, terms });
    }

    fn grant(&mut self, by: DeviceIndex, to: DeviceIndex, c: u64) {
        let role = [Role::Write, Role::Read, Role::Admin][(c % 3) as usize];
        let offer = Offer { role, share: role == Role::Admin, expires: None };
        let to = self.somebody(to, c / 100);
        let document = self.resource(c / 1000);
        self.command(by, Command::Grant { document, to, offer });
    }

    fn siblings(&mut self, device: DeviceIndex) -> Vec<DeviceIndex> {
        let person = self.world.person_of(device);
        self.devices.iter().copied().filter(|other| self.world.person_of(*other) == person).collect()
    }

    fn pair(&mut self, by: DeviceIndex) {
        let (id, person) = (self.world.device(by).id(), self.world.person_of(by));
        let roster =
            self.world.device(by).engine.as_ref().and_then(|engine| engine.registry().roster(person));
        if self.devices.len() < 12 && roster.is_some_and(|roster| roster.is_full(&id)) {
            let new = self.world.pair(by, "new");
            self.devices.push(new);
            let text = format!("{} takes on the new device {new}", self.name(by));
            self.tell(&text);
        }
    }

    /// The person of one device comes back through another device that knows its roster.
    fn recover(&mut self, lost: DeviceIndex, from: DeviceIndex) {
        let person = self.world.person_of(lost);
        let words = self.world.words(person).hash();
        let known =
            self.world.device(from).engine.as_ref().and_then(|engine| engine.registry().roster(person));
        // Words that were used are replaced: whoever knows less than the last recovery cannot help with another.
        if self.devices.len() < 12 && known.is_some_and(|roster| roster.recovery == words) {
            let new = self.world.recover(person, from);
            self.devices.push(new);
            let text =
                format!("the person of {} comes back as {new}, by {}", self.name(lost), self.name(from));
            self.tell(&text);
        }
    }

    /// An admin keeps something out, or a writer takes something in.
    fn judge(&mut self, by: DeviceIndex, step: Step) {
        if !self.holds(by) {
            return;
        }
        let document = self.document;
        let held: Vec<ChangeHash> =
            self.world.device(by).held(document).iter().map(|held| held.hash).collect();
        if step.what == What::TakeIn {
            if !held.is_empty() {
                let changes = vec![held[(step.b % held.len() as u64) as usize]];
                self.command(by, Command::TakeIn { document, changes });
            }
            return;
        }
        let shown = self.world.copy(by, document).get_changes(&[]);
        let mut all: Vec<ChangeHash> = shown.iter().map(automerge::Change::hash).collect();
        // What is new is likelier to be minded than what everything rests on.
        let newer = all.split_off(all.len() / 2);
        let all: Vec<ChangeHash> = newer.into_iter().chain(held).collect();
        if all.is_empty() {
            return;
        }
        let changes = vec![all[(step.b % all.len() as u64) as usize]];
        let exclude = Command::Exclude { document, changes: changes.clone(), reason: "unwanted".to_owned() };
        if self.world.device_role(by, document, by) == Some(Role::Admin) {
            self.ever_excluded.extend(changes);
        }
        self.command(by, exclude);
    }

    fn restore(&mut self, device: DeviceIndex) {
        let Some(image) = self.backups.remove(&device) else { return };
        self.world.crash(device);
        self.world.device(device).restore(&image);
        self.world.start(device);
        // What it had accepted since is gone with its disk.
        self.accepted.remove(&device);
        let text = format!("{} is set back to its backup", self.name(device));
        self.tell(&text);
    }

    fn change_group(&mut self, by: DeviceIndex, member: DeviceIndex, c: u64) {
        let Some(group) = self.group else { return };
        let member = self.world.person_of(member);
        if c.is_multiple_of(2) {
            let capacity = if c.is_multiple_of(4) { Capacity::Full } else { Capacity::Limited };
            self.command(by, Command::AddMember { group, member, capacity });
        } else {
            self.command(by, Command::RemoveMember { group, member });
        }
    }

    /// What a device has stored, read from what it would send a newcomer.
    pub(crate) fn stored(&mut self, device: DeviceIndex) -> (Vec<RawChange>, Vec<(RecordId, Vouch)>) {
        let document = self.document;
        let (mut changes, mut vouches) = (Vec::new(), Vec::new());
        let mut known = Peer::default();
        loop {
            let want = Want {
                peer: DeviceId::from_bytes([0; 32]),
                known,
                receipt: Vec::new(),
                own_only: false,
                is_ahead: false,
            };
            let done = self.world.device(device).document(document).serve_all(vec![want]);
            let served = done.served.into_iter().next().expect("one answer");
            if let Some(pack) = &served.pack {
                changes.extend(unpack(pack, &Limits::default()).expect("an honest pack"));
            }
            for (_, bytes) in &served.vouches {
                let vouch = UnverifiedVouch::decode(bytes).expect("a vouch");
                vouches.push((vouch.id(), vouch.claimed().clone()));
            }
            known = served.then;
            if !served.more {
                return (changes, vouches);
            }
        }
    }

    /// A number for the person of a device, by what really is so.
    pub(crate) fn persons(&mut self) -> BTreeMap<DeviceId, usize> {
        let mut persons = Vec::new();
        let mut of = BTreeMap::new();
        for device in self.devices.clone() {
            let person = self.world.person_of(device);
            let at = persons.iter().position(|known| *known == person).unwrap_or_else(|| {
                persons.push(person);
                persons.len() - 1
            });
            of.insert(self.world.device(device).id(), at);
        }
        of
    }
}

pub(crate) fn pick(from: &[DeviceIndex], number: u64) -> DeviceIndex {
    from[(number % from.len() as u64) as usize]
}

fn random(world: &mut World, limit: u64) -> usize {
    usize::try_from(world.random(limit)).expect("small")
}
