//! Changes that Automerge surely writes again as they are.
//!
//! To have it write a change again costs more than to read it. What could come out differently is known: values in a
//! longer encoding than they need, operations with parts that they have no use for, several predecessors in another
//! order, marks. A change that was inspected and has none of these comes out the same, and most are such.

use super::Sections;
use super::columns::Column;
use super::cursors::{Booleans, Bytes, Differences, Malformed, Runs};
use super::values::is_plain as is_plain_value;

const PUT: u64 = 1;
const DELETE: u64 = 3;
const INCREMENT: u64 = 5;

/// Whether an inspected change of so many operations has only plain ones.
pub(super) fn is_plain(sections: &Sections<'_>, operations: u64) -> bool {
    let unused = [Column::Expand, Column::MarkName];
    unused.iter().all(|column| sections.column(*column).is_empty()) && rows(sections, operations) == Ok(true)
}

/// Looks at each operation.
fn rows(sections: &Sections<'_>, operations: u64) -> Result<bool, Malformed> {
    let mut object_actors = Runs::<u64>::new(sections.column(Column::ObjectActor));
    let mut object_counters = Runs::<u64>::new(sections.column(Column::ObjectCounter));
    let mut key_actors = Runs::<u64>::new(sections.column(Column::KeyActor));
    let mut key_counters = Differences::new(sections.column(Column::KeyCounter));
    let mut names = Runs::<&str>::new(sections.column(Column::KeyName));
    let mut inserts = Booleans::new(sections.column(Column::Insert));
    let mut actions = Runs::<u64>::new(sections.column(Column::Action));
    let mut metas = Runs::<u64>::new(sections.column(Column::ValueMeta));
    let mut values = Bytes(sections.column(Column::Value));
    let mut predecessor_counts = Runs::<u64>::new(sections.column(Column::PredecessorCount));
    for _ in 0..operations {
        let in_object = (object_actors.next()?.is_some(), object_counters.next()?.is_some());
        let insert = inserts.next()?;
        let key = match (names.next()?, key_actors.next()?, key_counters.next()?) {
            (Some(_), None, None) => !insert,
            (None, None, Some(0)) => insert,
            (None, Some(_), Some(counter)) => counter > 0,
            _ => false,
        };
        let meta = metas.next()?.ok_or(Malformed)?;
        let (kind, length) = (meta & 0x0f, usize::try_from(meta >> 4).map_err(|_| Malformed)?);
        let value = values.take(length)?;
        let predecessors = predecessor_counts.next()?.ok_or(Malformed)?;
        let fits = match actions.next()?.ok_or(Malformed)? {
            PUT => true,
            DELETE => kind == 0 && !insert && predecessors == 1,
            INCREMENT => kind == 4 && !insert,
            0 | 2 | 4 | 6 => kind == 0,
            _ => false,
        };
        let overwrites = predecessors <= u64::from(!insert);
        if in_object.0 != in_object.1 || !key || !fits || !overwrites || !is_plain_value(kind, value) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use automerge::{ActorId, Automerge, Change, ObjType, ROOT};

    use super::super::decode::rewrite;
    use super::super::{Limits, inspect, seal};

    use super::*;

    fn history() -> Vec<Change> {
        let mut document = Automerge::new().with_actor(ActorId::from([7; 16]));
        let (text, list) = document
            .transact(|edit| {
                let text = edit.put_object(ROOT, "text", ObjType::Text)?;
                Ok::<_, automerge::AutomergeError>((text, edit.put_object(ROOT, "list", ObjType::List)?))
            })
            .unwrap()
            .result;
        for number in 0..12i64 {
            document.set_actor(ActorId::from([u8::try_from(number % 3).unwrap() + 1; 16]));
            document
                .transact(|edit| {
                    edit.splice_text(&text, 0, 0, "two \u{fc}")?;
                    edit.splice_text(&text, 1, isize::from(number % 2 == 0), "")?;
                    edit.insert(&list, 0, number * 1_000)?;
                    edit.put(ROOT, "key", number % 5)?;
                    edit.put(ROOT, format!("count {}", number % 4), automerge::ScalarValue::counter(number))?;
                    edit.increment(ROOT, format!("count {}", number % 4), -number)
                })
                .unwrap();
            document.transact(|edit| edit.splice_text(&text, 2, 0, "x")).unwrap();
            document.transact(|edit| edit.delete(&list, 0)).unwrap();
        }
        document.get_changes(&[])
    }

    #[test]
    fn a_plain_change_is_written_again_as_it_is_altered_or_not() {
        let (mut plain, mut altered) = (0, 0u64);
        let mut state = 1u64;
        let mut random = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % bound.max(1)
        };
        for change in history() {
            let raw = inspect(change.raw_bytes(), &Limits::default()).unwrap();
            let sections = raw.sections().unwrap();
            plain += u64::from(is_plain(&sections, raw.header().operations));
            for _ in 0..600 {
                let mut columns: Vec<Vec<u8>> =
                    sections.columns.iter().map(|column| column.to_vec()).collect();
                for _ in 0..=random(2) {
                    let column = random(columns.len());
                    let place = random(columns[column].len());
                    match random(4) {
                        0 => columns[column].insert(place, u8::try_from(random(16)).unwrap()),
                        _ if columns[column].is_empty() => {}
                        1 => columns[column][place] = columns[column][place].wrapping_add(1),
                        2 => columns[column][place] ^= 1 << random(8),
                        _ => drop(columns[column].remove(place)),
                    }
                }
                let mut mutant = sections.clone();
                for (to, from) in mutant.columns.iter_mut().zip(&columns) {
                    *to = from;
                }
                let mut data = katori_acl::codec::Writer::new();
                mutant.write(&mut data);
                let Ok(raw) = seal(&data.finish(), &Limits::default()) else { continue };
                let Ok(change) = Change::try_from(raw.bytes()) else { continue };
                if is_plain(&raw.sections().unwrap(), raw.header().operations) {
                    altered += 1;
                    assert_eq!(rewrite(&raw, &change), Ok(()), "{:?}", change.decode());
                }
            }
        }
        assert!(plain >= 30 && altered > 1_000, "{plain} and {altered}");
    }
}
