//! The file formats a document comes from and goes to.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Values without history
    Json,
    /// One text, without history
    Text,
    /// Automerge's own file, with the history
    Automerge,
}

impl Format {
    /// The format that a file's ending names.
    #[must_use]
    pub fn of_file(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "txt" | "text" | "md" => Some(Self::Text),
            "automerge" | "am" => Some(Self::Automerge),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_names_the_format() {
        assert_eq!(Format::of_file(Path::new("a/list.JSON")), Some(Format::Json));
        assert_eq!(Format::of_file(Path::new("story.txt")), Some(Format::Text));
        assert_eq!(Format::of_file(Path::new("list.automerge")), Some(Format::Automerge));
        assert_eq!(Format::of_file(Path::new("list")), None);
        assert_eq!(Format::of_file(Path::new("list.pdf")), None);
    }
}
