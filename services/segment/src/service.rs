//! The calls of segment.v1.

use crate::campaign::{Channel, Followed, Push, PushSettings};
use crate::kept::{self, Kept, MOST_SEGMENTS};
use crate::reading::{Members, Reader, Reading};
use crate::watch::{self, Hub};
use crate::{members, sizes, status};
use futures::stream::{BoxStream, try_unfold};
use pistats_core::directory::Site;
use pistats_core::segment::{Amount, Counted, Did, Node, Plan, SegmentId, Window, plan};
use pistats_core::{Micros, Scope};
use pistats_proto::convert::query::as_of;
use pistats_proto::convert::segment as convert;
use pistats_proto::segment::v1::segment_service_server::SegmentService;
use pistats_proto::segment::v1::*;
use pistats_rpc::auth::{Principal, SharedDirectory};
use pistats_store::{Pushing, SegmentRow, Segments, Store};
use prost::Message;
use roaring::RoaringBitmap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

/// Members that a preview shows at most.
const MOST_SAMPLE: u32 = 100;
/// Members a message of a list.
const PAGE: usize = 10_000;
/// Who may look.
pub(crate) const READERS: &[Scope] = &[Scope::Read, Scope::Manage];

/// Bounds of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Streams of watched segments at once; one more is refused.
    pub streams: usize,
}

impl Default for Settings {
    /// 1,000 streams: each holds the members that it told last, an eighth of a megabyte of a million visitors.
    fn default() -> Settings {
        Settings { streams: 1_000 }
    }
}

/// The segment service.
pub struct Segment {
    pub(crate) shared: Arc<Shared>,
    hub: Arc<Hub>,
    /// Changes go one at a time, so that names stay unique and no cycle closes between two looks.
    changes: Mutex<()>,
}

/// What calls and watchers share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) segments: Arc<dyn Segments>,
    pub(crate) reading: Arc<dyn Reading>,
    pub(crate) directory: SharedDirectory,
}

impl Segment {
    /// The service over a warehouse, and the side that reads it.
    pub fn new(
        store: Arc<dyn Store>,
        segments: Arc<dyn Segments>,
        reading: Arc<dyn Reading>,
        directory: SharedDirectory,
        settings: &Settings,
    ) -> Segment {
        let shared = Arc::new(Shared { store, segments, reading, directory });
        let hub = Hub::new(shared.clone(), settings.streams);
        Segment { shared, hub, changes: Mutex::default() }
    }

    /// The push service over the same warehouse and readers; it sends nothing before it is started.
    pub fn push(
        &self,
        store: Arc<dyn Pushing>,
        channel: Arc<dyn Channel>,
        visitor_secret: [u8; 32],
        settings: PushSettings,
    ) -> Push {
        let enters = Arc::new(Followed(self.shared.clone()));
        Push::new(self.shared.clone(), store, channel, enters, visitor_secret, settings)
    }

    async fn kept(&self, site: &Site) -> Result<Kept, Status> {
        Kept::read(self.shared.segments.as_ref(), site).await
    }

    async fn put(&self, row: &SegmentRow, before: u32) -> Result<(), Status> {
        match self.shared.segments.put_segment(row, before).await.map_err(status::of_store)? {
            true => Ok(()),
            false => Err(Status::aborted("somebody else changed the segment meanwhile; look at it and try again")),
        }
    }

    /// The changed segment as it is told.
    async fn told(&self, site: &Site, id: SegmentId) -> Result<pistats_proto::segment::v1::Segment, Status> {
        let kept = self.kept(site).await?;
        Ok(kept.message(kept.row(id)?))
    }
}

impl Shared {
    /// Whose segments the caller may see. The site comes from the key alone.
    pub(crate) fn site<T>(&self, request: &Request<T>, scopes: &[Scope]) -> Result<Site, Status> {
        let site = Principal::of(&self.directory, request)?.site_with(scopes)?;
        let found = self.directory.load().site(site).cloned();
        found.ok_or_else(|| Status::unauthenticated("the site of this key is gone"))
    }

    /// The plan of a tree at a moment.
    pub(crate) fn plan(&self, site: &Site, kept: &Kept, tree: &Node, now: Micros) -> Result<Plan, Status> {
        Ok(plan(&kept.resolved(tree)?, site.zone.day_of(now)))
    }

    pub(crate) async fn members(&self, site: &Site, plan: Plan, only_sql: bool) -> Result<Members, Status> {
        self.reading.members(site, plan, only_sql).await
    }
}

/// All visitors of a site.
fn everybody() -> Node {
    let amount = Amount::AtLeast(1);
    Node::Did(Did { conditions: Vec::new(), amount, counted: Counted::Events, window: Window::Ever })
}

pub(crate) fn new_id() -> Result<SegmentId, Status> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Status::internal(format!("the system has no randomness: {error}")))?;
    Ok(SegmentId(u128::from_be_bytes(bytes)))
}

