//! A long text: typing in it, giving it to an empty peer, and meeting again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use automerge::{Automerge, ROOT, ReadDoc};

use super::{Acquainted, SHORT, Stage, Stopped, between, percentile};
use crate::limits::{self, TextAlone};
use crate::process::Contestant;
use crate::protocol::{Goal, Request, TEXT, Traffic};
use crate::rows::{Kind, Rows, whole};

/// Keys that are typed, each a change.
const KEYS: u64 = 200;
/// Between two keys of somebody who types fast.
const BETWEEN_KEYS: u64 = 100;
/// How much faster than that the other types, when both do.
const OUT_OF_STEP: u64 = 3;
const OF: &str = "edits";
/// Bytes that meeting again may take when nothing has changed, and when one change was made.
const UNCHANGED_BYTES: f64 = 300.0;
const ONE_CHANGE_BYTES: f64 = 1000.0;
/// Messages of one round trip.
pub(super) const ROUND_TRIP: f64 = 2.0;

const FIRST: Kind = Kind::plain("the text to an empty peer", "ms", OF).beside_peers(3.0).beside_limit(1.2);
const FIRST_BYTES: Kind =
    Kind::plain("the text to an empty peer, bytes", "B", OF).beside_peers(8.0).beside_limit(1.05);
const BURST: Kind =
    Kind::plain("200 keys in a burst until shown", "ms", OF).beside_peers(30.0).beside_limit(3.0);
const TYPED: Kind =
    Kind::plain("200 keys, 10 a second, last key until shown", "ms", OF).beside_peers(30.0).beside_limit(3.0);
const OWN: Kind = Kind::plain("both type 10 keys a second, a key of one's own, p99", "ms", OF)
    .beside_peers(1.0)
    .beside_limit(1.0);
const AGAIN: Kind =
    Kind::plain("the text again, unchanged, bytes", "B", OF).beside_peers(1000.0).beside_limit(1.0);
const AGAIN_MESSAGES: Kind = Kind::plain("the text again, unchanged, messages", "", OF).beside_limit(1.0);
const AGAIN_TIME: Kind = Kind::plain("the text again, unchanged, last message after", "ms", OF);
const ONE: Kind =
    Kind::plain("the text again, one change, bytes", "B", OF).beside_peers(1000.0).beside_limit(1.0);
const ONE_TIME: Kind = Kind::plain("the text again, one change, until shown", "ms", OF);

pub(crate) async fn play(stage: &Stage, rows: &mut Rows, trace: &Path) -> Result<()> {
    let whole_text = Automerge::load(&std::fs::read(trace)?)?;
    let changes = whole_text.get_changes(&[]);
    // The change before the first edit makes the empty text.
    let edits = u64::try_from(changes.len())? - 1;
    let mut stopped = Stopped::default();
    for size in stage.sizes(&[edits / 10, edits * 3 / 10, edits], &[500, 1500]) {
        let mut document = Automerge::new();
        document.apply_changes(changes.iter().take(usize::try_from(size)? + 1).cloned())?;
        let file = stage.folder.path().join(format!("text-{size}.automerge"));
        let bytes = document.save();
        std::fs::write(&file, &bytes)?;
        let (_, text) = document.get(ROOT, TEXT)?.context("the document has a text")?;
        let length = u64::try_from(document.length(&text))?;
        let text = Text { size, file: &file, length };
        for contestant in &stage.contestants {
            if !stopped.goes_on(rows, FIRST, size, contestant.name) {
                continue;
            }
            for run in 0..stage.runs() {
                match meet(stage, rows, contestant, &text, run == 0).await {
                    Ok(took) if took < SHORT => {}
                    Ok(_) => break,
                    Err((kind, error)) => {
                        rows.missed(kind, size, contestant.name, &format!("{error:#}"));
                        if kind.name == FIRST.name {
                            stopped.note(contestant.name, size);
                        }
                        break;
                    }
                }
            }
        }
        note_limits(rows, size, &limits::text(&bytes, KEYS)?);
    }
    Ok(())
}

fn note_limits(rows: &mut Rows, size: u64, alone: &TextAlone) {
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (load, save) = (milliseconds(alone.load), milliseconds(alone.save));
    rows.limit(FIRST, size, load + save, "Automerge's load + save");
    rows.limit(FIRST_BYTES, size, whole(alone.save_bytes as u64), "save()");
    rows.limit(BURST, size, milliseconds(alone.apply_burst), "Automerge's apply of all in one call");
    rows.limit(TYPED, size, milliseconds(alone.apply_one), "Automerge's apply of one");
    rows.limit(OWN, size, milliseconds(alone.apply_one), "Automerge's apply of one");
    rows.limit(AGAIN, size, UNCHANGED_BYTES, "set");
    rows.limit(AGAIN_MESSAGES, size, ROUND_TRIP, "one round trip");
    rows.limit(ONE, size, ONE_CHANGE_BYTES, "set");
}

struct Text<'a> {
    size: u64,
    file: &'a Path,
    length: u64,
}

