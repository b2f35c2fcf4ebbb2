//! `segment`: trees as JSON in, counts and members out.

mod tree;

use super::{Failure, failed};
use crate::cli::{SegmentArgs, SegmentCommand};
use crate::client::Authorized;
use crate::table::{self, say};
use pistats_core::Scope;
use pistats_core::segment::SegmentId;
use pistats_proto::segment::v1::segment_service_client::SegmentServiceClient;
use pistats_proto::segment::v1::*;
use serde_json::{Value, json};

type Client = SegmentServiceClient<Authorized>;

fn client(args: &SegmentArgs, scope: Scope) -> Result<Client, Failure> {
    let channel = args.server.of_site(args.site.as_deref(), scope)?;
    Ok(SegmentServiceClient::new(channel).max_decoding_message_size(crate::client::MESSAGE_BYTES))
}

/// The id of a segment that is named by its id or its name.
pub(super) async fn id_of(client: &mut Client, named: &str) -> Result<String, Failure> {
    if SegmentId::parse(named).is_some() {
        return Ok(named.to_owned());
    }
    let all = client.list_segments(ListSegmentsRequest {}).await.map_err(failed)?.into_inner().segments;
    let found = all.into_iter().find(|segment| segment.name == named);
    found.map(|segment| segment.id).ok_or_else(|| format!("there is no segment named {named:?}"))
}

pub async fn run(command: SegmentCommand) -> Result<(), Failure> {
    match command {
        SegmentCommand::Create { args, name, tree, description } => {
            let request = CreateSegmentRequest { name, description, root: Some(tree::read(&tree)?) };
            let made = client(&args, Scope::Manage)?.create_segment(request).await.map_err(failed)?.into_inner();
            show(&args, &made.segment.unwrap_or_default());
        }
        SegmentCommand::Get { args, segment, version } => {
            let mut client = client(&args, Scope::Read)?;
            let id = id_of(&mut client, &segment).await?;
            let found = client.get_segment(GetSegmentRequest { id, version }).await.map_err(failed)?.into_inner();
            show(&args, &found.segment.unwrap_or_default());
        }
        SegmentCommand::List { args } => {
            let mut client = client(&args, Scope::Read)?;
            let all = client.list_segments(ListSegmentsRequest {}).await.map_err(failed)?.into_inner().segments;
            if args.json {
                all.iter().for_each(|segment| say!("{}", as_json(segment)));
                return Ok(());
            }
            let row = |segment: Segment| vec![segment.name, segment.id, segment.version.to_string(), segment.sentence];
            say!("{}", table::render(&["segment", "id", "version", "is"], all.into_iter().map(row).collect(), 4));
        }
        SegmentCommand::Update { args, segment, name, description, tree } => {
            let mut client = client(&args, Scope::Manage)?;
            let id = id_of(&mut client, &segment).await?;
            let root = tree.as_deref().map(tree::read).transpose()?;
            let request = UpdateSegmentRequest { id, name, description, root, expected_version: 0 };
            let changed = client.update_segment(request).await.map_err(failed)?.into_inner();
            show(&args, &changed.segment.unwrap_or_default());
        }
        SegmentCommand::Delete { args, segment } => {
            let mut client = client(&args, Scope::Manage)?;
            let id = id_of(&mut client, &segment).await?;
            client.delete_segment(DeleteSegmentRequest { id: id.clone() }).await.map_err(failed)?;
            say!("{id} is gone");
        }
        SegmentCommand::Preview { args, segment, tree, sample, sql } => {
            preview(&args, segment, tree, sample, sql).await?;
        }
        SegmentCommand::Members { args, segment, limit } => {
            let mut client = client(&args, Scope::Read)?;
            let id = id_of(&mut client, &segment).await?;
            let mut pages = client.list_members(ListMembersRequest { id, limit }).await.map_err(failed)?.into_inner();
            while let Some(page) = pages.message().await.map_err(failed)? {
                page.visitors.iter().for_each(|visitor| say!("{visitor}"));
            }
        }
        SegmentCommand::Sizes { args, segment, days } => {
            let mut client = client(&args, Scope::Read)?;
            let id = id_of(&mut client, &segment).await?;
            let mut sizes = client.list_sizes(ListSizesRequest { id, days }).await.map_err(failed)?.into_inner();
            while let Some(ListSizesResponse { day, size, is_over, .. }) = sizes.message().await.map_err(failed)? {
                match args.json {
                    true => say!("{}", json!({"day": day, "size": size, "is_over": is_over})),
                    false => say!("{day}  {} visitors", table::number(size)),
                }
            }
        }
        SegmentCommand::Watch { args, segment, messages } => watch(&args, &segment, messages).await?,
    }
    Ok(())
}

