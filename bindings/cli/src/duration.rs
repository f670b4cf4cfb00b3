//! Durations as people write them: `30m`, `12h`, `1d`.

use std::time::Duration;

use thiserror::Error;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no duration: write a number and s, m, h, d or w, as in `30m` or `1d`")]
pub struct ParseDurationError(String);

/// Reads a whole number followed by `s`, `m`, `h`, `d` or `w`.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let wrong = || ParseDurationError(text.chars().take(40).collect());
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|total| *total > 0).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (text, seconds) in
            [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("1d", 86_400), ("2w", 1_209_600)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_in_words() {
        for text in ["", "d", "1", "-1d", "+1d", "1.5h", "1 d", "0d", "1y", "1D", "99999999999999999999d"] {
            assert_eq!(parse_duration(text), Err(ParseDurationError(text.to_owned())), "{text}");
        }
        assert!(parse_duration("soon").unwrap_err().to_string().contains("as in `30m`"));
    }
}
