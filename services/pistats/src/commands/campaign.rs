//! `campaign`: push messages to members of a segment, made, started, held, ended and watched.

use super::segment::id_of;
use super::{Failure, failed};
use crate::cli::{CampaignCommand, Draft, SegmentArgs};
use crate::client::{Authorized, MESSAGE_BYTES};
use crate::table::{self, say};
use pistats_core::Scope;
use pistats_core::push::CampaignId;
use pistats_proto::push::v1::push_service_client::PushServiceClient;
use pistats_proto::push::v1::schedule::When;
use pistats_proto::push::v1::*;
use pistats_proto::segment::v1::segment_service_client::SegmentServiceClient;
use serde_json::json;

type Client = PushServiceClient<Authorized>;

fn client(args: &SegmentArgs, scope: Scope) -> Result<Client, Failure> {
    let channel = args.server.of_site(args.site.as_deref(), scope)?;
    Ok(PushServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES))
}

/// A client, and the id of a campaign that is named by its id or its name.
async fn named(args: &SegmentArgs, scope: Scope, named: &str) -> Result<(Client, String), Failure> {
    let mut client = client(args, scope)?;
    if CampaignId::parse(named).is_some() {
        return Ok((client, named.to_owned()));
    }
    let all = client.list_campaigns(ListCampaignsRequest {}).await.map_err(failed)?.into_inner().campaigns;
    let mut found = all.into_iter().filter(|campaign| name(campaign) == named);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok((client, only.id)),
        (None, _) => Err(format!("there is no campaign named {named:?}")),
        _ => Err(format!("several campaigns are named {named:?}; use an id of `pistats campaign list`")),
    }
}

pub async fn run(command: CampaignCommand) -> Result<(), Failure> {
    match command {
        CampaignCommand::Create(draft) => {
            let content = Some(content(&draft).await?);
            let mut client = client(&draft.args, Scope::Manage)?;
            let made = client.create_campaign(CreateCampaignRequest { content }).await.map_err(failed)?.into_inner();
            show(&draft.args, made.campaign, None);
        }
        CampaignCommand::List { args } => list(&args).await?,
        CampaignCommand::Get { args, campaign } => {
            let (mut client, id) = named(&args, Scope::Read, &campaign).await?;
            let request = GetCampaignRequest { id };
            let found = client.get_campaign(request).await.map_err(failed)?.into_inner();
            show(&args, found.campaign, found.results);
        }
        CampaignCommand::Start { args, campaign } => {
            let (mut client, id) = named(&args, Scope::Manage, &campaign).await?;
            let request = StartCampaignRequest { id, expected_version: 0 };
            let told = client.start_campaign(request).await.map_err(failed)?.into_inner();
            show(&args, told.campaign, None);
        }
        CampaignCommand::Pause { args, campaign } => {
            let (mut client, id) = named(&args, Scope::Manage, &campaign).await?;
            let request = PauseCampaignRequest { id };
            let told = client.pause_campaign(request).await.map_err(failed)?.into_inner();
            show(&args, told.campaign, None);
        }
        CampaignCommand::Resume { args, campaign } => {
            let (mut client, id) = named(&args, Scope::Manage, &campaign).await?;
            let request = ResumeCampaignRequest { id };
            let told = client.resume_campaign(request).await.map_err(failed)?.into_inner();
            show(&args, told.campaign, None);
        }
        CampaignCommand::Cancel { args, campaign } => {
            let (mut client, id) = named(&args, Scope::Manage, &campaign).await?;
            let request = CancelCampaignRequest { id };
            let told = client.cancel_campaign(request).await.map_err(failed)?.into_inner();
            show(&args, told.campaign, None);
        }
        CampaignCommand::Delete { args, campaign } => {
            let (mut client, id) = named(&args, Scope::Manage, &campaign).await?;
            client.delete_campaign(DeleteCampaignRequest { id }).await.map_err(failed)?;
            say!("{campaign} is gone");
        }
        CampaignCommand::Watch { args, campaign } => {
            let (mut client, id) = named(&args, Scope::Read, &campaign).await?;
            let request = WatchCampaignRequest { id };
            let mut told = client.watch_campaign(request).await.map_err(failed)?.into_inner();
            while let Some(told) = told.message().await.map_err(failed)? {
                show(&args, told.campaign, told.results);
            }
        }
    }
    Ok(())
}

async fn list(args: &SegmentArgs) -> Result<(), Failure> {
    let all = client(args, Scope::Read)?.list_campaigns(ListCampaignsRequest {}).await.map_err(failed)?;
    let all = all.into_inner().campaigns;
    if args.json {
        all.iter().for_each(|campaign| say!("{}", as_json(campaign, None)));
        return Ok(());
    }
    let row = |campaign: Campaign| vec![name(&campaign), campaign.id.clone(), state(&campaign)];
    say!("{}", table::render(&["campaign", "id", "state"], all.into_iter().map(row).collect(), 3));
    Ok(())
}

