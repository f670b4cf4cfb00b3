//! Where something lies in a document: `items/milk`, `groceries/0/name`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Steps a path may have. Automerge documents nest far less, and walking recurses by no more than this.
pub const MAX_STEPS: usize = 64;

/// A place in a document: keys of maps and positions in lists, from the root down. The empty path is the root.
///
/// `/` separates steps; inside a key it is written `~1`, and `~` itself `~0`. A number is a position where
/// there is a list, and a key where there is a map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(Vec<String>);

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParsePathError {
    /// Nothing stands between two slashes, or before the first, or after the last.
    #[error("`{0}` has an empty step: write a path as `items/milk` or `groceries/0/name`")]
    EmptyStep(String),
    /// A tilde that stands for nothing.
    #[error("`{0}` has a `~` that is neither `~0` (a tilde) nor `~1` (a slash)")]
    BadEscape(String),
    /// Too many steps.
    #[error("a path has at most {MAX_STEPS} steps")]
    TooLong,
}

impl Path {
    /// The steps, from the root down.
    #[must_use]
    pub fn steps(&self) -> &[String] {
        &self.0
    }

    /// Whether this is the whole document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Path {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, ParsePathError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let steps: Vec<String> =
            text.split('/').take(MAX_STEPS + 1).map(|step| unescape(step, text)).collect::<Result<_, _>>()?;
        if steps.len() > MAX_STEPS {
            return Err(ParsePathError::TooLong);
        }
        Ok(Self(steps))
    }
}

fn unescape(step: &str, text: &str) -> Result<String, ParsePathError> {
    if step.is_empty() {
        return Err(ParsePathError::EmptyStep(text.to_owned()));
    }
    let mut key = String::with_capacity(step.len());
    let mut letters = step.chars();
    while let Some(letter) = letters.next() {
        key.push(match letter {
            '~' => match letters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(ParsePathError::BadEscape(text.to_owned())),
            },
            other => other,
        });
    }
    Ok(key)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let slash = if index > 0 { "/" } else { "" };
            write!(f, "{slash}{}", step.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Path {
    type Error = ParsePathError;

    fn try_from(text: String) -> Result<Self, ParsePathError> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<String> {
        text.parse::<Path>().unwrap().steps().to_vec()
    }

    #[test]
    fn steps_are_separated_by_slashes() {
        assert_eq!(steps("items/milk"), ["items", "milk"]);
        assert_eq!(steps("groceries/0/name"), ["groceries", "0", "name"]);
        assert_eq!(steps("with space"), ["with space"]);
        assert!("".parse::<Path>().unwrap().is_root());
    }

    #[test]
    fn any_key_can_be_written_and_comes_back() {
        assert_eq!(steps("a~1b/c~0d/~01"), ["a/b", "c~d", "~1"]);
        for text in ["a~1b/c~0d/~01", "items/milk", "", "0"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        let json = serde_json::to_string(&"a~1b/0".parse::<Path>().unwrap()).unwrap();
        assert_eq!(json, "\"a~1b/0\"");
        assert_eq!(serde_json::from_str::<Path>(&json).unwrap().steps(), ["a/b", "0"]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["/", "/a", "a/", "a//b"] {
            assert_eq!(text.parse::<Path>(), Err(ParsePathError::EmptyStep(text.to_owned())));
        }
        for text in ["~", "a~2", "a~"] {
            assert_eq!(text.parse::<Path>(), Err(ParsePathError::BadEscape(text.to_owned())));
        }
        assert_eq!("a/".repeat(MAX_STEPS + 1).parse::<Path>(), Err(ParsePathError::TooLong));
    }
}
