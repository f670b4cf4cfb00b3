//! Calling Automerge on data that somebody else made.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use thiserror::Error;

/// Automerge panicked.
///
/// What it was working on may be half changed: drop that document and load it again from the store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("automerge panicked while {what}: {message}; the document in memory has to be loaded again")]
pub struct Panicked {
    /// What was being done.
    pub what: &'static str,
    /// The panic's message, shortened.
    pub message: String,
}

/// Characters of a panic's message that are kept: enough to recognise it, and bounded, for it may quote input.
const MESSAGE_CHARACTERS: usize = 200;

thread_local! {
    /// How many calls of [`guarded`] this thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

static HOOK: Once = Once::new();

/// Runs `action`, and turns a panic inside it into an error, without printing it.
///
/// The panic hook that was installed before stays in charge of every other panic.
///
/// # Errors
/// [`Panicked`], after which nothing that `action` had a mutable reference to may be used again.
pub fn guarded<T>(what: &'static str, action: impl FnOnce() -> T) -> Result<T, Panicked> {
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if DEPTH.with(Cell::get) == 0 {
                previous(info);
            }
        }));
    });
    DEPTH.with(|depth| depth.set(depth.get().saturating_add(1)));
    let outcome = catch_unwind(AssertUnwindSafe(action));
    DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
    outcome.map_err(|payload| Panicked { what, message: message(payload.as_ref()) })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    text.chars().take(MESSAGE_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_the_thread_goes_on() {
        assert_eq!(guarded("adding", || 1 + 1), Ok(2));
        let panicked = guarded("failing", || -> u8 { panic!("on {}", "purpose") });
        assert_eq!(panicked, Err(Panicked { what: "failing", message: "on purpose".to_owned() }));
        let nested = guarded("outside", || guarded("inside", || -> u8 { panic!("deep") }).is_err());
        assert_eq!(nested, Ok(true));
        assert_eq!(DEPTH.with(Cell::get), 0);
    }

    #[test]
    fn a_message_is_shortened() {
        let long = "x".repeat(10_000);
        let panicked = guarded("failing", || -> u8 { panic!("{long}") }).unwrap_err();
        assert_eq!(panicked.message.len(), MESSAGE_CHARACTERS);
    }
}
