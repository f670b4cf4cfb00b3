//! Recovery words: 24 words that bring a person back after all its devices are lost.
//!
//! Until they have been shown, they lie in a file of their own beside the store, readable by its owner alone: a row
//! that a database deletes stays in its file for long, a file of their own can be overwritten. The device's key,
//! which signs as much, lies in the store on the same terms; an operating system's keystore is not used yet.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use katori_acl::{PersonId, RecoveryPhrase, Ticket};

use crate::builder::blocking;
use crate::error::Error;
use crate::invite;
use crate::node::Node;

/// The words that have not been shown, in the directory of a node.
const WORDS_FILE: &str = "recovery.words";
/// 24 words of at most eight letters, and the space between them.
const MOST_BYTES: usize = 24 * 9;

impl Node {
    /// The recovery words, if they have not been shown and written down yet. Show them, and when the person has
    /// them on paper, [forget](Self::forget_recovery_words) them here: whoever finds them is this person.
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
        blocking(move || file.read()).await
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

/// The file that the words lie in.
#[derive(Debug, Clone)]
pub(crate) struct WordsFile(PathBuf);

impl WordsFile {
    pub(crate) fn beside(directory: &Path) -> Self {
        Self(directory.join(WORDS_FILE))
    }

    /// Writes words; they are durable when this returns.
    pub(crate) fn write(&self, phrase: &RecoveryPhrase) -> Result<(), Error> {
        self.try_write(phrase).map_err(|source| self.failed(source))
    }

    fn try_write(&self, phrase: &RecoveryPhrase) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.0)?;
        file.write_all(phrase.words().as_bytes())?;
        file.sync_all()?;
        self.sync_directory()
    }

    pub(crate) fn read(&self) -> Result<Option<RecoveryPhrase>, Error> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.failed(source)),
        };
        let wrong = |error| self.failed(io::Error::new(io::ErrorKind::InvalidData, error));
        RecoveryPhrase::parse(&text).map(Some).map_err(wrong)
    }

    pub(crate) fn erase(&self) -> Result<(), Error> {
        match self.try_erase() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| self.failed(source)),
        }
    }

    fn try_erase(&self) -> io::Result<()> {
        // What the words stood on is overwritten first, for file systems that write in place.
        let mut file = OpenOptions::new().write(true).open(&self.0)?;
        file.write_all(&[0; MOST_BYTES])?;
        file.sync_all()?;
        drop(file);
        fs::remove_file(&self.0)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.0.parent() {
            Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::RecoveryWords { path: self.0.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_there_until_they_are_erased() {
        let directory = tempfile::tempdir().unwrap();
        let file = WordsFile::beside(directory.path());
        assert!(file.read().unwrap().is_none());
        let phrase = RecoveryPhrase::from_entropy([7; 32]);
        file.write(&phrase).unwrap();
        assert_eq!(file.read().unwrap().unwrap().words(), phrase.words());
        file.erase().unwrap();
        file.erase().unwrap();
        assert!(file.read().unwrap().is_none());
        fs::write(directory.path().join(WORDS_FILE), "not the words").unwrap();
        assert!(matches!(file.read(), Err(Error::RecoveryWords { .. })));
    }
}
