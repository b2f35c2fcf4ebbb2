//! Sites, keys, salts and refused events: small tables that several processes write.

use super::copy::narrow;
use super::failure::engine;
use super::refresh::REWRITING;
use super::{PgStore, zone};
use crate::registry::{origins, origins_text};
use crate::{Error, Registry, RejectedQuery, RejectedRow};
use async_trait::async_trait;
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::{Day, DaySalt, Directory, Micros, Reason, Scope, SiteId, Zone};
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection, Row};

#[async_trait]
impl Registry for PgStore {
    async fn directory(&self) -> Result<Directory, Error> {
        self.run(|conn| Box::pin(async move { Ok(Directory::new(sites(conn).await?, keys(conn).await?)) })).await
    }

    async fn agree(&self, name: &str, value: &str) -> Result<String, Error> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.run(move |conn| {
            Box::pin(async move {
                let keep =
                    sqlx::query("INSERT INTO fact VALUES ($1, $2) ON CONFLICT DO NOTHING").bind(&name).bind(value);
                keep.execute(&mut *conn).await.map_err(engine)?;
                let stored = sqlx::query_scalar("SELECT value FROM fact WHERE name = $1").bind(name);
                stored.fetch_one(conn).await.map_err(engine)
            })
        })
        .await
    }

    async fn share_salts(&self, offered: &[DaySalt], now: Micros) -> Result<Vec<DaySalt>, Error> {
        let offered = offered.to_vec();
        self.run(move |conn| Box::pin(async move { share_salts(conn, &offered, now).await })).await
    }

    async fn put_site(&self, site: &Site) -> Result<(), Error> {
        let site = site.clone();
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                replace_site(&mut tx, &site).await?;
                tx.commit().await.map_err(engine)
            })
        })
        .await
    }

    async fn change_zone(&self, site: &Site) -> Result<(), Error> {
        let (site, variant, upkeep) = (site.clone(), self.pools.variant, self.upkeep.clone());
        self.run(move |conn| {
            Box::pin(async move {
                // In turn with refreshes of all processes; on an error the session ends, and its lock with it.
                let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(REWRITING);
                lock.execute(&mut *conn).await.map_err(engine)?;
                zone::change(conn, variant, &site).await?;
                // Other days, other rows.
                upkeep.unfit.lock().retain(|(of_site, _)| i64::from(*of_site) != i64::from(site.id.0));
                let given_back = sqlx::query("SELECT pg_advisory_unlock($1)").bind(REWRITING);
                given_back.execute(conn).await.map_err(engine).map(drop)
            })
        })
        .await
    }

    async fn put_key(&self, key: &Key) -> Result<(), Error> {
        let key = key.clone();
        self.run(move |conn| {
            Box::pin(async move {
                let site: Option<i32> = key.site.map(|site| narrow(site.0, "site")).transpose()?;
                sqlx::query(
                    "INSERT INTO api_key VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
                     hash = excluded.hash, scope = excluded.scope, site = excluded.site, name = excluded.name, \
                     created_us = excluded.created_us, revoked = excluded.revoked",
                )
                .bind(&key.id)
                .bind(key.hash.0.as_slice())
                .bind(key.scope.name())
                .bind(site)
                .bind(&key.name)
                .bind(key.created.0)
                .bind(key.revoked)
                .execute(conn)
                .await
                .map_err(engine)
                .map(drop)
            })
        })
        .await
    }

    async fn rejected(&self, query: RejectedQuery) -> Result<Vec<RejectedRow>, Error> {
        self.run(move |conn| Box::pin(async move { rejected(conn, &query).await })).await
    }

    async fn rejected_counts(&self, site: SiteId) -> Result<Vec<(Reason, u64)>, Error> {
        let site: i32 = narrow(site.0, "site")?;
        self.run(move |conn| {
            Box::pin(async move {
                let counts = "SELECT reason, count FROM rejected_count WHERE site = $1 ORDER BY reason";
                let rows: Vec<(i16, i64)> = sqlx::query_as(counts).bind(site).fetch_all(conn).await.map_err(engine)?;
                rows.into_iter().map(|(number, count)| Ok((reason(number)?, count.unsigned_abs()))).collect()
            })
        })
        .await
    }

    async fn forget_rejected(&self, site: SiteId, ids: &[[u8; 16]]) -> Result<(), Error> {
        let site: i32 = narrow(site.0, "site")?;
        let ids: Vec<Uuid> = ids.iter().copied().map(Uuid::from_bytes).collect();
        self.run(move |conn| {
            Box::pin(async move {
                let forget = sqlx::query("DELETE FROM rejected_event WHERE site = $1 AND id = ANY($2)");
                forget.bind(site).bind(ids).execute(conn).await.map_err(engine).map(drop)
            })
        })
        .await
    }
}

