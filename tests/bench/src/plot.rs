//! Drawing how measurements grow: one picture for each kind of row, both axes logarithmic.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::rows::Series;

const SIZE: (u32, u32) = (720, 480);
const COLOURS: [RGBColor; 5] = [
    RGBColor(204, 68, 34),
    RGBColor(34, 102, 170),
    RGBColor(34, 136, 68),
    RGBColor(120, 120, 120),
    RGBColor(136, 68, 153),
];

/// Draws them into this folder.
pub(crate) fn draw(all: &[Series], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for series in all {
        let path = folder.join(format!("{}.svg", file_name(&series.name)));
        picture(series, &path).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn picture(series: &Series, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let points = || series.lines.values().flatten();
    let (low, high) = bounds(points().map(|point| point.1));
    let (left, right) = bounds(points().map(|point| point.0));
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(&series.name, ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d((left..right).log_scale(), (low..high).log_scale())?;
    let unit = if series.unit.is_empty() { "count" } else { series.unit };
    chart.configure_mesh().x_desc(series.sizes).y_desc(unit).draw()?;
    for ((who, points), colour) in series.lines.iter().zip(COLOURS.iter().cycle()) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(4);
        let colour = *colour;
        chart
            .draw_series(line)?
            .label(*who)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}

/// A little around all values.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
    if high > 0.0 { (low / 1.5, high * 1.5) } else { (0.5, 2.0) }
}

fn file_name(name: &str) -> String {
    let words: Vec<&str> = name.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_picture_names_everybody_and_the_axes() {
        let lines =
            BTreeMap::from([("katori", vec![(10.0, 1.0), (100.0, 2.0)]), ("other", vec![(10.0, 0.0)])]);
        let name = "documents again, 100 changed: bytes".to_owned();
        let folder = tempfile::tempdir().unwrap();
        draw(&[Series { name, unit: "B", sizes: "documents", lines }], folder.path()).unwrap();
        let drawn =
            std::fs::read_to_string(folder.path().join("documents-again-100-changed-bytes.svg")).unwrap();
        for text in ["katori", "other", "documents", "<svg"] {
            assert!(drawn.contains(text), "{text}");
        }
    }
}
