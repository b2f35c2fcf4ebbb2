use super::*;

const DAY: i64 = 86_400_000_000;

fn session(visitor: u64, first_us: i64, last_us: i64, events: u64) -> SessionOfDay {
    SessionOfDay { visitor, first_us, last_us, events, page_views: events }
}

fn event(visitor: u64, time_us: i64, page: &str) -> EventOfDay<'_> {
    let values = ["DE", "desktop", "Firefox", "Linux", "search", "page_view", page];
    EventOfDay { visitor, time_us, bot: false, value: None, values }
}

fn pages(sheet: &Sheet) -> Vec<(&str, i8, u64, u64, u64)> {
    let pages = sheet.breakdown.iter().filter(|line| line.dimension == SheetDimension::Page);
    pages.map(|line| (&*line.value, line.kind, line.counts.events, line.visitors, line.sessions)).collect()
}

fn visitors(sheet: &Sheet, dimension: SheetDimension, value: &str, bot: bool) -> Vec<u32> {
    let mut lines =
        sheet.bitmaps.iter().filter(|line| (line.dimension, &*line.value, line.bot) == (dimension, value, bot));
    let Some(line) = lines.next() else { return vec![] };
    assert!(lines.next().is_none());
    let set = RoaringBitmap::deserialize_from(&line.bitmap[..]).expect("portable Roaring");
    assert_eq!(set.len(), line.visitors);
    set.into_iter().collect()
}

#[test]
fn a_session_is_of_the_kind_of_its_events_of_the_value() {
    let mut builder = Builder::new(vec![session(1, 0, 10, 3), session(2, 5, 5, 1), session(1, 50, 60, 2)]);
    for (time, page, bot) in [(0, "a", false), (1, "a", true), (10, "b", false), (50, "b", true), (60, "b", true)] {
        builder.event(&EventOfDay { bot, ..event(1, time, page) }).expect("a small number");
    }
    builder.event(&event(2, 5, "a")).expect("a small number");
    let sheet = builder.finish();
    assert_eq!(
        pages(&sheet),
        [("a", 0, 2, 2, 1), ("b", 0, 1, 1, 1), ("a", 1, 1, 1, 0), ("b", 1, 2, 1, 1), ("a", 2, 0, 0, 1)]
    );
    assert_eq!(visitors(&sheet, SheetDimension::Page, "a", false), [1, 2]);
    assert_eq!(visitors(&sheet, SheetDimension::Page, "a", true), [1]);
    assert_eq!(visitors(&sheet, SheetDimension::All, "", true), [1]);
    assert_eq!(visitors(&sheet, SheetDimension::Country, "DE", false), [1, 2]);
    let bounced: u64 = sheet.breakdown.iter().filter(|line| line.value == "a").map(|line| line.bounces).sum();
    assert_eq!(bounced, 1);
}

#[test]
fn an_event_of_another_day_gives_its_session_a_row_and_no_visitor() {
    let mut builder = Builder::new(vec![session(7, DAY - 1, DAY + 1, 2)]);
    builder.event(&event(7, DAY - 1, "a")).expect("a small number");
    builder.event_elsewhere(&event(7, DAY + 1, "b"));
    // Neither of the session nor of the day.
    builder.event_elsewhere(&event(7, DAY + 2, "c"));
    builder.event_elsewhere(&event(8, DAY, "d"));
    let sheet = builder.finish();
    assert_eq!(pages(&sheet), [("a", 0, 1, 1, 1), ("b", 0, 0, 0, 1)]);
    assert_eq!(visitors(&sheet, SheetDimension::Page, "b", false), [0u32; 0]);
    assert!(sheet.breakdown.iter().all(|line| line.session_us == i128::from(2 * line.sessions)));
}

#[test]
fn sums_go_past_64_bits_and_absent_values_have_no_least() {
    let mut builder = Builder::new(vec![]);
    for value in [Some(i64::MAX), Some(i64::MAX), None, Some(-3)] {
        builder.event(&EventOfDay { value, ..event(1, 0, "a") }).expect("a small number");
    }
    builder.event(&event(1, 0, "b")).expect("a small number");
    let sheet = builder.finish();
    let of = |page| sheet.breakdown.iter().find(|line| line.value == page).expect("a line").counts;
    assert_eq!(of("a").value_sum, 2 * i128::from(i64::MAX) - 3);
    assert_eq!((of("a").value_count, of("a").value_min, of("a").value_max), (3, Some(-3), Some(i64::MAX)));
    assert_eq!((of("b").events, of("b").value_count, of("b").value_min), (1, 0, None));
}

#[test]
fn a_visitor_number_of_32_bits_fits_and_one_more_is_refused() {
    let mut builder = Builder::new(vec![]);
    let largest = u64::from(u32::MAX);
    builder.event(&event(largest, 0, "a")).expect("it fits");
    builder.first_seen(largest).expect("it fits");
    assert_eq!(builder.event(&event(largest + 1, 0, "a")), Err(VisitorTooLarge(largest + 1)));
    assert_eq!(builder.first_seen(largest + 1), Err(VisitorTooLarge(largest + 1)));
    assert_eq!(visitors(&builder.finish(), SheetDimension::FirstSeen, "", false), [u32::MAX]);
}

#[test]
fn a_day_without_rows_is_an_empty_sheet() {
    assert_eq!(Builder::new(vec![]).finish(), Sheet::default());
}
