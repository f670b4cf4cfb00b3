//! The frame around everything Automerge writes: magic, checksum, type, length, data.

use katori_acl::codec::{Reader, Writer};
use sha2::{Digest, Sha256};

use super::GateError;

/// The first four bytes of a chunk.
pub(super) const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// A whole document, its columns possibly deflated.
pub(super) const DOCUMENT: u8 = 0;
/// One change.
pub(super) const CHANGE: u8 = 1;
/// One change, deflated.
pub(super) const DEFLATED_CHANGE: u8 = 2;

/// One chunk, its data not yet looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) checksum: [u8; 4],
    pub(super) kind: u8,
    pub(super) data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes one chunk. The declared length is believed only as far as there are bytes.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, GateError> {
        if reader.array::<4>()? != MAGIC {
            return Err(GateError::NotAutomerge);
        }
        let checksum = reader.array()?;
        let kind = reader.byte()?;
        let data = reader.bytes("chunk", usize::MAX)?;
        Ok(Self { checksum, kind, data })
    }

    /// The hash of the chunk, if the checksum, its first four bytes, fits.
    pub(super) fn verify(&self) -> Result<[u8; 32], GateError> {
        let hash = hash(self.kind, self.data);
        if hash.starts_with(&self.checksum) { Ok(hash) } else { Err(GateError::Checksum) }
    }
}

/// The SHA-256 over type, length and data that names a change.
fn hash(kind: u8, data: &[u8]) -> [u8; 32] {
    let mut prefix = Writer::new();
    prefix.byte(kind).uint(data.len() as u64);
    let mut hasher = Sha256::new();
    hasher.update(prefix.finish());
    hasher.update(data);
    hasher.finalize().into()
}

/// Frames the data of a raw change, and says its hash.
pub(super) fn frame_change(data: &[u8]) -> (Vec<u8>, [u8; 32]) {
    let hash = hash(CHANGE, data);
    let mut writer = Writer::new();
    let [a, b, c, d, ..] = hash;
    writer.raw(&MAGIC).raw(&[a, b, c, d]).byte(CHANGE).bytes(data);
    (writer.finish(), hash)
}
