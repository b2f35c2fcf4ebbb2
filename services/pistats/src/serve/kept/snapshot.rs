//! The file of sites and keys: JSON lines, the first a title, the last a checksum of all before.

use pistats_core::directory::{Directory, Key, KeyHash, Site};
use pistats_core::{Micros, Scope, SiteId, Zone};
use serde::{Deserialize, Serialize};

const TITLE: &str = "pistats directory 1";

#[derive(Serialize, Deserialize)]
enum Line {
    Site { id: u32, name: String, zone: String, created_us: i64 },
    Key { id: String, hash: String, scope: String, site: Option<u32>, name: String, created_us: i64, revoked: bool },
}

/// The same bytes for the same sites and keys.
pub(super) fn encode(directory: &Directory) -> Vec<u8> {
    let sites = directory.sites().into_iter().map(|site| Line::Site {
        id: site.id.0,
        name: site.name.clone(),
        zone: site.zone.name().to_owned(),
        created_us: site.created.0,
    });
    let keys = directory.keys().into_iter().filter(|key| key.scope != Scope::Instance).map(|key| Line::Key {
        id: key.id.clone(),
        hash: blake3::Hash::from_bytes(key.hash.0).to_hex().to_string(),
        scope: key.scope.name().to_owned(),
        site: key.site.map(|site| site.0),
        name: key.name.clone(),
        created_us: key.created.0,
        revoked: key.revoked,
    });
    let mut text = format!("{TITLE}\n");
    for line in sites.chain(keys) {
        // Text and numbers: there is nothing in them that JSON could not hold.
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
    let checksum = crc32c::crc32c(text.as_bytes());
    text.push_str(&format!("crc32c {checksum:08x}\n"));
    text.into_bytes()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Directory, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is damaged")?;
    let end = text.trim_end().rfind('\n').ok_or("it is damaged")? + 1;
    let (lines, checksum) = text.split_at(end);
    if checksum != format!("crc32c {:08x}\n", crc32c::crc32c(lines.as_bytes())) {
        return Err("it is damaged".to_owned());
    }
    let mut lines = lines.lines();
    if lines.next() != Some(TITLE) {
        return Err("another version wrote it".to_owned());
    }
    let mut directory = Directory::default();
    for line in lines {
        match serde_json::from_str(line).map_err(|error| error.to_string())? {
            Line::Site { id, name, zone, created_us } => {
                let zone = Zone::named(&zone).map_err(|_| format!("there is no time zone {zone}"))?;
                directory.put_site(Site { id: SiteId(id), name, zone, created: Micros(created_us) });
            }
            Line::Key { id, hash, scope, site, name, created_us, revoked } => {
                let hash = blake3::Hash::from_hex(&hash).map_err(|_| format!("key {id}: no hash"))?;
                let scope = Scope::named(&scope).ok_or_else(|| format!("key {id}: there is no scope {scope}"))?;
                let (hash, site, created) = (KeyHash(*hash.as_bytes()), site.map(SiteId), Micros(created_us));
                directory.put_key(Key { id, hash, scope, site, name, created, revoked });
            }
        }
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Directory {
        let site = |id: u32, zone: &str| Site {
            id: SiteId(id),
            name: format!("site \"{id}\"\n.example"),
            zone: Zone::named(zone).expect("a zone"),
            created: Micros(-5),
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
        Directory::new([site(1, "UTC"), site(u32::MAX, "Asia/Kolkata")], keys)
    }

    #[test]
    fn sites_and_keys_come_back_and_their_bytes_are_always_the_same() {
        let directory = sample();
        let bytes = encode(&directory);
        let read = decode(&bytes).expect("read");
        assert_eq!((read.sites(), read.keys()), (directory.sites(), directory.keys()));
        assert_eq!(encode(&read), bytes);
    }

    #[test]
    fn the_key_of_the_instance_is_not_kept() {
        let mut directory = sample();
        let before = encode(&directory);
        let own = Key { scope: Scope::Instance, hash: KeyHash::of("own"), ..directory.keys()[0].clone() };
        directory.put_key(own);
        assert_eq!(encode(&directory), before);
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
