//! Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.

use std::time::Duration;

/// How long to wait, from the header and the answer's own `Date`. A date is compared with that one and not with
/// our clock, which may be wrong (field guide C-8). `None` when it cannot be read.
pub(crate) fn parse(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (then, now) = (seconds_of(text)?, seconds_of(date?.trim())?);
    Some(Duration::from_secs(u64::try_from(then - now).unwrap_or(0)))
}

/// Unix seconds of a `Date` header.
pub(crate) fn unix_of(date: &str) -> Option<u64> {
    u64::try_from(seconds_of(date.trim())?).ok()
}

/// Unix seconds of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that servers may still write.
fn seconds_of(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, text) = text.split_once(", ")?;
    let parts: Vec<&str> = text.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts[..] else {
        return None;
    };
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let mut clock = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    let legal = (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && (0..24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..=60).contains(&seconds);
    // Days since the epoch, with years that start in March so that the leap day comes last.
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    let days = shifted_year * 365 + leap_days + (shifted_month * 153 + 2) / 5 + day - 1 - 719_468;
    legal.then_some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (header, date, expected) in [
            ("120", None, Some(120)),
            (" 0 ", None, Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", date, Some(120)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", date, Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", date, Some(86_400)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", None, None),
            ("Sun, 99 Nov 1994 08:51:37 GMT", date, None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", date, None),
            ("soon", date, None),
            ("-1", date, None),
            ("", date, None),
        ] {
            assert_eq!(
                parse(header, date),
                expected.map(Duration::from_secs),
                "{header:?}"
            );
        }
    }

    #[test]
    fn dates_count_from_the_epoch() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
        ] {
            assert_eq!(seconds_of(text), Some(expected), "{text}");
        }
    }
}