/// Some of a set, the lowest numbers first.
pub(crate) fn some(numbers: &RoaringBitmap, most: usize) -> RoaringBitmap {
    numbers.iter().take(most).collect()
}

#[tonic::async_trait]
impl SegmentService for Segment {
    async fn create_segment(
        &self,
        request: Request<CreateSegmentRequest>,
    ) -> Result<Response<CreateSegmentResponse>, Status> {
        let site = self.shared.site(&request, &[Scope::Manage])?;
        let wish = request.into_inner();
        let tree = convert::tree("root", wish.root.as_ref()).map_err(status::invalid)?;
        let description = kept::description(&wish.description)?;
        let _one_at_a_time = self.changes.lock().await;
        let kept = self.kept(&site).await?;
        let name = kept.name(&wish.name, None)?;
        kept.check(&tree, None)?;
        if kept.rows().len() >= MOST_SEGMENTS {
            let why = format!("the site has {MOST_SEGMENTS} segments, which is as many as it may; delete one");
            return Err(Status::resource_exhausted(why));
        }
        let (id, now) = (new_id()?, self.shared.reading.now());
        let tree = convert::to_wire(&tree).encode_to_vec();
        let row = SegmentRow { site: site.id, id, name, description, version: 1, tree, created: now, updated: now };
        self.put(&row, 0).await?;
        Ok(Response::new(CreateSegmentResponse { segment: Some(self.told(&site, id).await?) }))
    }

    async fn get_segment(&self, request: Request<GetSegmentRequest>) -> Result<Response<GetSegmentResponse>, Status> {
        let site = self.shared.site(&request, READERS)?;
        let GetSegmentRequest { id, version } = request.into_inner();
        let id = convert::id("id", &id).map_err(status::invalid)?;
        let kept = self.kept(&site).await?;
        let newest = kept.row(id)?;
        let row = if version == 0 || version == newest.version {
            newest.clone()
        } else {
            let found = self.shared.segments.segment_version(site.id, id, version).await.map_err(status::of_store)?;
            found.ok_or_else(|| Status::not_found(format!("version: the segment has no version {version}")))?
        };
        Ok(Response::new(GetSegmentResponse { segment: Some(kept.message(&row)) }))
    }

    async fn list_segments(
        &self,
        request: Request<ListSegmentsRequest>,
    ) -> Result<Response<ListSegmentsResponse>, Status> {
        let site = self.shared.site(&request, READERS)?;
        let kept = self.kept(&site).await?;
        let segments = kept.rows().iter().map(|row| kept.message(row)).collect();
        Ok(Response::new(ListSegmentsResponse { segments }))
    }

    async fn update_segment(
        &self,
        request: Request<UpdateSegmentRequest>,
    ) -> Result<Response<UpdateSegmentResponse>, Status> {
        let site = self.shared.site(&request, &[Scope::Manage])?;
        let wish = request.into_inner();
        let id = convert::id("id", &wish.id).map_err(status::invalid)?;
        let _one_at_a_time = self.changes.lock().await;
        let kept = self.kept(&site).await?;
        let before = kept.row(id)?;
        if wish.expected_version != 0 && wish.expected_version != before.version {
            let (is, expected) = (before.version, wish.expected_version);
            return Err(Status::aborted(format!("the segment has version {is}, not {expected}; look at it first")));
        }
        let mut row = before.clone();
        if let Some(name) = &wish.name {
            row.name = kept.name(name, Some(id))?;
        }
        if let Some(text) = &wish.description {
            row.description = kept::description(text)?;
        }
        if wish.root.is_some() {
            let tree = convert::tree("root", wish.root.as_ref()).map_err(status::invalid)?;
            kept.check(&tree, Some(id))?;
            let encoded = convert::to_wire(&tree).encode_to_vec();
            if encoded != row.tree {
                (row.tree, row.version, row.updated) = (encoded, before.version + 1, self.shared.reading.now());
            }
        }
        self.put(&row, before.version).await?;
        Ok(Response::new(UpdateSegmentResponse { segment: Some(self.told(&site, id).await?) }))
    }

    async fn delete_segment(
        &self,
        request: Request<DeleteSegmentRequest>,
    ) -> Result<Response<DeleteSegmentResponse>, Status> {
        let site = self.shared.site(&request, &[Scope::Manage])?;
        let id = convert::id("id", &request.get_ref().id).map_err(status::invalid)?;
        let _one_at_a_time = self.changes.lock().await;
        let kept = self.kept(&site).await?;
        kept.row(id)?;
        let users = kept.users(id);
        if !users.is_empty() {
            let why = format!("the segment is a member of {}; change these first", users.join(", "));
            return Err(Status::failed_precondition(why));
        }
        self.shared.segments.delete_segment(site.id, id).await.map_err(status::of_store)?;
        Ok(Response::new(DeleteSegmentResponse {}))
    }

