//! Making and changing sites.

use crate::message::invalid;
use pistats_core::directory::{Directory, Site};
use pistats_core::{Micros, SiteId, Zone};
use tonic::Status;

/// Sites an instance.
pub(crate) const MOST_SITES: usize = 10_000;
/// Bytes of a name of a site or a key.
pub(crate) const NAME_BYTES: usize = 200;

/// A name as it is kept.
fn name(wished: &str) -> Result<&str, Status> {
    let name = wished.trim();
    if name.is_empty() || name.len() > NAME_BYTES || name.contains('\0') {
        return Err(invalid("name", "give the site a name of 1 to 200 bytes, such as its host name"));
    }
    Ok(name)
}

fn zone(name: &str) -> Result<Zone, Status> {
    Zone::named(name).map_err(|unknown| invalid("time_zone", &unknown.to_string()))
}

/// Checks a wish for a change: the site as it is to be. What is empty stays.
pub(crate) fn plan_change(
    directory: &Directory,
    site: &Site,
    wished_name: &str,
    time_zone: &str,
) -> Result<Site, Status> {
    if wished_name.is_empty() && time_zone.is_empty() {
        return Err(invalid("name", "name what is to change: the name, the time_zone, or both"));
    }
    let mut changed = site.clone();
    if !wished_name.is_empty() {
        changed.name = name(wished_name)?.to_owned();
    }
    if !time_zone.is_empty() {
        changed.zone = zone(time_zone)?;
    }
    if directory.sites().iter().any(|other| other.id != site.id && other.name == changed.name) {
        return Err(Status::already_exists(format!("there is a site named {:?}; choose another name", changed.name)));
    }
    Ok(changed)
}

/// Checks a wish for a site and gives it the next id.
pub(crate) fn plan_site(directory: &Directory, wished: &str, time_zone: &str, now: Micros) -> Result<Site, Status> {
    let name = name(wished)?;
    let zone = zone(if time_zone.is_empty() { "UTC" } else { time_zone })?;
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
    fn a_change_keeps_what_is_not_named_and_takes_no_other_sites_name() {
        let mut directory = Directory::default();
        for name in ["a.example", "b.example"] {
            let site = plan(&directory, name, "Europe/Berlin").expect("a site");
            directory.put_site(site);
        }
        let site = directory.site(SiteId(1)).expect("the first").clone();
        let change = |name: &str, zone: &str| {
            let changed = plan_change(&directory, &site, name, zone).map_err(|status| status.code());
            changed.map(|site| (site.id, site.name, site.zone.name().to_owned()))
        };
        let of = |name: &str, zone: &str| Ok((SiteId(1), name.to_owned(), zone.to_owned()));
        assert_eq!(change(" c.example", ""), of("c.example", "Europe/Berlin"));
        assert_eq!(change("", "Asia/Kolkata"), of("a.example", "Asia/Kolkata"));
        assert_eq!(change("a.example", "Europe/Berlin"), of("a.example", "Europe/Berlin"), "its own name is free");
        assert_eq!(change("b.example", ""), Err(Code::AlreadyExists));
        assert_eq!(change("", ""), Err(Code::InvalidArgument));
        assert_eq!(change(" ", "UTC"), Err(Code::InvalidArgument));
        assert_eq!(change(&"x".repeat(201), ""), Err(Code::InvalidArgument));
        assert_eq!(change("", "Mars/Olympus"), Err(Code::InvalidArgument));
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
