//! Times and lengths of time, in few words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds in a day.
const DAY: u64 = 86_400;

/// How long ago that was, and when, from milliseconds since 1970 by its author's clock.
pub(crate) fn when(time_ms: i64) -> String {
    when_at(now(), time_ms)
}

fn when_at(now: u64, time_ms: i64) -> String {
    let Ok(time @ 1..) = u64::try_from(time_ms / 1000) else { return "at an unknown time".to_owned() };
    match now.checked_sub(time) {
        Some(passed) => format!("{} ago ({})", length(passed), date(time)),
        None => format!("{}, by a clock that runs ahead", date(time)),
    }
}

/// How long it is until then, and when that is, from milliseconds since 1970.
pub(crate) fn until(time_ms: u64) -> String {
    let time = time_ms / 1000;
    match time.checked_sub(now()) {
        Some(left @ 1..) => format!("for {} (until {})", length(left), date(time)),
        Some(0) | None => format!("since {}", date(time)),
    }
}

/// How long it is until then, in milliseconds since 1970.
pub(crate) fn span(until_ms: u64) -> String {
    length((until_ms / 1000).saturating_sub(now()))
}

fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds.div_ceil(DAY)),
    }
}

/// A time of the calendar, from seconds since 1970.
fn date(time: u64) -> String {
    let (mut days, rest) = (time / DAY, time % DAY);
    // Whole cycles of the calendar, so that a wild clock costs no long count.
    let mut year = 1970 + 400 * (days / 146_097);
    days %= 146_097;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02} {:02}:{:02} UTC", days + 1, rest / 3_600, rest % 3_600 / 60)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short() {
        assert_eq!(length(59), "59 s");
        assert_eq!(length(3_600), "60 min");
        assert_eq!(length(DAY), "24 h");
        assert_eq!(length(604_790), "7 days");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (time, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_704_067_199, "2023-12-31 23:59 UTC"),
            (1_709_164_800, "2024-02-29 00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(time), text);
        }
        assert!(date(u64::MAX).ends_with("UTC"));
    }

    #[test]
    fn times_are_told_both_ways() {
        assert_eq!(when_at(1_704_067_229, 1_704_067_199_000), "30 s ago (2023-12-31 23:59 UTC)");
        assert_eq!(when_at(9, 0), "at an unknown time");
        assert_eq!(when_at(0, 60_000), "1970-01-01 00:01 UTC, by a clock that runs ahead");
    }
}
