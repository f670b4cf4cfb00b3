//! The table of measurements.

use std::time::Duration;

use anyhow::Result;

/// One measurement, and the limit it stands beside.
#[derive(Debug)]
struct Row {
    name: String,
    unit: &'static str,
    katori: Option<f64>,
    limit: Option<f64>,
    limit_name: String,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    limits: Vec<(String, f64)>,
}

impl Rows {
    /// What Automerge alone takes.
    pub(crate) fn limit(&mut self, name: &str, time: Duration) {
        self.note(name, "ms", milliseconds(time));
    }

    /// What Automerge alone writes.
    pub(crate) fn limit_bytes(&mut self, name: &str, bytes: usize) {
        self.note(name, "B", whole(bytes as u64));
    }

    fn note(&mut self, name: &str, unit: &'static str, value: f64) {
        self.limits.push((name.to_owned(), value));
        let name = format!("automerge alone: {name}");
        self.rows.push(Row { name, unit, katori: None, limit: Some(value), limit_name: String::new() });
    }

    /// A time, beside the sum of these limits.
    pub(crate) fn time(&mut self, name: &str, time: Duration, limits: &str) {
        self.row(name, "ms", milliseconds(time), limits);
    }

    /// A size, beside the sum of these limits.
    pub(crate) fn bytes(&mut self, name: &str, bytes: u64, limits: &str) {
        self.row(name, "B", whole(bytes), limits);
    }

    /// What one of so many takes.
    pub(crate) fn nanoseconds(&mut self, name: &str, all: Duration, count: u32) {
        self.row(name, "ns", all.as_secs_f64() * 1e9 / f64::from(count), "");
    }

    /// Notes a row, and says so at once: a whole run takes minutes.
    fn row(&mut self, name: &str, unit: &'static str, value: f64, limits: &str) {
        eprintln!("{name}: {value:.1} {unit}");
        let named = || limits.split(" + ");
        let known = self.limits.iter().filter(|(name, _)| named().any(|wanted| wanted == *name));
        let sum: f64 = known.map(|(_, value)| value).sum();
        self.rows.push(Row {
            name: name.to_owned(),
            unit,
            katori: Some(value),
            limit: (sum > 0.0).then_some(sum),
            limit_name: limits.to_owned(),
        });
    }

    /// Prints the table, or one JSON array of its rows.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        println!("{:<48} {:>12} {:>12} {:>8}", "", "katori", "limit", "ratio");
        for row in &self.rows {
            let show =
                |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.1} {}", row.unit));
            let ratio = row.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}x"));
            println!(
                "{:<48} {:>12} {:>12} {:>8}  {}",
                row.name,
                show(row.katori),
                show(row.limit),
                ratio,
                row.limit_name
            );
        }
        Ok(())
    }
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        Some(self.katori? / self.limit?)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "row": self.name,
            "unit": self.unit,
            "katori": self.katori,
            "limit": self.limit,
            "limit_name": self.limit_name,
            "ratio_to_limit": self.ratio(),
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "byte counts of measurements stay far below 2^52")]
fn whole(value: u64) -> f64 {
    value as f64
}
