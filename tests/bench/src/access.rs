//! What access costs: evaluating grants, asking for a role, and admitting signed changes beside unsigned ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use automerge::{Automerge, Change, ROOT, transaction::Transactable};
use katori_acl::{
    Access, Audience, DeviceId, DeviceKey, Genesis, Grant, Inserted, Issuer, Parent, PersonId, Record,
    RecordId, Registry, ResourceId, ResourceKind, Revoke, Role, Signer, Subject, UnverifiedRecord,
    VerifiedRecord,
};
use katori_core::document::{Batch, Document, DocumentLimits, Peer, Want};
use katori_core::gate::Limits;
use katori_core::identity::{Founding, Identity};
use katori_core::pack::unpack;
use katori_core::time::Timestamp;

use crate::rows::Rows;

/// Grants that one issuer may have at one depth: a shape with more needs more issuers.
const PER_ISSUER: usize = 1000;
/// Changes that are admitted.
const CHANGES: usize = 100_000;
/// Times a role is asked for.
const QUESTIONS: u32 = 1_000_000;

/// All rows about access.
pub(crate) fn measure(rows: &mut Rows) -> Result<()> {
    for count in [2_000, 20_000, 200_000] {
        evaluate(rows, count, Shape::Wide)?;
    }
    evaluate(rows, 8_000, Shape::Deep)?;
    evaluate(rows, 200_000, Shape::Revoked)?;
    signatures(rows)?;
    for frame in [1000, 10, 1] {
        admit(rows, frame)?;
    }
    Ok(())
}

/// How grants stand on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The owner made admins, and each of them grants as much as one may.
    Wide,
    /// Chains of eight.
    Deep,
    /// As wide, and each grant of the admins is revoked again by the admin.
    Revoked,
}

/// A person with one device.
struct Somebody {
    identity: Identity,
    roster: VerifiedRecord,
}

impl Somebody {
    fn new(number: usize) -> Result<Self> {
        let seed = *blake3::hash(&number.to_le_bytes()).as_bytes();
        let founding = Founding {
            person_name: format!("person {number}"),
            device_name: "device".to_owned(),
            recovery: [0; 32],
            nonce: [0; 16],
        };
        let (identity, roster) = Identity::found(DeviceKey::from_secret(seed), founding)?;
        Ok(Self { identity, roster })
    }

    fn person(&self) -> PersonId {
        self.identity.person
    }
}

/// A registry and what is inserted into it.
struct Builder {
    registry: Registry,
    resource: ResourceId,
    owner: Somebody,
    nonce: u64,
    inserting: Duration,
}

impl Builder {
    fn new() -> Result<Self> {
        let owner = Somebody::new(0)?;
        let genesis = Record::Genesis(Genesis {
            kind: ResourceKind::Document,
            owner: owner.person(),
            space: None,
            name: "measured".to_owned(),
            nonce: [0; 16],
            alias: [0; 16],
            by: owner.identity.device(),
        })
        .sign(&owner.identity.key)?;
        let Subject::Resource(resource) = genesis.subject() else { bail!("a genesis of no resource") };
        let registry = Registry::new();
        let mut builder = Self { registry, resource, owner, nonce: 0, inserting: Duration::ZERO };
        builder.insert(builder.owner.roster.clone())?;
        builder.insert(genesis)?;
        Ok(builder)
    }

    fn insert(&mut self, record: VerifiedRecord) -> Result<()> {
        let started = Instant::now();
        let inserted = self.registry.insert(record);
        self.inserting += started.elapsed();
        ensure!(inserted == Inserted::New, "a record is not taken: {inserted:?}");
        Ok(())
    }

    fn grant(&mut self, by: &Identity, to: PersonId, parent: Parent, role: Role) -> Result<RecordId> {
        self.nonce += 1;
        let grant = Record::Grant(Grant {
            resource: self.resource,
            issuer: Issuer::Person(by.person),
            to: Audience::Person(to),
            role,
            share: role == Role::Admin,
            uses: None,
            parent,
            expires: None,
            redeems: None,
            confirm: false,
            offline: false,
            nonce: self.nonce.to_le_bytes(),
            by: Signer::Device(by.device()),
        })
        .sign(&by.key)?;
        let id = grant.id();
        self.insert(grant)?;
        Ok(id)
    }

