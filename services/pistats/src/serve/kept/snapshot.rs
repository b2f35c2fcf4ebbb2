//! The file of sites, keys and salts: JSON lines, the first a title, the last a checksum of all before.

use pistats_core::directory::{Directory, Key, KeyHash, Site};
use pistats_core::origin::NoRule;
use pistats_core::{Day, DaySalt, Micros, Scope, SiteId, Zone};
use serde::{Deserialize, Serialize};

const TITLE: &str = "pistats directory 2";
/// Of a program that knew neither rules of origins nor salts: read, never written.
const OLDER: &str = "pistats directory 1";

/// What the store told last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    pub(super) directory: Directory,
    pub(super) salts: Vec<DaySalt>,
}

#[derive(Serialize, Deserialize)]
enum Line {
    Site {
        id: u32,
        name: String,
        zone: String,
        created_us: i64,
        #[serde(default)]
        origins: Vec<String>,
        #[serde(default)]
        cookieless: bool,
        #[serde(default)]
        cookieless_until_us: Option<i64>,
    },
    Key {
        id: String,
        hash: String,
        scope: String,
        site: Option<u32>,
        name: String,
        created_us: i64,
        revoked: bool,
    },
    Salt {
        zone: String,
        day: i32,
        until_us: i64,
        secret: String,
    },
}

