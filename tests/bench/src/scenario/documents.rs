//! Many small documents: to an empty peer, and meeting again with nothing changed, and with some.

use anyhow::{Context, Result};

use super::text::{ROUND_TRIP, bytes, meet_once, messages};
use super::{Acquainted, SHORT, Stage, Stopped};
use crate::contestants::KATORI;
use crate::limits;
use crate::process::Contestant;
use crate::protocol::{Goal, Request};
use crate::rows::{Kind, Rows};

const OF: &str = "documents";
/// Documents that are changed while the other is away.
const CHANGED: u64 = 100;
/// Bytes that meeting again may take when nothing has changed.
const UNCHANGED_BYTES: f64 = 300.0;
/// Bytes a changed document may take besides those that find it: a change, and what vouches for it.
const CHANGE_BYTES: f64 = 400.0;
/// Bytes a step of looking for a difference may take: a bound and a fingerprint.
const STEP_BYTES: f64 = 32.0;
/// Only Katori is asked for more than this many.
const MOST_FOR_PEERS: u64 = 10_000;
/// Only up to this many is it measured what changing some costs.
const MOST_CHANGED: u64 = 10_000;

const FIRST: Kind =
    Kind::plain("documents of 400 B to an empty peer", "ms", OF).beside_peers(10.0).beside_limit(2.0);
const FIRST_BYTES: Kind = Kind::plain("documents of 400 B to an empty peer, bytes", "B", OF);
const AGAIN: Kind =
    Kind::plain("documents again, unchanged, bytes", "B", OF).beside_peers(100.0).beside_limit(1.0);
const AGAIN_MESSAGES: Kind =
    Kind::plain("documents again, unchanged, messages", "", OF).beside_peers(100.0).beside_limit(1.0);
const AGAIN_TIME: Kind =
    Kind::plain("documents again, unchanged, last message after", "ms", OF).beside_peers(100.0);
const SOME: Kind = Kind::plain("documents again, 100 changed, until shown", "ms", OF).beside_peers(20.0);
const SOME_BYTES: Kind =
    Kind::plain("documents again, 100 changed, bytes", "B", OF).beside_peers(20.0).beside_limit(1.0);
const SOME_MESSAGES: Kind = Kind::plain("documents again, 100 changed, messages", "", OF);

pub(crate) async fn play(stage: &Stage, rows: &mut Rows) -> Result<()> {
    let mut stopped = Stopped::default();
    for size in stage.sizes(&[1_000, 3_000, 10_000, 100_000], &[30, 100]) {
        for contestant in &stage.contestants {
            let asked = size <= MOST_FOR_PEERS || contestant.name == KATORI;
            if !asked || !stopped.goes_on(rows, FIRST, size, contestant.name) {
                continue;
            }
            for _ in 0..stage.runs() {
                match meet(stage, rows, contestant, size).await {
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
        let limit = limits::documents(stage.folder.path(), size)?.as_secs_f64() * 1e3;
        rows.limit(FIRST, size, limit, "to redb + strict verification on all cores");
        rows.limit(AGAIN, size, UNCHANGED_BYTES, "set");
        rows.limit(AGAIN_MESSAGES, size, ROUND_TRIP, "one round trip");
        let (changed, steps) = (crate::rows::whole(CHANGED), crate::rows::whole(size).log2());
        rows.limit(SOME_BYTES, size, changed * (CHANGE_BYTES + STEP_BYTES * steps), "100 (400 + 32 log2 n)");
    }
    Ok(())
}

/// Everything with so many documents. Returns how long they took to an empty peer; an error says in which row it
/// came up.
async fn meet(
    stage: &Stage,
    rows: &mut Rows,
    contestant: &Contestant,
    size: u64,
) -> Result<f64, (Kind, anyhow::Error)> {
    let who = contestant.name;
    let at = |kind: Kind| move |error: anyhow::Error| (kind, error);
    let mut scene = prepare(stage, contestant, size).await.map_err(at(FIRST))?;
    let all = || Goal::Documents(size);

    let first = meet_once(&scene, contestant, all()).await.map_err(at(FIRST))?;
    let took = first.until_durable;
    rows.note(FIRST, size, who, took);
    rows.note(FIRST_BYTES, size, who, bytes(first.traffic));
    first.second.stop().await.map_err(at(FIRST))?;

    let (mut second, began) = scene.come_back(contestant).await.map_err(at(AGAIN))?;
    let (rest, traffic) = second.rest(&scene.first).await.map_err(at(AGAIN))?;
    rows.note(AGAIN, size, who, bytes(traffic));
    rows.note(AGAIN_MESSAGES, size, who, messages(traffic));
    rows.note(AGAIN_TIME, size, who, super::between(began, rest));
    second.stop().await.map_err(at(AGAIN))?;

    if size <= MOST_CHANGED {
        let changed = scene.first.prepare(Request::Change { count: CHANGED.min(size) }).await;
        let goal = Goal::Heads(changed.map_err(at(SOME))?.heads);
        let some = meet_once(&scene, contestant, goal).await.map_err(at(SOME))?;
        rows.note(SOME, size, who, some.until_shown);
        rows.note(SOME_BYTES, size, who, bytes(some.traffic));
        rows.note(SOME_MESSAGES, size, who, messages(some.traffic));
        some.second.stop().await.map_err(at(SOME))?;
    }
    scene.first.stop().await.map_err(at(SOME))?;
    Ok(took)
}

async fn prepare(stage: &Stage, contestant: &Contestant, size: u64) -> Result<Acquainted> {
    let folder = stage.folder("documents", contestant)?;
    let mut scene = Acquainted::make(contestant, &folder).await.context("getting to know each other")?;
    scene.first.prepare(Request::Create { count: size }).await.context("making the documents")?;
    Ok(scene)
}