    fn fill(&mut self, count: usize, shape: Shape) -> Result<()> {
        match shape {
            Shape::Deep => self.fill_chains(count),
            Shape::Wide => self.fill_wide(count, false),
            Shape::Revoked => self.fill_wide(count, true),
        }
    }

    /// Admins under the owner, and people under the admins.
    fn fill_wide(&mut self, count: usize, revoked: bool) -> Result<()> {
        let owner = self.owner.identity.clone();
        let mut left = count;
        let mut admin = 0;
        while left > 0 {
            admin += 1;
            let somebody = Somebody::new(admin)?;
            self.insert(somebody.roster.clone())?;
            let above = self.grant(&owner, somebody.person(), Parent::Genesis, Role::Admin)?;
            left -= 1;
            for number in 1..PER_ISSUER {
                if left == 0 {
                    break;
                }
                let to = nobody(admin * PER_ISSUER + number);
                let below = self.grant(&somebody.identity, to, Parent::Grant(above), Role::Write)?;
                left -= 1;
                if revoked && left > 0 {
                    self.revoke(&somebody.identity, below)?;
                    left -= 1;
                }
            }
        }
        Ok(())
    }

    /// Chains of eight, of different people each time.
    fn fill_chains(&mut self, count: usize) -> Result<()> {
        let owner = self.owner.identity.clone();
        for chain in 0..count / 8 {
            // Where there are many, the owner's own grants go through several.
            let (mut by, mut parent) = (owner.clone(), Parent::Genesis);
            for level in 0..8 {
                let to = Somebody::new(1 + level * count + chain / PER_ISSUER * 8)?;
                if self.registry.roster(to.person()).is_none() {
                    self.insert(to.roster.clone())?;
                }
                parent = Parent::Grant(self.grant(&by, to.person(), parent, Role::Admin)?);
                by = to.identity;
            }
        }
        Ok(())
    }

    fn revoke(&mut self, by: &Identity, target: RecordId) -> Result<()> {
        let revoke = Record::Revoke(Revoke {
            resource: self.resource,
            target,
            issuer: Issuer::Person(by.person),
            erase: false,
            by: by.device(),
        });
        self.insert(revoke.sign(&by.key)?)
    }
}

/// Somebody of whom nothing is known but the id.
fn nobody(number: usize) -> PersonId {
    PersonId::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes())
}

fn evaluate(rows: &mut Rows, count: usize, shape: Shape) -> Result<()> {
    let mut builder = Builder::new()?;
    builder.fill(count, shape)?;
    let stored = builder.registry.record_ids(&Subject::Resource(builder.resource)).len();
    let started = Instant::now();
    let access = builder.registry.access(builder.resource).context("the resource")?;
    let elapsed = started.elapsed();
    let shape = match shape {
        Shape::Wide => "wide",
        Shape::Deep => "chains of eight",
        Shape::Revoked => "half of them revocations",
    };
    rows.time(&format!("evaluate {stored} records, {shape}"), elapsed);
    rows.time(&format!("  taking them in, {shape}"), builder.inserting);
    if shape == "wide" {
        let device = builder.owner.identity.device();
        rows.nanoseconds(&format!("  may(device, doc) among {stored}"), ask(&access, &device), QUESTIONS);
    }
    Ok(())
}

fn ask(access: &Arc<Access>, device: &DeviceId) -> Duration {
    let started = Instant::now();
    for _ in 0..QUESTIONS {
        std::hint::black_box(std::hint::black_box(access).role_of_device(std::hint::black_box(device)));
    }
    started.elapsed()
}

