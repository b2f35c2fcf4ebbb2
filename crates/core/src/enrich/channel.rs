//! How a visit was won: the acquisition channel and the source of an event.
//!
//! The first rule that applies decides:
//! 1. A known `utm_medium` (table below). A paid one asks who was paid, the `utm_source` or else the click id: a search
//!    engine → paid search, a network → paid social, a video site → video; otherwise the medium itself says it.
//! 2. A click id that proves payment (`gclid` → paid search, `twclid` → paid social, `dclid` → display).
//! 3. A well-known `utm_source`, by its kind: a network → organic social, an assistant → AI assistant, …
//! 4. Any other `utm_source` or `utm_medium` → campaign.
//! 5. A referrer of another site, by its kind; an unknown site → referral.
//! 6. A click id that proves no payment (`fbclid`) → organic social.
//! 7. A lone `utm_campaign` → campaign.
//! 8. Nothing, or the site's own pages as the referrer → direct.
//!
//! The source is the `utm_source` (under its well-known name if it has one), else, in rule 2, the click id's network, else
//! the referrer of another site, else the click id's network; direct visits have none. The rules are those of the field
//! (Google Analytics' default channel groups), shortened; the page's own host counts with and without `www.`.

use super::Text;
use super::campaign::Campaign;
use super::referrer::Referrer;
use super::sources::{Kind, Known};

/// An acquisition channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Channel {
    #[default]
    Direct,
    OrganicSearch,
    PaidSearch,
    OrganicSocial,
    PaidSocial,
    Email,
    Display,
    Affiliate,
    Referral,
    AiAssistant,
    Video,
    Sms,
    Push,
    /// A tagged link that no other channel fits.
    Campaign,
}

impl Channel {
    /// All channels, in the order of the enum.
    pub const ALL: [Channel; 14] = [
        Channel::Direct,
        Channel::OrganicSearch,
        Channel::PaidSearch,
        Channel::OrganicSocial,
        Channel::PaidSocial,
        Channel::Email,
        Channel::Display,
        Channel::Affiliate,
        Channel::Referral,
        Channel::AiAssistant,
        Channel::Video,
        Channel::Sms,
        Channel::Push,
        Channel::Campaign,
    ];

    /// The value of the dimension, as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Direct => "Direct",
            Channel::OrganicSearch => "Organic Search",
            Channel::PaidSearch => "Paid Search",
            Channel::OrganicSocial => "Organic Social",
            Channel::PaidSocial => "Paid Social",
            Channel::Email => "Email",
            Channel::Display => "Display",
            Channel::Affiliate => "Affiliate",
            Channel::Referral => "Referral",
            Channel::AiAssistant => "AI Assistant",
            Channel::Video => "Video",
            Channel::Sms => "SMS",
            Channel::Push => "Push",
            Channel::Campaign => "Campaign",
        }
    }

    /// The channel of a visit from a place of this kind that nobody paid for.
    fn organic(kind: Kind) -> Channel {
        match kind {
            Kind::Search => Channel::OrganicSearch,
            Kind::Social => Channel::OrganicSocial,
            Kind::Email => Channel::Email,
            Kind::Video => Channel::Video,
            Kind::Ai => Channel::AiAssistant,
            Kind::Display => Channel::Display,
            Kind::Sms => Channel::Sms,
            Kind::Push => Channel::Push,
            Kind::Affiliate => Channel::Affiliate,
            Kind::Site => Channel::Referral,
        }
    }
}

/// What the page's url alone says: computed once a url, and combined with each event's referrer by [`Verdict::with`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Verdict {
    /// Rules 1 to 4.
    decided: Option<Channel>,
    /// The source of rules 1 to 4; empty if the referrer is to name it.
    source: Text,
    /// Rules 6 and 7, and the source where no referrer names it.
    otherwise: Channel,
    otherwise_source: Text,
}

