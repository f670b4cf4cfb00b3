//! The bytes that version 1 writes, as files: they are what other implementations, and later versions, have to
//! read. `KATORI_WRITE_VECTORS=1` writes files that are missing; one that exists is never changed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test, stopping where it happens is the report"
)]

use std::fs;
use std::path::PathBuf;

use katori_acl::{
    Audience, Capacity, Claim, Contact, DeviceId, DeviceKey, Exclude, Genesis, Grant, InviteSecret, Issuer,
    Keys, Member, Parent, PersonId, Record, RecordId, RecoveryPhrase, ResourceId, ResourceKind, Revoke, Role,
    RosterAction, RosterGenesis, RosterKind, RosterOperation, SignedClaim, Signer, Ticket, TicketKind,
    Tombstone, UnverifiedRecord, VerifiedRecord,
};

fn laptop() -> DeviceKey {
    DeviceKey::from_secret([1; 32])
}

fn invitation() -> InviteSecret {
    InviteSecret::from_secret([2; 32])
}

fn phrase() -> RecoveryPhrase {
    RecoveryPhrase::from_entropy([3; 32])
}

const ROSTER: PersonId = PersonId::from_bytes([0x0a; 32]);

fn operation(person: Option<PersonId>, action: RosterAction) -> Record {
    let previous = vec![RecordId::from_bytes([0x0a; 32]), RecordId::from_bytes([0x0b; 32])];
    let by = laptop().public();
    Record::RosterOperation(RosterOperation { roster: ROSTER, by, person, previous, action })
}

fn grant(parent: Parent, by: Signer, to: Audience) -> Grant {
    let issuer = match by {
        Signer::Device(_) => Issuer::Person(PersonId::from_bytes([0x0a; 32])),
        Signer::Invite(key) => Issuer::Invite(key),
    };
    let uses = matches!(to, Audience::Invite(_)).then_some(300);
    Grant {
        resource: ResourceId::from_bytes([0x0c; 32]),
        issuer,
        to,
        role: Role::Write,
        share: true,
        uses,
        confirm: false,
        offline: false,
        parent,
        redeems: None,
        expires: Some(1_800_000_000_000),
        nonce: [5; 8],
        by,
    }
}

