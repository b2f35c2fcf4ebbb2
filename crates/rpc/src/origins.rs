//! Which pages may call with a public key: the header `Origin` against the rules of a site, and the refusal that says what mends it.

use http::HeaderMap;
use pistats_core::Site;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Of an origin that is refused, the message repeats this much.
const TOLD_CHARS: usize = 200;

/// The page's origin, as a browser names it. What is no text is no origin that any rule allows.
pub fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::ORIGIN).map(|value| value.to_str().unwrap_or("?"))
}

/// Lets a call in that comes from no page, or from one of the site's.
///
/// Status: PERMISSION_DENIED with the reason ORIGIN_NOT_ALLOWED.
pub fn admit(site: &Site, page: Option<&str>) -> Result<(), Status> {
    match page {
        Some(page) if !site.allows(page) => Err(foreign(site, page)),
        _ => Ok(()),
    }
}

/// The refusal of a page: which, and the command that lets it in beside those of now.
fn foreign(site: &Site, page: &str) -> Status {
    use pistats_core::origin::{OriginRule, WebOrigin};
    let told: String = page.chars().filter(|c| c.is_ascii_graphic()).take(TOLD_CHARS).collect();
    let wanted = WebOrigin::read(page).map_or_else(|| "'*'".to_owned(), |origin| origin.host.to_string());
    let own = match site.origins.as_slice() {
        [] => OriginRule::of_name(&site.name).into_iter().collect(),
        rules => rules.to_vec(),
    };
    let rules = own.iter().map(ToString::to_string).chain([wanted]);
    let options: String = rules.map(|rule| format!(" --origin {rule}")).collect();
    let name = if site.name.contains(char::is_whitespace) { format!("{:?}", site.name) } else { site.name.clone() };
    let message = format!(
        "pages of {told} may not collect for this site; if they are its own: pistats site update {name}{options}"
    );
    let details = ErrorDetails::with_error_info("ORIGIN_NOT_ALLOWED", "pistats", [("origin".to_owned(), told)]);
    Status::with_error_details(Code::PermissionDenied, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::{Micros, SiteId, Zone};

    #[test]
    fn a_refused_page_is_told_the_command_that_keeps_the_rules_of_now() {
        let mut site = Site::new(SiteId(1), "example.org", Zone::utc(), Micros(0));
        let fix = |site: &Site, page: &str| admit(site, Some(page)).unwrap_err().message().to_owned();
        assert!(
            fix(&site, "https://shop.example.net:8443")
                .ends_with("pistats site update example.org --origin example.org --origin shop.example.net")
        );
        assert!(admit(&site, None).is_ok() && admit(&site, Some("https://www.example.org")).is_ok());
        site.name = "My shop".into();
        site.origins = vec!["a.example".parse().unwrap()];
        assert!(fix(&site, "null").ends_with("site update \"My shop\" --origin a.example --origin '*'"));
        let status = admit(&site, Some(&format!("https://{}\n", "e".repeat(5_000)))).unwrap_err();
        assert!(status.message().len() < 500 && !status.message().contains('\n'));
        assert_eq!(status.get_details_error_info().unwrap().reason, "ORIGIN_NOT_ALLOWED");
    }
}
