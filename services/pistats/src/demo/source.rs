//! Where a visit comes from: a referrer, and what the link itself says.

use super::dice::Dice;
use super::people::{Loyalty, Person};

/// How somebody got here.
pub(super) struct Source {
    pub(super) referrer: &'static str,
    /// What the landing url ends with.
    pub(super) query: &'static str,
    /// Whether it leads into the blog rather than the shop.
    pub(super) reads: bool,
}

struct Way {
    weight: u32,
    source: Source,
}

const fn way(weight: u32, referrer: &'static str, query: &'static str, reads: bool) -> Way {
    Way { weight, source: Source { referrer, query, reads } }
}

const DIRECT: Source = Source { referrer: "", query: "", reads: false };

const SEARCH: [Way; 6] = [
    way(60, "https://www.google.com/", "", true),
    way(14, "https://www.google.com/", "", false),
    way(9, "https://www.bing.com/", "", false),
    way(9, "https://duckduckgo.com/", "", true),
    way(4, "https://www.ecosia.org/", "", true),
    way(2, "https://search.brave.com/", "", true),
];

const SOCIAL: [Way; 8] = [
    way(10, "https://www.reddit.com/", "", true),
    way(6, "https://www.reddit.com/r/tea/", "", true),
    way(8, "https://l.instagram.com/", "", false),
    way(6, "https://www.facebook.com/", "", true),
    way(4, "https://t.co/", "", true),
    way(4, "https://www.pinterest.com/", "", false),
    way(5, "https://www.youtube.com/", "", true),
    way(2, "https://www.linkedin.com/", "", true),
];

const ASSISTANTS: [Way; 5] = [
    way(10, "https://chatgpt.com/", "?utm_source=chatgpt.com", true),
    way(4, "https://www.perplexity.ai/", "", true),
    way(3, "https://gemini.google.com/", "", true),
    way(2, "https://claude.ai/", "", true),
    way(2, "https://copilot.microsoft.com/", "", true),
];

const MAIL: [Way; 4] = [
    way(8, "", "?utm_source=newsletter&utm_medium=email&utm_campaign=new-harvest", false),
    way(5, "", "?utm_source=newsletter&utm_medium=email&utm_campaign=reading-list&utm_content=top", true),
    way(2, "", "?utm_source=newsletter&utm_medium=email&utm_campaign=reading-list&utm_content=bottom", true),
    way(4, "", "?utm_source=shop&utm_medium=email&utm_campaign=back-in-stock", false),
];

const PAID: [Way; 4] = [
    way(
        8,
        "https://www.google.com/",
        "?utm_source=google&utm_medium=cpc&utm_campaign=matcha&utm_term=matcha+set",
        false,
    ),
    way(5, "https://www.google.com/", "?utm_source=google&utm_medium=cpc&utm_campaign=brand", false),
    way(5, "https://l.instagram.com/", "?utm_source=instagram&utm_medium=paid_social&utm_campaign=gift-box", false),
    way(1, "https://www.bing.com/", "?utm_source=bing&utm_medium=cpc&utm_campaign=matcha", false),
];

const SITES: [Way; 4] = [
    way(5, "https://cups-of-the-world.example/reviews/kettles", "", false),
    way(4, "https://slow-kitchen.example/2025/cold-brew", "", true),
    way(2, "https://news.ycombinator.com/", "", true),
    way(2, "https://paper-and-leaf.example/links", "", false),
];

/// The way of one visit. Those who know the shop type its name or follow its mails.
pub(super) fn of_visit(person: &Person, first: bool, dice: &mut Dice) -> &'static Source {
    // direct, search, social, assistants, mail, paid, other sites
    let weights: [u32; 7] = match person.loyalty {
        Loyalty::Bot => return &DIRECT,
        _ if first => [14, 44, 17, 6, 0, 12, 7],
        Loyalty::Devoted | Loyalty::Regular => [55, 12, 6, 2, 22, 1, 2],
        Loyalty::Passing | Loyalty::Occasional => [34, 28, 10, 4, 16, 4, 4],
    };
    let ways: &'static [Way] = match dice.weighted(weights.into_iter()) {
        0 => return &DIRECT,
        1 => &SEARCH,
        2 => &SOCIAL,
        3 => &ASSISTANTS,
        4 => &MAIL,
        5 => &PAID,
        _ => &SITES,
    };
    among(ways, dice)
}

/// A social network that leads to something to read: what makes a trend.
pub(super) fn of_trend(dice: &mut Dice) -> &'static Source {
    among(&SOCIAL, dice)
}

fn among(ways: &'static [Way], dice: &mut Dice) -> &'static Source {
    &ways[dice.weighted(ways.iter().map(|way| way.weight))].source
}
