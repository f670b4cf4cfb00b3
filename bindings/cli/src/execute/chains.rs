//! Chains of grants as data.

use katori::{Audience, Chain, ChainLink, Issuer, LinkStatus, PersonId, Who};

use crate::report::{ChainReport, GrantReport, PartyReport};

pub(super) fn report(chain: &Chain, people: &[Who]) -> ChainReport {
    ChainReport {
        through: chain.through.map(|person| person.to_string()),
        owner: chain.owner,
        live: chain.is_live(),
        grants: chain.links.iter().map(|link| grant(link, people)).collect(),
    }
}

fn grant(link: &ChainLink, people: &[Who]) -> GrantReport {
    let (status, by, record) = match link.status {
        LinkStatus::Live => ("live", None, None),
        LinkStatus::Revoked { record, issuer } => {
            ("revoked", Some(issuer_of(issuer, people)), Some(record.to_string()))
        }
        LinkStatus::SignerRemoved(device) => {
            ("signer_removed", Some(party("device", device.to_string())), None)
        }
        LinkStatus::UsedUp => ("used_up", None, None),
        LinkStatus::ParentEnded(grant) => ("parent_ended", None, Some(grant.to_string())),
        _ => ("ended", None, None),
    };
    GrantReport {
        grant: link.grant.to_string(),
        issuer: issuer_of(link.issuer, people),
        to: match link.to {
            Audience::Person(to) => person(to, people),
            Audience::Group(group) => party("group", group.to_string()),
            Audience::Device(device) => party("device", device.to_string()),
            Audience::Invite(key) => party("invitation", key.to_string()),
        },
        role: link.role.to_string(),
        expires_ms: link.expires,
        status: status.to_owned(),
        by,
        record,
    }
}

fn issuer_of(issuer: Issuer, people: &[Who]) -> PartyReport {
    match issuer {
        Issuer::Person(issuer) => person(issuer, people),
        Issuer::Group(group) => party("group", group.to_string()),
        Issuer::Invite(key) => party("invitation", key.to_string()),
    }
}

fn person(id: PersonId, people: &[Who]) -> PartyReport {
    let known = people.iter().find(|who| who.person == Some(id));
    PartyReport { name: known.map(|who| who.person_name.clone()), ..party("person", id.to_string()) }
}

fn party(kind: &str, id: String) -> PartyReport {
    PartyReport { kind: kind.to_owned(), id, name: None }
}
