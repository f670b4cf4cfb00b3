//! Roles, as they are typed.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A role that can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Reads
    Read,
    /// Reads and writes
    Write,
    /// Reads, writes, grants and revokes
    Admin,
}

impl From<RoleName> for katori::Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Read => Self::Read,
            RoleName::Write => Self::Write,
            RoleName::Admin => Self::Admin,
        }
    }
}