/// Everything with one text; typing slowly only if that is wanted. Returns how long the text took to an empty peer; an
/// error says in which row it came up.
async fn meet(
    stage: &Stage,
    rows: &mut Rows,
    contestant: &Contestant,
    text: &Text<'_>,
    slowly: bool,
) -> Result<f64, (Kind, anyhow::Error)> {
    let (who, size) = (contestant.name, text.size);
    let at = |kind: Kind| move |error: anyhow::Error| (kind, error);
    let made = prepare(stage, contestant, text).await;
    let (mut scene, document, heads) = made.map_err(at(FIRST))?;
    let goal = |more: u64| Goal::Length { document: document.clone(), length: text.length + more };

    // To an empty peer: while it comes in pieces, the text may be as long before it is complete.
    let first = meet_once(&scene, contestant, Goal::Heads(heads)).await.map_err(at(FIRST))?;
    let took = first.until_durable;
    rows.note(FIRST, size, who, took);
    rows.note(FIRST_BYTES, size, who, bytes(first.traffic));
    let mut second = first.second;

    // Typing, while both are there.
    let mut more = 0;
    for (kind, every_ms) in [(BURST, 0), (TYPED, BETWEEN_KEYS)] {
        if kind.name == TYPED.name && !slowly {
            continue;
        }
        let keys = if stage.quick && every_ms > 0 { KEYS / 10 } else { KEYS };
        more += keys;
        second.begin_wait(goal(more)).await.map_err(at(kind))?;
        let request = Request::Type { document: document.clone(), count: keys, every_ms };
        let typed = scene.first.measure(request).await.map_err(at(kind))?;
        let seen = second.answer(contestant.limit).await.map_err(at(kind))?;
        let began = if every_ms == 0 { typed.began } else { typed.shown };
        rows.note(kind, size, who, between(began.unwrap_or(0), seen.shown.unwrap_or(0)));
    }

    // Meeting again: once with nothing new, once with one change.
    for (kind, keys) in [(AGAIN, 0), (ONE, 1)] {
        second.rest(&scene.first).await.map_err(at(kind))?;
        second.stop().await.map_err(at(kind))?;
        if keys > 0 {
            let request = Request::Type { document: document.clone(), count: keys, every_ms: 0 };
            scene.first.prepare(request).await.map_err(at(kind))?;
        }
        more += keys;
        let again = meet_once(&scene, contestant, goal(more)).await.map_err(at(kind))?;
        rows.note(kind, size, who, bytes(again.traffic));
        if keys == 0 {
            rows.note(AGAIN_MESSAGES, size, who, messages(again.traffic));
            rows.note(AGAIN_TIME, size, who, again.until_rest);
        } else {
            rows.note(ONE_TIME, size, who, again.until_shown);
        }
        second = again.second;
    }
    // Both type, not in step: does who types wait for what comes?
    if slowly {
        let keys = if stage.quick { KEYS / 10 } else { KEYS };
        let type_every = |every_ms| Request::Type { document: document.clone(), count: keys, every_ms };
        more += 2 * keys;
        second.tell(&type_every(BETWEEN_KEYS - OUT_OF_STEP)).await.map_err(at(OWN))?;
        scene.first.measure(type_every(BETWEEN_KEYS)).await.map_err(at(OWN))?;
        let mut own = second.answer(contestant.limit).await.map_err(at(OWN))?.latencies;
        own.sort_unstable();
        rows.note(OWN, size, who, whole(percentile(&own, 99)) / 1e3);
        second.wait(goal(more)).await.map_err(at(OWN))?;
    }

    second.stop().await.map_err(at(ONE))?;
    scene.first.stop().await.map_err(at(ONE))?;
    Ok(took)
}

type Heads = BTreeMap<String, Vec<String>>;

async fn prepare(
    stage: &Stage,
    contestant: &Contestant,
    text: &Text<'_>,
) -> Result<(Acquainted, String, Heads)> {
    let mut scene = Acquainted::make(contestant, &stage.folder("text", contestant)?).await?;
    let path = text.file.to_str().context("a path in UTF-8")?.to_owned();
    let imported = scene.first.prepare(Request::Import { path }).await?;
    Ok((scene, imported.document.context("a document")?, imported.heads))
}

/// What coming back took.
pub(super) struct Met {
    pub(super) second: crate::process::Process,
    pub(super) until_shown: f64,
    pub(super) until_durable: f64,
    /// Until the last message.
    pub(super) until_rest: f64,
    pub(super) traffic: Traffic,
}

/// The second comes back, until it shows what is wanted and nothing is said any more.
pub(super) async fn meet_once(scene: &Acquainted, contestant: &Contestant, goal: Goal) -> Result<Met> {
    let (mut second, began) = scene.come_back(contestant).await?;
    let seen = second.wait(goal).await?;
    let shown = seen.shown.context("when it showed")?;
    let (rest, traffic) = second.rest(&scene.first).await?;
    Ok(Met {
        second,
        until_shown: between(began, shown),
        until_durable: between(began, seen.stored.unwrap_or(0).max(shown)),
        until_rest: between(began, rest),
        traffic,
    })
}

pub(super) fn bytes(traffic: Traffic) -> f64 {
    whole(traffic.sent_bytes + traffic.received_bytes)
}

pub(super) fn messages(traffic: Traffic) -> f64 {
    whole(traffic.sent_messages + traffic.received_messages)
}
