//! Documents and spaces, their people, invitations and tickets.

use super::time::{span, until};
use super::{bytes, counted, counted_u64, short};
use crate::report::{
    DocumentReport, GuestReport, InvitationReport, JoinReport, MemberReport, OfferReport, PreviewReport,
    SpaceContentReport, SpaceReport, TicketReport,
};
use crate::table::table;

pub(super) fn documents(documents: &[DocumentReport]) -> String {
    if documents.is_empty() {
        return "no documents yet".to_owned();
    }
    table(&documents.iter().map(document_row).collect::<Vec<_>>())
}

fn document_row(document: &DocumentReport) -> Vec<String> {
    let held = if document.held > 0 { format!("{} held back", document.held) } else { String::new() };
    vec![
        short(&document.id),
        document.name.clone(),
        role(document.role.as_ref(), &document.standing),
        document.owner.name.clone(),
        standing(&document.standing),
        counted_u64(document.changes, "change"),
        document.space.as_ref().map(|space| format!("in {space}")).unwrap_or_default(),
        held,
    ]
}

fn role(role: Option<&String>, standing: &str) -> String {
    match (role, standing) {
        (Some(role), _) => role.clone(),
        (None, "left") => "no role any more".to_owned(),
        (None, _) => "no role".to_owned(),
    }
}

fn standing(standing: &str) -> String {
    match standing {
        "accepted" | "left" => String::new(),
        other => other.to_owned(),
    }
}

pub(super) fn spaces(spaces: &[SpaceReport]) -> String {
    if spaces.is_empty() {
        return "no spaces yet".to_owned();
    }
    table(&spaces.iter().map(space_row).collect::<Vec<_>>())
}

fn space_row(space: &SpaceReport) -> Vec<String> {
    vec![
        short(&space.id),
        space.name.clone(),
        role(space.role.as_ref(), &space.standing),
        space.owner.name.clone(),
        standing(&space.standing),
        counted_u64(space.documents, "document"),
    ]
}

pub(super) fn space_content(content: &SpaceContentReport) -> String {
    let documents = documents(&content.documents);
    let members = members(&content.members);
    format!("{}\n\n{documents}\n\n{members}", table(&[space_row(&content.space)]))
}

pub(super) fn members(members: &[MemberReport]) -> String {
    table(&members.iter().map(member_row).collect::<Vec<_>>())
}

fn member_row(member: &MemberReport) -> Vec<String> {
    let given = match &member.via {
        Some(via) => format!("from {via}"),
        None if member.owner => "owner".to_owned(),
        None => String::new(),
    };
    let group = member.group.as_ref().map(|group| format!(", as one of {group}")).unwrap_or_default();
    let space = if member.through_space { ", by the space" } else { "" };
    let via = format!("{given}{group}{space}");
    let name =
        if member.kind == "group" { format!("{} (group)", member.who.name) } else { member.who.name.clone() };
    let synced = if member.synced { "has everything" } else { "" };
    vec![
        name,
        member.role.clone(),
        via,
        member.devices.join(", "),
        member.expires_ms.map(until).unwrap_or_default(),
        synced.to_owned(),
    ]
}

/// What to know about a ticket.
pub(crate) fn about_ticket(report: &TicketReport) -> String {
    let within = report.expires_ms.map(|at| format!(", within {}", span(at))).unwrap_or_default();
    let what = match (report.purpose.as_str(), &report.role) {
        ("device", _) => {
            return format!(
                "adds a device: use it there with `katori init --join TICKET`{within}; this waits for it"
            );
        }
        ("recovery", _) => format!(
            "brings somebody back, with their words: use it with `katori recover --from TICKET`{within}"
        ),
        (_, role) => {
            let role = role.as_deref().unwrap_or("a role");
            let asks = if report.confirm { "; you say yes with `katori invites answer`" } else { "" };
            format!("gives {role}: use it with `katori join TICKET`{within}{asks}")
        }
    };
    let hub = if report.hub {
        ""
    } else {
        "\nno hub runs here: start `katori serve`, so that the ticket can be used"
    };
    format!("{what}{hub}")
}