/// The same bytes for the same sites, keys and salts.
pub(super) fn encode(Snapshot { directory, salts }: &Snapshot) -> Vec<u8> {
    let sites = directory.sites().into_iter().map(|site| Line::Site {
        id: site.id.0,
        name: site.name.clone(),
        zone: site.zone.name().to_owned(),
        created_us: site.created.0,
        origins: site.origins.iter().map(ToString::to_string).collect(),
        cookieless: site.cookieless,
        cookieless_until_us: site.cookieless_until.map(|until| until.0),
    });
    let keys = directory.keys().into_iter().filter(|key| key.scope != Scope::Instance).map(|key| Line::Key {
        id: key.id.clone(),
        hash: hex(&key.hash.0),
        scope: key.scope.name().to_owned(),
        site: key.site.map(|site| site.0),
        name: key.name.clone(),
        created_us: key.created.0,
        revoked: key.revoked,
    });
    let salts = salts.iter().map(|salt| Line::Salt {
        zone: salt.zone.clone(),
        day: salt.day.0,
        until_us: salt.until.0,
        secret: hex(&salt.secret),
    });
    let mut text = format!("{TITLE}\n");
    for line in sites.chain(keys).chain(salts) {
        // Text and numbers: there is nothing in them that JSON could not hold.
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
    let checksum = crc32c::crc32c(text.as_bytes());
    text.push_str(&format!("crc32c {checksum:08x}\n"));
    text.into_bytes()
}

/// 32 bytes as digits.
fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Snapshot, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is damaged")?;
    let end = text.trim_end().rfind('\n').ok_or("it is damaged")? + 1;
    let (lines, checksum) = text.split_at(end);
    if checksum != format!("crc32c {:08x}\n", crc32c::crc32c(lines.as_bytes())) {
        return Err("it is damaged".to_owned());
    }
    let mut lines = lines.lines();
    if !lines.next().is_some_and(|title| [TITLE, OLDER].contains(&title)) {
        return Err("another version wrote it".to_owned());
    }
    let Snapshot { mut directory, mut salts } = Snapshot::default();
    for line in lines {
        match serde_json::from_str(line).map_err(|error| error.to_string())? {
            Line::Site { id, name, zone, created_us, origins, cookieless, cookieless_until_us } => {
                let zone = Zone::named(&zone).map_err(|_| format!("there is no time zone {zone}"))?;
                let origins = origins.iter().map(|rule| rule.parse().map_err(|fault: NoRule| fault.to_string()));
                let (origins, cookieless_until) = (origins.collect::<Result<_, _>>()?, cookieless_until_us.map(Micros));
                let site = Site::new(SiteId(id), name, zone, Micros(created_us));
                directory.put_site(Site { origins, cookieless, cookieless_until, ..site });
            }
            Line::Key { id, hash, scope, site, name, created_us, revoked } => {
                let hash = blake3::Hash::from_hex(&hash).map_err(|_| format!("key {id}: no hash"))?;
                let scope = Scope::named(&scope).ok_or_else(|| format!("key {id}: there is no scope {scope}"))?;
                let (hash, site, created) = (KeyHash(*hash.as_bytes()), site.map(SiteId), Micros(created_us));
                directory.put_key(Key { id, hash, scope, site, name, created, revoked });
            }
            Line::Salt { zone, day, until_us, secret } => {
                let secret = blake3::Hash::from_hex(&secret).map_err(|_| format!("the salt of {zone} is none"))?;
                let secret = *secret.as_bytes();
                salts.push(DaySalt { zone, day: Day(day), until: Micros(until_us), secret });
            }
        }
    }
    Ok(Snapshot { directory, salts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Snapshot {
        let site = |id: u32, zone: &str| {
            let zone = Zone::named(zone).expect("a zone");
            Site::new(SiteId(id), format!("site \"{id}\"\n.example"), zone, Micros(-5))
        };
        let told = Site {
            origins: ["example.org", "[::1]:80", "*"].map(|rule| rule.parse().expect("a rule")).into(),
            cookieless: true,
            cookieless_until: Some(Micros(9)),
            ..site(2, "UTC")
        };
        let key = |number: u8, scope: Scope| Key {
            id: format!("k{number}"),
            hash: KeyHash([number; 32]),
            scope,
            site: Some(SiteId(u32::from(number))),
            name: "für alle".into(),
            created: Micros(i64::from(number)),
            revoked: number == 2,
        };
        let keys = [key(1, Scope::Write), key(2, Scope::Server), key(3, Scope::Read), key(4, Scope::Manage)];
        let salt = |day| DaySalt { zone: "UTC".into(), day: Day(day), until: Micros(-1), secret: [0xa5; 32] };
        let directory = Directory::new([site(1, "UTC"), told, site(u32::MAX, "Asia/Kolkata")], keys);
        Snapshot { directory, salts: vec![salt(-1), salt(20_000)] }
    }

    #[test]
    fn sites_keys_and_salts_come_back_and_their_bytes_are_always_the_same() {
        let snapshot = sample();
        let bytes = encode(&snapshot);
        let read = decode(&bytes).expect("read");
        assert_eq!(read, snapshot);
        assert_eq!(encode(&read), bytes);
    }

    #[test]
    fn a_file_of_the_version_before_is_read() {
        let lines = concat!(
            "pistats directory 1\n",
            "{\"Site\":{\"id\":7,\"name\":\"a.example\",\"zone\":\"UTC\",\"created_us\":5}}\n"
        );
        let file = format!("{lines}crc32c {:08x}\n", crc32c::crc32c(lines.as_bytes()));
        let site = Site::new(SiteId(7), "a.example", Zone::utc(), Micros(5));
        let expected = Snapshot { directory: Directory::new([site], []), salts: Vec::new() };
        assert_eq!(decode(file.as_bytes()), Ok(expected));
    }

    #[test]
    fn the_key_of_the_instance_is_not_kept() {
        let mut snapshot = sample();
        let before = encode(&snapshot);
        let own = Key { scope: Scope::Instance, hash: KeyHash::of("own"), ..snapshot.directory.keys()[0].clone() };
        snapshot.directory.put_key(own);
        assert_eq!(encode(&snapshot), before);
    }

    #[test]
    fn no_flipped_byte_and_no_cut_goes_unnoticed() {
        let bytes = encode(&sample());
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(decode(&flipped).is_err(), "byte {at}");
            assert!(decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