    async fn preview(&self, request: Request<PreviewRequest>) -> Result<Response<PreviewResponse>, Status> {
        let started = Instant::now();
        let site = self.shared.site(&request, READERS)?;
        let wish = request.into_inner();
        if wish.sample > MOST_SAMPLE {
            let why = format!("{} are too many, at most {MOST_SAMPLE}", wish.sample);
            return Err(status::invalid(pistats_proto::convert::Invalid::field("sample", why)));
        }
        let kept = self.kept(&site).await?;
        let tree = match &wish.what {
            Some(preview_request::What::Id(id)) => kept.tree(convert::id("id", id).map_err(status::invalid)?)?.clone(),
            Some(preview_request::What::Root(root)) => {
                let tree = convert::tree("root", Some(root)).map_err(status::invalid)?;
                kept.check(&tree, None)?;
                tree
            }
            None => convert::tree("root", None).map_err(status::invalid)?,
        };
        let now = self.shared.reading.now();
        let plan = self.shared.plan(&site, &kept, &tree, now)?;
        let written = self.shared.reading.written(&site, &plan);
        let counting = Instant::now();
        let only_sql = wish.reader == i32::from(pistats_proto::segment::v1::Reader::Sql);
        let found = self.shared.members(&site, plan, only_sql).await?;
        let took = counting.elapsed();
        let all = self.shared.plan(&site, &kept, &everybody(), now)?;
        let visitors = self.shared.members(&site, all, false).await?.numbers.len();
        let sample = some(&found.numbers, wish.sample as usize);
        let store = self.shared.store.as_ref();
        let sample = members::keys(store, &site, &sample, found.as_of.generation).await?;
        tracing::debug!(count = found.numbers.len(), ?took, whole = ?started.elapsed(), "a segment was previewed");
        Ok(Response::new(PreviewResponse {
            count: found.numbers.len(),
            visitors,
            sample,
            sentence: kept.sentence(&tree),
            sql: written.sql,
            sql_values: written.values,
            reader: reader(found.reader).into(),
            took_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
            as_of: Some(as_of(&found.as_of)),
            now_us: now.0,
        }))
    }

    type ListMembersStream = BoxStream<'static, Result<ListMembersResponse, Status>>;

    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<Self::ListMembersStream>, Status> {
        let site = self.shared.site(&request, READERS)?;
        let ListMembersRequest { id, limit } = request.into_inner();
        let kept = self.kept(&site).await?;
        let tree = kept.tree(convert::id("id", &id).map_err(status::invalid)?)?;
        let plan = self.shared.plan(&site, &kept, tree, self.shared.reading.now())?;
        let found = self.shared.members(&site, plan, false).await?;
        let most = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let pages = Pages {
            shared: self.shared.clone(),
            site,
            count: found.numbers.len(),
            left: if limit == 0 { found.numbers.clone() } else { some(&found.numbers, most) },
            found,
            is_first: true,
        };
        Ok(Response::new(Box::pin(try_unfold(pages, Pages::next))))
    }

    type ListSizesStream = BoxStream<'static, Result<ListSizesResponse, Status>>;

    async fn list_sizes(&self, request: Request<ListSizesRequest>) -> Result<Response<Self::ListSizesStream>, Status> {
        let site = self.shared.site(&request, READERS)?;
        let ListSizesRequest { id, days } = request.into_inner();
        let days = sizes::days(days)?;
        let kept = self.kept(&site).await?;
        let tree = kept.resolved(kept.tree(convert::id("id", &id).map_err(status::invalid)?)?)?;
        Ok(Response::new(sizes::open(self.shared.clone(), site, tree, days)))
    }

    type WatchSegmentStream = BoxStream<'static, Result<WatchSegmentResponse, Status>>;

    async fn watch_segment(
        &self,
        request: Request<WatchSegmentRequest>,
    ) -> Result<Response<Self::WatchSegmentStream>, Status> {
        Ok(Response::new(watch::open(&self.hub, request).await?))
    }
}

/// A list that is sent page by page.
struct Pages {
    shared: Arc<Shared>,
    site: Site,
    found: Members,
    count: u64,
    left: RoaringBitmap,
    is_first: bool,
}

impl Pages {
    async fn next(mut self) -> Result<Option<(ListMembersResponse, Pages)>, Status> {
        if self.left.is_empty() && !self.is_first {
            return Ok(None);
        }
        let page = some(&self.left, PAGE);
        self.left -= &page;
        let store = self.shared.store.as_ref();
        let visitors = members::keys(store, &self.site, &page, self.found.as_of.generation).await?;
        let told = self.is_first.then(|| (self.count, as_of(&self.found.as_of)));
        self.is_first = false;
        let (count, as_of) = told.map_or((0, None), |(count, as_of)| (count, Some(as_of)));
        Ok(Some((ListMembersResponse { visitors, count, as_of }, self)))
    }
}

fn reader(reader: Reader) -> pistats_proto::segment::v1::Reader {
    match reader {
        Reader::Bitmaps => pistats_proto::segment::v1::Reader::Bitmaps,
        Reader::Mixed => pistats_proto::segment::v1::Reader::Mixed,
        Reader::Sql => pistats_proto::segment::v1::Reader::Sql,
    }
}
