//! The table: one row for each measurement at each size, with everybody who took part, and what it is judged by.

mod print;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::contestants::KATORI;

/// What stands beside contestants in a picture.
const LIMIT: &str = "limit";
/// Growth counts as linear up to this much more, since no two runs take the same.
const LINEAR: f64 = 1.1;

/// A kind of row, and its goals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// How many times less than the best of the others.
    pub(crate) goal_to_peer: Option<f64>,
    /// How many times the limit at most.
    pub(crate) goal_to_limit: Option<f64>,
    /// What sizes of it count; nothing if it has no sizes.
    pub(crate) sizes: &'static str,
}

impl Kind {
    /// A row without goals.
    pub(crate) const fn plain(name: &'static str, unit: &'static str, sizes: &'static str) -> Self {
        Self { name, unit, goal_to_peer: None, goal_to_limit: None, sizes }
    }

    pub(crate) const fn beside_peers(self, goal: f64) -> Self {
        Self { goal_to_peer: Some(goal), ..self }
    }

    pub(crate) const fn beside_limit(self, goal: f64) -> Self {
        Self { goal_to_limit: Some(goal), ..self }
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    sizes: &'static str,
    size: u64,
    /// What everybody reached, in each run.
    reached: BTreeMap<&'static str, Vec<f64>>,
    limit: Option<(f64, String)>,
    goal_to_peer: Option<f64>,
    goal_to_limit: Option<f64>,
    notes: Vec<String>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    /// What was on while each was measured.
    safety: BTreeMap<&'static str, &'static str>,
}

impl Rows {
    /// Who takes part, and what is on meanwhile.
    pub(crate) fn takes_part(&mut self, name: &'static str, safety: &'static str) {
        self.safety.insert(name, safety);
    }

    fn at(&mut self, kind: Kind, size: u64) -> &mut Row {
        let found = self.rows.iter().position(|row| row.name == kind.name && row.size == size);
        let index = found.unwrap_or_else(|| {
            self.rows.push(Row::new(kind, size));
            self.rows.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found there, or has just been put there")]
        &mut self.rows[index]
    }

    /// Notes what somebody reached, and says so at once: a whole run takes long.
    pub(crate) fn note(&mut self, kind: Kind, size: u64, who: &'static str, value: f64) {
        eprintln!("{who}: {}{}: {value:.1} {}", kind.name, sized(kind.sizes, size), kind.unit);
        self.at(kind, size).reached.entry(who).or_default().push(value);
    }

    /// Notes why somebody has no value.
    pub(crate) fn missed(&mut self, kind: Kind, size: u64, who: &'static str, why: &str) {
        eprintln!("{who}: {}{}: {why}", kind.name, sized(kind.sizes, size));
        self.at(kind, size).notes.push(format!("{who}: {why}"));
    }

    /// Notes what stands beside a row as its limit. Nothing happens if nobody reached that row.
    pub(crate) fn limit(&mut self, kind: Kind, size: u64, value: f64, name: &str) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == kind.name && row.size == size) {
            row.limit = Some((value, name.to_owned()));
        }
    }

    /// A measurement of Katori alone.
    fn alone(&mut self, name: &str, unit: &'static str, value: f64) {
        eprintln!("{name}: {value:.1} {unit}");
        let mut row = Row::new(Kind::plain("", unit, ""), 0);
        name.clone_into(&mut row.name);
        row.reached.insert(KATORI, vec![value]);
        self.rows.push(row);
    }

    /// A time.
    pub(crate) fn time(&mut self, name: &str, time: Duration) {
        self.alone(name, "ms", time.as_secs_f64() * 1e3);
    }

    /// A time, beside that of something else.
    pub(crate) fn time_beside(&mut self, name: &str, time: Duration, limit: Duration, limit_name: &str) {
        self.time(name, time);
        eprintln!("  {:.2} times {limit_name}", time.as_secs_f64() / limit.as_secs_f64());
        if let Some(row) = self.rows.last_mut() {
            row.limit = Some((limit.as_secs_f64() * 1e3, limit_name.to_owned()));
        }
    }

    /// What one of so many takes.
    pub(crate) fn nanoseconds(&mut self, name: &str, all: Duration, count: u32) {
        self.alone(name, "ns", all.as_secs_f64() * 1e9 / f64::from(count));
    }

    /// For each kind of row that has sizes, how the figures of everybody grow from the smallest to the largest.
    pub(crate) fn growth(&mut self) {
        let mut grown = Vec::new();
        for series in self.series() {
            for (who, points) in &series.lines {
                let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
                if *who != LIMIT && last.0 > first.0 && first.1 > 0.0 {
                    grown.push((series.name.clone(), *who, *first, *last));
                }
            }
        }
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for (name, who, first, last) in grown {
            let (times, more) = (last.1 / first.1, last.0 / first.0);
            let row = rows.entry(name.clone()).or_insert_with(|| {
                let kind = Kind::plain("", "times", "").beside_limit(LINEAR);
                Row { name: format!("growth: {name}"), ..Row::new(kind, 0) }
            });
            row.notes.push(format!("{who}: from {} to {}", first.0, last.0));
            row.reached.insert(who, vec![times]);
            if who == KATORI {
                row.limit = Some((more, "more of it".to_owned()));
            }
        }
        self.rows.extend(rows.into_values());
    }

