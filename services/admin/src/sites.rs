//! Making sites.

use crate::message::invalid;
use pistats_core::directory::{Directory, Site};
use pistats_core::{Micros, SiteId, Zone};
use tonic::Status;

/// Sites an instance.
pub(crate) const MOST_SITES: usize = 10_000;
/// Bytes of a name of a site or a key.
pub(crate) const NAME_BYTES: usize = 200;

/// Checks a wish for a site and gives it the next id.
pub(crate) fn plan_site(directory: &Directory, name: &str, time_zone: &str, now: Micros) -> Result<Site, Status> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_BYTES || name.contains('\0') {
        return Err(invalid("name", "give the site a name of 1 to 200 bytes, such as its host name"));
    }
    let zone_name = if time_zone.is_empty() { "UTC" } else { time_zone };
    let zone = Zone::named(zone_name).map_err(|unknown| invalid("time_zone", &unknown.to_string()))?;
    let sites = directory.sites();
    if sites.iter().any(|site| site.name == name) {
        return Err(Status::already_exists(format!("there is a site named {name:?}; choose another name")));
    }
    if sites.len() >= MOST_SITES {
        return Err(Status::resource_exhausted(format!("an instance holds at most {MOST_SITES} sites")));
    }
    let id = SiteId(sites.iter().map(|site| site.id.0).max().unwrap_or(0) + 1);
    Ok(Site { id, name: name.to_owned(), zone, created: now })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn plan(directory: &Directory, name: &str, zone: &str) -> Result<Site, Code> {
        plan_site(directory, name, zone, Micros(7)).map_err(|status| status.code())
    }

    #[test]
    fn ids_go_up_and_names_are_unique() {
        let mut directory = Directory::default();
        let first = plan(&directory, " a.example ", "Europe/Berlin").expect("a site");
        assert_eq!((first.id, first.name.as_str(), first.zone.name()), (SiteId(1), "a.example", "Europe/Berlin"));
        directory.put_site(first);
        assert_eq!(plan(&directory, "a.example", ""), Err(Code::AlreadyExists));
        assert_eq!(plan(&directory, "b.example", "").map(|site| site.id), Ok(SiteId(2)));
    }

    #[test]
    fn a_name_has_one_to_two_hundred_bytes_and_a_zone_exists() {
        let directory = Directory::default();
        assert!(plan(&directory, &"x".repeat(200), "").is_ok());
        assert_eq!(plan(&directory, &"x".repeat(201), ""), Err(Code::InvalidArgument));
        assert_eq!(plan(&directory, "  ", ""), Err(Code::InvalidArgument));
        assert_eq!(plan(&directory, "a", "Mars/Olympus"), Err(Code::InvalidArgument));
    }
}
