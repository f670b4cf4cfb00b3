//! Devices that wrote two histories: the proof, who decided, and the copy that lost.

use automerge::ChangeHash;
use katori_acl::RecordId;
use katori_core::document::{Branch, Decision};

use super::Doc;
use crate::error::Error;
use crate::json;
use crate::who::Who;

/// Several changes of one device in one place of its history. An honest device never writes such, unless its store
/// was copied and used in two places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The device; nobody for what was imported.
    pub who: Option<Who>,
    /// The place in its history.
    pub sequence: u64,
    /// The changes, each with whether it is shown.
    pub branches: Vec<Branch>,
    /// The device's own signatures that prove it.
    pub proof: Vec<RecordId>,
    /// Who decided which one stays.
    pub decision: ForkDecision,
    /// How many changes are on branches that lost.
    pub losing: usize,
    /// Work of others on those branches that could not be applied again; it is in the
    /// [conflict copy](Doc::conflict_copy).
    pub not_reapplied: Vec<ChangeHash>,
}

/// Who decided which branch stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForkDecision {
    /// The word of the most senior other person that names one.
    Word(Who),
    /// Nobody who counts names one: the lower hash stays.
    LowerHash,
    /// There was nothing to decide: at most one would be shown anyway.
    Needless,
}

impl Doc {
    /// The forks of this document, proven or settled.
    #[must_use]
    pub fn forks(&self) -> Vec<Fork> {
        let mut who = self.namer();
        let forks = self.open().with(katori_core::document::Document::forks);
        forks
            .into_iter()
            .map(|fork| Fork {
                who: fork.device.map(&mut who),
                sequence: fork.sequence,
                branches: fork.branches,
                proof: fork.proof,
                decision: match fork.decision {
                    Decision::Word { device, .. } => ForkDecision::Word(who(device)),
                    Decision::LowerHash => ForkDecision::LowerHash,
                    Decision::Needless => ForkDecision::Needless,
                },
                losing: fork.losing,
                not_reapplied: fork.not_reapplied,
            })
            .collect()
    }

    /// The document as it would be with a branch that lost in place of the one that stays, in the form of
    /// [`view_json`](Doc::view_json).
    ///
    /// # Errors
    /// [`Error::UnknownHeads`] if this is no branch that lost.
    pub fn conflict_copy(&self, losing: ChangeHash) -> Result<serde_json::Value, Error> {
        let copy = self.open().with(|document| document.lost_branch(losing));
        copy.map(|copy| json::document(&copy, None)).ok_or(Error::UnknownHeads(losing))
    }
}