async fn content(draft: &Draft) -> Result<CampaignContent, Failure> {
    let segment_id = match &draft.segment {
        None => String::new(),
        Some(named) => {
            let channel = draft.args.server.of_site(draft.args.site.as_deref(), Scope::Read)?;
            id_of(&mut SegmentServiceClient::new(channel), named).await?
        }
    };
    let when = match (&draft.at, &draft.local_time) {
        (Some(at), _) => When::AtUs(instant("--at", at)?),
        (_, Some(time)) => {
            let day = draft.day.clone().unwrap_or_default();
            When::LocalTime(LocalTime { minute: minute("--local-time", time)?, day })
        }
        _ if draft.usual_hour => When::UsualHour(UsualHour {}),
        _ if draft.on_enter => When::OnEnter(OnEnter {}),
        _ => When::Now(Now {}),
    };
    let message = Message {
        title: draft.title.clone(),
        body: draft.body.clone(),
        icon: draft.icon.clone(),
        url: draft.url.clone(),
        ..Message::default()
    };
    Ok(CampaignContent {
        name: draft.name.clone(),
        segment_id,
        message: Some(message),
        schedule: Some(Schedule { when: Some(when) }),
        quiet_hours: draft.quiet.as_deref().map(quiet).transpose()?,
        frequency_cap: draft.cap.as_deref().map(cap).transpose()?,
        expires_us: draft.expires.as_deref().map_or(Ok(0), |at| instant("--expires", at))?,
    })
}

fn instant(flag: &str, text: &str) -> Result<i64, Failure> {
    let read = text.parse::<jiff::Timestamp>();
    read.map(|at| at.as_microsecond()).map_err(|_| format!("{flag}: write an instant as 2026-01-31T12:00:00Z"))
}

fn minute(flag: &str, text: &str) -> Result<u32, Failure> {
    let wall = text.parse::<pistats_push::when::WallTime>();
    wall.map(|wall| wall.minutes()).map_err(|error| format!("{flag}: {error}"))
}

fn quiet(text: &str) -> Result<QuietHours, Failure> {
    let (from, to) = text.split_once('-').ok_or("--quiet: write hours as 22:00-07:00")?;
    Ok(QuietHours { from_minute: minute("--quiet", from)?, to_minute: minute("--quiet", to)? })
}

fn cap(text: &str) -> Result<FrequencyCap, Failure> {
    let read = text.split_once('/').and_then(|(messages, days)| Some((messages.parse().ok()?, days.parse().ok()?)));
    let (messages, days) = read.ok_or("--cap: write messages and days as 2/7")?;
    Ok(FrequencyCap { messages, days })
}

fn name(campaign: &Campaign) -> String {
    campaign.content.as_ref().map(|content| content.name.clone()).unwrap_or_default()
}

fn state(campaign: &Campaign) -> String {
    campaign.state().as_str_name().trim_start_matches("CAMPAIGN_STATE_").to_lowercase()
}

fn show(args: &SegmentArgs, campaign: Option<Campaign>, results: Option<Results>) {
    let campaign = campaign.unwrap_or_default();
    if args.json {
        say!("{}", as_json(&campaign, results.as_ref()));
        return;
    }
    say!("{}  {}  {}", name(&campaign), campaign.id, state(&campaign));
    let Some(results) = results else { return };
    let why =
        |of: &[Reason]| of.iter().map(|one| format!(" {} {}", table::number(one.count), one.name)).collect::<String>();
    for (what, count, reasons) in [
        ("planned", results.planned, String::new()),
        ("waiting", results.waiting, String::new()),
        ("sending", results.sending, String::new()),
        ("accepted", results.accepted, String::new()),
        ("failed", results.failed, why(&results.failures)),
        ("uncertain", results.uncertain, String::new()),
        ("not sent", results.not_sent, why(&results.skips)),
        ("clicked", results.clicked, String::new()),
        ("unsubscribed", results.unsubscribed, String::new()),
    ] {
        say!("  {what:<13} {:>9} {reasons}", table::number(count));
    }
}

fn as_json(campaign: &Campaign, results: Option<&Results>) -> serde_json::Value {
    let reasons =
        |of: &[Reason]| of.iter().map(|one| (one.name.clone(), one.count.into())).collect::<serde_json::Map<_, _>>();
    let results = results.map(|results| {
        json!({
            "planned": results.planned, "waiting": results.waiting, "sending": results.sending,
            "accepted": results.accepted, "failed": results.failed, "failures": reasons(&results.failures),
            "uncertain": results.uncertain, "not_sent": results.not_sent, "skips": reasons(&results.skips),
            "clicked": results.clicked, "unsubscribed": results.unsubscribed,
            "removed_subscriptions": results.removed_subscriptions, "next_us": results.next_us,
        })
    });
    json!({
        "id": campaign.id, "name": name(campaign), "state": state(campaign), "version": campaign.version,
        "started_us": campaign.started_us, "ended_us": campaign.ended_us, "results": results,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_hours_and_caps_are_read_or_explained() {
        assert_eq!(minute("--local-time", "09:30"), Ok(570));
        assert_eq!(quiet("22:00-07:00"), Ok(QuietHours { from_minute: 1_320, to_minute: 420 }));
        assert_eq!(cap("2/7"), Ok(FrequencyCap { messages: 2, days: 7 }));
        assert_eq!(instant("--at", "1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert!(minute("--local-time", "9").is_err_and(|why| why.starts_with("--local-time")));
        assert!(quiet("22").is_err() && cap("2").is_err() && cap("a/b").is_err());
        assert!(instant("--expires", "soon").is_err_and(|why| why.starts_with("--expires")));
    }
}
