//! What a page's own url says of how the visit was won: UTM parameters and the click ids of advertising networks.

use super::Text;
use super::channel::Channel;
use super::sources::{self, Kind, Known};
use super::url;

/// The UTM parameters, decoded; absent ones are empty. Of a parameter given twice the first value counts that is not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Campaign {
    pub source: Text,
    pub medium: Text,
    pub name: Text,
    pub term: Text,
    pub content: Text,
    /// Who bought or tagged the click, if its id is in the url.
    pub click: Option<Click>,
}

/// A click id: the network it belongs to, and what its presence proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Click {
    pub network: Known,
    /// `None` where the network marks unpaid links as well.
    pub paid: Option<Channel>,
}

const fn click(name: &'static str, kind: Kind, paid: Option<Channel>) -> Click {
    Click { network: Known { name, kind }, paid }
}

/// Parameter names and what they prove. Facebook marks every link that leaves it, so `fbclid` alone proves no payment.
const CLICK_IDS: &[(&str, Click)] = &[
    ("gclid", click("Google", Kind::Search, Some(Channel::PaidSearch))),
    ("gbraid", click("Google", Kind::Search, Some(Channel::PaidSearch))),
    ("wbraid", click("Google", Kind::Search, Some(Channel::PaidSearch))),
    ("msclkid", click("Bing", Kind::Search, Some(Channel::PaidSearch))),
    ("yclid", click("Yandex", Kind::Search, Some(Channel::PaidSearch))),
    ("dclid", click("Google Ads", Kind::Display, Some(Channel::Display))),
    ("ttclid", click("TikTok", Kind::Social, Some(Channel::PaidSocial))),
    ("twclid", click("Twitter", Kind::Social, Some(Channel::PaidSocial))),
    ("li_fat_id", click("LinkedIn", Kind::Social, Some(Channel::PaidSocial))),
    ("rdt_cid", click("Reddit", Kind::Social, Some(Channel::PaidSocial))),
    ("sccid", click("Snapchat", Kind::Social, Some(Channel::PaidSocial))),
    ("fbclid", click("Facebook", Kind::Social, None)),
    ("igshid", click("Instagram", Kind::Social, None)),
];

impl Campaign {
    /// Reads the campaign from the query of a url, as sent. Parameter names are matched without regard to case.
    pub fn read(query: &str) -> Campaign {
        let mut campaign = Campaign::default();
        if query.is_empty() {
            return campaign;
        }
        for (key, value) in url::query_pairs(query) {
            if value.is_empty() {
                continue;
            }
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            if key.len() > 4 && key.as_bytes()[..4].eq_ignore_ascii_case(b"utm_") {
                let field = match key.to_ascii_lowercase().as_str() {
                    "utm_source" => &mut campaign.source,
                    "utm_medium" => &mut campaign.medium,
                    "utm_campaign" => &mut campaign.name,
                    "utm_term" => &mut campaign.term,
                    "utm_content" => &mut campaign.content,
                    _ => continue,
                };
                if field.is_empty() {
                    *field = Text::from(url::decode(value));
                }
            } else if let Some((_, click)) = CLICK_IDS.iter().find(|(name, _)| is(name))
                && campaign.click.is_none_or(|held| held.paid.is_none() && click.paid.is_some())
            {
                campaign.click = Some(*click);
            }
        }
        campaign
    }

    /// What `utm_source` means, if it is well known.
    pub(super) fn known_source(&self) -> Option<Known> {
        if self.source.is_empty() { None } else { sources::by_name(&plain(&self.source)) }
    }

    /// `utm_medium` in lower case, words separated by `-`.
    pub(super) fn plain_medium(&self) -> String {
        plain(&self.medium).replace([' ', '_'], "-")
    }
}

fn plain(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_are_read_and_decoded() {
        let read = Campaign::read(
            "x=1&utm_source=Feed%3A+blog&utm_medium=feed&UTM_Campaign=spring%20sale&utm_term=%23MSPB&amp;utm_content=a+b&utm_id=7",
        );
        assert_eq!(read.source, "Feed: blog");
        assert_eq!(read.medium, "feed");
        assert_eq!(read.name, "spring sale");
        assert_eq!(read.term, "#MSPB");
        assert_eq!(read.content, "a b");
        assert_eq!(read.click, None);
    }

    #[test]
    fn first_value_that_is_not_empty_counts() {
        assert_eq!(Campaign::read("utm_source=&utm_source=a&utm_source=b").source, "a");
        assert_eq!(Campaign::read("utm_source").source, "");
        assert_eq!(Campaign::read("xutm_source=a&utm_=b&utm_sourced=c"), Campaign::default());
    }

    #[test]
    fn click_ids_prove_what_they_can() {
        for (query, network, paid) in [
            ("gclid=x", "Google", Some(Channel::PaidSearch)),
            ("a=b&MSCLKID=x", "Bing", Some(Channel::PaidSearch)),
            ("dclid=x", "Google Ads", Some(Channel::Display)),
            ("fbclid=x", "Facebook", None),
            ("fbclid=x&gclid=y", "Google", Some(Channel::PaidSearch)),
            ("gclid=y&fbclid=x", "Google", Some(Channel::PaidSearch)),
        ] {
            let click = Campaign::read(query).click;
            assert_eq!(click.map(|c| (c.network.name, c.paid)), Some((network, paid)), "{query}");
        }
        assert_eq!(Campaign::read("gclid=").click, None);
        assert_eq!(Campaign::read("gclid").click, None);
    }

    proptest! {
        #[test]
        fn any_query_is_read(query in "(utm_(source|medium|term)|gclid|é|&|=|%|[0-9a-f+]){0,40}") {
            let read = Campaign::read(&query);
            prop_assert!(read.source.len() <= query.len());
        }
    }
}
