//! Making and changing sites.

use crate::message::invalid;
use pistats_core::directory::{Directory, Site};
use pistats_core::origin::{NoRule, OriginRule};
use pistats_core::{Micros, SiteId, Zone};
use pistats_proto::admin::v1::{CreateSiteRequest, UpdateSiteRequest};
use tonic::Status;

/// Sites an instance.
pub(crate) const MOST_SITES: usize = 10_000;
/// Bytes of a name of a site or a key.
pub(crate) const NAME_BYTES: usize = 200;
/// Rules of origins a site: each browser's call is compared with all of them.
const MOST_ORIGINS: usize = 100;

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

/// Rules in the form in which they are kept, each once. `field` is the path of the list.
fn origins(field: &str, wished: &[String]) -> Result<Vec<OriginRule>, Status> {
    if wished.len() > MOST_ORIGINS {
        return Err(invalid(field, &format!("use at most {MOST_ORIGINS} origins; a host covers every host below it")));
    }
    let mut rules = Vec::with_capacity(wished.len());
    for (index, rule) in wished.iter().enumerate() {
        let rule = rule.parse().map_err(|fault: NoRule| invalid(&format!("{field}[{index}]"), &fault.to_string()))?;
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// Checks a wish for a change: the site as it is to be. What is empty or absent stays.
pub(crate) fn plan_change(
    directory: &Directory,
    site: &Site,
    wish: &UpdateSiteRequest,
    now: Micros,
) -> Result<Site, Status> {
    let UpdateSiteRequest { name: wished_name, time_zone, origins: wished_origins, cookieless, .. } = wish;
    if wished_name.is_empty() && time_zone.is_empty() && wished_origins.is_none() && cookieless.is_none() {
        return Err(invalid("name", "name what is to change: name, time_zone, origins or cookieless"));
    }
    let mut changed = site.clone();
    if !wished_name.is_empty() {
        changed.name = name(wished_name)?.to_owned();
    }
    if !time_zone.is_empty() {
        changed.zone = zone(time_zone)?;
    }
    if let Some(wished) = wished_origins {
        changed.origins = origins("origins.rules", &wished.rules)?;
    }
    match (site.cookieless, cookieless) {
        (true, Some(false)) => (changed.cookieless, changed.cookieless_until) = (false, Some(now)),
        // What was derived before stays so, and is covered by being cookieless now.
        (false, Some(true)) => (changed.cookieless, changed.cookieless_until) = (true, None),
        _ => {}
    }
    if directory.sites().iter().any(|other| other.id != site.id && other.name == changed.name) {
        return Err(Status::already_exists(format!("there is a site named {:?}; choose another name", changed.name)));
    }
    Ok(changed)
}

/// Checks a wish for a site and gives it the next id.
pub(crate) fn plan_site(directory: &Directory, wish: &CreateSiteRequest, now: Micros) -> Result<Site, Status> {
    let name = name(&wish.name)?;
    let zone = zone(if wish.time_zone.is_empty() { "UTC" } else { &wish.time_zone })?;
    let origins = origins("origins", &wish.origins)?;
    let sites = directory.sites();
    if sites.iter().any(|site| site.name == name) {
        return Err(Status::already_exists(format!("there is a site named {name:?}; choose another name")));
    }
    if sites.len() >= MOST_SITES {
        return Err(Status::resource_exhausted(format!("an instance holds at most {MOST_SITES} sites")));
    }
    let id = SiteId(sites.iter().map(|site| site.id.0).max().unwrap_or(0) + 1);
    Ok(Site { origins, cookieless: wish.cookieless, ..Site::new(id, name, zone, now) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_proto::admin::v1::Origins;
    use tonic::Code;

    fn plan(directory: &Directory, name: &str, zone: &str) -> Result<Site, Code> {
        let wish = CreateSiteRequest { name: name.to_owned(), time_zone: zone.to_owned(), ..Default::default() };
        plan_site(directory, &wish, Micros(7)).map_err(|status| status.code())
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
            let wish = UpdateSiteRequest { name: name.to_owned(), time_zone: zone.to_owned(), ..Default::default() };
            let changed = plan_change(&directory, &site, &wish, Micros(9)).map_err(|status| status.code());
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
    fn origins_are_kept_in_one_form_and_a_wrong_one_is_named_by_its_place() {
        let rules = |count: usize| (0..count).map(|n| format!("h{n}.example")).collect::<Vec<String>>();
        let texts = |rules: Vec<OriginRule>| rules.iter().map(ToString::to_string).collect::<Vec<_>>();
        let written = ["Example.ORG", "example.org", "*"].map(str::to_owned);
        assert_eq!(texts(origins("origins", &written).expect("rules")), ["example.org", "*"]);
        assert_eq!(origins("origins", &rules(100)).map(|rules| rules.len()).ok(), Some(100));
        assert!(origins("origins", &rules(101)).is_err());
        let wrong = ["a.example", "https://b.example"].map(str::to_owned);
        let status = origins("origins.rules", &wrong).expect_err("refused");
        assert!(status.message().starts_with("origins.rules[1]: "), "{}", status.message());
        assert!(status.message().contains("write \"b.example\""), "{}", status.message());
    }

    #[test]
    fn what_is_absent_stays_and_an_empty_list_is_none() {
        let wish = CreateSiteRequest {
            name: "a.example".to_owned(),
            origins: vec!["b.example".to_owned()],
            cookieless: true,
            ..Default::default()
        };
        let site = plan_site(&Directory::default(), &wish, Micros(7)).expect("a site");
        assert!(site.cookieless && site.origins.len() == 1);
        let change = |site: &Site, wish: UpdateSiteRequest| {
            plan_change(&Directory::default(), site, &wish, Micros(9)).expect("a change")
        };
        let renamed = change(&site, UpdateSiteRequest { name: "c.example".to_owned(), ..Default::default() });
        assert_eq!(Site { name: site.name.clone(), ..renamed }, site);
        let none = UpdateSiteRequest { origins: Some(Origins::default()), ..Default::default() };
        assert_eq!(change(&site, none), Site { origins: Vec::new(), ..site.clone() });
    }

    #[test]
    fn when_a_site_ends_to_be_cookieless_is_remembered() {
        let wish = CreateSiteRequest { name: "a".to_owned(), cookieless: true, ..Default::default() };
        let on = plan_site(&Directory::default(), &wish, Micros(7)).expect("a site");
        let change = |site: &Site, cookieless: bool, now: i64| {
            let wish = UpdateSiteRequest { cookieless: Some(cookieless), ..Default::default() };
            plan_change(&Directory::default(), site, &wish, Micros(now)).expect("a change")
        };
        assert_eq!(on.visitor_days_before(), Some(Micros(i64::MAX)));
        let off = change(&on, false, 9);
        assert_eq!((off.cookieless, off.visitor_days_before()), (false, Some(Micros(9))));
        assert_eq!(change(&off, false, 11), off, "again is no other end");
        assert_eq!(change(&off, true, 12).visitor_days_before(), Some(Micros(i64::MAX)));
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
