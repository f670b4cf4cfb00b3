//! The 24 words that bring a person back after all devices are lost, or outrank a stolen one.

use std::fmt;

use bip39::{Language, Mnemonic};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::keys::RecoverySecret;

/// What derives the recovery key from the entropy behind the words.
const CONTEXT: &str = "katori v1 recovery key";

/// 24 words, or the 32 bytes behind them.
#[derive(Clone)]
pub struct RecoveryPhrase(Zeroizing<[u8; 32]>);

/// Words that are no recovery phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecoveryPhraseError {
    /// Not 24 words.
    #[error("a recovery phrase has 24 words, and these are {0}")]
    WrongCount(usize),
    /// A word is not in the list, or the words do not belong together.
    #[error("these words are no recovery phrase: look for a wrong letter or two words exchanged")]
    WrongWords,
}

impl RecoveryPhrase {
    /// The words for these bytes, which must come from a source of good randomness.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        Self(Zeroizing::new(entropy))
    }

    /// Reads the words, in any case and with any space between them.
    pub fn parse(text: &str) -> Result<Self, RecoveryPhraseError> {
        let words: Vec<&str> = text.split_whitespace().take(100).collect();
        if words.len() != 24 {
            return Err(RecoveryPhraseError::WrongCount(words.len()));
        }
        let phrase = Zeroizing::new(words.join(" ").to_lowercase());
        let mnemonic =
            Mnemonic::from_phrase(&phrase, Language::English).map_err(|_| RecoveryPhraseError::WrongWords)?;
        let entropy: [u8; 32] = mnemonic.entropy().try_into().map_err(|_| RecoveryPhraseError::WrongWords)?;
        Ok(Self::from_entropy(entropy))
    }

    /// The words, with one space between them.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        // 32 bytes are a valid length, so this cannot fail; if it did, no words are better than wrong ones.
        let words = Mnemonic::from_entropy(self.0.as_slice(), Language::English)
            .map_or_else(|_| String::new(), |mnemonic| mnemonic.phrase().to_owned());
        Zeroizing::new(words)
    }

    /// The bytes behind the words, for the store alone.
    #[must_use]
    pub fn to_entropy(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    /// The key that signs a recovery.
    #[must_use]
    pub fn secret(&self) -> RecoverySecret {
        RecoverySecret::from_secret(blake3::derive_key(CONTEXT, self.0.as_slice()))
    }

    /// What the genesis of a roster commits to: BLAKE3 of the public key.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.secret().public().hash()
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_the_same_key() {
        let phrase = RecoveryPhrase::from_entropy([0; 32]);
        let words = phrase.words();
        assert_eq!(words.split(' ').count(), 24);
        assert!(words.starts_with("abandon abandon") && words.ends_with("art"), "the standard's own vector");
        let shouted = words.to_uppercase().replace(' ', "\n  ");
        assert_eq!(RecoveryPhrase::parse(&shouted).unwrap().hash(), phrase.hash());
        assert_ne!(RecoveryPhrase::from_entropy([1; 32]).hash(), phrase.hash());
    }

    #[test]
    fn wrong_words_are_refused() {
        assert_eq!(RecoveryPhrase::parse("abandon art").unwrap_err(), RecoveryPhraseError::WrongCount(2));
        let wrong = "abandon ".repeat(24);
        assert_eq!(RecoveryPhrase::parse(&wrong).unwrap_err(), RecoveryPhraseError::WrongWords);
        let unknown = format!("{}katori", "abandon ".repeat(23));
        assert_eq!(RecoveryPhrase::parse(&unknown).unwrap_err(), RecoveryPhraseError::WrongWords);
        assert!(!format!("{:?}", RecoveryPhrase::from_entropy([9; 32])).contains('9'));
    }
}
