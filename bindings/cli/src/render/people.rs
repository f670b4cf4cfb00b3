//! People, devices and groups, and the words that bring one back.

use super::short;
use super::time::when;
use crate::directory::StoreDirectory;
use crate::report::{
    ContactReport, DeviceReport, GroupMemberReport, GroupReport, IdentityReport, PairingReport, SafetyReport,
};
use crate::table::table;

/// Columns of recovery words: as many as fit a narrow terminal.
const WORD_COLUMNS: usize = 4;

/// What to know about a store that was just made.
pub(crate) fn made(me: &IdentityReport, directory: &StoreDirectory) -> String {
    let mut text = format!("{} ({}) lives in {}", me.person_name, me.device_name, directory.path().display());
    if let Some(known) = &me.recovery_words {
        text.push_str("\n\n");
        text.push_str(&words(known));
    }
    text
}

/// What to know about somebody who is back.
pub(crate) fn recovered(me: &IdentityReport, removed: &[String], directory: &StoreDirectory) -> String {
    let lost = match removed {
        [] => "no device was removed".to_owned(),
        names => format!("removed for ever: {}", names.join(", ")),
    };
    format!("{}\n\n{lost}; your documents come by themselves while `katori serve` runs", made(me, directory))
}

/// Recovery words with their numbers, and what they are for.
pub(super) fn words(words: &str) -> String {
    let numbered: Vec<String> =
        words.split(' ').enumerate().map(|(index, word)| format!("{:2}. {word}", index + 1)).collect();
    let rows: Vec<Vec<String>> = numbered.chunks(WORD_COLUMNS).map(<[String]>::to_vec).collect();
    format!(
        "These words bring you back when all your devices are lost, and outrank a stolen one. Write them on paper;\n\
         whoever has them is you.\n\n{}",
        table(&rows)
    )
}

pub(super) fn identity(me: &IdentityReport) -> String {
    table(&[
        vec!["person".to_owned(), me.person_name.clone(), short(&me.person)],
        vec!["device".to_owned(), me.device_name.clone(), short(&me.device)],
    ])
}

pub(super) fn devices(devices: &[DeviceReport]) -> String {
    let row = |device: &DeviceReport| {
        let this = if device.this { "this one" } else { "" };
        vec![short(&device.id), device.name.clone(), this.to_owned()]
    };
    table(&devices.iter().map(row).collect::<Vec<_>>())
}

/// Devices to choose from by their numbers.
pub(crate) fn numbered(devices: &[DeviceReport]) -> String {
    let row = |(index, device): (usize, &DeviceReport)| {
        vec![format!("{:2}.", index + 1), device.name.clone(), short(&device.id)]
    };
    table(&devices.iter().enumerate().map(row).collect::<Vec<_>>())
}

/// The question whether two screens show the same.
pub(super) fn pairing(pairing: &PairingReport) -> String {
    let PairingReport { with, digits, .. } = pairing;
    let who = match pairing.pairing {
        Some(_) => format!("{with} wants to become one of your devices"),
        None => format!("this device becomes one of {with}'s"),
    };
    format!("{who}, and both screens show six digits.\nDo both show {digits}?")
}

pub(super) fn contacts(contacts: &[ContactReport]) -> String {
    if contacts.is_empty() {
        return "you know nobody yet".to_owned();
    }
    let mut text = table(&contacts.iter().map(contact_row).collect::<Vec<_>>());
    if contacts.iter().any(|contact| contact.clash) {
        text.push_str(
            "\nseveral go by the same name: tell them apart by their ids, and give one another name with \
             `katori contact rename`",
        );
    }
    text
}

fn contact_row(contact: &ContactReport) -> Vec<String> {
    let own = contact.own_name.as_ref().map(|own| format!("calls itself {own}")).unwrap_or_default();
    let verified = contact.verified.as_ref().map_or_else(
        || "not verified".to_owned(),
        |verified| {
            let time = i64::try_from(verified.when_ms).unwrap_or(i64::MAX);
            format!("verified {} {}", verified.how, when(time))
        },
    );
    vec![
        short(&contact.id),
        contact.name.clone(),
        own,
        verified,
        contact.devices.join(", "),
        contact.shared.join(", "),
        if contact.blocked { "blocked".to_owned() } else { String::new() },
        if contact.clash { "SAME NAME AS ANOTHER".to_owned() } else { String::new() },
    ]
}

pub(super) fn safety(safety: &SafetyReport) -> String {
    let groups: Vec<String> = safety.safety_number.split(' ').map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = groups.chunks(4).map(<[String]>::to_vec).collect();
    format!(
        "Your safety number with {}; it is the same on their screen (`katori contact verify` there):\n\n{}",
        safety.who.name,
        table(&rows)
    )
}

pub(super) fn groups(groups: &[GroupReport]) -> String {
    if groups.is_empty() {
        return "no groups yet".to_owned();
    }
    let row = |group: &GroupReport| {
        let members: Vec<&str> = group.members.iter().map(|member| member.who.name.as_str()).collect();
        vec![short(&group.id), group.name.clone(), members.join(", ")]
    };
    table(&groups.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn group(group: &GroupReport) -> String {
    let row = |member: &GroupMemberReport| {
        let kind = if member.is_group { "group" } else { "" };
        let full = if member.full { "may change the group" } else { "" };
        vec![member.who.name.clone(), kind.to_owned(), full.to_owned()]
    };
    let members = table(&group.members.iter().map(row).collect::<Vec<_>>());
    format!("{}  {}\n{members}", short(&group.id), group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_words_are_numbered_and_say_what_they_are_for() {
        let all: Vec<String> = (1..=24).map(|number| format!("word{number}")).collect();
        let text = words(&all.join(" "));
        assert!(text.starts_with("These words bring you back"), "{text}");
        assert!(text.contains(" 1. word1") && text.contains("24. word24"), "{text}");
    }

    #[test]
    fn people_of_one_name_are_told_apart() {
        let contact = |id: &str, clash| ContactReport {
            id: id.to_owned(),
            name: "Ben".to_owned(),
            own_name: None,
            verified: None,
            blocked: false,
            clash,
            devices: vec!["desk".to_owned()],
            shared: Vec::new(),
        };
        assert!(!contacts(&[contact("aaaa", false)]).contains("SAME NAME"));
        let text = contacts(&[contact("aaaa", true), contact("bbbb", true)]);
        assert_eq!(text.matches("SAME NAME").count(), 2, "{text}");
        assert!(text.contains("katori contact rename"), "{text}");
    }
}
