//! How a store and its connections are.

use super::counted_u64;
use crate::report::{PeerReport, StatusReport};
use crate::table::table;

pub(super) fn peers(peers: &[PeerReport]) -> String {
    if peers.is_empty() {
        return "nobody to talk to (is a hub running?)".to_owned();
    }
    table(&peers.iter().map(peer_row).collect::<Vec<_>>())
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

pub(super) fn status(report: &StatusReport) -> String {
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
    ];
    if report.spaces > 0 {
        rows.push(row("spaces", report.spaces.to_string()));
    }
    rows.push(row("peers", format!("{} connected of {}", report.connected, report.peers)));
    rows.extend(report.addresses.iter().map(|address| row("address", address.clone())));
    let waiting = [
        (report.offers, "offered to you: see `katori offers`"),
        (report.waiting, "waiting to be let in: see `katori invites ls`"),
    ];
    let waiting = waiting.iter().filter(|(number, _)| *number > 0);
    rows.extend(waiting.map(|(number, what)| row("to do", format!("{number} {what}"))));
    if report.recovery_words_kept {
        rows.push(row("to do", "write down your recovery words: `katori recovery words`".to_owned()));
    }
    table(&rows)
}
