//! Answers as a person reads them: short, aligned, names before ids.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::directory::StoreDirectory;
use crate::patch::{PatchReport, clipped, path_text};
use crate::report::{
    ChangeReport, ConflictReport, ConflictingReport, ContentReport, DocumentReport, EditReport, HeldReport,
    IdentityReport, MemberReport, PeerReport, StatusReport, TicketReport, WhoReport,
};
use crate::response::{Event, Response};
use crate::table::table;

/// Letters of an id that are shown: enough to name it by.
const SHORT: usize = 8;

/// What a response says.
pub(crate) fn response(response: &Response) -> String {
    match response {
        Response::Done(message) => message.clone(),
        Response::Identity(me) => identity(me),
        Response::Document(document) => format!("{}  {}", short(&document.id), document.name),
        Response::Documents(documents) if documents.is_empty() => "no documents yet".to_owned(),
        Response::Documents(documents) => table(&documents.iter().map(document_row).collect::<Vec<_>>()),
        Response::Content(content) => {
            content.value.as_str().map_or_else(|| format!("{:#}", content.value), str::to_owned)
        }
        Response::Conflicts(conflicts) if conflicts.is_empty() => "nothing was written at once".to_owned(),
        Response::Conflicts(conflicts) => {
            table(&conflicts.iter().flat_map(conflict_rows).collect::<Vec<_>>())
        }
        Response::Edited(edited) => match &edited.hash {
            Some(hash) => format!("saved as {}", short(hash)),
            None => "nothing had to change".to_owned(),
        },
        Response::Exported(exported) => match (&exported.content, &exported.file) {
            (Some(content), _) => content.trim_end_matches('\n').to_owned(),
            (None, file) => {
                format!("{} bytes written to {}", exported.bytes, file.as_deref().unwrap_or_default())
            }
        },
        Response::Ticket(ticket) => ticket.ticket.clone(),
        Response::Devices(devices) => {
            let row = |device: &crate::report::DeviceReport| {
                let this = if device.this { "this one" } else { "" };
                vec![short(&device.id), device.name.clone(), this.to_owned()]
            };
            table(&devices.iter().map(row).collect::<Vec<_>>())
        }
        Response::Members(members) => table(&members.iter().map(member_row).collect::<Vec<_>>()),
        Response::Explanation(explanation) => explanation.lines.join("\n"),
        Response::Held(held) if held.is_empty() => "nothing is held back".to_owned(),
        Response::Held(held) => table(&held.iter().map(held_row).collect::<Vec<_>>()),
        Response::TakenIn(taken) => {
            format!(
                "took in {}; {} still held back",
                counted(taken.taken_in.len(), "change"),
                taken.still_held
            )
        }
        Response::Peers(peers) if peers.is_empty() => "nobody to talk to (is a hub running?)".to_owned(),
        Response::Peers(peers) => table(&peers.iter().map(peer_row).collect::<Vec<_>>()),
        Response::Log(edits) if edits.is_empty() => "no changes yet".to_owned(),
        Response::Log(edits) => table(&edits.iter().map(edit_row).collect::<Vec<_>>()),
        Response::Status(report) => status(report),
    }
}

/// What to know about content of which not everything is shown.
pub(crate) fn about_content(content: &ContentReport) -> Option<String> {
    let first = content.conflicts.first()?;
    let shown = first.values.first().map(|shown| clipped(&shown.value.to_string())).unwrap_or_default();
    let others = match content.conflicts.len() - 1 {
        0 => String::new(),
        others => format!(", and so in {}", counted(others, "other place")),
    };
    Some(format!(
        "note: {} were written at {} at once; shown: {shown}{others}; `katori cat {} --conflicts` lists them",
        counted(first.values.len(), "value"),
        path_text(&first.path),
        content.name,
    ))
}

