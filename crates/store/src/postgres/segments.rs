//! Segments in PostgreSQL: several processes may change them.

use super::PgStore;
use super::copy::narrow;
use super::failure::engine;
use crate::{Error, SegmentRow, Segments};
use async_trait::async_trait;
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId};
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection};

/// id, name, description, version, tree, created, updated.
type Row = (Uuid, String, String, i32, Vec<u8>, i64, i64);

#[async_trait]
impl Segments for PgStore {
    async fn segments(&self, site: SiteId) -> Result<Vec<SegmentRow>, Error> {
        let number: i32 = narrow(site.0, "site")?;
        let rows: Vec<Row> = self
            .run(move |conn| {
                Box::pin(async move {
                    let list = "SELECT id, name, description, version, tree, created_us, updated_us FROM segment \
                                WHERE site = $1 ORDER BY name COLLATE \"C\", id";
                    sqlx::query_as(list).bind(number).fetch_all(conn).await.map_err(engine)
                })
            })
            .await?;
        Ok(rows.into_iter().map(|row| read(site, row)).collect())
    }

    async fn segment_version(&self, site: SiteId, id: SegmentId, version: u32) -> Result<Option<SegmentRow>, Error> {
        let (number, version): (i32, i32) = (narrow(site.0, "site")?, narrow(version, "version")?);
        let row: Option<Row> = self
            .run(move |conn| {
                Box::pin(async move {
                    let find = "SELECT s.id, s.name, s.description, v.version, v.tree, s.created_us, v.updated_us \
                                FROM segment s JOIN segment_version v ON v.site = s.site AND v.id = s.id \
                                WHERE s.site = $1 AND s.id = $2 AND v.version = $3";
                    let find = sqlx::query_as(find).bind(number).bind(Uuid::from_u128(id.0)).bind(version);
                    find.fetch_optional(conn).await.map_err(engine)
                })
            })
            .await?;
        Ok(row.map(|row| read(site, row)))
    }

    async fn put_segment(&self, row: &SegmentRow, before: u32) -> Result<bool, Error> {
        let row = row.clone();
        self.run(move |conn| Box::pin(async move { put(conn, &row, before).await })).await
    }

    async fn delete_segment(&self, site: SiteId, id: SegmentId) -> Result<bool, Error> {
        let number: i32 = narrow(site.0, "site")?;
        self.run(move |conn| {
            Box::pin(async move {
                // Versions go with their segment.
                let delete = sqlx::query("DELETE FROM segment WHERE site = $1 AND id = $2");
                let delete = delete.bind(number).bind(Uuid::from_u128(id.0));
                Ok(delete.execute(conn).await.map_err(engine)?.rows_affected() > 0)
            })
        })
        .await
    }
}

/// The condition on the version stands in the statement: of two changes at once one finds it.
async fn put(conn: &mut PgConnection, row: &SegmentRow, before: u32) -> Result<bool, Error> {
    let (site, id): (i32, Uuid) = (narrow(row.site.0, "site")?, Uuid::from_u128(row.id.0));
    let (version, before): (i32, i32) = (narrow(row.version, "version")?, narrow(before, "version")?);
    let mut tx = conn.begin().await.map_err(engine)?;
    let text = if before == 0 {
        "INSERT INTO segment VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE segment SET name = $3, description = $4, version = $5, tree = $6, created_us = $7, updated_us = $8 \
         WHERE site = $1 AND id = $2 AND version = $9"
    };
    let mut change = sqlx::query(text)
        .bind(site)
        .bind(id)
        .bind(&row.name)
        .bind(&row.description)
        .bind(version)
        .bind(&row.tree)
        .bind(row.created.0)
        .bind(row.updated.0);
    if before != 0 {
        change = change.bind(before);
    }
    if change.execute(&mut *tx).await.map_err(engine)?.rows_affected() == 0 {
        return Ok(false);
    }
    if version != before {
        sqlx::query("INSERT INTO segment_version VALUES ($1, $2, $3, $4, $5)")
            .bind(site)
            .bind(id)
            .bind(version)
            .bind(&row.tree)
            .bind(row.updated.0)
            .execute(&mut *tx)
            .await
            .map_err(engine)?;
    }
    tx.commit().await.map_err(engine)?;
    Ok(true)
}

fn read(site: SiteId, (id, name, description, version, tree, created, updated): Row) -> SegmentRow {
    SegmentRow {
        site,
        id: SegmentId(id.as_u128()),
        name,
        description,
        version: version.unsigned_abs(),
        tree,
        created: Micros(created),
        updated: Micros(updated),
    }
}
