//! Which peers are sent something of a document, and when.
//!
//! While a step is being stored, what its followers lack is worked out already; nothing of it is sent before the step
//! is durable.

use std::collections::BTreeMap;

use katori_acl::{DeviceId, ResourceId};

use super::content::{Held, Phase};
use super::peer::Session;
use super::{Action, Engine, HIGH_WATER, Outcome, Task, Work};
use crate::document::{Served, Want};
use crate::time::Timestamp;
use crate::wire::Frame;

/// What peers are to be sent of a step, worked out while that is being stored. They are sent nothing before it is.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Of the task.
    pub(super) number: u64,
    /// How it went, if it is done.
    pub(super) outcome: Option<Outcome>,
}

impl Engine {
    /// Marks a peer to be sent what it lacks.
    pub(super) fn serve_one(&mut self, now: Timestamp, document: ResourceId, peer: DeviceId) {
        if let Some(state) = self.documents.get_mut(&document) {
            state.work.serve.insert(peer);
        }
        self.advance(now, document);
    }

    /// The peers that follow a document live.
    fn followers(&self, document: ResourceId) -> Vec<DeviceId> {
        let followers = self.sessions.iter().filter(|(_, session)| session.known(&document).is_some());
        followers.map(|(peer, _)| *peer).collect()
    }

    /// Marks every peer that follows a document live.
    pub(super) fn serve_followers(&mut self, now: Timestamp, document: ResourceId) {
        let followers = self.followers(document);
        if let Some(state) = self.documents.get_mut(&document) {
            state.work.serve.extend(followers);
        }
        self.advance(now, document);
    }

    /// Begins to work out what the peers that follow a document are to be sent of a step that is being stored. If that
    /// cannot be done yet, it is done when the step is stored.
    pub(super) fn serve_ahead(&mut self, now: Timestamp, document: ResourceId) {
        let followers = self.followers(document);
        let Some(state) = self.documents.get_mut(&document) else { return };
        let held = &mut state.work;
        let others_first = held.reevaluate.is_some() || !held.hand_over.is_empty();
        if held.phase != Phase::Storing || held.ahead.is_some() || others_first {
            return;
        }
        held.serve.extend(followers);
        let wants = self.wants(now, document);
        if wants.is_empty() || !self.holds_content(document) || self.removing.contains(&document) {
            return;
        }
        let Some(access) = self.registry.access(document) else { return };
        let Some(state) = self.documents.get_mut(&document) else { return };
        let task = serve(&mut state.work, &mut self.sessions, document, wants);
        self.works += 1;
        let number = self.works;
        state.work.ahead = Some(Ahead { number, outcome: None });
        self.act(Action::Work { document, work: Work { number, access, task } });
    }

    /// Notes which peers are to be served when their queues are shorter.
    pub(super) fn put_aside(&mut self, document: ResourceId) {
        let Some(state) = self.documents.get(&document) else { return };
        for peer in state.work.serve.union(&state.work.hand_over) {
            if let Some(session) = self.sessions.get_mut(peer)
                && session.queued >= HIGH_WATER
            {
                session.put_aside.insert(document);
            }
        }
    }

    /// The peers that are to be sent something of a document now: they may have it, they said what they have,
    /// they lack something, and their queue is not full.
    pub(super) fn wants(&self, now: Timestamp, document: ResourceId) -> Vec<Want> {
        let Some(state) = self.documents.get(&document) else { return Vec::new() };
        let mut wants = Vec::new();
        for peer in state.work.serve.union(&state.work.hand_over) {
            let Some(session) = self.sessions.get(peer) else { continue };
            if session.queued >= HIGH_WATER {
                continue;
            }
            if state.work.hand_over.contains(peer) && self.is_departing(now, document, peer) {
                let receipt = self.receipts.get(&(document, *peer)).cloned().unwrap_or_default();
                let known = session.known(&document).cloned().unwrap_or_default();
                wants.push(Want { peer: *peer, known, receipt, own_only: true, is_ahead: false });
            } else if let Some(known) = session.known(&document)
                && self.may_read(now, document, peer)
                && !state.summary.is_known_to(known)
            {
                // An old receipt is not asked: the peer may have put the document away since, or be a restored copy.
                let is_ahead = !state.summary.version.reaches(&known.version);
                let (known, receipt) = (known.clone(), Vec::new());
                wants.push(Want { peer: *peer, known, receipt, own_only: false, is_ahead });
            }
        }
        wants
    }

    pub(super) fn send_served(&mut self, now: Timestamp, document: ResourceId, served: Served) {
        let Some(peer) = served.to else { return };
        // The role may have been lost while this was made ready.
        let may = if served.own_only {
            self.is_departing(now, document, &peer)
        } else {
            self.may_read(now, document, &peer)
        };
        let session = self.sessions.get(&peer);
        let is_current = session.is_some_and(|session| session.is_being_served(&document)) || served.own_only;
        if !may || !is_current {
            // What the peer has is asked anew, and it may not have kept what was sent before.
            return;
        }
        let is_to_hear = self.sessions.get_mut(&peer).and_then(|session| session.take_covered(&document));
        let is_empty = served.pack.is_none() && served.vouches.is_empty();
        // Of what comes in several frames the other side must know how much there is, to tell when it has it.
        let says_so = served.has_all && !is_empty && !served.more;
        if is_to_hear.is_some() && !says_so {
            // It waits to hear what is here, and has a branch that is not, or lacks nothing after all.
            self.send_version(now, peer, document);
        }
        if !is_empty {
            let vouches = served.vouches.into_iter().map(|(_, bytes)| bytes).collect();
            let has_all_but = is_to_hear.filter(|_| says_so);
            let (pack, more) = (served.pack, served.more);
            self.send(peer, &Frame::Changes { document, pack, vouches, more, has_all_but });
        }
        if let Some(session) = self.sessions.get_mut(&peer) {
            if let Some(known) = session.known_mut(&document) {
                // The peer may have sent something since this was made ready.
                known.version.merge(&served.then.version);
                known.vouches.extend(served.then.vouches);
            } else if served.more && served.own_only {
                *session.follow(document) = served.then;
            }
        }
        if served.own_only && !served.more {
            let sent = self.sessions.get_mut(&peer).is_none_or(|session| {
                session.handed_over.insert(document);
                session.queued == 0
            });
            if sent {
                self.departed(now, document, peer);
            }
        }
        if served.more
            && let Some(state) = self.documents.get_mut(&document)
        {
            if served.own_only {
                state.work.hand_over.insert(peer);
            } else {
                state.work.serve.insert(peer);
            }
        }
    }
}

/// The task that serves these peers, which are marked for it no more.
pub(super) fn serve(
    held: &mut Held,
    sessions: &mut BTreeMap<DeviceId, Session>,
    document: ResourceId,
    wants: Vec<Want>,
) -> Task {
    for want in &wants {
        held.serve.remove(&want.peer);
        held.hand_over.remove(&want.peer);
        if let Some(session) = sessions.get_mut(&want.peer) {
            session.note_serving(document);
        }
    }
    Task::Serve(wants)
}
