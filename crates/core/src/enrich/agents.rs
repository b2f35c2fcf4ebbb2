//! The facts behind [`super::user_agent`]: which words in a user agent mean what. All words are lower case.
//!
//! In [`BROWSERS`] and [`SYSTEMS`] the first line with a word in the user agent names it. So the order is the rule: who
//! pretends to be someone else stands above the one it pretends to be (Edge above Chrome above Safari).

use super::user_agent::Hint;

/// Browser names and the words that show them.
#[rustfmt::skip]
pub(super) const BROWSERS: &[(&str, &[&str])] = &[
    // Pages opened inside an app
    ("Facebook", &["fban/", "fbav/", "fb_iab"]),
    ("Instagram", &["instagram "]),
    ("Twitter", &["twitter for ", "twitterandroid"]),
    ("LinkedIn", &["linkedinapp"]),
    ("Pinterest", &["[pinterest/", "pinterest for "]),
    ("Snapchat", &["snapchat/"]),
    ("TikTok", &["musical_ly", "bytedancewebview", "tiktok"]),
    ("WeChat", &["micromessenger"]),
    ("Line", &[" line/"]),
    ("KakaoTalk", &["kakaotalk"]),
    ("Google App", &["gsa/"]),
    // Built on someone else's engine
    ("DuckDuckGo", &["duckduckgo/", " ddg/"]),
    ("Edge", &["edg/", "edge/", "edga/", "edgios/"]),
    ("Opera Mini", &["opera mini", "opios/"]),
    ("Opera", &["opr/", "opera", "opt/", "oprgx/"]),
    ("Samsung Internet", &["samsungbrowser/"]),
    ("UC Browser", &["ucbrowser", "ucweb", "uc browser", " ubrowser/"]),
    ("Yandex Browser", &["yabrowser/"]),
    ("Vivaldi", &["vivaldi/"]),
    ("Brave", &["brave/"]),
    ("Silk", &["silk/", "silk-accelerated", "cloud9"]),
    ("QQ Browser", &["qqbrowser"]),
    ("Mi Browser", &["miuibrowser"]),
    ("Huawei Browser", &["huaweibrowser"]),
    ("Vivo Browser", &["vivobrowser"]),
    ("HeyTap Browser", &["heytapbrowser"]),
    ("Whale", &["whale/"]),
    ("Naver", &["naver("]),
    ("Sogou Explorer", &["metasr", "sogoumobilebrowser"]),
    ("360 Browser", &["360se", "qihoo", "qhbrowser"]),
    ("Maxthon", &["maxthon", "mxbrowser"]),
    ("Coc Coc", &["coc_coc_browser"]),
    ("Puffin", &["puffin/"]),
    ("Avast Secure Browser", &["avast/"]),
    ("Iron", &[" iron/"]),
    ("RockMelt", &["rockmelt/"]),
    ("Pale Moon", &["palemoon/"]),
    ("Waterfox", &["waterfox/"]),
    ("SeaMonkey", &["seamonkey/"]),
    ("Camino", &["camino/"]),
    ("Thunderbird", &["thunderbird/"]),
    ("Outlook", &["microsoft outlook", "ms-office"]),
    ("Electron", &["electron/"]),
    // The large ones
    ("Internet Explorer Mobile", &["iemobile"]),
    ("Internet Explorer", &["msie ", "trident/"]),
    ("Firefox", &["firefox", "fxios/", "iceweasel/", "minefield/", "namoroka/", "icecat/", "fennec/", "focus/", "klar/"]),
    ("Chromium", &["chromium/"]),
    ("BlackBerry", &["blackberry", "bb10", "playbook"]),
    ("webOS Browser", &["webosbrowser", "wosbrowser"]),
    ("Nokia Browser", &["nokiabrowser", "browserng", "s40ovibrowser", "series60", "nokia"]),
    ("NetFront", &["netfront"]),
    ("Konqueror", &["konqueror"]),
    ("Epiphany", &["epiphany/"]),
    ("Midori", &["midori/"]),
    ("Android WebView", &["; wv)"]),
    ("Chrome", &["chrome/", "crios/", "chromeframe", "crmo/"]),
    // "Version/" stands in Safari and in Android's first browser; the system tells which (see `user_agent`).
    ("Safari", &["safari/", "version/"]),
    ("NetSurf", &["netsurf"]),
    ("UP.Browser", &["up.browser"]),
    ("Obigo", &["obigo"]),
    ("Lynx", &["lynx/"]),
    ("Links", &["links ("]),
];

