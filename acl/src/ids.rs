//! Names of things, all of 32 bytes, none of which can be chosen: a device is its public key, everything else
//! is the BLAKE3 hash of the signed record it begins with.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE, HEXLOWER_PERMISSIVE};
use thiserror::Error;

use crate::codec::{DecodeError, Reader, Writer};

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no id: 52 characters of base32, or 64 of hexadecimal, were expected")]
pub struct ParseIdError(pub String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight characters: enough for a person to tell a few apart, never for a program.
            #[must_use]
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(8);
                text
            }

            /// Appends the 32 bytes.
            pub fn encode(&self, writer: &mut Writer) {
                writer.raw(&self.0);
            }

            /// Takes 32 bytes.
            pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.array().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let bytes = match text.len() {
                    52 => BASE32_NOPAD_NOCASE.decode(text.as_bytes()).ok(),
                    64 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(),
                    _ => None,
                };
                bytes
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError(text.chars().take(80).collect()))
            }
        }
    };
}

id! {
    /// One device: its ed25519 public key, which is also its iroh `EndpointId`.
    DeviceId
}
id! {
    /// A person (a roster of devices) or a group (a roster of persons).
    PersonId
}
id! {
    /// A document or a space.
    ResourceId
}
id! {
    /// One signed record: the hash of its payload, without the signature, so that a second valid signature
    /// over the same words is the same record.
    RecordId
}
id! {
    /// The public half of the key that an invitation carries.
    InviteKey
}
id! {
    /// The public half of the key behind recovery words. A roster shows only its hash until it is used.
    RecoveryKey
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = DeviceId::from_bytes([7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!("07".repeat(32).parse(), Ok(id));
        assert!("short".parse::<DeviceId>().is_err());
        assert!("\u{e9}".repeat(26).parse::<DeviceId>().is_err());
    }
}
