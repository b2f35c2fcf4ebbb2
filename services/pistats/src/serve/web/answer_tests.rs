use super::*;
use bytes::Bytes;
use http_body_util::BodyExt as _;

const ALL: Parts = Parts { dashboard: true, tracker: true };

fn file(path: &str, text: &'static str, gzip: Option<&'static str>) -> (String, File) {
    let file = File {
        kind: super::super::files::kind(path),
        tag: format!("tag of {path}"),
        keep: FRESH,
        bytes: Bytes::from(text),
        gzip: gzip.map(Bytes::from),
    };
    (path.to_owned(), file)
}

fn files() -> Files {
    let files = [
        file("index.html", "the page", Some("pg")),
        file("assets/app-12345678.js", "the script", Some("js")),
        file("assets/logo.png", "a picture", None),
        file("js/p.js", "the tracker", None),
        file("shop/index.html", "the shop", None),
    ];
    files.into_iter().collect()
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
}

async fn get(parts: Parts, path: &str, asked: &[(HeaderName, &str)]) -> (u16, HeaderMap, String) {
    said(to(&files(), &Shop::default(), parts, &Method::GET, path, &headers(asked))).await
}

async fn said(answer: Response<Body>) -> (u16, HeaderMap, String) {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_path_without_a_files_name_is_the_dashboard_and_an_unknown_file_is_not() {
    for page in ["/", "/pages", "/sites/example.org/retention", "/example.com"] {
        let (status, headers, body) = get(ALL, page, &[]).await;
        assert_eq!((status, body.as_str()), (200, "the page"), "{page}");
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
    }
    for nothing in
        ["/favicon.ico", "/assets/gone-12345678.js", "/assets/gone", "/js/x", "/wp-login.php", "/shop/", "/shop/x"]
    {
        let (status, headers, body) = get(ALL, nothing, &[]).await;
        assert_eq!((status, body.as_str()), (404, "there is nothing here\n"), "{nothing}");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}

#[tokio::test]
async fn a_browser_that_takes_gzip_gets_it_and_each_form_has_its_tag() {
    let script = "/assets/app-12345678.js";
    for (accepted, is_packed) in [
        ("gzip, deflate, br", true),
        ("br;q=1, GZIP;q=0.5", true),
        ("*", true),
        ("gzip;q=0, *", false),
        ("br", false),
        ("identity", false),
    ] {
        let (_, headers, body) = get(ALL, script, &[(ACCEPT_ENCODING, accepted)]).await;
        assert_eq!(body, if is_packed { "js" } else { "the script" }, "{accepted}");
        assert_eq!(headers.contains_key(CONTENT_ENCODING), is_packed);
        assert_eq!(headers[ETAG], format!("\"tag of assets/app-12345678.js{}\"", if is_packed { "-gz" } else { "" }));
        assert_eq!(
            (headers[VARY].as_bytes(), headers[CONTENT_TYPE].as_bytes()),
            (&b"accept-encoding"[..], &b"text/javascript; charset=utf-8"[..])
        );
    }
    let (_, headers, body) = get(ALL, "/assets/logo.png", &[(ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!((body.as_str(), headers.get(CONTENT_ENCODING), headers.get(VARY)), ("a picture", None, None));
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let tag = "\"tag of index.html\"";
    for known in [tag, "W/\"tag of index.html\"", "\"x\", \"tag of index.html\"", "*"] {
        let (status, headers, body) = get(ALL, "/", &[(IF_NONE_MATCH, known)]).await;
        assert_eq!((status, body.as_str(), &headers[ETAG]), (304, "", &HeaderValue::from_static(tag)), "{known}");
        assert!(
            headers.contains_key(CACHE_CONTROL) && headers.contains_key(VARY) && !headers.contains_key(CONTENT_TYPE)
        );
    }
    for other in ["\"tag of index.html-gz\"", "\"another\"", ""] {
        assert_eq!(get(ALL, "/", &[(IF_NONE_MATCH, other)]).await.0, 200, "{other}");
    }
    let asked = [(IF_NONE_MATCH, "\"tag of index.html-gz\""), (ACCEPT_ENCODING, "gzip")];
    assert_eq!(get(ALL, "/", &asked).await.0, 304);
}

#[tokio::test]
async fn pages_may_load_from_their_own_host_only_and_nobody_may_frame_them() {
    let (_, page, _) = get(ALL, "/", &[]).await;
    let policy = page[CONTENT_SECURITY_POLICY].to_str().unwrap();
    for rule in ["default-src 'none'", "script-src 'self';", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(
        (&page[X_CONTENT_TYPE_OPTIONS], &page[REFERRER_POLICY]),
        (&HeaderValue::from_static("nosniff"), &HeaderValue::from_static("same-origin"))
    );
    assert_eq!(page[&RESOURCE_POLICY], "same-origin");
    assert_eq!(get(ALL, "/js/p.js", &[]).await.1[&RESOURCE_POLICY], "cross-origin", "other sites load the tracker");
}

#[tokio::test]
async fn a_head_is_the_answer_without_its_body_and_nothing_else_may_be_done() {
    let ask = |method| to(&files(), &Shop::default(), ALL, &method, "/js/p.js", &HeaderMap::new());
    let (whole, head) = (said(ask(Method::GET)).await, said(ask(Method::HEAD)).await);
    assert_eq!((head.0, head.2.as_str()), (200, ""));
    assert_eq!(head.1, whole.1);
    assert_eq!(head.1[CONTENT_LENGTH], "11");
    let (status, headers, _) = said(ask(Method::POST)).await;
    assert_eq!((status, headers[ALLOW].as_bytes()), (405, &b"GET, HEAD"[..]));
}

#[tokio::test]
async fn each_role_serves_its_own_part() {
    let query = Parts { dashboard: true, tracker: false };
    let ingest = Parts { dashboard: false, tracker: true };
    let statuses = async |parts| {
        [get(parts, "/", &[]).await.0, get(parts, "/assets/logo.png", &[]).await.0, get(parts, "/js/p.js", &[]).await.0]
    };
    assert_eq!(statuses(query).await, [200, 200, 404]);
    assert_eq!(statuses(ingest).await, [404, 404, 200]);
    assert_eq!(statuses(Parts { dashboard: false, tracker: false }).await, [404; 3]);
}

#[tokio::test]
async fn a_program_without_its_dashboard_says_how_to_get_it() {
    let answer = to(&Files::default(), &Shop::default(), ALL, &Method::GET, "/", &HeaderMap::new());
    let (status, headers, body) = said(answer).await;
    assert!(status == 503 && body.contains("make run"), "{status}: {body}");
    assert!(headers.contains_key(CONTENT_SECURITY_POLICY));
}

#[tokio::test]
async fn the_shop_opens_with_its_key_and_its_tag_changes_with_it() {
    let made = [
        file("shop/index.html", "<script data-key=\"{{write_key}}\">", Some("packed")),
        file("shop/cart.html", "a cart", None),
        file("shop/look.css", "{{write_key}}", None),
    ];
    let open = |key: &str| Shop::of(made.iter().cloned().collect(), key);
    let get = async |shop: &Shop, path: &str| {
        let asked = headers(&[(ACCEPT_ENCODING, "gzip")]);
        said(to(&Files::default(), shop, ALL, &Method::GET, path, &asked)).await
    };
    let shop = open("pst_write_1");
    let (status, page, body) = get(&shop, "/shop/").await;
    assert_eq!((status, body.as_str()), (200, "<script data-key=\"pst_write_1\">"));
    assert_ne!(page[ETAG], get(&open("pst_write_2"), "/shop/").await.1[ETAG]);
    assert_eq!(get(&shop, "/shop/cart").await.2, "a cart");
    assert_eq!(get(&shop, "/shop/look.css").await.2, "{{write_key}}", "pages alone are filled in");
    assert_eq!(get(&shop, "/shop/gone").await.0, 404);
    let (status, headers, _) = get(&shop, "/shop").await;
    assert_eq!((status, headers[LOCATION].as_bytes()), (308, &b"/shop/"[..]));
}
