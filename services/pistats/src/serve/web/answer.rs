//! Which file answers a request, and with which headers. Pure.

use super::Parts;
use super::files::{FRESH, File, Files, names_a_file};
use super::shop::{FOLDER, Shop};
use axum::body::Body;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderName, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;

/// What a page of ours may do: load and ask its own host, nothing else. Inline styles are those that scripts set on elements
/// (charts do); inline scripts and style sheets stay forbidden.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; \
                      img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; \
                      manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Where there is no dashboard in the program.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>piStats</title>\
    <h1>piStats is running</h1>\
    <p>This program was compiled without its dashboard. <code>make run</code> builds both (it needs npm), or \
    <code>npm ci &amp;&amp; npm run build</code> in <code>dashboard/</code> before <code>cargo build</code>.</p>\
    <p>Everything else works: gRPC and grpc-web on this port, and the command line.</p></html>\n";

/// Answers a request for a path.
pub(super) fn to(
    files: &Files,
    shop: &Shop,
    parts: Parts,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        let mut answer = sentence(StatusCode::METHOD_NOT_ALLOWED, "this path can only be read (GET, HEAD)");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let path = path.trim_start_matches('/');
    if path == FOLDER.trim_end_matches('/') {
        let mut answer = sentence(StatusCode::PERMANENT_REDIRECT, "the shop is at /shop/");
        answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/shop/"));
        return answer;
    }
    let found = match path.split_once('/') {
        Some(("shop", _)) => shop.get(path),
        Some(("js", _)) => files.get(path).filter(|_| parts.tracker),
        _ if !parts.dashboard => None,
        _ => files.get(path).or_else(|| files.get("index.html").filter(|_| is_page(path))),
    };
    let mut answer = match found {
        Some(file) => with(file, headers),
        None if parts.dashboard && is_page(path) => {
            let mut answer = Response::new(Body::from(NOT_BUILT));
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            answer
        }
        None => sentence(StatusCode::NOT_FOUND, "there is nothing here"),
    };
    guard(path, answer.headers_mut());
    if method == Method::HEAD {
        // As long as the answer to GET would be (RFC 9110, section 9.3.2).
        let length = answer.body().size_hint().exact();
        if let Some(length) = length.filter(|_| answer.status() != StatusCode::NOT_MODIFIED) {
            answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *answer.body_mut() = Body::empty();
    }
    answer
}

/// Whether the dashboard is to make something of a path.
fn is_page(path: &str) -> bool {
    let folder = path.split_once('/').map_or("", |(folder, _)| folder);
    !matches!(folder, "assets" | "js" | "shop") && !names_a_file(path)
}

/// A file, or 304 where the browser has it already.
fn with(file: &File, asked: &HeaderMap) -> Response<Body> {
    let gzip = file.gzip.as_ref().filter(|_| takes_gzip(asked));
    let tag = match gzip {
        // Other bytes, another tag (RFC 9110, section 8.8.3.3).
        Some(_) => format!("\"{}-gz\"", file.tag),
        None => format!("\"{}\"", file.tag),
    };
    let is_known = has_tag(asked, &tag);
    let bytes = gzip.unwrap_or(&file.bytes);
    let mut answer = Response::new(if is_known { Body::empty() } else { Body::from(bytes.clone()) });
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(file.keep));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    if file.gzip.is_some() {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return answer;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    if gzip.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

fn sentence(status: StatusCode, what: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(format!("{what}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(FRESH));
    answer
}

/// What protects the person who looks at a page.
fn guard(path: &str, headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // Other people's pages load the tracker, and nothing else of ours.
    let whose = if path.starts_with("js/") { "cross-origin" } else { "same-origin" };
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static(whose));
}

/// Whether the browser takes gzip (RFC 9110, section 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let named: Vec<&str> = asked
        .get_all(ACCEPT_ENCODING)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let accepts = |coding: &str| {
        named.iter().find_map(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(coding).then_some(weight.is_none_or(|weight| weight > 0.0))
        })
    };
    accepts("gzip").or_else(|| accepts("*")).unwrap_or(false)
}

/// Whether the browser names this tag (RFC 9110, section 13.1.2: weakly compared).
fn has_tag(asked: &HeaderMap, tag: &str) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|named| {
        let named = named.trim();
        named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
