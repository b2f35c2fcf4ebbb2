//! The places of the demo: a tea shop with a blog, and a magazine that writes about tea.

pub(super) mod magazine;
pub(super) mod shop;

/// What a page is, for the way a visitor takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Home,
    /// A list of products.
    Shelf,
    Product,
    Post,
    /// Anything beside the way: about, help, terms.
    Other,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) kind: Kind,
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    /// What it is about.
    pub(super) topics: &'static [&'static str],
    /// Of a product, in cents; 0 elsewhere.
    pub(super) price_cents: i64,
    /// How likely it is chosen among its kind.
    pub(super) weight: u32,
}

/// A site to walk about on.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) origin: &'static str,
    pub(super) pages: &'static [Page],
    /// What people look for on its search page.
    pub(super) terms: &'static [&'static str],
    /// What a trend can be about: every topic of a post.
    pub(super) topics: &'static [&'static str],
}

impl Place {
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.pages.iter().any(|page| page.kind == kind)
    }
}

const fn page(kind: Kind, path: &'static str, title: &'static str, weight: u32) -> Page {
    Page { kind, path, title, topics: &[], price_cents: 0, weight }
}

const fn shelf(path: &'static str, title: &'static str, topics: &'static [&'static str], weight: u32) -> Page {
    Page { kind: Kind::Shelf, path, title, topics, price_cents: 0, weight }
}

const fn product(
    path: &'static str,
    title: &'static str,
    topics: &'static [&'static str],
    price_cents: i64,
    weight: u32,
) -> Page {
    Page { kind: Kind::Product, path, title, topics, price_cents, weight }
}

const fn post(path: &'static str, title: &'static str, topics: &'static [&'static str], weight: u32) -> Page {
    Page { kind: Kind::Post, path, title, topics, price_cents: 0, weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_post_and_every_page_one_path() {
        for place in [&shop::PLACE, &magazine::PLACE] {
            for topic in place.topics {
                let is_about = |page: &Page| page.kind == Kind::Post && page.topics.contains(topic);
                assert!(place.pages.iter().any(is_about), "{topic}");
            }
            let paths: std::collections::BTreeSet<&str> = place.pages.iter().map(|page| page.path).collect();
            assert_eq!(paths.len(), place.pages.len());
            assert!(place.pages.iter().all(|page| (page.kind == Kind::Product) == (page.price_cents > 0)));
            assert!([Kind::Home, Kind::Post, Kind::Other].into_iter().all(|kind| place.has(kind)));
        }
    }
}
