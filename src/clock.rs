//! The clock and the randomness of this device, for tickets and keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// The time in milliseconds since 1970, `later` from now.
pub(crate) fn milliseconds(later: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.saturating_add(later).as_millis()).unwrap_or(u64::MAX)
}

/// The time in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    milliseconds(Duration::ZERO)
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::Randomness)?;
    Ok(bytes)
}
