//! Well-known sources of visits: a table of facts, and how a host finds its line in it.
//!
//! A pattern is a host with all hosts below it (`facebook.com` holds `m.facebook.com`), or a name under any country's
//! suffix (`google.*` holds `www.google.co.uk`, and not `google.evil.example`). The longest pattern wins, so that
//! `mail.google.com` is a mailbox and `www.google.com` a search engine. What is not here is a site like any other, under
//! its own host: the table needs lines only where the kind or the name differs from that.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What kind of place a visit comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Search,
    Social,
    Email,
    Video,
    Ai,
    Display,
    Sms,
    Push,
    Affiliate,
    /// Any other site.
    Site,
}

/// One source: the name that reports show, and its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    pub name: &'static str,
    pub kind: Kind,
}

use Kind::*;

/// Name, kind, patterns of hosts, and other names by which `utm_source` calls it (lower case).
#[rustfmt::skip]
const SOURCES: &[(&str, Kind, &str, &str)] = &[
    // Search engines
    ("Google", Search, "google.* googleapis.com com.google.android.googlequicksearchbox", "adwords googleads google_ads google-ads"),
    ("Bing", Search, "bing.com", "bingads microsoftads"),
    ("Yahoo", Search, "search.yahoo.com search.yahoo.co.jp r.search.yahoo.com", ""),
    ("DuckDuckGo", Search, "duckduckgo.com com.duckduckgo.mobile.android", "ddg"),
    ("Yandex", Search, "yandex.* ya.ru", ""),
    ("Baidu", Search, "baidu.com", ""),
    ("Naver", Search, "search.naver.com", ""),
    ("Daum", Search, "search.daum.net", ""),
    ("Ecosia", Search, "ecosia.org", ""),
    ("Qwant", Search, "qwant.com", ""),
    ("Startpage", Search, "startpage.com", ""),
    ("Brave Search", Search, "search.brave.com", ""),
    ("Kagi", Search, "kagi.com", ""),
    ("Mojeek", Search, "mojeek.com", ""),
    ("Seznam", Search, "search.seznam.cz", ""),
    ("Sogou", Search, "sogou.com", ""),
    ("360 Search", Search, "so.com", ""),
    ("Ask", Search, "ask.com", ""),
    ("AOL", Search, "search.aol.com aolsearch.aol.com", ""),
    ("Rambler", Search, "nova.rambler.ru", ""),
    ("Swisscows", Search, "swisscows.com", ""),
    ("Dogpile", Search, "dogpile.com", ""),
    // Assistants
    ("ChatGPT", Ai, "chatgpt.com chat.openai.com", "openai chat-gpt"),
    ("Claude", Ai, "claude.ai claude.com", ""),
    ("Perplexity", Ai, "perplexity.ai", ""),
    ("Gemini", Ai, "gemini.google.com bard.google.com", ""),
    ("Copilot", Ai, "copilot.microsoft.com copilot.cloud.microsoft copilot.com", ""),
    ("Grok", Ai, "grok.com", ""),
    ("DeepSeek", Ai, "chat.deepseek.com", ""),
    ("Mistral", Ai, "chat.mistral.ai", "le-chat"),
    ("Meta AI", Ai, "meta.ai", ""),
    ("You.com", Ai, "you.com", ""),
    ("Poe", Ai, "poe.com", ""),
    ("Phind", Ai, "phind.com", ""),
    ("NotebookLM", Ai, "notebooklm.google.com", ""),
    // Social networks, forums and messengers
    ("Facebook", Social, "facebook.com fb.com fb.me m.me messenger.com com.facebook.katana com.facebook.orca", "fb facebook_ads facebook-ads meta fb_ads"),
    ("Instagram", Social, "instagram.com com.instagram.android", "ig"),
    ("Threads", Social, "threads.net threads.com", ""),
    ("Twitter", Social, "twitter.com x.com t.co com.twitter.android", "x twitterfeed tw"),
    ("LinkedIn", Social, "linkedin.com lnkd.in com.linkedin.android", ""),
    ("Reddit", Social, "reddit.com redd.it com.reddit.frontpage", ""),
    ("news.ycombinator.com", Social, "news.ycombinator.com", "hackernews hn hacker-news"),
    ("Pinterest", Social, "pinterest.* pin.it com.pinterest", ""),
    ("TikTok", Social, "tiktok.com", ""),
    ("Snapchat", Social, "snapchat.com com.snapchat.android", ""),
    ("Tumblr", Social, "tumblr.com t.umblr.com", ""),
    ("Google+", Social, "plus.google.com plus.url.google.com", ""),
    ("Bluesky", Social, "bsky.app", ""),
    ("Mastodon", Social, "mastodon.social mastodon.online", ""),
    ("VK", Social, "vk.com vk.ru vkontakte.ru", ""),
    ("Odnoklassniki", Social, "ok.ru odnoklassniki.ru", ""),
    ("Weibo", Social, "weibo.com weibo.cn", ""),
    ("WeChat", Social, "weixin.qq.com", "weixin"),
    ("Xing", Social, "xing.com", ""),
    ("Quora", Social, "quora.com", ""),
    ("Digg", Social, "digg.com", ""),
    ("StumbleUpon", Social, "stumbleupon.com", ""),
    ("Discord", Social, "discord.com discordapp.com", ""),
    ("Telegram", Social, "t.me telegram.org web.telegram.org org.telegram.messenger", ""),
    ("WhatsApp", Social, "whatsapp.com wa.me com.whatsapp", ""),
    ("Slack", Social, "slack.com com.slack com.slack.android", ""),
    ("Microsoft Teams", Social, "teams.microsoft.com teams.live.com", "teams"),
    ("Line", Social, "line.me", ""),
    ("KakaoTalk", Social, "kakao.com com.kakao.talk", "kakao"),
    ("Hootsuite", Social, "hootsuite.com ow.ly", ""),
    ("Buffer", Social, "buffer.com bufferapp.com buff.ly", ""),
    ("Lemmy", Social, "lemmy.world lemmy.ml", ""),
    ("Lobsters", Social, "lobste.rs", ""),
    ("Product Hunt", Social, "producthunt.com", ""),
    ("Myspace", Social, "myspace.com", ""),
    ("Nextdoor", Social, "nextdoor.com", ""),
    // Video
    ("YouTube", Video, "youtube.com youtu.be youtube-nocookie.com com.google.android.youtube", "yt"),
    ("Vimeo", Video, "vimeo.com", ""),
    ("Dailymotion", Video, "dailymotion.com dai.ly", ""),
    ("Twitch", Video, "twitch.tv", ""),
    ("Bilibili", Video, "bilibili.com", ""),
    ("Rumble", Video, "rumble.com", ""),
    ("Niconico", Video, "nicovideo.jp", ""),
    // Mail
    ("Gmail", Email, "mail.google.com com.google.android.gm", ""),
    ("Outlook", Email, "outlook.live.com outlook.com outlook.office.com outlook.office365.com mail.live.com hotmail.com com.microsoft.office.outlook", ""),
    ("Yahoo Mail", Email, "mail.yahoo.com mail.yahoo.net mail.yahoo.co.jp com.yahoo.mobile.client.android.mail", ""),
    ("AOL Mail", Email, "mail.aol.com", ""),
    ("Yandex Mail", Email, "mail.yandex.*", ""),
    ("Mail.ru", Email, "e.mail.ru", ""),
    ("Proton Mail", Email, "mail.proton.me mail.protonmail.com", ""),
    ("iCloud Mail", Email, "mail.icloud.com icloud.com", ""),
    ("Comcast Mail", Email, "web.mail.comcast.net", ""),
    ("GMX", Email, "navigator.gmx.net gmx.net", ""),
    ("WEB.DE", Email, "navigator.web.de web.de", ""),
    ("Zoho Mail", Email, "mail.zoho.com mail.zoho.eu", ""),
    ("Fastmail", Email, "app.fastmail.com", ""),
    ("Mailchimp", Email, "list-manage.com mailchi.mp", ""),
    ("GovDelivery", Email, "links.govdelivery.com", ""),
    ("HubSpot", Email, "hubspotlinks.com hubspotemail.net", "hs_email"),
    ("Newsletter", Email, "", "newsletters email e-mail mail"),
    // Advertising
    ("Google Ads", Display, "doubleclick.net googlesyndication.com googleadservices.com", "doubleclick dv360 gdn"),
    ("Taboola", Display, "taboola.com", ""),
    ("Outbrain", Display, "outbrain.com", ""),
    ("Criteo", Display, "criteo.com", ""),
    ("SMS", Sms, "", ""),
    ("Push", Push, "", "webpush web-push"),
    // Sites of the houses above that are neither search engine nor mailbox
    ("Google News", Site, "news.google.com", ""),
    ("Google Docs", Site, "docs.google.com drive.google.com", ""),
    ("Google Groups", Site, "groups.google.com", ""),
    ("Google Sites", Site, "sites.google.com", ""),
    ("Google Calendar", Site, "calendar.google.com", ""),
    ("Google Classroom", Site, "classroom.google.com", ""),
    ("Google Translate", Site, "translate.google.com translate.googleusercontent.com", ""),
    ("Google Accounts", Site, "accounts.google.com", ""),
    ("Yahoo", Site, "yahoo.com yahoo.co.jp", ""),
    ("Feedly", Site, "feedly.com", ""),
    ("Bitly", Site, "bit.ly bitly.com", ""),
    ("Wikipedia", Site, "wikipedia.org", ""),
    ("GitHub", Site, "github.com", ""),
    ("Stack Overflow", Site, "stackoverflow.com", ""),
    ("Medium", Site, "medium.com", ""),
    ("Substack", Site, "substack.com", ""),
];

