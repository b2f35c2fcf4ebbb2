//! Dimensions and filters as people write them: `country=DE|AT`, `page!~/admin`, `property:plan=pro`.

use super::Failure;
use crate::cli::BotsArg;
use pistats_proto::query::v1::{Bots, Dimension, Filter, Operator};

/// Reads a dimension: `country`, `entry_page`, `property:KEY`. Answers its number and the property's key.
pub(super) fn dimension(text: &str) -> Result<(Dimension, String), Failure> {
    if let Some(key) = text.strip_prefix("property:") {
        return Ok((Dimension::Property, key.to_owned()));
    }
    let name = format!("DIMENSION_{}", text.to_ascii_uppercase().replace('-', "_"));
    match Dimension::from_str_name(&name) {
        Some(Dimension::Unspecified | Dimension::Property) | None => {
            Err(format!("{text:?} is no dimension; `pistats query breakdown --help` names them"))
        }
        Some(dimension) => Ok((dimension, String::new())),
    }
}

/// Reads a filter. Values are parted by `|`.
pub(super) fn filter(text: &str) -> Result<Filter, Failure> {
    const OPERATORS: [(&str, Operator); 5] = [
        ("!=", Operator::IsNot),
        ("!~", Operator::DoesNotContain),
        ("=", Operator::Is),
        ("~", Operator::Contains),
        ("^", Operator::StartsWith),
    ];
    let at = text.find(['=', '!', '~', '^']).ok_or_else(|| format!("{text:?} has no operator: use = != ~ !~ ^"))?;
    let (name, rest) = text.split_at(at);
    let found = OPERATORS.into_iter().find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)));
    let (operator, values) = found.ok_or_else(|| format!("{rest:?} begins with no operator: use = != ~ !~ ^"))?;
    let (dimension, property) = dimension(name)?;
    Ok(Filter {
        dimension: dimension.into(),
        property,
        operator: operator.into(),
        values: values.split('|').map(str::to_owned).collect(),
    })
}

impl From<BotsArg> for Bots {
    fn from(bots: BotsArg) -> Bots {
        match bots {
            BotsArg::Exclude => Bots::Exclude,
            BotsArg::Include => Bots::Include,
            BotsArg::Only => Bots::Only,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_written() {
        let read = filter("country!=DE|AT").expect("a filter");
        assert_eq!(
            (read.dimension(), read.operator(), read.values),
            (Dimension::Country, Operator::IsNot, vec!["DE".into(), "AT".into()])
        );
        let read = filter("property:plan~=pro").expect("a filter");
        assert_eq!(
            (read.property.as_str(), read.operator(), read.values),
            ("plan", Operator::Contains, vec!["=pro".into()])
        );
        assert_eq!(filter("url^http://a?b=c").expect("a filter").operator(), Operator::StartsWith);
        assert_eq!(filter("referrer=").expect("a filter").values, [""]);
    }

    #[test]
    fn what_is_no_filter_says_why() {
        assert!(filter("country").expect_err("none").contains("no operator"));
        assert!(filter("planet=Earth").expect_err("none").contains("no dimension"));
        assert!(filter("country!DE").expect_err("none").contains("no operator"));
    }
}