/// One signed record of each kind and shape.
fn records() -> Vec<(&'static str, VerifiedRecord)> {
    let key = laptop();
    let by = key.public();
    let (resource, owner) = (ResourceId::from_bytes([0x0c; 32]), PersonId::from_bytes([0x0a; 32]));
    let id = |byte| RecordId::from_bytes([byte; 32]);
    let roster_genesis = RosterGenesis {
        kind: RosterKind::Person,
        founder: by,
        founder_person: None,
        founder_name: "laptop".to_owned(),
        name: "Ben".to_owned(),
        recovery: phrase().hash(),
        sealing: Some([6; 32]),
        nonce: [7; 16],
    };
    let group_genesis = RosterGenesis {
        kind: RosterKind::Group,
        founder_person: Some(owner),
        founder_name: "Ben".to_owned(),
        name: "club".to_owned(),
        recovery: [0; 32],
        sealing: None,
        ..roster_genesis.clone()
    };
    let genesis = Genesis {
        kind: ResourceKind::Document,
        owner,
        space: Some(ResourceId::from_bytes([0x0d; 32])),
        name: "groceries".to_owned(),
        nonce: [8; 16],
        alias: [9; 16],
        by,
    };
    let space =
        Genesis { kind: ResourceKind::Space, space: None, name: "home".to_owned(), ..genesis.clone() };
    let shelf = Genesis { kind: ResourceKind::Shelf, name: String::new(), ..space.clone() };
    let phone = DeviceKey::from_secret([0x0e; 32]);
    let member = Member::Device(phone.public());
    let person = PersonId::from_bytes([0x0f; 32]);
    let (name, capacity) = ("phone".to_owned(), Capacity::Limited);
    let add =
        RosterAction::Add { member, name, capacity, sealing: None, consent: Some(phone.consent(ROSTER)) };
    let add_person = RosterAction::Add {
        member: Member::Person(person),
        name: String::new(),
        capacity: Capacity::Full,
        sealing: None,
        consent: None,
    };
    let recover = RosterAction::Recover {
        device: by,
        name: "new laptop".to_owned(),
        recovery_key: phrase().secret().public(),
        next_recovery: [0x10; 32],
        consent: key.consent(ROSTER),
    };
    let remove = RosterAction::Remove { member, keep: vec![id(0x11), id(0x12)] };
    let remove_person = RosterAction::Remove { member: Member::Person(person), keep: vec![] };
    let rename = RosterAction::Rename { member: Some(member), name: "old phone".to_owned() };
    let rename_all = RosterAction::Rename { member: None, name: "Benjamin".to_owned() };
    let invite = invitation().public();
    let revoke = Revoke { resource, target: id(0x13), issuer: Issuer::Person(owner), erase: false, by };
    let erase = Revoke { issuer: Issuer::Group(owner), erase: true, ..revoke.clone() };
    let exclude = Exclude { resource, changes: vec![[0x14; 32]], reason: "unloadable".to_owned(), by };
    let keys =
        Keys { resource, epoch: 2, previous: vec![id(0x15)], sealed: vec![(owner, vec![0x16; 80])], by };
    let device = Signer::Device(by);
    let to_person = grant(Parent::Genesis, device, Audience::Person(owner));
    let answer = Grant { redeems: Some(id(0x1c)), ..to_person.clone() };
    let group = PersonId::from_bytes([0x1d; 32]);
    let to_group = Grant { issuer: Issuer::Group(owner), to: Audience::Group(group), ..to_person.clone() };
    let to_invite = grant(Parent::Genesis, device, Audience::Invite(invite));
    let confirmed = Grant { confirm: true, uses: None, ..to_invite.clone() };
    let offline = grant(Parent::Grant(id(0x17)), Signer::Invite(invite), Audience::Person(owner));
    let signed = |record: Record| record.sign(&key).unwrap();
    vec![
        ("roster-genesis", signed(Record::RosterGenesis(roster_genesis))),
        ("roster-add", signed(operation(None, add))),
        ("roster-remove", signed(operation(None, remove))),
        ("roster-recover", operation(None, recover).sign_as_recovery(&phrase().secret()).unwrap()),
        ("roster-rename", signed(operation(None, rename))),
        ("roster-rename-itself", signed(operation(None, rename_all))),
        ("group-genesis", signed(Record::RosterGenesis(group_genesis))),
        ("group-add", signed(operation(Some(owner), add_person))),
        ("group-remove", signed(operation(Some(owner), remove_person))),
        ("genesis", signed(Record::Genesis(genesis))),
        ("genesis-of-space", signed(Record::Genesis(space))),
        ("genesis-of-shelf", signed(Record::Genesis(shelf))),
        ("grant-to-person", signed(Record::Grant(to_person))),
        ("grant-to-group", signed(Record::Grant(to_group))),
        ("grant-to-invite", signed(Record::Grant(to_invite.clone()))),
        ("grant-to-invite-confirmed", signed(Record::Grant(confirmed))),
        ("grant-to-invite-offline", signed(Record::Grant(Grant { offline: true, ..to_invite.clone() }))),
        ("grant-that-redeems", signed(Record::Grant(answer))),
        ("grant-by-invite", Record::Grant(offline).sign_as_invite(&invitation()).unwrap()),
        ("revoke", signed(Record::Revoke(revoke))),
        ("revoke-and-erase", signed(Record::Revoke(erase))),
        ("exclude", signed(Record::Exclude(exclude))),
        ("tombstone", signed(Record::Tombstone(Tombstone { resource, by }))),
        ("keys", signed(Record::Keys(keys))),
    ]
}

fn claim() -> SignedClaim {
    claim_for(Some(ROSTER))
}

/// A claim for a person, or else one to become a device of the inviter's.
fn claim_for(person: Option<PersonId>) -> SignedClaim {
    let claim = Claim {
        invite: invitation().public(),
        challenge: [0x18; 32],
        inviter: DeviceId::from_bytes([0x19; 32]),
        joiner: laptop().public(),
        person,
        exporter: [0x1a; 32],
        name: "laptop".to_owned(),
        consent: person.is_none().then(|| laptop().consent(ROSTER)),
    };
    claim.sign(&invitation(), &laptop()).unwrap()
}

fn ticket(kind: TicketKind) -> Ticket {
    Ticket {
        kind,
        person: PersonId::from_bytes([0x0a; 32]),
        person_name: "Ben".to_owned(),
        devices: vec![Contact { device: laptop().public(), addresses: vec!["192.0.2.7:4433".to_owned()] }],
        seed: [0x1b; 32],
        expires: Some(1_800_000_000_000),
    }
}

fn document_ticket() -> Ticket {
    let resource = ResourceId::from_bytes([0x0c; 32]);
    ticket(TicketKind::Document { resource, name: "groceries".to_owned(), role: Role::Write })
}

