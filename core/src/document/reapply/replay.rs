//! Making the operations of a lost change anew on what is shown.
//!
//! Each operation names what it works on by ids. An id of a change that is shown still stands; one of a change that
//! was itself applied again stands for the operation at the same place there; of an object that is gone, the one of
//! the same kind under the same keys takes the place, if there is one. Text and list elements go after what they
//! were put after, or, where that is gone, after what that was put after.

use std::collections::BTreeMap;
use std::rc::Rc;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::{Transactable, Transaction};
use automerge::{ActorId, Cursor, ObjId, ObjType, ROOT, ReadDoc, Value};

use crate::document::Document;
use crate::document::graph::Node;

/// How deep objects are looked for by their keys.
const MAX_DEPTH: usize = 64;
/// How far back a place in a text or list is looked for.
const MAX_STEPS: usize = 1 << 12;
/// Decoded operations that are kept at hand.
const MAX_DECODED: usize = 1 << 20;

/// Where an operation that a lost change knew is now.
enum Found {
    Here(OpId),
    /// Nowhere; it was this one of this change.
    Lost(u32, usize),
    Unknown,
}

/// Where the last element went, so that what was typed in one go is put in one go.
struct Run {
    after: OpId,
    object: ObjId,
    index: usize,
}

pub(super) struct Replay<'a> {
    document: &'a Document,
    /// The change that is applied again.
    change: u32,
    /// Who does it, and the counter of the first operation.
    actor: ActorId,
    start: u64,
    /// The counter of the new operation for each old one.
    made: Vec<Option<u64>>,
    /// The elements that new operations overwrote.
    overwritten: BTreeMap<u64, OpId>,
    run: Option<Run>,
    decoded: &'a mut Decoded,
}

/// Operations at hand.
#[derive(Default)]
pub(super) struct Decoded {
    of: BTreeMap<u32, Rc<[Op]>>,
    operations: usize,
}

