//! What hostile devices do: whatever their keys let them sign, sent to whom they like.

use automerge::Automerge;
use katori_core::gate::RawChange;
use katori_sim::{DeviceIndex, Rogue};

use crate::history::{History, pick};
use crate::step::{Step, What};

impl History {
    /// A hostile device makes something and sends it, or sends a part of what was made before, to an honest one.
    pub(crate) fn mischief(&mut self, step: Step, from: DeviceIndex, to: DeviceIndex) {
        if !self.holds(from) {
            return;
        }
        let document = self.document;
        let rogue = Rogue::of(&mut self.world, from, document);
        let mut base = match self.copies.get(&from) {
            Some(copy) if step.c.is_multiple_of(2) => copy.clone(),
            _ => self.world.copy(from, document),
        };
        // An old copy now and then: what is back-dated, and forks that come late.
        let history: Vec<_> = base.get_changes(&[]).iter().map(automerge::Change::hash).collect();
        if step.c.is_multiple_of(3) && !history.is_empty() {
            let at = history[(step.c / 3 % history.len() as u64) as usize];
            base = base.fork_at(&[at]).unwrap_or(base);
        }
        let counter = step.c / 7 % 40;
        let incarnation = u8::try_from(100 + step.number % 100).expect("small");
        let key = format!("rogue-{:05}", step.number);
        let mut vouches = Vec::new();
        let mut changes = Vec::new();
        match step.what {
            What::Forge => {
                let victim = pick(&self.devices, step.b / 3);
                let victim = self.world.device(victim).id();
                // Under a new incarnation, or as the next change of one that the victim has.
                let known = base
                    .get_changes(&[])
                    .iter()
                    .rev()
                    .map(|change| change.actor_id().clone())
                    .find(|actor| actor.to_bytes().starts_with(victim.as_bytes()));
                let actor = known
                    .filter(|_| step.c.is_multiple_of(5))
                    .unwrap_or_else(|| rogue.forged_actor(&victim, [incarnation; 8]));
                changes.push(rogue.change(&mut base, actor, &key));
                changes.push(rogue.change(&mut base, rogue.actor(incarnation), &format!("{key}+")));
                vouches.push(rogue.vouch(counter, &base.get_heads()));
            }
            What::Fork => return self.fork(step, &rogue, from, &base),
            What::VouchMuch => {
                // Everything it has, or both branches of a fork of its own or another's.
                let mut heads = base.get_heads();
                if step.c.is_multiple_of(4) {
                    heads.extend(self.made_by_rogues.iter().rev().take(2).map(|(_, change)| change.hash()));
                    heads.sort_unstable();
                    heads.dedup();
                }
                if !heads.is_empty() {
                    vouches.push(rogue.vouch(counter, &heads));
                }
            }
            What::VouchLittle => {
                if let Some(one) = history.first() {
                    vouches.push(rogue.vouch(counter, &[*one]));
                }
            }
            What::TwoVouches => {
                for hash in history.iter().take(2) {
                    vouches.push(rogue.vouch(counter, &[*hash]));
                }
            }
            What::Mark => {
                // A change that says to apply another one again, and does not.
                let original = history.get((step.b % history.len().max(1) as u64) as usize);
                let message = original.map(|hash| format!("katori: re-applied {hash}"));
                changes.push(rogue.change_saying(&mut base, rogue.actor(incarnation), &key, message));
                vouches.push(rogue.vouch(counter, &base.get_heads()));
            }
            What::Resend => {
                let earlier = self.made_by_rogues.iter().enumerate();
                let some = earlier.filter(|(index, _)| step.c.rotate_left(*index as u32).is_multiple_of(3));
                changes.extend(some.map(|(_, (_, change))| change.clone()));
            }
            _ => {
                // An ordinary edit, or a back-dated one on an old copy.
                changes.push(rogue.change(&mut base, rogue.actor(incarnation), &key));
                vouches.push(rogue.vouch(counter, &base.get_heads()));
            }
        }
        if step.what != What::Resend {
            self.made_by_rogues.extend(changes.iter().map(|change| (from, change.clone())));
        }
        self.copies.insert(from, base);
        self.send(&rogue, from, to, &changes, vouches);
        let text = format!("{} {:?} {key} to {}", self.name(from), step.what, self.name(to));
        self.tell(&text);
    }

    /// Two or three changes in one place, each to another device, each with its own vouch.
    fn fork(&mut self, step: Step, rogue: &Rogue, from: DeviceIndex, base: &Automerge) {
        let incarnation = u8::try_from(step.b % 4).expect("small");
        let branches = 2 + step.c / 11 % 2;
        for branch in 0..branches {
            let key = format!("rogue-{:05}-{branch}", step.number);
            let mut copy = base.clone();
            let change = rogue.change(&mut copy, rogue.actor(incarnation), &key);
            let vouch = rogue.vouch(step.c % 40 + branch, &[change.hash()]);
            let honest = self.honest();
            let to = pick(&honest, step.b >> (8 * branch));
            self.made_by_rogues.push((from, change.clone()));
            self.send(rogue, from, to, &[change], vec![vouch]);
            let text = format!("{} forks: {key} to {}", self.name(from), self.name(to));
            self.tell(&text);
        }
    }

    fn send(
        &mut self,
        rogue: &Rogue,
        from: DeviceIndex,
        to: DeviceIndex,
        changes: &[RawChange],
        vouches: Vec<Vec<u8>>,
    ) {
        self.world.connect(from, to);
        self.world.run();
        let frame = rogue.frame(changes, vouches);
        self.world.impersonate(from, to, &frame);
        self.world.disconnect(from, to);
        self.world.run();
    }
}
