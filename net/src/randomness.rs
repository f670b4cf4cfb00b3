//! Randomness from the operating system, for keys, seeds and challenges.

use crate::error::HubError;

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], HubError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| HubError::Randomness(error.to_string()))?;
    Ok(bytes)
}