/// Compares with the file, which is there already unless asked to write it.
fn check(name: &str, extension: &str, text: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(format!("{name}.{extension}"));
    if !path.exists() && std::env::var_os("KATORI_WRITE_VECTORS").is_some() {
        fs::write(&path, format!("{text}\n")).unwrap();
    }
    let file = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(file.trim_end(), text, "{name} is no longer encoded as it was");
    file.trim_end().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn records_are_encoded_as_they_were() {
    for (name, record) in records() {
        let bytes = unhex(&check(name, "hex", &hex(record.bytes())));
        let read = UnverifiedRecord::decode(&bytes).unwrap();
        assert_eq!(read.id(), record.id());
        let read = read.verify().unwrap();
        assert_eq!(read.record(), record.record());
        assert_eq!((read.subject(), read.subject()), (record.subject(), record.record().subject()));
    }
    let ids: Vec<String> = records().iter().map(|(name, record)| format!("{name} {}", record.id())).collect();
    check("ids", "txt", &ids.join("\n"));
}

#[test]
fn claims_are_encoded_as_they_were() {
    let bytes = unhex(&check("claim", "hex", &hex(claim().bytes())));
    let read = SignedClaim::decode(&bytes).unwrap().verify().unwrap();
    assert_eq!(read.claim().name, "laptop");
    let bytes = unhex(&check("claim-to-pair", "hex", &hex(claim_for(None).bytes())));
    let read = SignedClaim::decode(&bytes).unwrap().verify().unwrap();
    assert_eq!(read.consents_to(ROSTER), Some(laptop().consent(ROSTER)));
}

#[test]
fn tickets_are_encoded_as_they_were() {
    for (name, ticket) in
        [("ticket-document", document_ticket()), ("ticket-device", ticket(TicketKind::Device))]
    {
        let text = check(name, "txt", &ticket.to_string());
        assert_eq!(text.parse(), Ok(ticket));
    }
    check("ticket-invite-key", "txt", &document_ticket().secret().public().to_string());
}

#[test]
fn recovery_words_lead_to_the_key_they_did() {
    check("recovery-words", "txt", &phrase().words());
    check("recovery-hash", "hex", &hex(&phrase().hash()));
}

#[test]
fn no_damaged_record_is_read_as_another() {
    for (name, record) in records() {
        let bytes = record.bytes();
        for end in 0..bytes.len() {
            // A shorter text may still decode, with a signature from elsewhere; it never verifies.
            let read = UnverifiedRecord::decode(&bytes[..end]);
            assert!(read.and_then(UnverifiedRecord::verify).is_err(), "{name} cut to {end}");
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.to_vec();
                damaged[at] ^= flip;
                let Ok(read) = UnverifiedRecord::decode(&damaged) else { continue };
                assert!(at >= bytes.len() - 64 || read.id() != record.id(), "{name} at {at}");
                assert!(read.verify().is_err(), "{name} at {at}");
            }
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(UnverifiedRecord::decode(&longer).and_then(UnverifiedRecord::verify).is_err(), "{name}");
    }
}

#[test]
fn no_damaged_claim_is_believed() {
    for bytes in [claim().bytes().to_vec(), claim_for(None).bytes().to_vec()] {
        for end in 0..bytes.len() {
            assert!(
                SignedClaim::decode(&bytes[..end]).and_then(SignedClaim::verify).is_err(),
                "cut to {end}"
            );
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(SignedClaim::decode(&damaged).and_then(SignedClaim::verify).is_err(), "at {at}");
        }
    }
}

#[test]
fn what_a_peer_would_refuse_is_not_signed() {
    let key = laptop();
    let first = records().remove(0).1;
    let Record::RosterGenesis(mut genesis) = first.record().clone() else { panic!("{first:?}") };
    assert!(Record::RosterGenesis(genesis.clone()).sign(&DeviceKey::from_secret([99; 32])).is_err());
    genesis.name = "n".repeat(65);
    assert!(Record::RosterGenesis(genesis.clone()).sign(&key).is_err());
    genesis.name = "two\nlines".to_owned();
    assert!(Record::RosterGenesis(genesis.clone()).sign(&key).is_err());
    genesis.name = "n".repeat(64);
    assert!(Record::RosterGenesis(genesis).sign(&key).is_ok());
}

#[test]
fn a_set_in_another_order_is_no_record() {
    let (name, record) = records().remove(1);
    assert_eq!(name, "roster-add");
    // Version, tag, roster, device, no person, count: then two ids.
    let ids = 68..132;
    let mut exchanged = record.bytes().to_vec();
    exchanged[ids.clone()].rotate_left(32);
    assert!(UnverifiedRecord::decode(&exchanged).is_err());
    let mut twice = record.bytes().to_vec();
    twice.copy_within(68..100, 100);
    assert!(UnverifiedRecord::decode(&twice).is_err());
}