/// Operating systems and the words that show them.
#[rustfmt::skip]
pub(super) const SYSTEMS: &[(&str, &[&str])] = &[
    ("Windows Phone", &["windows phone", "iemobile", "zunewp"]),
    ("Windows Mobile", &["windows ce", "windows mobile"]),
    ("Xbox", &["xbox"]),
    ("Windows", &["windows", "win64", "win32", "win98", "win95", "winnt"]),
    ("PlayStation", &["playstation"]),
    ("Nintendo", &["nintendo"]),
    ("tvOS", &["appletv", "apple tv", "tvos"]),
    ("watchOS", &["watchos", "apple watch"]),
    ("KaiOS", &["kaios"]),
    ("Tizen", &["tizen"]),
    ("webOS", &["web0s", "webos", "hpwos"]),
    ("HarmonyOS", &["harmonyos", "openharmony"]),
    ("Chrome OS", &[" cros "]),
    ("BlackBerry", &["blackberry", "bb10", "playbook", "rim tablet"]),
    ("Android", &["android", "adr ", "silk-accelerated"]),
    ("iOS", &["iphone", "ipad", "ipod", " ios ", "crios/", "fxios/"]),
    ("Bada", &["bada/"]),
    ("MeeGo", &["meego"]),
    ("Symbian", &["symb", "series60", "series40", "series 60", "nokia"]),
    ("macOS", &["macintosh", "mac os", "mac_powerpc", "macos"]),
    ("FreeBSD", &["freebsd"]),
    ("OpenBSD", &["openbsd"]),
    ("NetBSD", &["netbsd"]),
    ("Solaris", &["sunos", "solaris"]),
    // After the others that draw with X11.
    ("Linux", &["linux", "ubuntu", "x11;", "fedora"]),
    ("BREW", &["brew"]),
];

/// Words that speak of the device or the engine.
#[rustfmt::skip]
pub(super) const HINTS: &[(Hint, &[&str])] = &[
    (Hint::Tv, &[
        "smart-tv", "smarttv", "smart tv", "googletv", "google tv", "android tv", "appletv", "apple tv", "tvos", "hbbtv", "netcast",
        "roku", "bravia", "; aft", "crkey", "web0s", "viera", "philipstv", "mitv", "ce-html", "dtv", "large screen", "tv safari",
    ]),
    (Hint::Console, &["xbox", "playstation", "nintendo"]),
    (Hint::Watch, &["watchos", "apple watch", "sm-r8", "sm-r9"]),
    (Hint::Tablet, &[
        "ipad", "tablet", "playbook", "kindle", "silk/", "silk-accelerated", "nexus 7", "nexus 9", "nexus 10", "xoom", "touchpad",
        "gt-p", "sm-t", "sm-x", "; kf", "transformer", "lenovo tb",
    ]),
    (Hint::TabletPc, &["tablet pc"]),
    (Hint::Mobile, &[
        "mobile", "iphone", "ipod", "windows phone", "iemobile", "blackberry", "bb10", "symb", "series60", "series40", "nokia",
        "opera mini", "opera mobi", "midp", "up.browser", "up.link", "kaios", "docomo", "kddi", "softbank", "fennec", "windows ce",
        "dalvik", "brew", "bada/", "samsung-", "sonyericsson", "lg-", "mot-", "zte-", "huawei", "ucweb", "netfront", "obigo", "palm", "webosbrowser",
    ]),
    (Hint::AppleWebKit, &["applewebkit"]),
    (Hint::Darwin, &["darwin/"]),
    (Hint::Intel, &["x86_64", "i386"]),
    (Hint::Safari, &["safari"]),
    (Hint::AndroidVersion, &["version/"]),
    (Hint::Compatible, &["compatible;"]),
    (Hint::CompatibleBrowser, &["msie", "trident", "konqueror", "opera", "netfront", "webtv", "playstation", "netsurf", "up.browser"]),
];

