//! Answers as a person reads them: short, aligned, names before ids.

mod access;
mod content;
mod health;
mod pace;
mod people;
mod sharing;
mod standing;
mod time;

use crate::report::WhoReport;
use crate::response::{Event, Response};

pub(crate) use content::about_content;
pub(crate) use people::{made, numbered, recovered};
pub(crate) use sharing::about_ticket;

/// Letters of an id that are shown: enough to name it by.
const SHORT: usize = 8;

/// What a response says.
pub(crate) fn response(response: &Response) -> String {
    match response {
        Response::Done(message) => message.clone(),
        Response::Identity(me) => people::identity(me),
        Response::Document(document) => format!("{}  {}", short(&document.id), document.name),
        Response::Documents(documents) => sharing::documents(documents),
        Response::Content(content) => content::value(content),
        Response::Conflicts(conflicts) => content::conflicts(conflicts),
        Response::Edited(edited) => content::edited(edited),
        Response::Exported(exported) => content::exported(exported),
        Response::Ticket(ticket) => ticket.ticket.clone(),
        Response::Devices(devices) => people::devices(devices),
        Response::Contacts(contacts) => people::contacts(contacts),
        Response::Safety(safety) => people::safety(safety),
        Response::Group(group) => people::group(group),
        Response::Groups(groups) => people::groups(groups),
        Response::Space(space) => format!("{}  {}", short(&space.id), space.name),
        Response::Spaces(spaces) => sharing::spaces(spaces),
        Response::SpaceContent(content) => sharing::space_content(content),
        Response::Words(report) => people::words(&report.recovery_words),
        Response::Invitations(invitations) => sharing::invitations(invitations),
        Response::Join(join) => sharing::join(join),
        Response::Joins(joins) => sharing::joins(joins),
        Response::Preview(preview) => sharing::preview(preview),
        Response::Offers(offers) => sharing::offers(offers),
        Response::Members(members) => sharing::members(members),
        Response::Revoked(revoked) => revoked.done.clone(),
        Response::Consequences(consequences) => access::consequences(consequences),
        Response::Explanation(explanation) => explanation.lines.join("\n"),
        Response::Story(story) => access::story(story),
        Response::Dot(graph) => graph.trim_end().to_owned(),
        Response::Held(held) => content::held(held),
        Response::HeldExplained(held) => content::held_explained(held),
        Response::TakenIn(taken) => content::taken_in(taken),
        Response::Forks(forks) => content::forks(forks),
        Response::Blame(parts) => content::blame(parts),
        Response::Peers(peers) => standing::peers(peers),
        Response::Flushed(report) => pace::flushed(report),
        Response::Log(edits) => content::log(edits),
        Response::Status(report) => standing::status(report),
        Response::Backup(report) => health::backup(report),
        Response::Checked(report) => health::check(report),
    }
}

/// What an event says.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Watching { heads } => format!("watching, at {}", content::heads(heads)),
        Event::Changed(change) => content::changed(change),
        Event::Progress { what, .. } => what.clone(),
        Event::Ticket(ticket) => ticket.ticket.clone(),
        Event::Pairing(pairing) => people::pairing(pairing),
    }
}

fn names(who: &[WhoReport]) -> String {
    who.iter().map(|who| who.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

fn counted(number: usize, what: &str) -> String {
    counted_u64(number as u64, what)
}

pub(crate) fn counted_u64(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A number of bytes, in the unit that fits.
fn bytes(number: u64) -> String {
    match number {
        0..10_000 => counted_u64(number, "byte"),
        10_000..10_000_000 => format!("{} kB", number / 1_000),
        _ => format!("{} MB", number / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_words() {
        assert_eq!(counted(1, "change"), "1 change");
        assert_eq!(counted(2, "change"), "2 changes");
        assert_eq!((bytes(1), bytes(9_999)), ("1 byte".to_owned(), "9999 bytes".to_owned()));
        assert_eq!((bytes(12_345), bytes(12_345_678)), ("12 kB".to_owned(), "12 MB".to_owned()));
    }
}