pub(super) fn invitations(invitations: &[InvitationReport]) -> String {
    if invitations.is_empty() {
        return "no invitations".to_owned();
    }
    let rows = table(&invitations.iter().map(invitation_row).collect::<Vec<_>>());
    let mut lines = Vec::new();
    for (row, invitation) in rows.lines().zip(invitations) {
        lines.push(row.to_owned());
        lines.extend(invitation.guests.iter().map(guest_line));
    }
    lines.join("\n")
}

fn invitation_row(invitation: &InvitationReport) -> Vec<String> {
    let named = |before: &str| {
        let name = invitation.name.clone().unwrap_or_default();
        format!("{before}{name}")
    };
    let what = match invitation.purpose.as_str() {
        "device" => "a device of yours".to_owned(),
        "recovery" => named("recovery of "),
        _ => named(""),
    };
    let left = match (invitation.state.as_str(), invitation.uses_left) {
        ("open", None) => "any number of uses".to_owned(),
        ("open", Some(left)) => format!("{} left", counted_u64(left.into(), "use")),
        (state, _) => state.replace('_', " "),
    };
    let time = invitation.expires_ms.filter(|_| invitation.state == "open").map(until);
    let by = if invitation.here { "" } else { invitation.by.as_ref().map_or("", |by| by.name.as_str()) };
    vec![
        short(&invitation.id),
        what,
        invitation.role.clone().unwrap_or_default(),
        left,
        time.unwrap_or_default(),
        if invitation.confirm { "you say yes".to_owned() } else { String::new() },
        by.to_owned(),
    ]
}

fn guest_line(guest: &GuestReport) -> String {
    let state = match guest.state.as_str() {
        "waiting" => "waits for your yes: `katori invites answer yes`",
        "admitted" => "was let in",
        "refused" => "was turned away",
        "declined" => "said no",
        other => other,
    };
    format!("          {} {state}", guest.who.name)
}

pub(super) fn join(join: &JoinReport) -> String {
    let JoinReport { name, by, .. } = join;
    let goes_on = if join.hub {
        "it goes on by itself: `katori joins ls` says how it stands"
    } else {
        "it goes on by itself while a hub runs: start `katori serve`"
    };
    match join.state.as_str() {
        "connecting" => {
            let tried = join.detail.as_ref().map(|tried| format!(" ({tried})")).unwrap_or_default();
            format!("nobody who can let you in to {name} was reached yet{tried}; {goes_on}")
        }
        "awaiting_confirmation" => format!("{} has to let you in to {name} first; {goes_on}", by.name),
        "joined" => format!("joined {name}"),
        "declined" => format!("{} said no; ask them, and for a new ticket", by.name),
        "expired" => "the invitation has expired; ask for a new one".to_owned(),
        "not_valid" => "the invitation is not valid any more; ask for a new one".to_owned(),
        _ => format!("refused: {}", join.detail.as_deref().unwrap_or("nobody said why")),
    }
}

