//! Why somebody may do what, what would change, and the story of all of it.

use std::collections::BTreeMap;

use katori::{Consequences, Error, Principal, RecordId, RoleChange, StoryPart};

use super::Executor;
use super::chains;
use super::names::Names;
use crate::failure::Failure;
use crate::report::{
    ConsequencesReport, ExplanationReport, PlaceReport, RoleChangeReport, StoryEntryReport, StoryReport,
};
use crate::response::Response;

impl Executor {
    pub(super) async fn why(&self, who: &str, document: &str) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        let names = self.names().await?;
        let explanation = place.why(self.principal(who, &names).await?).await?;
        Ok(Response::Explanation(ExplanationReport {
            who: names.principal(explanation.who),
            role: explanation.role.map(|role| role.to_string()),
            chains: explanation.chains.iter().map(|chain| chains::report(chain, &names)).collect(),
            lines: chains::lines(&explanation, &place.name(), &names),
        }))
    }

    /// A person or group, or else one of the devices that are known.
    async fn principal(&self, name: &str, names: &Names) -> Result<Principal, Failure> {
        match self.node.person(name).await {
            Ok(person) => Ok(Principal::Person(person)),
            Err(error @ Error::NotFound { .. }) => {
                names.device_called(name).map(Principal::Device).ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn access(&self, document: &str, dot: bool) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        let story = place.story().await?;
        if dot {
            return Ok(Response::Dot(story.to_dot()));
        }
        let mut depths = BTreeMap::new();
        let entries = story.parts.iter().map(|part| entry(part, &mut depths)).collect();
        Ok(Response::Story(StoryReport { name: place.name(), entries }))
    }
}

/// One part of a story. Parts come after those they rest on.
fn entry(part: &StoryPart, depths: &mut BTreeMap<RecordId, u64>) -> StoryEntryReport {
    let below = part.rests_on.iter().filter_map(|record| depths.get(record)).max();
    let depth = below.map_or(0, |depth| depth + 1);
    depths.insert(part.record, depth);
    let words = StoryPart { because: None, ..part.clone() };
    StoryEntryReport {
        record: part.record.to_string(),
        depth,
        text: words.to_string(),
        counts: part.counts,
        void_because: part.because.clone(),
        rests_on: part.rests_on.iter().map(ToString::to_string).collect(),
    }
}

/// What a step would change, as it is told.
pub(super) fn consequences(found: &Consequences, step: String, names: &Names) -> Response {
    let change = |change: &RoleChange| RoleChangeReport {
        who: names.who(&change.who),
        before: change.before.map(|role| role.to_string()),
        after: change.after.map(|role| role.to_string()),
    };
    let places = found.places.iter().map(|place| PlaceReport {
        id: place.id.to_string(),
        name: place.name.clone(),
        is_space: place.is_space,
        people: place.people.iter().map(change).collect(),
        devices: place.devices.iter().map(change).collect(),
    });
    Response::Consequences(ConsequencesReport {
        step,
        places: places.collect(),
        cut_off: found.cut_off.iter().map(|who| names.who(who)).collect(),
        void: found.void as u64,
    })
}