struct Index {
    /// `facebook.com`, without the star.
    hosts: HashMap<&'static str, Known>,
    /// `google` of `google.*`.
    names: HashMap<&'static str, Known>,
    /// How `utm_source` calls a source: its name in lower case, or another name.
    aliases: HashMap<String, Known>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { hosts: HashMap::new(), names: HashMap::new(), aliases: HashMap::new() };
    for (name, kind, patterns, aliases) in SOURCES {
        let known = Known { name, kind: *kind };
        for pattern in patterns.split_ascii_whitespace() {
            match pattern.strip_suffix(".*") {
                Some(stem) => index.names.insert(stem, known),
                None => index.hosts.insert(pattern, known),
            };
        }
        // The first line of a name decides what a campaign of that name is: "yahoo" is the search engine.
        index.aliases.entry(name.to_ascii_lowercase()).or_insert(known);
        for alias in aliases.split_ascii_whitespace() {
            index.aliases.entry(alias.to_owned()).or_insert(known);
        }
    }
    index
});

/// The well-known source that a host (lower case, without port) belongs to.
pub fn by_host(host: &str) -> Option<Known> {
    let stem = stem(host);
    let mut start = 0;
    loop {
        if let Some(known) = INDEX.hosts.get(&host[start..]) {
            return Some(*known);
        }
        if start < stem.len()
            && let Some(known) = INDEX.names.get(&stem[start..])
        {
            return Some(*known);
        }
        start += host[start..].find('.')? + 1;
    }
}