/// Words of programs: crawlers, feed readers, link previews, monitors, libraries.
///
/// A word earns its line by deciding over real user agents without taking people for programs; a family's word ("bot")
/// spares its members theirs.
#[rustfmt::skip]
pub(super) const BOTS: &[&str] = &[
    // What they call themselves
    "bot", "crawl", "spider", "slurp", "scrap", "fetch", "archiv", "index", "agent/", "optimizer-agent", "ips-agent", "daemon", "synthetic",
    "feed", " rss", "rss/", "rssread", "rss-", " subscriber", "aggregat", "podcast", "preview", "thumbnail", "screenshot", "snapshot", "favicon", "expander", "unfurl", "embedly",
    "monitor", "uptime", "pingdom", "checker", "check_http", "validator", "verif", "scan", "audit", "analyz", "probe", "inspect", "lighthouse", "pagespeed", "gtmetrix", "insights",
    "transcoder", "imageproxy", "image proxy", "imgproxy", "flipboardproxy", "browserproxy", "webhook", "github-camo", "exporter",
    "site24x7", "statuscake", "nagios", "zabbix", "datadog", "newrelic", "dareboost", "catchpoint", "ptst/", "criticalcss", "securityheaders",
    // Where to complain: a browser does not say that
    "http://", "https://", "+http", "www.",
    // Libraries and automation
    "curl/", "wget", "libwww", "lwp-", "lwp::", "urllib", "python", "aiohttp", "httpx", "httpie", "scrapy", "colly", "newspaper/", "httpclient", "http client", "http_client", "httprequest", "http-request", "httpunit",
    "go-http", "ruby/", "mechanize", "guzzle", "pycurl", "node-fetch", "axios", "superagent", "undici", "http.rb", "faraday", "typhoeus", "reqwest", "postman", "insomnia",
    "headless", "phantomjs", "selenium", "puppeteer", "playwright", "webdriver", "cypress", "slimerjs", "htmlunit", "nutch", "heritrix", "larbin", "binlar", "httrack", "cakephp",
    // Houses
    "googleproducer", "google-", "kml-google", "google web preview", "mediapartners", "facebookexternalhit", "facebookcatalog", "meta-external", "yahoo pipes", "cloudfront", "cloudflare",
    "anthropic", "claude-", "chatgpt-", "cohere-", "duckassist", "mistralai-", "diffbot",
    "skypeuripreview", "vkshare", "tumblr/", "nuzzel", "outbrain", "slack-", "iframely", "linkscan", "xenu", "netcraft", "masscan", "nmap", "nikto", "sqlmap", "nessus", "qualys", "censys", "acunetix", "l9explore", "zmeu", "zgrab",
    "genieo", "dataprovider", "datanyze", "brandwatch", "trendsmap", "moreover", "ezooms", "siteexplorer", "appengine", "rigor",
    "chef client", "test_internet", "smrf", "shortlink", "urlresolver", "virustotal", "fortimail",
];

/// Words of programs that count only at the very start, where a product names itself.
#[rustfmt::skip]
pub(super) const BOT_STARTS: &[&str] = &[
    "java/", "php", "perl", "okhttp/", "whatsapp/", "jakarta", "apache-", "dart/", "got/", "got (", "node.", "node/", "rest-client", "restsharp", "curl", "w3c", "jigsaw", "viber", "zend_http", "snoopy", "pear",
    "lua-", "luasocket", "axel", "aria2", "wordpress", "drupal", "joomla", "typo3", "microsoft url", "microsoft bits", "microsoft-webdav", "winhttp", "windows-rss", "tversity", "redux/", "statusnet",
    "hatena", "livejournal", "google", "yahoo", "netvibes", "friendica", "mastodon", "pleroma", "misskey", "synapse", "lemmy",
];

/// Words that hold one of [`BOTS`] and yet belong to people: each takes back one.
#[rustfmt::skip]
pub(super) const NOT_BOTS: &[&str] = &[
    // A phone; Safari's test version; an Internet Explorer with a component inside
    "cubot", "technology%20preview", "http://bsalsa.com",
];