fn conflict_rows(conflict: &ConflictReport) -> Vec<Vec<String>> {
    let place = path_text(&conflict.path);
    let row = |value: &ConflictingReport| {
        vec![
            place.clone(),
            clipped(&value.value.to_string()),
            value.who.as_ref().map_or_else(|| "nobody known".to_owned(), |who| who.name.clone()),
            if value.shown { "shown".to_owned() } else { String::new() },
        ]
    };
    conflict.values.iter().map(row).collect()
}

/// What an event says.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Watching { heads } => format!("watching, at {}", heads_text(heads)),
        Event::Changed(change) => changed(change),
        Event::Progress { what, .. } => what.clone(),
        Event::Ticket(ticket) => ticket.ticket.clone(),
    }
}

/// What to know about a ticket.
pub(crate) fn about_ticket(report: &TicketReport) -> String {
    let until = report.expires_ms.map(|at| format!(", within {}", span(at / 1000))).unwrap_or_default();
    let what = match &report.role {
        Some(role) => format!("gives {role}: use it with `katori join TICKET`{until}"),
        None => format!("adds a device: use it there with `katori init --join TICKET`{until}"),
    };
    let hub = if report.hub {
        ""
    } else {
        "\nno hub runs here: start `katori serve`, so that the ticket can be used"
    };
    format!("{what}{hub}")
}

/// What to know about a store that was just made.
pub(crate) fn made(me: &IdentityReport, directory: &StoreDirectory) -> String {
    let mut text = format!("{} ({}) lives in {}", me.person_name, me.device_name, directory.path().display());
    if let Some(words) = &me.recovery_words {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let rows: Vec<Vec<String>> = words.chunks(6).map(<[String]>::to_vec).collect();
        text.push_str(
            "\n\nThese words bring you back when all your devices are lost. They are shown only now:\n\n",
        );
        text.push_str(&table(&rows));
    }
    text
}

fn identity(me: &IdentityReport) -> String {
    table(&[
        vec!["person".to_owned(), me.person_name.clone(), short(&me.person)],
        vec!["device".to_owned(), me.device_name.clone(), short(&me.device)],
    ])
}

fn document_row(document: &DocumentReport) -> Vec<String> {
    let held = if document.held > 0 { format!("{} held back", document.held) } else { String::new() };
    vec![
        short(&document.id),
        document.name.clone(),
        match (&document.role, document.standing.as_str()) {
            (Some(role), _) => role.clone(),
            (None, "left") => "no role any more".to_owned(),
            (None, _) => "no role".to_owned(),
        },
        document.owner.name.clone(),
        match document.standing.as_str() {
            "accepted" | "left" => String::new(),
            other => other.to_owned(),
        },
        counted_u64(document.changes, "change"),
        held,
    ]
}

fn member_row(member: &MemberReport) -> Vec<String> {
    let via = member.via.as_ref().map_or_else(|| "owner".to_owned(), |via| format!("from {via}"));
    let until = member.expires_ms.map(|at| format!("for {}", span(at / 1000))).unwrap_or_default();
    let synced = if member.synced { "has everything" } else { "" };
    vec![
        member.who.name.clone(),
        member.role.clone(),
        via,
        member.devices.join(", "),
        until,
        synced.to_owned(),
    ]
}

fn held_row(held: &HeldReport) -> Vec<String> {
    let who = held.who.as_ref().map_or_else(|| "of unknown origin".to_owned(), |who| who.name.clone());
    vec![short(&held.hash), who, ago(held.time_ms / 1000), operations(held.operations), held.reason.clone()]
}

fn edit_row(edit: &EditReport) -> Vec<String> {
    let who = match &edit.who {
        Some(who) => who.name.clone(),
        None => format!("vouched for by {}", names(&edit.vouched_by)),
    };
    vec![short(&edit.hash), who, ago(edit.time_ms / 1000), operations(edit.operations)]
}

