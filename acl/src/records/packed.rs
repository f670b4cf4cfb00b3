//! A signed genesis without what it shares with many others, for a hundred thousand of them to lie in memory.
//!
//! Of the canonical encoding these are left: name, nonce, alias and signature. Since each value has one encoding,
//! the record comes back byte for byte.

use super::signed::SIGNATURE_BYTES;
use super::{Genesis, Record, VERSION, VerifiedRecord};
use crate::access::AccessClass;
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, RecordId};

/// The tag of a genesis among records.
pub(super) const GENESIS: u8 = 3;

/// What many geneses have in common: everything but names and random words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Family {
    pub(crate) class: AccessClass,
    /// The device that signed.
    pub(crate) by: DeviceId,
}

/// The rest of a signed genesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed(Box<[u8]>);

impl Packed {
    /// Takes a signed record apart, if it is a genesis.
    pub(crate) fn new(bytes: &[u8]) -> Result<Option<(Family, Self)>, DecodeError> {
        if bytes.get(..2) != Some(&[VERSION, GENESIS]) {
            return Ok(None);
        }
        let mut reader = Reader::new(bytes);
        reader.raw(2)?;
        let class = Genesis::decode_class(&mut reader)?;
        let start = reader.offset();
        Genesis::decode_name(&mut reader)?;
        reader.raw(32)?;
        let end = reader.offset();
        let by = DeviceId::decode(&mut reader)?;
        let signature = reader.raw(SIGNATURE_BYTES)?;
        reader.finish()?;
        let mut rest = Vec::with_capacity(end - start + SIGNATURE_BYTES);
        rest.extend_from_slice(bytes.get(start..end).unwrap_or_default());
        rest.extend_from_slice(signature);
        Ok(Some((Family { class, by }, Self(rest.into()))))
    }

    /// How many bytes are left.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The name that the resource was born with.
    pub(crate) fn name(&self) -> String {
        Genesis::decode_name(&mut Reader::new(&self.0)).unwrap_or_default().to_owned()
    }

    /// Puts the record together again.
    pub(crate) fn unpack(&self, id: RecordId, family: &Family) -> Result<VerifiedRecord, DecodeError> {
        let mut reader = Reader::new(&self.0);
        let AccessClass { owner, kind, space } = family.class;
        let genesis = Genesis {
            kind,
            owner,
            space,
            name: Genesis::decode_name(&mut reader)?.to_owned(),
            nonce: reader.array()?,
            alias: reader.array()?,
            by: family.by,
        };
        let record = Record::Genesis(genesis);
        let mut writer = Writer::new();
        writer.raw(&record.payload()).raw(reader.raw(SIGNATURE_BYTES)?);
        Ok(VerifiedRecord::new(id, record, writer.finish().into()))
    }
}