/// What checking signatures takes, which no evaluation does.
fn signatures(rows: &mut Rows) -> Result<()> {
    const RECORDS: usize = 2_000;
    let mut builder = Builder::new()?;
    builder.fill(RECORDS, Shape::Wide)?;
    let bytes: Vec<Vec<u8>> = builder
        .registry
        .records(&Subject::Resource(builder.resource))
        .map(|record| record.bytes().to_vec())
        .collect();
    let started = Instant::now();
    for bytes in &bytes {
        UnverifiedRecord::decode(bytes)?.verify()?;
    }
    rows.time(&format!("check the signatures of {} records", bytes.len()), started.elapsed());
    Ok(())
}

/// What a writer sends in frames of so many changes, a vouch each.
struct Sent {
    access: Arc<Access>,
    reader: Identity,
    writer: DeviceId,
    frames: Vec<Batch>,
}

fn frames(size: usize) -> Result<Sent> {
    let mut builder = Builder::new()?;
    let (writer, reader) = (Somebody::new(1)?, Somebody::new(2)?);
    for somebody in [&writer, &reader] {
        builder.insert(somebody.roster.clone())?;
        let owner = builder.owner.identity.clone();
        builder.grant(&owner, somebody.person(), Parent::Genesis, Role::Write)?;
    }
    let access = builder.registry.access(builder.resource).context("the resource")?;
    let me = Arc::new(writer.identity.clone());
    let limits = DocumentLimits::default();
    let mut document = Document::new(builder.resource, me, Arc::clone(&access), limits, [1; 32]);
    let to = reader.identity.device();
    let mut known = Peer::default();
    let mut frames = Vec::new();
    for first in (0..CHANGES).step_by(size) {
        for number in first..(first + size).min(CHANGES) {
            let (key, value) = (format!("key {}", number % 1000), i64::try_from(number)?);
            document
                .edit(Timestamp(1_700_000_000_000), |edit| edit.put(ROOT, key, value))
                .map_err(|error| anyhow::anyhow!("an edit failed: {error}"))?;
        }
        document.flush();
        let mut batch = Batch::default();
        loop {
            let want = Want { peer: to, known, receipt: Vec::new(), own_only: false, is_ahead: false };
            let served = document.serve_all(vec![want]).served.pop().context("something to serve")?;
            batch.packs.extend(served.pack);
            batch.vouches.extend(served.vouches.into_iter().map(|(_, bytes)| bytes));
            known = served.then;
            if !served.more {
                break;
            }
        }
        frames.push(batch);
    }
    Ok(Sent { access, reader: reader.identity, writer: writer.identity.device(), frames })
}

/// The same changes in the same frames: signed, through the gate and the rule of admission; and unsigned, as
/// bytes, straight into Automerge.
fn admit(rows: &mut Rows, size: usize) -> Result<()> {
    let Sent { access, reader, writer, frames } = frames(size)?;
    let raw: Vec<Vec<Vec<u8>>> = frames
        .iter()
        .map(|batch| {
            let mut changes = Vec::new();
            for pack in &batch.packs {
                changes.extend(
                    unpack(pack, &Limits::default())?.into_iter().map(|change| change.bytes().to_vec()),
                );
            }
            Ok(changes)
        })
        .collect::<Result<_>>()?;

    let started = Instant::now();
    let mut alone = Automerge::new();
    for changes in raw {
        let changes: Vec<Change> = changes.into_iter().map(Change::from_bytes).collect::<Result<_, _>>()?;
        alone.apply_changes(changes)?;
    }
    let unsigned = started.elapsed();

    let id = access.resource;
    let mut document = Document::new(id, Arc::new(reader), access, DocumentLimits::default(), [2; 32]);
    let count = frames.len();
    let started = Instant::now();
    for batch in frames {
        document.ingest(vec![(writer, batch)]);
    }
    let elapsed = started.elapsed();
    ensure!(document.heads() == alone.get_heads(), "both show the same");
    let limit = format!("unsigned, frames of {size}");
    rows.time_beside(&format!("admit {CHANGES} changes, {count} vouches"), elapsed, unsigned, &limit);
    Ok(())
}