async fn preview(
    args: &SegmentArgs,
    segment: Option<String>,
    tree: Option<String>,
    sample: u32,
    sql: bool,
) -> Result<(), Failure> {
    let mut client = client(args, Scope::Read)?;
    let what = match (segment, tree) {
        (Some(segment), _) => preview_request::What::Id(id_of(&mut client, &segment).await?),
        (None, Some(tree)) => preview_request::What::Root(tree::read(&tree)?),
        (None, None) => return Err("name a segment, or give --tree".to_owned()),
    };
    let reader = if sql { Reader::Sql } else { Reader::Unspecified };
    let request = PreviewRequest { what: Some(what), sample, reader: reader.into() };
    let found = client.preview(request).await.map_err(failed)?.into_inner();
    let reader = found.reader().as_str_name().trim_start_matches("READER_").to_lowercase();
    if args.json {
        let PreviewResponse { count, visitors, sample, sentence, sql, sql_values, took_us, now_us, .. } = found;
        say!(
            "{}",
            json!({"count": count, "visitors": visitors, "sample": sample, "sentence": sentence, "sql": sql,
                "sql_values": sql_values, "reader": reader, "took_us": took_us, "now_us": now_us})
        );
        return Ok(());
    }
    say!("{}", found.sentence);
    let (count, all) = (table::number(found.count), table::number(found.visitors));
    say!("{count} of {all} visitors, from {reader} in {:.1} ms", found.took_us as f64 / 1e3);
    found.sample.iter().for_each(|visitor| say!("  {visitor}"));
    if sql {
        say!("{}", found.sql);
        let values = found.sql_values.iter().enumerate();
        values.for_each(|(place, value)| say!("  ${} = {value}", place + 1));
    }
    Ok(())
}

async fn watch(args: &SegmentArgs, segment: &str, messages: Option<u64>) -> Result<(), Failure> {
    let mut client = client(args, Scope::Read)?;
    let id = id_of(&mut client, segment).await?;
    let mut stream = client.watch_segment(WatchSegmentRequest { id }).await.map_err(failed)?.into_inner();
    let mut left = messages.unwrap_or(u64::MAX);
    while left > 0
        && let Some(message) = stream.message().await.map_err(failed)?
    {
        left -= 1;
        if args.json {
            let WatchSegmentResponse { sequence, size, entered, left, version, now_us, .. } = &message;
            say!(
                "{}",
                json!({"sequence": sequence, "size": size, "entered": entered, "left": left, "version": version,
                    "now_us": now_us, "entered_visitors": message.entered_visitors,
                    "left_visitors": message.left_visitors, "cause": message.cause().as_str_name()})
            );
            continue;
        }
        let at = jiff::Timestamp::from_microsecond(message.now_us).map(|at| at.to_string()).unwrap_or_default();
        let size = table::number(message.size);
        match message.sequence {
            0 => say!("{at}  {size} visitors"),
            _ => say!("{at}  {size} visitors  +{} -{}", message.entered, message.left),
        }
    }
    Ok(())
}

fn as_json(segment: &Segment) -> Value {
    json!({"id": segment.id, "name": segment.name, "description": segment.description, "version": segment.version,
        "created_us": segment.created_us, "updated_us": segment.updated_us, "sentence": segment.sentence,
        "used_in": segment.used_in})
}

fn show(args: &SegmentArgs, segment: &Segment) {
    if args.json {
        say!("{}", as_json(segment));
        return;
    }
    say!("{} ({}), version {}", segment.name, segment.id, segment.version);
    say!("{}", segment.sentence);
    if !segment.used_in.is_empty() {
        say!("used in {}", segment.used_in.join(", "));
    }
}