impl Verdict {
    pub(super) fn of(campaign: &Campaign) -> Verdict {
        let known = campaign.known_source();
        let click = campaign.click;
        let network = click.map(|click| click.network);
        let tagged = !campaign.source.is_empty() || !campaign.medium.is_empty();
        let paid = click.and_then(|click| click.paid);
        let decided = by_medium(&campaign.plain_medium(), known.or(network))
            .or(paid)
            .or(known.map(|known| Channel::organic(known.kind)))
            .or(tagged.then_some(Channel::Campaign));
        let network_name = network.map_or(Text::EMPTY, |known| Text::Fixed(known.name));
        let source = match known {
            Some(known) => Text::Fixed(known.name),
            None if campaign.source.is_empty() && paid.is_some() => network_name.clone(),
            None => campaign.source.clone(),
        };
        let otherwise = match network {
            Some(network) => Channel::organic(network.kind),
            None if campaign.name.is_empty() => Channel::Direct,
            None => Channel::Campaign,
        };
        Verdict { decided, source, otherwise, otherwise_source: network_name }
    }

    /// The source and channel of an event that came by this url, from the referrer of another site if there is one.
    pub(super) fn with(&self, referrer: Option<&Referrer>) -> (Text, Channel) {
        let by_referrer = || referrer.map_or(self.otherwise, |referrer| Channel::organic(referrer.kind));
        let channel = self.decided.unwrap_or_else(by_referrer);
        let source = if !self.source.is_empty() {
            self.source.clone()
        } else {
            referrer.map_or_else(|| self.otherwise_source.clone(), |referrer| referrer.source.clone())
        };
        (source, channel)
    }
}

/// The source and channel of an event, from the page's campaign and its referrer.
///
/// `site` is the page's own host without `www.` and port (see [`super::referrer::site`]), empty if its url had none: nothing is internal then.
pub fn attribute(campaign: &Campaign, referrer: &Referrer, site: &str) -> (Text, Channel) {
    Verdict::of(campaign).with(external(referrer, site))
}

/// The referrer, if it is one of another site.
pub(super) fn external<'a>(referrer: &'a Referrer, site: &str) -> Option<&'a Referrer> {
    (!referrer.site.is_empty() && *referrer.site != *site).then_some(referrer)
}

