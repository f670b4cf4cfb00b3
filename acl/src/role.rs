//! What somebody may do with a document or space.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::codec::{DecodeError, Reader, Writer};

/// What somebody may do, each role including those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Holds sealed bytes and passes them on, without being able to read them.
    Relay,
    /// Reads.
    Read,
    /// Reads and writes.
    Write,
    /// Reads, writes, grants and revokes.
    Admin,
}

/// A word that names no role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no role: `relay`, `read`, `write` or `admin` was expected")]
pub struct ParseRoleError(pub String);

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Self; 4] = [Self::Relay, Self::Read, Self::Write, Self::Admin];

    /// The role's name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn encode(self, writer: &mut Writer) {
        writer.byte(match self {
            Self::Relay => 1,
            Self::Read => 2,
            Self::Write => 3,
            Self::Admin => 4,
        });
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            1 => Ok(Self::Relay),
            2 => Ok(Self::Read),
            3 => Ok(Self::Write),
            4 => Ok(Self::Admin),
            found => Err(DecodeError::Unknown { what: "role", found: found.into() }),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| ParseRoleError(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_survive_their_name() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("owner".parse::<Role>().is_err());
    }
}
