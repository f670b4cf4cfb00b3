//! Rates as people write them: `200KiB/s`, `2MB/s`.

use thiserror::Error;

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no rate: write a number and B, KB, KiB, MB or MiB, each second, as in `200KiB/s`")]
pub struct ParseRateError(String);

/// Reads a whole number of bytes a second, followed by `B`, `KB`, `KiB`, `MB` or `MiB`, and `/s` or nothing.
pub fn parse_rate(text: &str) -> Result<u64, ParseRateError> {
    let wrong = || ParseRateError(text.chars().take(40).collect());
    let amount = text.strip_suffix("/s").unwrap_or(text);
    let end = amount.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(amount.len());
    let (number, unit) = amount.split_at(end);
    let unit: u64 = match unit {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|rate| *rate > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (text, rate) in
            [("200KiB/s", 204_800), ("2MB/s", 2_000_000), ("1MiB", 1 << 20), ("900B/s", 900), ("5kB", 5_000)]
        {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_in_words() {
        for text in
            ["", "KiB/s", "200", "200/s", "0KiB/s", "-1MB/s", "1.5MB/s", "2 MB/s", "99999999999999999999MB"]
        {
            assert_eq!(parse_rate(text), Err(ParseRateError(text.to_owned())), "{text}");
        }
        assert!(parse_rate("fast").unwrap_err().to_string().contains("as in `200KiB/s`"));
    }
}
