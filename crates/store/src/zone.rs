//! Stretches of one offset: how a zone's local days reach SQL, which never does zone arithmetic.

use pistats_core::{Micros, Zone};

/// From, to (not included) and offset of the stretches that cover a span, both ends of it included.
pub(crate) fn stretches(zone: &Zone, (first, last): (Micros, Micros)) -> Vec<(i64, i64, i64)> {
    let mut stretches = Vec::new();
    let mut at = first;
    loop {
        let stretch = zone.stretch(at);
        stretches.push((stretch.from.0, stretch.to.0, stretch.offset_us));
        if last < stretch.to || stretch.to <= at {
            return stretches;
        }
        at = stretch.to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_the_span_without_a_gap() {
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        let day = |number: i64| Micros(number * Micros::DAY);
        // 2023-12-31 to 2024-12-31: winter, summer, winter.
        let found = stretches(&zone, (day(19_722), day(20_088)));
        assert_eq!(found.iter().map(|stretch| stretch.2 / Micros::HOUR).collect::<Vec<_>>(), [1, 2, 1]);
        assert!(found[0].0 <= day(19_722).0 && found[2].1 > day(20_088).0);
        assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0));
        // A span that ends with the first instant of a stretch reaches into it.
        let (summer, winter) = (Micros(found[1].0), Micros(found[2].0));
        assert_eq!(stretches(&zone, (summer, winter)).len(), 2);
        assert_eq!(stretches(&zone, (summer, winter.plus(-1))).len(), 1);
        assert_eq!(stretches(&Zone::utc(), (Micros(0), day(80_000))), [(i64::MIN, i64::MAX, 0)]);
    }
}
