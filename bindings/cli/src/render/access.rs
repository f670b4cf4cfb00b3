//! What would change, and who was given what.

use super::names;
use crate::report::{ConsequencesReport, PlaceReport, RoleChangeReport, StoryEntryReport, StoryReport};
use crate::table::table;

pub(super) fn consequences(consequences: &ConsequencesReport) -> String {
    let mut lines = vec![format!("{} would change this; nothing was done", consequences.step)];
    let rows: Vec<Vec<String>> = consequences.places.iter().flat_map(rows).collect();
    if rows.is_empty() {
        lines.push("no role of anybody".to_owned());
    } else {
        lines.push(table(&rows));
    }
    if !consequences.cut_off.is_empty() {
        lines.push(format!("cut off at once: {}", names(&consequences.cut_off)));
    }
    if consequences.void > 0 {
        let records = super::counted_u64(consequences.void, "other grant or revocation");
        lines.push(format!("{records} would count no more"));
    }
    lines.join("\n")
}

/// A row for each person with the devices that lose the same, and one for each device besides.
fn rows(place: &PlaceReport) -> Vec<Vec<String>> {
    let name = if place.is_space { format!("{} (space)", place.name) } else { place.name.clone() };
    let role = |role: &Option<String>| role.clone().unwrap_or_else(|| "nothing".to_owned());
    let row = |change: &RoleChangeReport, devices: String| {
        let roles = format!("{} -> {}", role(&change.before), role(&change.after));
        vec![name.clone(), change.who.name.clone(), roles, devices]
    };
    let of = |person: &RoleChangeReport, device: &RoleChangeReport| {
        person.who.person.is_some()
            && person.who.person == device.who.person
            && (&person.before, &person.after) == (&device.before, &device.after)
    };
    let mut rows = Vec::new();
    for person in &place.people {
        let devices = place.devices.iter().filter(|device| of(person, device));
        let devices: Vec<&str> = devices.map(|device| device_name(&device.who.name)).collect();
        rows.push(row(person, devices.join(", ")));
    }
    let alone = place.devices.iter().filter(|device| !place.people.iter().any(|person| of(person, device)));
    rows.extend(alone.map(|device| row(device, String::new())));
    rows
}

/// "phone" of "Ana (phone)".
fn device_name(name: &str) -> &str {
    name.strip_suffix(')').and_then(|name| name.rsplit_once(" (")).map_or(name, |(_, device)| device)
}

pub(super) fn story(story: &StoryReport) -> String {
    let lines: Vec<String> = story.entries.iter().map(line).collect();
    format!("{}\n{}", story.name, lines.join("\n"))
}

fn line(entry: &StoryEntryReport) -> String {
    let indent = "  ".repeat(usize::try_from(entry.depth).unwrap_or_default().min(16) + 1);
    let mark = if entry.counts { " " } else { "x" };
    let because = entry.void_because.as_ref().map(|why| format!(" -- {why}")).unwrap_or_default();
    format!("{mark}{indent}{}{because}", entry.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::WhoReport;

    #[test]
    fn a_dry_run_says_that_nothing_was_done() {
        let mut report = ConsequencesReport {
            step: "revoking Ben".to_owned(),
            places: Vec::new(),
            cut_off: Vec::new(),
            void: 0,
        };
        assert_eq!(
            consequences(&report),
            "revoking Ben would change this; nothing was done\nno role of anybody"
        );
        let who = |name: &str, person: &str| WhoReport {
            name: name.to_owned(),
            person: Some(person.to_owned()),
            device: None,
        };
        let loses = |who: WhoReport| RoleChangeReport { who, before: Some("write".to_owned()), after: None };
        report.places = vec![PlaceReport {
            id: String::new(),
            name: "kitchen".to_owned(),
            is_space: true,
            people: vec![loses(who("Ben", "ben"))],
            devices: vec![loses(who("Ben (desk)", "ben")), loses(who("Cleo (tablet)", "cleo"))],
        }];
        let text = consequences(&report);
        assert!(text.contains("kitchen (space)  Ben            write -> nothing  desk\n"), "{text}");
        assert!(text.ends_with("kitchen (space)  Cleo (tablet)  write -> nothing"), "{text}");
    }

    #[test]
    fn dead_branches_are_marked() {
        let entry = |counts: bool| StoryEntryReport {
            record: String::new(),
            depth: 1,
            text: "Ana gave Ben write".to_owned(),
            counts,
            void_because: (!counts).then(|| "revoked by Ana".to_owned()),
            rests_on: Vec::new(),
        };
        assert_eq!(line(&entry(true)), "     Ana gave Ben write");
        assert_eq!(line(&entry(false)), "x    Ana gave Ben write -- revoked by Ana");
    }
}