fn by_medium(medium: &str, payee: Option<Known>) -> Option<Channel> {
    let paid = |otherwise: Channel| match payee.map(|known| known.kind) {
        Some(Kind::Search) => Channel::PaidSearch,
        Some(Kind::Social) => Channel::PaidSocial,
        Some(Kind::Video) => Channel::Video,
        Some(Kind::Display) => Channel::Display,
        _ => otherwise,
    };
    Some(match medium {
        "" => return None,
        "cpc" | "ppc" | "paid-search" | "paidsearch" | "sem" | "search-ads" => paid(Channel::PaidSearch),
        "paid" | "cpa" | "cpv" | "ads" | "ad" | "retargeting" | "remarketing" => paid(Channel::Campaign),
        "paid-social" | "paidsocial" | "social-paid" | "social-ads" => Channel::PaidSocial,
        "display" | "banner" | "cpm" | "interstitial" | "expandable" | "programmatic" | "native" => Channel::Display,
        "email" | "e-mail" | "mail" | "newsletter" => Channel::Email,
        "affiliate" | "affiliates" => Channel::Affiliate,
        "social" | "social-network" | "social-media" | "sm" | "organic-social" => Channel::OrganicSocial,
        "organic" | "organic-search" | "seo" => Channel::OrganicSearch,
        "video" => Channel::Video,
        "referral" | "link" => Channel::Referral,
        "ai" | "ai-assistant" | "llm" | "chatbot" => Channel::AiAssistant,
        "sms" => Channel::Sms,
        "push" | "web-push" | "webpush" | "notification" => Channel::Push,
        // Many tools put the network's name here: utm_medium=twitter.
        name => Channel::organic(super::sources::by_name(name)?.kind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::referrer;

    /// (query, referrer, site) → (source, channel), one line a rule and its other side.
    #[test]
    fn first_rule_that_applies_decides() {
        use Channel::*;
        for (query, from, source, channel) in [
            // 1. A known medium.
            ("utm_medium=cpc&utm_source=google", "", "Google", PaidSearch),
            ("utm_medium=CPC&utm_source=Facebook", "", "Facebook", PaidSocial),
            ("utm_medium=cpc&utm_source=youtube", "", "YouTube", Video),
            ("utm_medium=cpc&utm_source=partner", "", "partner", PaidSearch),
            ("utm_medium=paid&utm_source=partner", "", "partner", Campaign),
            ("utm_medium=paid&fbclid=1", "", "Facebook", PaidSocial),
            ("utm_medium=paid_social&utm_source=x", "", "Twitter", PaidSocial),
            ("utm_medium=email&utm_source=spring+letter", "https://mail.google.com/", "spring letter", Email),
            ("utm_medium=email", "https://mail.google.com/", "Gmail", Email),
            ("utm_medium=E-Mail&gclid=1", "", "Google", Email),
            ("utm_medium=display&gclid=1", "", "Google", Display),
            ("utm_medium=affiliate&utm_source=shop", "", "shop", Affiliate),
            ("utm_medium=social%20media&utm_source=x.com", "", "Twitter", OrganicSocial),
            ("utm_medium=twitter&utm_source=twitterfeed", "http://t.co/a", "Twitter", OrganicSocial),
            ("utm_medium=organic&utm_source=google", "", "Google", OrganicSearch),
            ("utm_medium=push", "", "", Push),
            ("utm_medium=sms", "", "", Sms),
            ("utm_medium=referral&utm_source=friend.example", "", "friend.example", Referral),
            // 2. A click id that proves payment.
            ("gclid=1", "https://www.google.com/", "Google", PaidSearch),
            ("msclkid=1", "", "Bing", PaidSearch),
            ("dclid=1", "https://news.example/", "Google Ads", Display),
            ("twclid=1", "https://t.co/", "Twitter", PaidSocial),
            ("gclid=1&utm_source=spring", "", "spring", PaidSearch),
            // 3. A well-known source.
            ("utm_source=twitter", "", "Twitter", OrganicSocial),
            ("utm_source=chatgpt.com", "", "ChatGPT", AiAssistant),
            ("utm_source=newsletter", "", "Newsletter", Email),
            ("utm_source=google&utm_medium=unheard-of", "", "Google", OrganicSearch),
            // 4. Anything else that is tagged.
            ("utm_source=wh.gov&utm_medium=shorturl&utm_campaign=shorturl", "http://t.co/", "wh.gov", Campaign),
            ("utm_medium=qr", "", "", Campaign),
            // 5. The referrer.
            ("", "https://www.google.de/", "Google", OrganicSearch),
            ("", "http://m.facebook.com/", "Facebook", OrganicSocial),
            ("", "https://claude.ai/chat", "Claude", AiAssistant),
            ("", "https://www.youtube.com/watch?v=1", "YouTube", Video),
            ("", "http://us-mg5.mail.yahoo.com/", "Yahoo Mail", Email),
            ("", "http://www.upworthy.com/x", "upworthy.com", Referral),
            ("fbclid=1", "https://l.instagram.com/", "Instagram", OrganicSocial),
            ("fbclid=1", "https://blog.example/", "blog.example", Referral),
            ("utm_campaign=spring", "https://www.bing.com/", "Bing", OrganicSearch),
            // 6. and 7. No referrer.
            ("fbclid=1", "", "Facebook", OrganicSocial),
            ("fbclid=1", "https://example.com/", "Facebook", OrganicSocial),
            ("utm_campaign=spring", "", "", Campaign),
            // 8. Nothing, or the site itself.
            ("", "", "", Direct),
            ("q=1", "-", "", Direct),
            ("utm_term=x", "", "", Direct),
            ("", "https://example.com/before", "", Direct),
            ("", "https://www.example.com/before", "", Direct),
            ("", "https://shop.example.com/", "shop.example.com", Referral),
        ] {
            let found = attribute(&super::super::campaign::Campaign::read(query), &referrer::read(from), "example.com");
            assert_eq!((&*found.0, found.1), (source, channel), "?{query} from {from}");
        }
    }

    #[test]
    fn page_without_a_host_has_no_internal_referrer() {
        let found = attribute(&Default::default(), &referrer::read("http://semicomplete.com/"), "");
        assert_eq!((&*found.0, found.1), ("semicomplete.com", Channel::Referral));
    }

    #[test]
    fn channel_names_are_distinct() {
        let mut names = Channel::ALL.map(Channel::as_str);
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b));
    }
}
