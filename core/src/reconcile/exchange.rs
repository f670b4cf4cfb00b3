//! One run with one peer.
//!
//! Both sides greet with the [`Summary`] of their whole set, at once. If the two are equal both know that it is
//! over. Otherwise one of them leads, by a rule that both know, and says what the other's greeting comes to. From
//! then on they take turns: a turn is one or several messages, each of which is answered as it comes, and ends
//! with the first that says that no more follows. A turn in which nothing was asked is the last.

use katori_acl::Subject;

use super::brief::{BriefSummary, Secret};
use super::budget::{Budget, OverBudget};
use super::fingerprint::Summary;
use super::part::{Message, Part, messages};
use super::range::Range;
use super::respond::{Findings, Response, Side, respond};

use super::tree::Tree;

/// What one side keeps of a run: some hundred bytes.
///
/// ```
/// use katori_acl::{ResourceId, Subject};
/// use katori_core::reconcile::{Entry, Exchange, OverBudget, Secret, Tree};
///
/// # fn main() -> Result<(), OverBudget> {
/// let id = |byte| Subject::Resource(ResourceId::from_bytes([byte; 32]));
/// let entry = |byte| Entry { records: [byte; 32], content: [byte; 32] };
/// let mut here = Tree::from_sorted([(id(1), entry(1)), (id(2), entry(2))]);
/// let mut there = Tree::from_sorted([(id(1), entry(1)), (id(2), entry(3))]);
///
/// let secret = Secret::from_bytes([7; 32]); // of their connection
/// let (mut mine, greeting) = Exchange::begin(&mut here, secret);
/// let (mut theirs, other_greeting) = Exchange::begin(&mut there, secret);
/// let first = mine.greeted(&mut here, other_greeting, true)?;
/// theirs.greeted(&mut there, greeting, false)?;
///
/// let second = theirs.heard(&mut there, &first.messages[0], &|_| false)?;
/// let (subject, told) = second.findings.named[0];
/// assert_eq!((subject, told.records, told.content), (id(2), None, None)); // other than there
/// let last = mine.heard(&mut here, &second.messages[0], &|_| false)?;
/// assert_eq!(last.findings.answered[0].0, id(2));
/// assert!(mine.is_over() && theirs.is_over());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Exchange {
    secret: Secret,
    greeting: Summary,
    budget: Budget,
    /// Whether the peer asked something in the turn that it is in.
    heard_question: bool,
    /// Whether something was asked here in answer to that turn.
    asked: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    UnderWay,
    Over,
    /// The peer made this side say more than any honest run needs.
    Failed,
}

/// What came of a greeting or a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// To be sent, in this order.
    pub messages: Vec<Message>,
    /// What was learned.
    pub findings: Findings,
}

impl Exchange {
    /// Begins a run, with the greeting to send. The secret is the one of the connection that it goes over.
    pub fn begin(tree: &mut Tree, secret: Secret) -> (Self, Summary) {
        let greeting = tree.summary(&Range::WHOLE);
        let budget = Budget::new(tree.len());
        (
            Self { secret, greeting, budget, heard_question: false, asked: false, stage: Stage::UnderWay },
            greeting,
        )
    }

    /// The same, with another number of fingerprints in one answer: see [`Budget::with_fan_out`].
    #[must_use]
    pub fn with_fan_out(mut self, fan_out: usize) -> Self {
        self.budget = self.budget.with_fan_out(fan_out);
        self
    }

    /// Takes the peer's greeting. Of two sides exactly one `leads`.
    ///
    /// Greetings are compared as they were sent, whatever has changed since, so that both sides come to the same
    /// result.
    ///
    /// # Errors
    /// [`OverBudget`] as of [`respond`].
    pub fn greeted(&mut self, tree: &mut Tree, greeting: Summary, leads: bool) -> Result<Turn, OverBudget> {
        if greeting == self.greeting {
            self.stage = Stage::Over;
            let findings = Findings { same: vec![Range::WHOLE], ..Findings::default() };
            return Ok(Turn { messages: Vec::new(), findings });
        }
        if !leads {
            return Ok(Turn::default());
        }
        let summary = BriefSummary::of(&self.secret, &greeting);
        let question = Part::Fingerprint { range: Range::WHOLE, summary };
        self.answer(tree, &[question], false, &|_| false)
    }

    /// Takes a message of the peer. `is_ahead` is as of [`Side`].
    ///
    /// # Errors
    /// [`OverBudget`] if the peer makes this side say more than any honest run needs. The run has failed.
    pub fn heard(
        &mut self,
        tree: &mut Tree,
        message: &Message,
        is_ahead: &dyn Fn(&Subject) -> bool,
    ) -> Result<Turn, OverBudget> {
        self.answer(tree, message.parts(), message.more(), is_ahead)
    }

    /// Whether everything has been compared, as far as this side knows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    fn answer(
        &mut self,
        tree: &mut Tree,
        parts: &[Part],
        more: bool,
        is_ahead: &dyn Fn(&Subject) -> bool,
    ) -> Result<Turn, OverBudget> {
        if self.stage == Stage::Failed {
            return Err(OverBudget);
        }
        let side = Side { secret: &self.secret, is_ahead };
        let response = respond(tree, parts, &side, &mut self.budget);
        if response.is_err() {
            self.stage = Stage::Failed;
        }
        let Response { parts: said, findings } = response?;
        self.heard_question |= parts.iter().any(Part::is_question);
        self.asked |= said.iter().any(Part::is_question);
        let messages =
            if more && said.is_empty() || !self.heard_question { Vec::new() } else { messages(said, more) };
        if !more {
            self.stage = if self.asked { Stage::UnderWay } else { Stage::Over };
            (self.heard_question, self.asked) = (false, false);
        }
        Ok(Turn { messages, findings })
    }
}
