//! Somebody who writes word by word, and the time until others see it.

use std::time::Instant;

use super::DOCUMENT;
use super::device::{Device, Watcher};
use crate::failure::Failure;
use crate::request::{Position, Request, TextEdit};
use crate::response::Response;

/// Somebody writing a sentence.
#[derive(Debug)]
pub(super) struct Writer {
    /// The words that stand before, and what was written after them so far; nothing for the end of the text.
    before: Option<String>,
    words: Vec<String>,
    next: usize,
}

/// A word that was written and seen.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) hash: String,
    pub(super) latency_ms: f64,
}

impl Writer {
    /// Writes after these words.
    pub(super) fn after(words: &str, sentence: &str) -> Self {
        Self { before: Some(words.to_owned()), words: split(sentence), next: 0 }
    }

    /// Writes at the end of the text.
    pub(super) fn at_the_end(sentence: &str) -> Self {
        Self { before: None, words: split(sentence), next: 0 }
    }

    /// Writes the next word on one device and waits until another shows it; nothing when all is written.
    pub(super) async fn write_word(
        &mut self,
        on: &Device,
        seen_by: &mut Watcher,
    ) -> Result<Option<Word>, Failure> {
        let Some(edit) = self.next_edit(on).await? else { return Ok(None) };
        let begun = Instant::now();
        let hash = write(on, edit).await?;
        seen_by.until_shown(&hash).await?;
        Ok(Some(Word { hash, latency_ms: begun.elapsed().as_secs_f64() * 1000.0 }))
    }

    /// Writes the next word without anybody looking.
    pub(super) async fn write_word_unseen(&mut self, on: &Device) -> Result<Option<String>, Failure> {
        match self.next_edit(on).await? {
            Some(edit) => write(on, edit).await.map(Some),
            None => Ok(None),
        }
    }

    async fn next_edit(&mut self, on: &Device) -> Result<Option<TextEdit>, Failure> {
        let Some(word) = self.words.get(self.next).cloned() else { return Ok(None) };
        self.next += 1;
        let position = match &mut self.before {
            None => Position::End,
            Some(before) => {
                let position = end_of(&text(on).await?, before).ok_or_else(|| {
                    Failure::failed(format!("`{before}` is not in the text of {}", on.called()))
                })?;
                before.push_str(&word);
                Position::At(position)
            }
        };
        Ok(Some(TextEdit::Insert { position, text: word }))
    }
}

/// Words with the spaces before them.
pub(super) fn split(sentence: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for piece in sentence.split(' ') {
        match words.last() {
            None => words.push(piece.to_owned()),
            Some(_) => words.push(format!(" {piece}")),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Where these words end in a text, in code points.
fn end_of(text: &str, words: &str) -> Option<usize> {
    let end = text.find(words)? + words.len();
    text.get(..end).map(|before| before.chars().count())
}

async fn text(on: &Device) -> Result<String, Failure> {
    let request =
        Request::Cat { document: DOCUMENT.to_owned(), path: text_path()?, at: Vec::new(), conflicts: false };
    let response = on.ask(request).await?;
    let Response::Content(content) = response else { return Err(on.strange(&response)) };
    Ok(content.value.as_str().unwrap_or_default().to_owned())
}

/// Makes one edit and waits until it is saved.
pub(super) async fn write(on: &Device, edit: TextEdit) -> Result<String, Failure> {
    let request = Request::Text { document: DOCUMENT.to_owned(), path: text_path()?, edit };
    let response = on.ask(request).await?;
    let Response::Edited(edited) = response else { return Err(on.strange(&response)) };
    edited.hash.ok_or_else(|| Failure::failed(format!("an edit on {} changed nothing", on.called())))
}

fn text_path() -> Result<crate::path::Path, Failure> {
    "text".parse().map_err(|error: crate::path::ParsePathError| Failure::usage(error.to_string()))
}

/// The value that so many of a hundred do not exceed.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_spaces() {
        assert_eq!(split(" one two."), [" one", " two."]);
        assert_eq!(split("one two"), ["one", " two"]);
        assert_eq!(split(" one two.").concat(), " one two.");
    }

    #[test]
    fn positions_are_code_points() {
        assert_eq!(end_of("d\u{e9}j\u{e0} vu!", "vu"), Some(7));
        assert_eq!(end_of("d\u{e9}j\u{e0}", "vu"), None);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = [3.0, 1.0, 2.0, 4.0];
        assert!((percentile(&values, 50) - 2.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 95) - 4.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 50).abs() < f64::EPSILON);
    }
}
