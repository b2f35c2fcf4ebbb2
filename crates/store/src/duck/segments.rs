//! Segments in DuckDB: written by the writer between two commits.

use super::DuckStore;
use super::cells::Wide;
use super::registry::{all, blob, get, run};
use super::worker::transaction;
use crate::{Error, SegmentRow, Segments};
use async_trait::async_trait;
use duckdb::{Connection, Row, params};
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId};

#[async_trait]
impl Segments for DuckStore {
    async fn segments(&self, site: SiteId) -> Result<Vec<SegmentRow>, Error> {
        let list = move |conn: &Connection| {
            let sql = "SELECT id, name, description, version, tree, created_us, updated_us FROM segment \
                       WHERE site = $1 ORDER BY name, id";
            all(conn, sql, params![site.0], |row| read(site, row))
        };
        self.writer.run(list).await
    }

    async fn segment_version(&self, site: SiteId, id: SegmentId, version: u32) -> Result<Option<SegmentRow>, Error> {
        let find = move |conn: &Connection| {
            let sql = "SELECT s.id, s.name, s.description, v.version, v.tree, s.created_us, v.updated_us \
                       FROM segment s JOIN segment_version v ON v.site = s.site AND v.id = s.id \
                       WHERE s.site = $1 AND s.id = CAST($2 AS UUID) AND v.version = $3";
            let found = all(conn, sql, params![site.0, Wide(id.0), version], |row| read(site, row))?;
            Ok(found.into_iter().next())
        };
        self.writer.run(find).await
    }

    async fn put_segment(&self, row: &SegmentRow, before: u32) -> Result<bool, Error> {
        let row = row.clone();
        let put = move |conn: &Connection| {
            transaction(conn, |conn| {
                let (site, id) = (row.site.0, Wide(row.id.0));
                if version(conn, row.site, row.id)? != before {
                    return Ok(false);
                }
                run(conn, "DELETE FROM segment WHERE site = $1 AND id = CAST($2 AS UUID)", params![site, id])?;
                run(
                    conn,
                    "INSERT INTO segment VALUES ($1, CAST($2 AS UUID), $3, $4, $5, $6, $7, $8)",
                    params![site, id, row.name, row.description, row.version, row.tree, row.created.0, row.updated.0],
                )?;
                if row.version != before {
                    let values = params![site, id, row.version, row.tree, row.updated.0];
                    run(conn, "INSERT INTO segment_version VALUES ($1, CAST($2 AS UUID), $3, $4, $5)", values)?;
                }
                Ok(true)
            })
        };
        self.writer.run(put).await
    }

    async fn delete_segment(&self, site: SiteId, id: SegmentId) -> Result<bool, Error> {
        let delete = move |conn: &Connection| {
            transaction(conn, |conn| {
                let was_there = version(conn, site, id)? != 0;
                for table in ["segment", "segment_version"] {
                    let sql = format!("DELETE FROM {table} WHERE site = $1 AND id = CAST($2 AS UUID)");
                    run(conn, &sql, params![site.0, Wide(id.0)])?;
                }
                Ok(was_there)
            })
        };
        self.writer.run(delete).await
    }
}

/// The newest version of a segment, 0 for none.
fn version(conn: &Connection, site: SiteId, id: SegmentId) -> Result<u32, Error> {
    let sql = "SELECT version FROM segment WHERE site = $1 AND id = CAST($2 AS UUID)";
    let found = all(conn, sql, params![site.0, Wide(id.0)], |row| get(row, 0))?;
    Ok(found.into_iter().next().unwrap_or(0))
}

fn read(site: SiteId, row: &Row<'_>) -> Result<SegmentRow, Error> {
    Ok(SegmentRow {
        site,
        id: SegmentId(u128::from_be_bytes(blob(row, 0)?)),
        name: get(row, 1)?,
        description: get(row, 2)?,
        version: get(row, 3)?,
        tree: get(row, 4)?,
        created: Micros(get(row, 5)?),
        updated: Micros(get(row, 6)?),
    })
}
