//! When a commit begins: at once where nothing else is under way, and otherwise as soon as enough steps share it or
//! the first has waited for a moment. Each commit waits for the disk and writes whole pages, so many documents that
//! come at the same time cost a fraction of what they cost one by one. (`PostgreSQL` calls the same `commit_delay`
//! and `commit_siblings`.)

use std::time::Duration;

use tokio::time::Instant;

/// The longest that a step waits for others, from when a commit could begin.
const MOMENT: Duration = Duration::from_millis(3);

/// Steps that are enough for a commit.
const ENOUGH: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Until when the first of the steps waits.
    until: Option<Instant>,
}

impl Gathering {
    /// Whether a commit is to begin, with so many steps. `others` says that something under way may join them.
    pub(super) fn is_over(&mut self, now: Instant, steps: usize, others: bool) -> bool {
        if steps == 0 {
            self.until = None;
            return false;
        }
        let until = *self.until.get_or_insert(now + MOMENT);
        let is_over = !others || steps >= ENOUGH || now >= until;
        if is_over {
            self.until = None;
        }
        is_over
    }

    /// When to ask again, whatever happens.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_company_and_not_for_long() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        assert!(!gathering.is_over(now, 0, false), "there is nothing to store");
        assert!(gathering.is_over(now, 1, false), "nobody can join");
        assert!(!gathering.is_over(now, 1, true));
        assert_eq!(gathering.until(), Some(now + MOMENT));
        assert!(!gathering.is_over(now + MOMENT / 2, ENOUGH - 1, true));
        assert!(gathering.is_over(now + MOMENT / 2, ENOUGH, true));
        assert_eq!(gathering.until(), None, "those who come now are not late");
        assert!(!gathering.is_over(now + MOMENT, 1, true));
        assert!(gathering.is_over(now + 2 * MOMENT, 1, true));
    }
}