impl Decoded {
    fn of(&mut self, document: &Document, index: u32) -> Rc<[Op]> {
        if let Some(known) = self.of.get(&index) {
            return Rc::clone(known);
        }
        let change = document.decoded(index);
        let operations: Rc<[Op]> = change.map(|change| change.decode().operations).unwrap_or_default().into();
        if self.operations > MAX_DECODED {
            *self = Self::default();
        }
        self.operations += operations.len();
        self.of.insert(index, Rc::clone(&operations));
        operations
    }
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        document: &'a Document,
        change: u32,
        actor: ActorId,
        start: u64,
        decoded: &'a mut Decoded,
    ) -> Self {
        let (made, overwritten) = (Vec::new(), BTreeMap::new());
        Self { document, change, actor, start, made, overwritten, run: None, decoded }
    }

    /// Makes the operations; true if nothing had to be left out.
    pub(super) fn run(&mut self, transaction: &mut Transaction<'_>) -> bool {
        let operations = self.operations(self.change);
        let mut complete = true;
        for (place, operation) in operations.iter().enumerate() {
            let counter = self.start + transaction.pending_ops() as u64;
            let end = operations.get(place + 1);
            let applied = match &operation.action {
                // Made with its beginning.
                OpType::MarkEnd(_) => Some(()),
                OpType::MarkBegin(_) => end.and_then(|end| self.mark(transaction, operation, end)),
                OpType::Make(_) | OpType::Delete | OpType::Increment(_) | OpType::Put(_) => {
                    self.apply(transaction, operation, place)
                }
            };
            complete &= applied.is_some();
            let new = self.start + transaction.pending_ops() as u64 > counter;
            self.made.push(new.then_some(counter));
        }
        complete
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>, operation: &Op, place: usize) -> Option<()> {
        let object = self.object(transaction, &operation.obj)?;
        let element = match &operation.key {
            Key::Map(key) => return self.apply_to_key(transaction, &object, key.as_str(), operation),
            Key::Seq(element) => element,
        };
        if operation.insert {
            let index = self.place_after(transaction, &object, element)?;
            match &operation.action {
                OpType::Make(kind) => _ = transaction.insert_object(&object, index, *kind).ok()?,
                OpType::Put(value) => transaction.insert(&object, index, value.clone()).ok()?,
                OpType::Delete | OpType::Increment(_) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => {
                    return None;
                }
            }
            let index = index + width(transaction, &object, index);
            self.run = self.old_id(place).map(|after| Run { after, object, index });
            return Some(());
        }
        self.run = None;
        let found = self.element(transaction, &object, element);
        let index = found.as_ref().map(|(index, _)| *index);
        if let Some((_, id)) = found {
            self.overwritten.insert(self.start + transaction.pending_ops() as u64, id);
        }
        match &operation.action {
            // What is gone already is deleted.
            OpType::Delete => index.map_or(Some(()), |index| transaction.delete(&object, index).ok()),
            OpType::Make(kind) => transaction.put_object(&object, index?, *kind).ok().map(|_| ()),
            OpType::Put(value) => transaction.put(&object, index?, value.clone()).ok(),
            OpType::Increment(by) => transaction.increment(&object, index?, *by).ok(),
            OpType::MarkBegin(_) | OpType::MarkEnd(_) => None,
        }
    }

    fn apply_to_key(
        &mut self,
        transaction: &mut Transaction<'_>,
        object: &ObjId,
        key: &str,
        operation: &Op,
    ) -> Option<()> {
        match &operation.action {
            OpType::Make(kind) => transaction.put_object(object, key, *kind).ok().map(|_| ()),
            OpType::Put(value) => transaction.put(object, key, value.clone()).ok(),
            OpType::Increment(by) => transaction.increment(object, key, *by).ok(),
            OpType::Delete => {
                // Only what it deleted then: what somebody put there since stays.
                let there = transaction.get_all(object, key).ok()?;
                let deletes = operation.pred.iter().any(|old| match self.find(old) {
                    Found::Here(id) => there.iter().any(|(_, found)| is(found, &id)),
                    Found::Lost(..) | Found::Unknown => false,
                });
                if deletes { transaction.delete(object, key).ok() } else { Some(()) }
            }
            OpType::MarkBegin(_) | OpType::MarkEnd(_) => None,
        }
    }

    fn mark(&mut self, transaction: &mut Transaction<'_>, begin: &Op, end: &Op) -> Option<()> {
        let (OpType::MarkBegin(data), OpType::MarkEnd(after)) = (&begin.action, &end.action) else {
            return None;
        };
        let (Key::Seq(from), Key::Seq(to)) = (&begin.key, &end.key) else { return None };
        let object = self.object(transaction, &begin.obj)?;
        self.run = None;
        let from = self.place_after(transaction, &object, from)?;
        let to = self.place_after(transaction, &object, to)?;
        if from >= to {
            // What was marked is gone.
            return None;
        }
        let expand = match (data.expand, *after) {
            (true, true) => ExpandMark::Both,
            (true, false) => ExpandMark::Before,
            (false, true) => ExpandMark::After,
            (false, false) => ExpandMark::None,
        };
        let mark = Mark::new(data.name.to_string(), data.value.clone(), from, to);
        transaction.mark(&object, mark, expand).ok()
    }

    /// The id that an operation of the lost change had.
    fn old_id(&self, place: usize) -> Option<OpId> {
        let graph = &self.document.graph;
        let node = graph.node(self.change)?;
        let actor = ActorId::from(graph.actor_id(node.actor)?);
        Some(OpId::new(node.start_op() + place as u64, &actor))
    }

    fn find(&mut self, id: &OpId) -> Found {
        let document = self.document;
        let Some(holder) = document.graph.holder(id.actor().to_bytes(), id.counter(), self.change) else {
            return Found::Unknown;
        };
        if document.admitted.contains(holder) {
            return Found::Here(id.clone());
        }
        let Some(node) = document.graph.node(holder) else { return Found::Unknown };
        let place = usize::try_from(id.counter() - node.start_op()).unwrap_or(usize::MAX);
        let here = if holder == self.change {
            self.made.get(place).copied().flatten().map(|counter| OpId::new(counter, &self.actor))
        } else {
            self.find_reapplied(holder, place)
        };
        here.map_or(Found::Lost(holder, place), Found::Here)
    }

    /// The operation at the same place of the change that applied another one again, if the two are alike.
    fn find_reapplied(&mut self, lost: u32, place: usize) -> Option<OpId> {
        let graph = &self.document.graph;
        let again = self.document.reapplied_as(&graph.node(lost)?.hash)?;
        let (old, new) = (self.operations(lost), self.operations(again));
        let (then, now) = (old.get(place)?, new.get(place)?);
        let alike = then.insert == now.insert
            && match (&then.action, &now.action) {
                (OpType::Make(then), OpType::Make(now)) => then == now,
                (then, now) => std::mem::discriminant(then) == std::mem::discriminant(now),
            };
        let node = graph.node(again)?;
        let actor = ActorId::from(graph.actor_id(node.actor)?);
        (alike && old.len() == new.len()).then(|| OpId::new(node.start_op() + place as u64, &actor))
    }

    /// The object that is meant, if it can be seen.
    fn object(&mut self, transaction: &Transaction<'_>, id: &ObjectId) -> Option<ObjId> {
        let mut keys: Vec<(String, ObjType)> = Vec::new();
        let mut id = id.clone();
        let mut object = loop {
            let ObjectId::Id(operation) = &id else { break ROOT };
            match self.find(operation) {
                Found::Here(OpId(counter, actor)) => break ObjId::Id(counter, actor, 0),
                Found::Lost(holder, place) => {
                    let lost = self.operations(holder).get(place)?.clone();
                    let (OpType::Make(kind), Key::Map(key)) = (lost.action, lost.key) else { return None };
                    keys.push((key.to_string(), kind));
                    id = lost.obj;
                }
                Found::Unknown => return None,
            }
            if keys.len() > MAX_DEPTH {
                return None;
            }
        };
        transaction.object_type(&object).ok()?;
        transaction.parents(&object).ok()?.visible_path()?;
        for (key, kind) in keys.into_iter().rev() {
            object = match transaction.get(&object, key).ok()?? {
                (Value::Object(found), id) if found == kind => id,
                _ => return None,
            };
        }
        Some(object)
    }

    /// The index at which something goes that was put after an element.
    fn place_after(
        &mut self,
        transaction: &Transaction<'_>,
        object: &ObjId,
        element: &ElementId,
    ) -> Option<usize> {
        let mut element = element.clone();
        for _ in 0..MAX_STEPS {
            let ElementId::Id(id) = &element else { return Some(0) };
            if let Some(run) = self.run.as_ref().filter(|run| run.after == *id && run.object == *object) {
                return Some(run.index);
            }
            match self.find(id) {
                Found::Here(id) => {
                    let (index, visible) = self.position(transaction, object, &id)?;
                    return Some(index + if visible { width(transaction, object, index) } else { 0 });
                }
                Found::Lost(holder, place) => {
                    let lost = self.operations(holder).get(place)?.clone();
                    let Key::Seq(before) = lost.key else { return None };
                    element = before;
                }
                Found::Unknown => return None,
            }
        }
        None
    }

    /// The index of an element and what it is called now, if it is there.
    fn element(
        &mut self,
        transaction: &Transaction<'_>,
        object: &ObjId,
        element: &ElementId,
    ) -> Option<(usize, OpId)> {
        let ElementId::Id(id) = element else { return None };
        let Found::Here(id) = self.find(id) else { return None };
        let (index, visible) = self.position(transaction, object, &id)?;
        visible.then_some((index, id))
    }

    /// Where an element of an object is or was, and whether it still is.
    fn position(
        &mut self,
        transaction: &Transaction<'_>,
        object: &ObjId,
        id: &OpId,
    ) -> Option<(usize, bool)> {
        let OpId(counter, actor) = id;
        let graph = &self.document.graph;
        let holder = graph.holder_shown(actor.to_bytes(), *counter, &self.document.admitted);
        if let Some(holder) = holder.filter(|holder| graph.reapplies(*holder).is_some()) {
            // What a mark says is somebody's word, and Automerge takes it on trust that an element is the object's.
            let place = usize::try_from(*counter - graph.node(holder)?.start_op()).ok()?;
            let operation = self.operations(holder).get(place)?.clone();
            let inside = match &operation.obj {
                ObjectId::Root => *object == ROOT,
                ObjectId::Id(id) => is(object, id),
            };
            if !inside || !operation.insert {
                return None;
            }
        }
        let cursor = Cursor::try_from(format!("{counter}@{actor}")).ok()?;
        let index = transaction.get_cursor_position(object, &cursor, None).ok()?;
        let visible = match transaction.get_cursor(object, index, None) {
            Ok(there) => there == cursor || self.overwrites(transaction, object, index, id),
            Err(_) => false,
        };
        Some((index, visible))
    }

    /// Whether what is at an index was put there in the place of this element's first value.
    fn overwrites(
        &mut self,
        transaction: &Transaction<'_>,
        object: &ObjId,
        index: usize,
        element: &OpId,
    ) -> bool {
        let Ok(Some((_, ObjId::Id(counter, actor, _)))) = transaction.get(object, index) else {
            return false;
        };
        if actor == self.actor && counter >= self.start {
            return self.overwritten.get(&counter).is_some_and(|overwritten| overwritten == element);
        }
        let graph = &self.document.graph;
        let Some(holder) = graph.holder_shown(actor.to_bytes(), counter, &self.document.admitted) else {
            return false;
        };
        let start = graph.node(holder).map_or(0, Node::start_op);
        let operations = self.operations(holder);
        let operation = usize::try_from(counter - start).ok().and_then(|place| operations.get(place));
        operation
            .is_some_and(|operation| !operation.insert && operation.key.to_opid().as_ref() == Some(element))
    }

    fn operations(&mut self, index: u32) -> Rc<[Op]> {
        self.decoded.of(self.document, index)
    }
}

fn is(object: &ObjId, OpId(counter, actor): &OpId) -> bool {
    matches!(object, ObjId::Id(found, by, _) if found == counter && by == actor)
}

/// How many places an element takes.
fn width(transaction: &Transaction<'_>, object: &ObjId, index: usize) -> usize {
    let text = matches!(transaction.object_type(object), Ok(ObjType::Text));
    match transaction.get(object, index) {
        Ok(Some((Value::Scalar(value), _))) if text => value.as_str().map_or(1, |text| text.chars().count()),
        _ => 1,
    }
}
