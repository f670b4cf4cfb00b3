//! Bringing a store of an earlier layout to the present one, in one transaction: a power cut leaves the one or the other.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::Table;

/// A table that layout 1 had: vouches, by the document and their id.
const VOUCHES: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("vouches");

/// The length of a document's id, with which the key of a vouch begins.
const ID_BYTES: usize = 32;
/// What comes between the two in [`Table::Documents`].
pub(crate) const VOUCH_MARK: &[u8] = b"vouch";

/// Moves the vouches to where they are now.
pub(super) fn from_layout_1(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    {
        let vouches = transaction.open_table(VOUCHES)?;
        let mut documents = transaction.open_table(Table::Documents.definition())?;
        for row in vouches.iter()? {
            let (key, value) = row?;
            let key = key.value();
            let (document, id) = key.split_at(key.len().min(ID_BYTES));
            documents.insert([document, VOUCH_MARK, id].concat().as_slice(), value.value())?;
        }
    }
    transaction.delete_table(VOUCHES)?;
    Ok(())
}
