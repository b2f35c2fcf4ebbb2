//! Whom the operators of push services may write to when a site's messages do harm (RFC 8292, section 2.1).

use pistats_core::directory::Site;
use pistats_core::origin::{Host, OriginRule};
use pistats_push::vapid::Contact;

/// The server's contact; where it names none, the site's own address.
pub(super) fn of(contact: &str, site: &Site) -> Result<Contact, String> {
    if !contact.is_empty() {
        return Contact::read(contact).map_err(|error| format!("push.contact: {error}"));
    }
    let own = match OriginRule::of_name(&site.name) {
        Some(OriginRule::Host { host: Host::Name(name), .. }) => Contact::read(&format!("https://{name}/")).ok(),
        _ => None,
    };
    own.ok_or_else(|| {
        "push services want somebody to write to, and the site's name is no host: set push.contact of the server to \
         mailto:you@example.org"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::{Micros, SiteId, Zone};

    #[test]
    fn a_site_named_as_a_host_is_its_own_contact_and_any_other_needs_the_servers() {
        let site = |name: &str| Site::new(SiteId(1), name, Zone::utc(), Micros(0));
        let read = |contact: &str, name: &str| of(contact, &site(name)).map(|contact| contact.as_str().to_owned());
        assert_eq!(read("", "shop.example.org").as_deref(), Ok("https://shop.example.org/"));
        assert_eq!(read("mailto:ops@example.org", "My shop").as_deref(), Ok("mailto:ops@example.org"));
        for name in ["My shop", "localhost", "127.0.0.1"] {
            assert!(read("", name).is_err_and(|why| why.contains("push.contact")), "{name}");
        }
        assert!(read("ops@example.org", "example.org").is_err_and(|why| why.starts_with("push.contact: ")));
    }
}