    /// What can be drawn: everything that was measured at several sizes.
    pub(crate) fn series(&self) -> Vec<Series> {
        let mut all: Vec<Series> = Vec::new();
        for row in self.rows.iter().filter(|row| !row.sizes.is_empty()) {
            let index = all.iter().position(|series| series.name == row.name).unwrap_or_else(|| {
                let (name, lines) = (row.name.clone(), BTreeMap::new());
                all.push(Series { name, unit: row.unit, sizes: row.sizes, lines });
                all.len() - 1
            });
            let Some(series) = all.get_mut(index) else { continue };
            let size = whole(row.size);
            let limit = row.limit.as_ref().map(|(value, _)| (LIMIT, *value));
            for (who, value) in row.values().chain(limit) {
                series.lines.entry(who).or_default().push((size, value));
            }
        }
        for series in &mut all {
            for points in series.lines.values_mut() {
                points.sort_by(|one, other| one.0.total_cmp(&other.0));
            }
        }
        all.retain(|series| series.lines.values().any(|points| points.len() > 1));
        all
    }
}

/// How one kind of row grows, for everybody.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) sizes: &'static str,
    /// Size and value, ascending.
    pub(crate) lines: BTreeMap<&'static str, Vec<(f64, f64)>>,
}

impl Row {
    fn new(kind: Kind, size: u64) -> Self {
        Self {
            name: kind.name.to_owned(),
            unit: kind.unit,
            sizes: kind.sizes,
            size,
            reached: BTreeMap::new(),
            limit: None,
            goal_to_peer: kind.goal_to_peer,
            goal_to_limit: kind.goal_to_limit,
            notes: Vec::new(),
        }
    }

    /// What everybody reached: the median of all runs.
    fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.reached.iter().filter_map(|(who, values)| {
            let mut values = values.clone();
            values.sort_by(f64::total_cmp);
            Some((*who, *values.get(values.len() / 2)?))
        })
    }

    fn katori(&self) -> Option<f64> {
        self.values().find(|(who, _)| *who == KATORI).map(|(_, value)| value)
    }

    /// The best of the others.
    fn peer(&self) -> Option<(&'static str, f64)> {
        let others = self.values().filter(|(who, _)| *who != KATORI);
        others.min_by(|one, other| one.1.total_cmp(&other.1))
    }

    fn ratio_to_peer(&self) -> Option<f64> {
        let (_, peer) = self.peer()?;
        self.katori().filter(|katori| *katori > 0.0).map(|katori| peer / katori)
    }

    fn ratio_to_limit(&self) -> Option<f64> {
        let (limit, _) = self.limit.as_ref()?;
        self.katori().filter(|_| *limit > 0.0).map(|katori| katori / limit)
    }

    /// Whether every goal that could be judged is met; nothing if none could.
    fn is_met(&self) -> Option<bool> {
        let peer = self.goal_to_peer.zip(self.ratio_to_peer()).map(|(goal, ratio)| ratio >= goal);
        let limit = self.goal_to_limit.zip(self.ratio_to_limit()).map(|(goal, ratio)| ratio <= goal);
        let nothing = self.katori().is_none() && !self.notes.is_empty();
        match (peer, limit) {
            (None, None) => nothing.then_some(false),
            (peer, limit) => Some(peer.unwrap_or(true) && limit.unwrap_or(true)),
        }
    }

    fn title(&self) -> String {
        format!("{}{}", self.name, sized(self.sizes, self.size))
    }
}

fn sized(sizes: &str, size: u64) -> String {
    if sizes.is_empty() { String::new() } else { format!(", {} {sizes}", grouped(size)) }
}

/// A number as people write it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "counts of measurements stay far below 2^52")]
pub(crate) fn whole(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind::plain("time", "ms", "documents").beside_peers(10.0).beside_limit(2.0);

    #[test]
    fn a_row_meets_its_goals_beside_the_best_of_the_others() {
        let mut rows = Rows::default();
        for (who, value) in [(KATORI, 5.0), ("slow", 100.0), ("fast", 50.0)] {
            rows.note(KIND, 10, who, value);
        }
        assert_eq!(rows.rows[0].is_met(), Some(true));
        assert_eq!(rows.rows[0].peer(), Some(("fast", 50.0)));
        rows.limit(KIND, 10, 2.0, "by hand");
        assert_eq!(rows.rows[0].ratio_to_limit(), Some(2.5));
        assert_eq!(rows.rows[0].is_met(), Some(false));
    }

    #[test]
    fn growth_is_judged_by_what_there_is_more() {
        let mut rows = Rows::default();
        for (size, katori, other) in [(10, 1.0, 2.0), (30, 3.0, 18.0), (100, 9.0, 200.0)] {
            rows.note(KIND, size, KATORI, katori);
            rows.note(KIND, size, "slow", other);
        }
        rows.note(KIND, 100, KATORI, 8.0);
        rows.note(KIND, 100, KATORI, 90.0);
        rows.growth();
        let grown = &rows.rows[3];
        assert_eq!((grown.katori(), grown.peer()), (Some(9.0), Some(("slow", 100.0))));
        assert_eq!(grown.is_met(), Some(true));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            (grouped(7), grouped(1000), grouped(259_778)),
            ("7".into(), "1,000".into(), "259,778".into())
        );
    }
}
