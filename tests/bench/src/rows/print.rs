//! Printing the table, for people and for programs.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Row, Rows};
use crate::contestants::KATORI;

impl Rows {
    /// Prints the table, or one JSON array of its rows.
    pub(crate) fn print(&self, as_json: bool) -> Result<()> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        // What is lost comes first, then what was judged, then the rest.
        rows.sort_by_key(|row| match row.is_met() {
            Some(false) => 0,
            Some(true) => 1,
            None => 2,
        });
        if as_json {
            let rows: Vec<Value> = rows.iter().map(|row| self.json(row)).collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        println!("| row | katori | best of the others | limit | met |\n|---|---|---|---|---|");
        for row in &rows {
            println!("{}", line(row));
        }
        println!();
        for (who, safety) in &self.safety {
            println!("{who}: {safety}");
        }
        for row in rows.iter().filter(|row| !row.notes.is_empty() && !row.name.starts_with("growth")) {
            println!("{}: {}", row.title(), row.notes.join("; "));
        }
        Ok(())
    }

    fn json(&self, row: &Row) -> Value {
        let (peer_name, peer) = row.peer().unzip();
        let (limit, limit_name) = row.limit.clone().unzip();
        json!({
            "row": row.name,
            "unit": row.unit,
            "size": (!row.sizes.is_empty()).then_some(row.size),
            "size_of": row.sizes,
            "katori": row.katori(),
            "peer": peer,
            "peer_name": peer_name,
            "everybody": row.values().collect::<BTreeMap<_, _>>(),
            "runs": row.reached.get(KATORI).map_or(0, Vec::len),
            "limit": limit,
            "limit_name": limit_name,
            "ratio_to_peer": row.ratio_to_peer(),
            "ratio_to_limit": row.ratio_to_limit(),
            "goal_to_peer": row.goal_to_peer,
            "goal_to_limit": row.goal_to_limit,
            "met": row.is_met(),
            "notes": row.notes,
            "safety": self.safety,
        })
    }
}

fn line(row: &Row) -> String {
    let value = |value: f64| format!("{} {}", rounded(value), row.unit);
    let goal = |goal: Option<f64>, ratio: Option<f64>| match (ratio, goal) {
        (Some(ratio), Some(goal)) => format!(" ({}x, goal {}x)", rounded(ratio), rounded(goal)),
        (Some(ratio), None) => format!(" ({}x)", rounded(ratio)),
        (None, _) => String::new(),
    };
    let peer = row.peer().map_or(String::new(), |(name, best)| {
        format!("{} {name}{}", value(best), goal(row.goal_to_peer, row.ratio_to_peer()))
    });
    let limit = row.limit.as_ref().map_or(String::new(), |(limit, name)| {
        format!("{} {name}{}", value(*limit), goal(row.goal_to_limit, row.ratio_to_limit()))
    });
    let met = match row.is_met() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let katori = row.katori().map_or("-".to_owned(), value);
    format!("| {} | {katori} | {peer} | {limit} | {met} |", row.title())
}

/// Three digits that count.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole and positive"
            )]
            super::grouped(value.abs().round() as u64)
        }
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
