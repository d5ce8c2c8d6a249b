//! The text that stands for a time: `YYYY-MM-DDTHH:MM:SS.ffffffZ`.

use time::{Date, Month, OffsetDateTime, Time};

/// How long the text of a time is.
pub(crate) const TIMESTAMP_LEN: usize = "YYYY-MM-DDTHH:MM:SS.ffffffZ".len();

/// The text of a time in UTC, within the years 0–9999.
pub(crate) fn timestamp_text(timestamp: OffsetDateTime) -> String {
    timestamp_bytes(timestamp).into_iter().map(char::from).collect()
}

/// The same in ASCII, as it is hashed: cut to the microsecond. Of a year before 0 it has no sign.
pub(crate) fn timestamp_bytes(timestamp: OffsetDateTime) -> [u8; TIMESTAMP_LEN] {
    let (year, month, day) = timestamp.to_calendar_date();
    let (hour, minute, second, microsecond) = timestamp.time().as_hms_micro();
    let year = year.unsigned_abs();
    let mut text = *b"YYYY-MM-DDTHH:MM:SS.ffffffZ";
    for (place, number) in [
        (0, year / 100),
        (2, year),
        (5, u8::from(month).into()),
        (8, day.into()),
        (11, hour.into()),
        (14, minute.into()),
        (17, second.into()),
        (20, microsecond / 10_000),
        (22, microsecond / 100),
        (24, microsecond),
    ] {
        text[place..place + 2].copy_from_slice(&last_two_digits(number));
    }
    text
}

/// The time in UTC that a text stands for. A time has one text only: whatever this accepts, [`timestamp_bytes`] writes.
#[inline]
pub(crate) fn read_timestamp(text: &[u8]) -> Option<OffsetDateTime> {
    let text: &[u8; TIMESTAMP_LEN] = text.try_into().ok()?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
    if separators.iter().any(|&(place, separator)| text[place] != separator) {
        return None;
    }
    let two_digits = |place: usize| Some(10 * digit(text[place])? + digit(text[place + 1])?);
    let (century, year) = (two_digits(0)?, two_digits(2)?);
    let month = Month::try_from(two_digits(5)?).ok()?;
    let date = Date::from_calendar_date(100 * i32::from(century) + i32::from(year), month, two_digits(8)?);
    let microsecond = [20, 22, 24]
        .into_iter()
        .try_fold(0, |microsecond, place| Some(100 * microsecond + u32::from(two_digits(place)?)))?;
    let time = Time::from_hms_micro(two_digits(11)?, two_digits(14)?, two_digits(17)?, microsecond);
    Some(OffsetDateTime::new_utc(date.ok()?, time.ok()?))
}

fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(digit)
}

fn last_two_digits(number: u32) -> [u8; 2] {
    let number = u8::try_from(number % 100).expect("it is below 100");
    [b'0' + number / 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::datetime};

    use super::*;

    const FIRST: OffsetDateTime = datetime!(0000-01-01 00:00 UTC);
    const LAST: OffsetDateTime = datetime!(9999-12-31 23:59:59.999999 UTC);

    fn read(text: &str) -> Option<OffsetDateTime> {
        read_timestamp(text.as_bytes())
    }

    proptest! {
        #[test]
        fn a_time_reads_back_from_its_text(microseconds in 0..=(LAST - FIRST).whole_microseconds()) {
            let time = FIRST + Duration::microseconds(microseconds.try_into().unwrap());
            prop_assert_eq!(read(&timestamp_text(time)), Some(time));
        }

        #[test]
        fn what_is_read_is_its_own_text(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{6}Z") {
            if let Some(time) = read(&text) {
                prop_assert_eq!(timestamp_text(time), text);
            }
        }
    }

    #[test]
    fn the_days_of_a_year_follow_each_other_and_there_are_no_others() {
        for (year, days) in [(0, 366), (1900, 365), (2000, 366), (2023, 365), (2024, 366), (9999, 365)] {
            let day = |(month, day)| read(&format!("{year:04}-{month:02}-{day:02}T00:00:00.000000Z"));
            let all: Vec<_> = (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))).collect();
            let found: Vec<_> = all.into_iter().filter_map(day).collect();
            assert_eq!(found.len(), days, "{year}");
            assert!(found.windows(2).all(|pair| pair[1] - pair[0] == Duration::DAY), "{year}");
            assert_eq!((found[0].year(), found[0].ordinal()), (year, 1));
        }
    }

    #[test]
    fn a_text_of_another_form_is_no_time() {
        for good in
            ["0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T23:00:00.100000Z"]
        {
            assert!(read(good).is_some(), "{good}");
        }
        let good = "2024-02-29T23:59:59.123456Z";
        for index in 0..good.len() {
            for other in ["/", ":", "x", "+", " ", "-"] {
                let mut text = good.to_owned();
                text.replace_range(index..=index, other);
                assert_eq!(read(&text).is_some(), text == good, "{text}");
            }
        }
        for bad in
            ["2024-00-01", "2024-13-01", "2024-01-00", "2024-01-32", "2023-02-29", "1900-02-29", "2024-04-31"]
        {
            assert_eq!(read(&format!("{bad}T00:00:00.000000Z")), None, "{bad}");
        }
        for bad in ["24:00:00", "23:60:00", "23:59:60"] {
            assert_eq!(read(&format!("2024-01-01T{bad}.000000Z")), None, "{bad}");
        }
    }
}