pub(super) fn joins(joins: &[JoinReport]) -> String {
    if joins.is_empty() {
        return "no ticket is being used".to_owned();
    }
    let row = |join: &JoinReport| {
        let state = join.state.replace('_', " ");
        vec![
            short(&join.invitation),
            join.name.clone(),
            join.role.clone(),
            format!("from {}", join.by.name),
            state,
        ]
    };
    table(&joins.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn preview(preview: &PreviewReport) -> String {
    let within = preview.expires_ms.map(|at| format!(", within {}", span(at))).unwrap_or_default();
    let documents = match preview.documents {
        0 => String::new(),
        number => format!("{} with ", counted_u64(number, "document")),
    };
    // A device that has none of it does not know how large it is.
    let size = if preview.bytes == 0 { String::new() } else { format!(", {}", bytes(preview.bytes)) };
    format!(
        "{} gives you {} in {}: {documents}{}{size}\ntake it with `katori join TICKET`, or say no with \
         `katori decline TICKET`{within}",
        preview.inviter,
        preview.role,
        preview.name,
        counted_u64(preview.changes, "change")
    )
}

pub(super) fn offers(offers: &[OfferReport]) -> String {
    if offers.is_empty() {
        return "nothing waits for your yes".to_owned();
    }
    let row = |offer: &OfferReport| {
        let kind = if offer.is_space { "space" } else { "" };
        let size = match (offer.changes, offer.bytes) {
            (Some(changes), Some(size @ 1..)) => {
                format!("{}, {}", counted_u64(changes, "change"), bytes(size))
            }
            (Some(changes), _) => counted_u64(changes, "change"),
            _ => "nobody has said yet how large".to_owned(),
        };
        let from = offer.from.as_ref().map(|from| format!("from {}", from.name)).unwrap_or_default();
        let role = offer.role.clone().unwrap_or_else(|| "no role now".to_owned());
        vec![short(&offer.id), offer.name.clone(), kind.to_owned(), role, from, size]
    };
    let waiting = counted(offers.len(), "offer");
    format!(
        "{}\n{waiting}: `katori accept NAME` takes one, `katori reject NAME` says no",
        table(&offers.iter().map(row).collect::<Vec<_>>())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::WhoReport;

    fn who(name: &str) -> WhoReport {
        WhoReport { name: name.to_owned(), person: None, device: None }
    }

    #[test]
    fn a_ticket_says_how_it_is_used() {
        let mut report = TicketReport {
            ticket: "katori1".to_owned(),
            purpose: "document".to_owned(),
            document: None,
            role: Some("write".to_owned()),
            invitation: String::new(),
            confirm: false,
            expires_ms: None,
            hub: false,
        };
        assert!(about_ticket(&report).contains("katori serve"));
        report.hub = true;
        assert!(!about_ticket(&report).contains("katori serve"));
        report.confirm = true;
        assert!(about_ticket(&report).contains("katori invites answer"));
        report.purpose = "device".to_owned();
        assert!(about_ticket(&report).contains("katori init --join"));
        report.purpose = "recovery".to_owned();
        assert!(about_ticket(&report).contains("katori recover --from"));
    }

    #[test]
    fn a_join_says_what_it_waits_for_and_what_to_do() {
        let mut report = JoinReport {
            invitation: "abcdefghijkl".to_owned(),
            document: String::new(),
            name: "kitchen".to_owned(),
            role: "write".to_owned(),
            by: who("Ana"),
            state: "awaiting_confirmation".to_owned(),
            detail: None,
            hub: true,
        };
        assert!(join(&report).contains("Ana has to let you in to kitchen"));
        assert!(join(&report).contains("katori joins ls"));
        report.hub = false;
        assert!(join(&report).contains("katori serve"));
        report.state = "declined".to_owned();
        assert!(join(&report).contains("ask them"));
        assert_eq!(joins(&[report]), "abcdefgh  kitchen  write  from Ana  declined");
    }

    #[test]
    fn invitations_show_who_waits() {
        let report = InvitationReport {
            id: "abcdefghijkl".to_owned(),
            purpose: "document".to_owned(),
            name: Some("kitchen".to_owned()),
            target: None,
            role: Some("write".to_owned()),
            by: None,
            here: true,
            state: "open".to_owned(),
            expires_ms: None,
            uses_left: Some(1),
            confirm: true,
            guests: vec![GuestReport { who: who("Ben (desk)"), state: "waiting".to_owned() }],
        };
        let text = invitations(&[report]);
        assert!(text.contains("kitchen") && text.contains("1 use left"), "{text}");
        assert!(text.contains("Ben (desk)") && text.contains("katori invites answer yes"), "{text}");
    }
}
