//! What the harness and a contestant say to each other: one line of JSON asks, one line answers.
//!
//! A contestant is a program that is started as `PROGRAM --store FOLDER`. Two of them over loopback, each with a
//! folder of its own, play every scenario. Moments are microseconds since 1970, taken where something happened, so
//! that the pipe between is not measured.

use std::collections::BTreeMap;
use std::ops::Add;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The property of a document that holds its text.
pub(crate) const TEXT: &str = "text";

/// What the harness asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Open the store. Answers when it is open.
    Open,
    /// Let others connect. Answers an address for [`Request::Connect`].
    Serve,
    /// Open the store and connect, or begin to. Answers the moment before that.
    Connect { address: String },
    /// Make so many small documents, durable.
    Create { count: u64 },
    /// Make a document of an Automerge file. Answers its name.
    Import { path: String },
    /// Make a document with an empty text. Answers its name.
    New,
    /// Insert keys in the middle of a text, one change each. Answers the moments of the first and the last key, and
    /// the one when all were durable, if the contestant can tell; and for each how long after its turn it was done.
    Type { document: String, count: u64, every_ms: u64 },
    /// Change so many documents, spread over all that were made. Answers the heads of each.
    Change { count: u64 },
    /// Wait for something to be shown. Answers the moment when it was, and the one when it was durable.
    Wait { goal: Goal, within_ms: u64 },
    /// Wait until no message has come or gone for so long. Answers the moment of the last one, and the traffic.
    Quiet { for_ms: u64, within_ms: u64 },
    /// Answers how many bytes the document's `save()` has.
    Size { document: String },
    /// Let many join one document. Answers an address for [`Request::Crowd`].
    Invite { document: String },
    /// Be so many peers at once, each with a store of its own, all connected and with the document.
    Crowd { address: String, document: String, count: u64 },
    /// One of the crowd types. Answers for each key and each of the others how long it took to be shown.
    CrowdType { count: u64, every_ms: u64 },
    /// Close everything in peace, and end.
    Stop,
}

/// What is waited for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// So many documents with content.
    Documents(u64),
    /// These documents with these heads.
    Heads(BTreeMap<String, Vec<String>>),
    /// A document whose text is so long.
    Length { document: String, length: u64 },
}

/// An answer. What was not asked for is left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    /// It did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// It did not happen in time.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) late: bool,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) began: Option<u64>,
    /// When it was done, or shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<u64>,
    /// When it was durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stored: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) heads: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// Microseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) latencies: Vec<u64>,
}

/// Messages of the present connections, as the contestant hands them to its transport and gets them from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) sent_messages: u64,
    pub(crate) received_messages: u64,
}

impl Add for Traffic {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes + more.sent_bytes,
            received_bytes: self.received_bytes + more.received_bytes,
            sent_messages: self.sent_messages + more.sent_messages,
            received_messages: self.received_messages + more.received_messages,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Microseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The text in a small document, such that `save()` has about 400 bytes: letters that do not compress.
pub(crate) fn body(document: u64) -> String {
    let mut state = document.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap_or(0))
    };
    (0..250).map(letter).collect()
}

/// The key that is typed as the n-th: letters that do not compress either.
pub(crate) fn key(n: u64) -> char {
    let spread = u32::try_from(n + 1).unwrap_or(0).wrapping_mul(2_654_435_761) >> 13;
    char::from(b'a' + u8::try_from(spread % 26).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_programs_in_other_languages_read() {
        let goal = Goal::Length { document: "d".to_owned(), length: 3 };
        let line = serde_json::to_string(&Request::Wait { goal, within_ms: 5 }).unwrap();
        assert_eq!(line, r#"{"do":"wait","goal":{"length":{"document":"d","length":3}},"within_ms":5}"#);
        let reply: Reply = serde_json::from_str(r#"{"shown":7,"late":true}"#).unwrap();
        assert_eq!((reply.shown, reply.late, reply.stored), (Some(7), true, None));
        assert_eq!(serde_json::to_string(&Reply::default()).unwrap(), "{}");
    }

    #[test]
    fn small_documents_differ_and_are_the_same_for_everybody() {
        assert!(body(1) != body(2));
        assert_eq!(body(1).len(), 250);
        assert_eq!(body(7).get(..12), Some("p48'`^n]FW$X"));
        assert_eq!((0..8).map(key).collect::<String>(), "phxphwoe");
    }
}
