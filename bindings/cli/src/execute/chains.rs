//! Chains of grants, as data and in words.

use katori::{Audience, Chain, ChainLink, Explanation, Issuer, LinkStatus, Missing};

use super::names::Names;
use crate::report::{ChainReport, GrantReport, PartyReport};

pub(super) fn report(chain: &Chain, names: &Names) -> ChainReport {
    ChainReport {
        through: chain.through.map(|person| person.to_string()),
        space: chain.space.map(|space| names.place(space)),
        groups: chain.groups.iter().map(|group| names.person(*group)).collect(),
        owner: chain.owner,
        live: chain.is_live(),
        grants: chain.links.iter().map(|link| grant(link, names)).collect(),
    }
}

fn grant(link: &ChainLink, names: &Names) -> GrantReport {
    let (status, by, record) = match link.status {
        LinkStatus::Live => ("live", None, None),
        LinkStatus::Revoked { record, issuer } => {
            ("revoked", Some(issuer_of(issuer, names)), Some(record.to_string()))
        }
        LinkStatus::SignerRemoved(device) => {
            let device = PartyReport {
                kind: "device".to_owned(),
                id: device.to_string(),
                name: Some(names.device(device)),
            };
            ("signer_removed", Some(device), None)
        }
        LinkStatus::UsedUp => ("used_up", None, None),
        LinkStatus::ParentEnded(grant) => ("parent_ended", None, Some(grant.to_string())),
        _ => ("ended", None, None),
    };
    GrantReport {
        grant: link.grant.to_string(),
        issuer: issuer_of(link.issuer, names),
        to: audience_of(link.to, names),
        role: link.role.to_string(),
        expires_ms: link.expires,
        status: status.to_owned(),
        by,
        record,
    }
}

/// The whole explanation in words, line by line.
pub(super) fn lines(explanation: &Explanation, place: &str, names: &Names) -> Vec<String> {
    let who = names.principal(explanation.who);
    let mut lines = vec![match explanation.role {
        Some(role) => format!("{who} has {role} in {place}"),
        None => format!("{who} has no role in {place}"),
    }];
    lines.extend(explanation.missing.map(|missing| format!("  because {}", why_not(missing, names))));
    for chain in &explanation.chains {
        if let Some(person) = chain.through {
            lines.push(format!("  as a device of {}:", names.person(person)));
        }
        if let Some(space) = chain.space {
            lines.push(format!("  by the space {}:", names.place(space)));
        }
        if chain.owner {
            lines.push("  as the owner".to_owned());
        }
        lines.extend(chain.links.iter().map(|link| format!("  {}", link_line(link, names))));
        for group in &chain.groups {
            let one = if chain.belongs { "as one of" } else { "no longer one of" };
            lines.push(format!("  {one} {}", names.person(*group)));
        }
    }
    lines
}

fn link_line(link: &ChainLink, names: &Names) -> String {
    let report = grant(link, names);
    let called = |party: &PartyReport| {
        party.name.clone().unwrap_or_else(|| format!("{} {}", party.kind, short(&party.id)))
    };
    let status = match (report.status.as_str(), &report.by) {
        ("live", _) => "live".to_owned(),
        ("revoked", Some(by)) => format!("revoked by {}", called(by)),
        ("signer_removed", Some(by)) => {
            format!("void: {}, which signed it, does not speak for it now", called(by))
        }
        ("used_up", _) => "void: the invitation was used up".to_owned(),
        ("parent_ended", _) => "void: what it rests on has ended".to_owned(),
        (other, _) => other.to_owned(),
    };
    let (issuer, to) = (called(&report.issuer), called(&report.to));
    format!("{issuer} gave {to} {}, {status} (grant {})", report.role, short(&report.grant))
}

fn why_not(missing: Missing, names: &Names) -> String {
    if let Missing::DeviceRemoved(person) = missing {
        return format!("the device was removed from {}", names.person(person));
    }
    if let Missing::GroupLeft(group) = missing {
        return format!("it no longer belongs to {}", names.person(group));
    }
    missing.to_string()
}

fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

fn issuer_of(issuer: Issuer, names: &Names) -> PartyReport {
    match issuer {
        Issuer::Person(id) => party("person", id.to_string(), Some(names.person(id))),
        Issuer::Group(id) => party("group", id.to_string(), Some(names.person(id))),
        Issuer::Invite(key) => party("invitation", key.to_string(), None),
    }
}

fn audience_of(audience: Audience, names: &Names) -> PartyReport {
    match audience {
        Audience::Person(id) => party("person", id.to_string(), Some(names.person(id))),
        Audience::Group(id) => party("group", id.to_string(), Some(names.person(id))),
        Audience::Device(id) => party("device", id.to_string(), Some(names.device(id))),
        Audience::Invite(key) => party("invitation", key.to_string(), None),
    }
}

fn party(kind: &str, id: String, name: Option<String>) -> PartyReport {
    PartyReport { kind: kind.to_owned(), id, name }
}
