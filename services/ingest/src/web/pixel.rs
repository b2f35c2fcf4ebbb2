//! The pixel: a page view of somebody whose page runs no scripts.
//!
//! There is no place for a visitor id in it, so the visitor is derived as in a cookieless site, whatever the site is. The event
//! has no id either: a picture that is fetched twice counts twice.

use super::{parameter, peer, write_key};
use crate::Ingest;
use crate::entry::header;
use crate::service::refused;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, header as name};
use pistats_core::Scope;
use pistats_proto::ingest::v1::Event;
use pistats_rpc::origins::origin;
use prost::Message as _;
use tonic::Status;

/// One transparent point (GIF89a, with a Graphic Control Extension that makes its only colour transparent).
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\
                     \x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";
/// What happened, for whoever looks: the picture is the same.
const TOLD: &str = "x-pistats";

pub(super) async fn get(State(ingest): State<Ingest>, request: Request) -> Response {
    // Whoever only asks whether there is a picture has seen no page.
    let (head, _) = request.into_parts();
    let told = match head.method {
        Method::HEAD => "nothing: HEAD collects nothing".to_owned(),
        _ => match seen(&ingest, &head).await {
            Ok(()) => "accepted".to_owned(),
            Err(why) => format!("refused: {}", visible(&why)),
        },
    };
    let mut answer = Response::new(Body::from(GIF));
    let headers = answer.headers_mut();
    headers.insert(name::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    headers.insert(name::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(TOLD, HeaderValue::from_str(&told).unwrap_or_else(|_| HeaderValue::from_static("refused")));
    answer
}

/// Collects the page view, or says in a sentence why not.
async fn seen(ingest: &Ingest, head: &Parts) -> Result<(), String> {
    let collected = collect(ingest, head).await.map_err(|status| status.message().to_owned())?;
    match collected.rejections.into_iter().next() {
        None => Ok(()),
        Some(rejected) => Err(rejected.refusal.to_string()),
    }
}

async fn collect(ingest: &Ingest, head: &Parts) -> Result<crate::Collected, Status> {
    let (query, headers) = (head.uri.query(), &head.headers);
    let of = |wanted| parameter(query, wanted).unwrap_or_default();
    // A picture of another origin comes without `Origin`; what the page's policy leaves of its address does as well.
    let page = header(headers, "referer");
    let from = origin(headers).or_else(|| (!page.is_empty()).then_some(page));
    let (caller, zone) = {
        let principal = write_key(ingest, parameter(query, "key").as_deref())?;
        let directory = ingest.entry.directory.load();
        let site = ingest.entry.site(&directory, &principal, &[Scope::Write])?;
        let caller = ingest.entry.caller(site, principal.scope, headers, from, peer(&head.extensions))?;
        (caller, site.zone.clone())
    };
    let url = parameter(query, "url").unwrap_or_else(|| page.to_owned());
    let event = Event {
        url,
        referrer: of("referrer"),
        title: of("title"),
        name: of("name"),
        language: header(headers, "accept-language").to_owned(),
        ..Event::default()
    };
    let event = [Bytes::from(event.encode_to_vec())];
    let known = ingest.entry.derived(zone).await?;
    ingest.entry.collector.collect(caller.sender(&known), &event, event[0].len()).await.map_err(refused)
}

/// A sentence as a header can hold it.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_one_point() {
        assert_eq!((&GIF[..6], &GIF[6..10], GIF.last()), (&b"GIF89a"[..], &[1, 0, 1, 0][..], Some(&0x3b)));
        assert_eq!(GIF.len(), 43);
    }

    #[test]
    fn a_sentence_of_any_letters_fits_into_a_header() {
        assert!(HeaderValue::from_str(&visible("für\n\"alle\" — 💡")).is_ok());
    }
}