fn peer_row(peer: &PeerReport) -> Vec<String> {
    let way = match peer.direct {
        Some(true) => "direct",
        Some(false) => "relayed",
        None => "",
    };
    let time = peer.round_trip_ms.map(|time| format!("{time:.1} ms")).unwrap_or_default();
    let address = peer.address.clone().unwrap_or_default();
    vec![peer.who.name.clone(), peer.state.clone(), way.to_owned(), time, address]
}

fn status(report: &StatusReport) -> String {
    let hub = if report.hub { "running" } else { "not running (start it with `katori serve`)" };
    let held = if report.held > 0 { format!(", {} held back", report.held) } else { String::new() };
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("store", report.store.clone()),
        row("you", format!("{} ({})", report.me.person_name, report.me.device_name)),
        row("hub", hub.to_owned()),
        row(
            "documents",
            format!("{}, with {}{held}", report.documents, counted_u64(report.changes, "change")),
        ),
        row("peers", format!("{} connected of {}", report.connected, report.peers)),
    ];
    rows.extend(report.addresses.iter().map(|address| row("address", address.clone())));
    table(&rows)
}

fn changed(change: &ChangeReport) -> String {
    let who = match change.origin.as_str() {
        "remote" => names(&change.who),
        "local" => "here".to_owned(),
        "missed" => "some changes were missed; look again".to_owned(),
        other => other.to_owned(),
    };
    let withdrawn = match change.withdrawn {
        0 => String::new(),
        number => format!(" ({} shown no longer)", counted_u64(number, "change")),
    };
    let mut patches: Vec<String> = change.patches.iter().map(PatchReport::line).collect();
    if change.more_patches > 0 {
        patches.push(format!("and {} more", change.more_patches));
    }
    format!("{who}: {}{withdrawn}", patches.join(", "))
}

fn names(who: &[WhoReport]) -> String {
    who.iter().map(|who| who.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn heads_text(heads: &[String]) -> String {
    if heads.is_empty() {
        return "the beginning".to_owned();
    }
    heads.iter().map(|head| short(head)).collect::<Vec<_>>().join(", ")
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

fn operations(number: u64) -> String {
    counted_u64(number, "operation")
}

fn counted(number: usize, what: &str) -> String {
    counted_u64(number as u64, what)
}

pub(crate) fn counted_u64(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// How long ago that was, in seconds since 1970 by its author's clock.
fn ago(time: i64) -> String {
    let Ok(time @ 1..) = u64::try_from(time) else { return "at an unknown time".to_owned() };
    match now().checked_sub(time) {
        Some(passed) => format!("{} ago", length(passed)),
        None => "by a clock that runs ahead".to_owned(),
    }
}

/// How long it is until then, in seconds since 1970.
fn span(until: u64) -> String {
    length(until.saturating_sub(now()))
}

fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short() {
        assert_eq!(length(59), "59 s");
        assert_eq!(length(3_600), "60 min");
        assert_eq!(length(86_400), "24 h");
        assert_eq!(length(604_790), "7 days");
        assert_eq!(ago(0), "at an unknown time");
        assert_eq!(ago(i64::MAX), "by a clock that runs ahead");
    }

    #[test]
    fn a_text_is_shown_as_it_is_and_values_as_json() {
        let content = |value| {
            let content = ContentReport {
                id: String::new(),
                name: String::new(),
                heads: Vec::new(),
                value,
                conflicts: Vec::new(),
            };
            response(&Response::Content(content))
        };
        assert_eq!(content(serde_json::Value::from("two\nlines")), "two\nlines");
        assert_eq!(content(serde_json::json!({ "milk": 2 })), "{\n  \"milk\": 2\n}");
    }

    #[test]
    fn a_ticket_without_a_hub_says_what_to_do() {
        let mut report = TicketReport {
            ticket: "katori1".to_owned(),
            document: None,
            role: Some("write".to_owned()),
            expires_ms: None,
            hub: false,
        };
        assert!(about_ticket(&report).contains("katori serve"));
        report.hub = true;
        assert!(!about_ticket(&report).contains("katori serve"));
    }
}
