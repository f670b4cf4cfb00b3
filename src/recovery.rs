//! Recovery words: 24 words that bring a person back after all its devices are lost.
//!
//! Until they have been shown, they lie in a file of their own beside the store, readable by its owner alone: a row
//! that a database deletes stays in its file for long, a file of their own can be overwritten. The device's key,
//! which signs as much, lies in the store on the same terms; an operating system's keystore is not used yet.
//!
//! A file and a store cannot be made in one step. So words are written under a name of their own first, and moved
//! when the store is there; and nobody is shown words that the store's person is not recovered by.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use katori_acl::{PersonId, RecoveryPhrase, Ticket};
use katori_core::engine::Engine;

use crate::builder::blocking;
use crate::error::Error;
use crate::invite;
use crate::node::Node;

/// The words that have not been shown, in the directory of a node.
const WORDS_FILE: &str = "recovery.words";
/// The same, until the store is there; the beginning of the hash of the words follows.
const NEW_WORDS_FILE: &str = "recovery.words.new-";
/// 24 words of at most eight letters, and the space between them.
const MOST_BYTES: usize = 24 * 9;

impl Node {
    /// The recovery words, if they have not been shown and written down yet. Show them, and when the person has
    /// them on paper, [forget](Self::forget_recovery_words) them here: whoever finds them is this person. Words that
    /// bring this person back no longer, because they were used, are not shown.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path())
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let words = node.recovery_words().await?.ok_or("shown already")?;
    /// println!("write these down, and keep the paper safe: {}", words.words().as_str());
    /// node.forget_recovery_words().await?;
    /// assert!(node.recovery_words().await?.is_none());
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::RecoveryWords`] if the file is there and cannot be read.
    pub async fn recovery_words(&self) -> Result<Option<RecoveryPhrase>, Error> {
        let file = WordsFile::beside(self.directory());
        let kept = blocking(move || file.read()).await?;
        Ok(self.hub().ask(move |engine| believed(engine, kept)).await?)
    }

    /// Erases the recovery words here. It is too late to see them then.
    ///
    /// # Errors
    /// [`Error::RecoveryWords`] if the file cannot be erased.
    pub async fn forget_recovery_words(&self) -> Result<(), Error> {
        let file = WordsFile::beside(self.directory());
        blocking(move || file.erase()).await
    }

    /// A ticket for somebody who has lost all devices: with it and their words,
    /// [`NodeBuilder::recover`](crate::NodeBuilder::recover) brings them back. Without the words it gives nobody more
    /// than the list of their devices. Make sure that it is really they who ask.
    ///
    /// # Errors
    /// [`Error::Command`] if nobody is known by that id.
    pub async fn help_recover(&self, person: PersonId) -> Result<Ticket, Error> {
        invite::to_recover(self.base(), person).await
    }
}

/// Of words that were kept, those that the person is recovered by.
pub(crate) fn believed(engine: &Engine, kept: Vec<RecoveryPhrase>) -> Option<RecoveryPhrase> {
    let roster = engine.registry().roster(engine.me().person)?;
    let any = !kept.is_empty();
    let found = kept.into_iter().find(|phrase| roster.recoveries.contains(&phrase.hash()));
    if any && found.is_none() {
        tracing::warn!("the recovery words that are kept here bring nobody back, and are not shown");
    }
    found
}

/// The files that the words lie in, by the directory of the node.
#[derive(Debug, Clone)]
pub(crate) struct WordsFile(PathBuf);

/// Words that are durable, for a store that is not made yet.
#[derive(Debug)]
pub(crate) struct NewWords {
    file: WordsFile,
    path: PathBuf,
}

impl WordsFile {
    pub(crate) fn beside(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Writes words for a store that is going to be made; they are durable when this returns.
    pub(crate) fn write_new(&self, phrase: &RecoveryPhrase) -> Result<NewWords, Error> {
        let hash = phrase.hash();
        let beginning = hash.first_chunk().map_or(0, |beginning| u64::from_be_bytes(*beginning));
        let path = self.0.join(format!("{NEW_WORDS_FILE}{beginning:016x}"));
        match self.try_write(&path, phrase) {
            Ok(()) => Ok(NewWords { file: self.clone(), path }),
            Err(source) => Err(Error::RecoveryWords { path, source }),
        }
    }

    fn try_write(&self, path: &Path, phrase: &RecoveryPhrase) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(phrase.words().as_bytes())?;
        file.sync_all()?;
        self.sync_directory()
    }

    /// All words that are kept here, those first that were moved when their store was made. Those that a power cut
    /// left unfinished are left out: their store was not begun.
    pub(crate) fn read(&self) -> Result<Vec<RecoveryPhrase>, Error> {
        let mut kept = Vec::new();
        for path in self.files().map_err(|source| self.failed(source))? {
            let moved = path == self.path();
            let words = match fs::read_to_string(&path) {
                Ok(words) => words,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(Error::RecoveryWords { path, source }),
            };
            match RecoveryPhrase::parse(&words) {
                Ok(phrase) if moved => kept.insert(0, phrase),
                Ok(phrase) => kept.push(phrase),
                Err(error) if moved => {
                    return Err(self.failed(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Err(_) => {}
            }
        }
        Ok(kept)
    }

    /// Erases all of them.
    pub(crate) fn erase(&self) -> Result<(), Error> {
        self.erase_but(None).map_err(|source| self.failed(source))
    }

    fn erase_but(&self, spared: Option<&Path>) -> io::Result<()> {
        for path in self.files()?.iter().filter(|path| Some(path.as_path()) != spared) {
            match erase(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync_directory()
    }

    fn path(&self) -> PathBuf {
        self.0.join(WORDS_FILE)
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name == WORDS_FILE || name.starts_with(NEW_WORDS_FILE)) {
                files.push(entry.path());
            }
        }
        Ok(files)
    }

    fn sync_directory(&self) -> io::Result<()> {
        if cfg!(unix) && self.0.is_dir() { File::open(&self.0)?.sync_all() } else { Ok(()) }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::RecoveryWords { path: self.path(), source }
    }
}

impl NewWords {
    /// Their store is there: they take the place of all that were kept here before.
    pub(crate) fn keep(self) -> Result<(), Error> {
        let moved = self.file.erase_but(Some(&self.path)).and_then(|()| {
            fs::rename(&self.path, self.file.path())?;
            self.file.sync_directory()
        });
        moved.map_err(|source| Error::RecoveryWords { path: self.path, source })
    }

    /// Their store was not made: they bring nobody back.
    pub(crate) fn discard(self) -> Result<(), Error> {
        erase(&self.path).map_err(|source| Error::RecoveryWords { path: self.path, source })
    }
}

fn erase(path: &Path) -> io::Result<()> {
    // What the words stood on is overwritten first, for file systems that write in place.
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(&[0; MOST_BYTES])?;
    file.sync_all()?;
    drop(file);
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(file: &WordsFile) -> Vec<String> {
        file.read().unwrap().iter().map(|phrase| phrase.words().to_string()).collect()
    }

    #[test]
    fn words_are_there_until_they_are_erased() {
        let directory = tempfile::tempdir().unwrap();
        let file = WordsFile::beside(directory.path());
        assert!(file.read().unwrap().is_empty());
        let phrase = RecoveryPhrase::from_entropy([7; 32]);
        file.write_new(&phrase).unwrap().keep().unwrap();
        assert_eq!(words(&file), [phrase.words().to_string()]);
        file.erase().unwrap();
        file.erase().unwrap();
        assert!(file.read().unwrap().is_empty());
        fs::write(directory.path().join(WORDS_FILE), "not the words").unwrap();
        assert!(matches!(file.read(), Err(Error::RecoveryWords { .. })));
    }

    #[test]
    fn words_of_a_store_that_was_not_made_leave_those_of_another_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = WordsFile::beside(directory.path());
        let phrases = [7, 8, 9].map(|byte| RecoveryPhrase::from_entropy([byte; 32]));
        let [stale, first, second] = &phrases;
        fs::write(directory.path().join(WORDS_FILE), stale.words().as_bytes()).unwrap();
        // Two begin at once, and one of them makes the store.
        let (kept, other) = (file.write_new(first).unwrap(), file.write_new(second).unwrap());
        other.discard().unwrap();
        // A power cut here loses nothing.
        assert_eq!(words(&file), [stale, first].map(|phrase| phrase.words().to_string()));
        kept.keep().unwrap();
        assert_eq!(words(&file), [first.words().to_string()]);
    }
}