async fn share_salts(conn: &mut PgConnection, offered: &[DaySalt], now: Micros) -> Result<Vec<DaySalt>, Error> {
    let over = sqlx::query("DELETE FROM day_salt WHERE until_us <= $1").bind(now.0);
    over.execute(&mut *conn).await.map_err(engine)?;
    for salt in offered.iter().filter(|salt| salt.until > now) {
        sqlx::query("INSERT INTO day_salt VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(&salt.zone)
            .bind(salt.day.0)
            .bind(salt.until.0)
            .bind(salt.secret.as_slice())
            .execute(&mut *conn)
            .await
            .map_err(engine)?;
    }
    let rows: Vec<(String, i32, i64, Vec<u8>)> =
        sqlx::query_as("SELECT zone, day, until_us, secret FROM day_salt ORDER BY zone, day")
            .fetch_all(conn)
            .await
            .map_err(engine)?;
    let salt = |(zone, day, until, secret): (String, i32, i64, Vec<u8>)| {
        let secret = secret.try_into().map_err(|_| Error::Engine(format!("the salt of {zone} has another length")))?;
        Ok(DaySalt { zone, day: Day(day), until: Micros(until), secret })
    };
    rows.into_iter().map(salt).collect()
}

/// Adds or replaces a site by its id, in the running transaction.
pub(super) async fn replace_site(conn: &mut PgConnection, site: &Site) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO site VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET \
         name = excluded.name, time_zone = excluded.time_zone, created_us = excluded.created_us",
    )
    .bind(narrow::<u32, i32>(site.id.0, "site")?)
    .bind(&site.name)
    .bind(site.zone.name())
    .bind(site.created.0)
    .execute(&mut *conn)
    .await
    .map_err(engine)?;
    sqlx::query(
        "INSERT INTO site_collecting VALUES ($1, $2, $3, $4) ON CONFLICT (site) DO UPDATE SET \
         origins = excluded.origins, cookieless = excluded.cookieless, cookieless_until_us = excluded.cookieless_until_us",
    )
    .bind(narrow::<u32, i32>(site.id.0, "site")?)
    .bind(origins_text(site))
    .bind(site.cookieless)
    .bind(site.cookieless_until.map(|until| until.0))
    .execute(conn)
    .await
    .map_err(engine)
    .map(drop)
}

async fn rejected(conn: &mut PgConnection, query: &RejectedQuery) -> Result<Vec<RejectedRow>, Error> {
    let ids: Vec<Uuid> = query.ids.iter().copied().map(Uuid::from_bytes).collect();
    let rows = sqlx::query(
        "SELECT id, received_us, reason, field, message, payload, payload_bytes, user_agent FROM rejected_event \
         WHERE site = $1 AND ($2::smallint IS NULL OR reason = $2) AND (cardinality($3::uuid[]) = 0 OR id = ANY($3)) \
         ORDER BY received_us DESC, id DESC LIMIT $4",
    )
    .bind(narrow::<u32, i32>(query.site.0, "site")?)
    .bind(query.reason.map(|reason| reason as i16))
    .bind(ids)
    .bind(i64::try_from(query.limit).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await
    .map_err(engine)?;
    let row = |row: &sqlx::postgres::PgRow| {
        let bytes: i64 = row.try_get(6).map_err(engine)?;
        Ok(RejectedRow {
            id: row.try_get::<Uuid, _>(0).map_err(engine)?.into_bytes(),
            site: query.site,
            received: Micros(row.try_get(1).map_err(engine)?),
            reason: reason(row.try_get(2).map_err(engine)?)?,
            field: row.try_get(3).map_err(engine)?,
            message: row.try_get(4).map_err(engine)?,
            payload: row.try_get(5).map_err(engine)?,
            payload_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            user_agent: row.try_get(7).map_err(engine)?,
        })
    };
    rows.iter().map(row).collect()
}

/// A row of `site`, and of `site_collecting` where there is one.
type SiteRow = (i32, String, String, i64, Option<String>, Option<bool>, Option<i64>);

async fn sites(conn: &mut PgConnection) -> Result<Vec<Site>, Error> {
    let rows: Vec<SiteRow> = sqlx::query_as(
        "SELECT id, name, time_zone, created_us, origins, cookieless, cookieless_until_us \
         FROM site LEFT JOIN site_collecting ON site_collecting.site = site.id ORDER BY id",
    )
    .fetch_all(conn)
    .await
    .map_err(engine)?;
    let site = |(id, name, zone, created, rules, cookieless, until): SiteRow| {
        let zone = Zone::named(&zone).map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Site {
            origins: origins(rules.as_deref().unwrap_or_default())?,
            cookieless: cookieless.unwrap_or_default(),
            cookieless_until: until.map(Micros),
            ..Site::new(SiteId(id.unsigned_abs()), name, zone, Micros(created))
        })
    };
    rows.into_iter().map(site).collect()
}

/// A row of `api_key`.
type KeyRow = (String, Vec<u8>, String, Option<i32>, String, i64, bool);

async fn keys(conn: &mut PgConnection) -> Result<Vec<Key>, Error> {
    let rows: Vec<KeyRow> =
        sqlx::query_as("SELECT id, hash, scope, site, name, created_us, revoked FROM api_key ORDER BY id")
            .fetch_all(conn)
            .await
            .map_err(engine)?;
    let key = |(id, hash, scope, site, name, created, revoked): KeyRow| {
        let hash = hash.try_into().map_err(|_| Error::Engine(format!("the hash of key {id:?} has another length")))?;
        Ok(Key {
            id,
            hash: KeyHash(hash),
            scope: Scope::named(&scope).ok_or_else(|| Error::Engine(format!("{scope:?} is no scope of a key")))?,
            site: site.map(|site| SiteId(site.unsigned_abs())),
            name,
            created: Micros(created),
            revoked,
        })
    };
    rows.into_iter().map(key).collect()
}

fn reason(number: i16) -> Result<Reason, Error> {
    Reason::from_number(u32::from(number.unsigned_abs()))
        .ok_or_else(|| Error::Engine(format!("{number} is no reason of a refusal")))
}
