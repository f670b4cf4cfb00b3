//! Coming back after all devices are lost: with 24 words, and a ticket from whoever still has one's roster.

use katori::{DeviceInfo, Network, Node, RecoveryPhrase, RemoveOptions};

use crate::answers::Answers;
use crate::arguments::{CommonOptions, RecoverOptions};
use crate::directory::StoreDirectory;
use crate::execute::{check_name, parse_ticket};
use crate::failure::Failure;
use crate::report::DeviceReport;
use crate::start;
use crate::terminal::Output;

/// How many words there are.
const WORDS: usize = 24;

/// Makes a store for somebody who is back.
pub(crate) async fn recover(
    directory: &StoreDirectory,
    options: &RecoverOptions,
    common: &CommonOptions,
    output: &mut Output,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let ticket = parse_ticket(&options.from)?;
    if let Some(name) = &options.device {
        check_name(name)?;
    }
    output.prompt("Your 24 words, then Enter:\n");
    let words = answers.words(WORDS).await;
    let phrase = RecoveryPhrase::parse(&words)
        .map_err(|error| Failure::usage(format!("{error}; nothing was changed")))?;
    directory.create()?;
    let mut builder = start::builder(directory, Network::None, common.bind).network(start::network(common));
    if let Some(name) = &options.device {
        builder = builder.device_name(name);
    }
    output.event(&start::waiting(format!("waiting for a device of {}", ticket.person_name)));
    let node = builder.recover(&phrase, &ticket).await?;
    let removed = remove_lost(&node, output, answers).await;
    start::first_sync(&node, output).await?;
    let next = node.recovery_words().await?.map(|phrase| phrase.words().to_string());
    let me = start::close(node, next).await;
    // The person is back whatever became of the others, so that is told first.
    output.recovered(&me, removed.as_deref().unwrap_or_default(), directory);
    removed.map(|_| ())
}

/// Asks which of the other devices are lost, and removes them. What they signed stays.
async fn remove_lost(
    node: &Node,
    output: &mut Output,
    answers: &mut Answers,
) -> Result<Vec<String>, Failure> {
    let others: Vec<DeviceInfo> = node.devices().await?.into_iter().filter(|device| !device.this).collect();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let reports: Vec<DeviceReport> = others
        .iter()
        .map(|device| DeviceReport { id: device.device.to_string(), name: device.name.clone(), this: false })
        .collect();
    output.others(&reports);
    let names: Vec<&str> = others.iter().map(|device| device.name.as_str()).collect();
    let lost = loop {
        output.prompt(
            "Which are lost? Numbers or names with commas between them, `none`, or just Enter for all: ",
        );
        let Some(answer) = answers.line().await else { break Vec::new() };
        match chosen(&answer, &names) {
            Ok(lost) => break lost,
            Err(unknown) => output.prompt(&format!("no device `{unknown}` is in the list\n")),
        }
    };
    let mut removed = Vec::new();
    for device in lost.into_iter().filter_map(|index| others.get(index)) {
        node.remove_device(device.device, RemoveOptions::default()).await?;
        removed.push(device.name.clone());
    }
    Ok(removed)
}

/// The places in the list that an answer names, or what of it is not in the list.
fn chosen(answer: &str, names: &[&str]) -> Result<Vec<usize>, String> {
    match answer {
        "" | "all" => return Ok((0..names.len()).collect()),
        "none" | "no" => return Ok(Vec::new()),
        _ => {}
    }
    let place = |word: &str| {
        let by_name = names.iter().position(|name| *name == word);
        let by_number = || word.parse::<usize>().ok()?.checked_sub(1).filter(|place| *place < names.len());
        by_name.or_else(by_number).ok_or_else(|| word.to_owned())
    };
    let mut places: Vec<usize> = answer
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(place)
        .collect::<Result<_, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_devices_are_named_or_numbered_and_enter_means_all() {
        let names = ["laptop", "old phone", "3"];
        let chosen = |answer| chosen(answer, &names);
        assert_eq!(chosen(""), Ok(vec![0, 1, 2]));
        assert_eq!(chosen("none"), Ok(vec![]));
        assert_eq!(chosen("2, laptop, 1"), Ok(vec![0, 1]));
        assert_eq!(chosen("3"), Ok(vec![2]));
        assert_eq!(chosen("laptop, tablet"), Err("tablet".to_owned()));
        assert_eq!(chosen("0"), Err("0".to_owned()));
        assert_eq!(chosen("4"), Err("4".to_owned()));
    }
}