/// The well-known source that a `utm_source` (lower case) means: by name, or as a host.
pub fn by_name(name: &str) -> Option<Known> {
    INDEX.aliases.get(name).copied().or_else(|| if name.contains('.') { by_host(name) } else { None })
}

/// A host without its country's suffix: one label (`de`), or two where the second-level is a public one (`co.uk`).
fn stem(host: &str) -> &str {
    let Some((rest, last)) = host.rsplit_once('.') else { return "" };
    match rest.rsplit_once('.') {
        Some((stem, "co" | "com" | "org" | "net" | "ne" | "or" | "gov" | "edu" | "ac")) if last.len() == 2 => stem,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_find_their_source() {
        for (host, name, kind) in [
            ("google.com", "Google", Search),
            ("www.google.co.uk", "Google", Search),
            ("www.google.com.br", "Google", Search),
            ("google.de", "Google", Search),
            ("maps.google.fr", "Google", Search),
            ("mail.google.com", "Gmail", Email),
            ("gemini.google.com", "Gemini", Ai),
            ("plus.url.google.com", "Google+", Social),
            ("news.google.com", "Google News", Site),
            ("yandex.ru", "Yandex", Search),
            ("yandex.com.tr", "Yandex", Search),
            ("mail.yandex.ru", "Yandex Mail", Email),
            ("t.co", "Twitter", Social),
            ("m.facebook.com", "Facebook", Social),
            ("l.facebook.com", "Facebook", Social),
            ("us-mg5.mail.yahoo.com", "Yahoo Mail", Email),
            ("homes.yahoo.com", "Yahoo", Site),
            ("de.search.yahoo.com", "Yahoo", Search),
            ("chatgpt.com", "ChatGPT", Ai),
            ("claude.ai", "Claude", Ai),
            ("www.perplexity.ai", "Perplexity", Ai),
            ("copilot.microsoft.com", "Copilot", Ai),
            ("m.youtube.com", "YouTube", Video),
            ("www.pinterest.com.mx", "Pinterest", Social),
            ("com.google.android.gm", "Gmail", Email),
            ("poshmarkapp.tumblr.com", "Tumblr", Social),
            ("en.wikipedia.org", "Wikipedia", Site),
        ] {
            assert_eq!(by_host(host), Some(Known { name, kind }), "{host}");
        }
    }

    #[test]
    fn look_alikes_are_no_source() {
        for host in [
            "",
            ".",
            "google",
            "google.evil.com",
            "google.com.evil.com",
            "notgoogle.com",
            "google.com.",
            "myfacebook.com",
            "facebook.com.evil.net",
            "at.co",
            "microsoft.com",
            "example.com",
            "..",
            "é.é",
        ] {
            assert_eq!(by_host(host), None, "{host}");
        }
    }

    #[test]
    fn campaigns_name_their_source() {
        for (sent, name) in [
            ("google", "Google"),
            ("adwords", "Google"),
            ("fb", "Facebook"),
            ("twitterfeed", "Twitter"),
            ("newsletter", "Newsletter"),
            ("chatgpt.com", "ChatGPT"),
            ("m.facebook.com", "Facebook"),
            ("yahoo", "Yahoo"),
            ("product hunt", "Product Hunt"),
        ] {
            assert_eq!(by_name(sent).map(|known| known.name), Some(name), "{sent}");
        }
        assert_eq!(by_name("wh.gov"), None);
        assert_eq!(by_name(""), None);
    }

    #[test]
    fn no_pattern_and_no_alias_stands_twice() {
        let patterns: Vec<_> = SOURCES.iter().flat_map(|s| s.2.split_ascii_whitespace()).collect();
        assert_eq!(INDEX.hosts.len() + INDEX.names.len(), patterns.len());
        let mut aliases: Vec<_> = SOURCES.iter().flat_map(|s| s.3.split_ascii_whitespace()).collect();
        aliases.sort_unstable();
        assert!(aliases.is_sorted_by(|a, b| a < b), "an alias is given twice");
        assert!(SOURCES.iter().all(|s| *s.3 == s.3.to_ascii_lowercase() && *s.2 == s.2.to_ascii_lowercase()));
    }
}
