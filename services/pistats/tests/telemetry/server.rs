//! A server in this process, and a site on it.

use pistats::client::{Authorized, channel};
use pistats::config::{Config, Overrides};
use pistats::serve::Running;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, CreateSiteResponse, Scope};
use pistats_proto::aggregate::v1::ListPartitionsRequest;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::Event;
use std::time::Duration;

/// A server with a data folder of its own, gone with the test.
pub(crate) struct Instance {
    pub(crate) running: Running,
    _folder: tempfile::TempDir,
}

/// A site and its keys.
pub(crate) struct Site {
    pub(crate) id: u32,
    pub(crate) read: String,
    pub(crate) server: String,
}

impl Instance {
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Instance {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, &Overrides::default()).unwrap();
        config.data = folder.path().join("data");
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.log.segment_mib = 16;
        change(&mut config);
        Instance { running: Running::start(config).await.unwrap(), _folder: folder }
    }

    pub(crate) fn channel(&self, key: &str) -> Authorized {
        channel(&self.running.url(), key).unwrap()
    }

    pub(crate) async fn site(&self) -> Site {
        let mut admin = AdminServiceClient::new(self.channel(&self.running.secrets.instance_key));
        Site::of(admin.create_site(new_site()).await.unwrap().into_inner())
    }

    /// Waits until so many events are committed.
    pub(crate) async fn committed(&self, events: u64) {
        let mut aggregate = AggregateServiceClient::new(self.channel(&self.running.secrets.instance_key));
        for _ in 0..3_000 {
            let answer = aggregate.list_partitions(ListPartitionsRequest {}).await.unwrap().into_inner();
            if answer.partitions.iter().map(|partition| partition.events).sum::<u64>() >= events {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{events} events were not committed within a minute");
    }
}

/// The site of the tests.
pub(crate) fn new_site() -> CreateSiteRequest {
    CreateSiteRequest { name: "example.org".to_owned(), ..Default::default() }
}

impl Site {
    /// As Admin tells of a new one.
    pub(crate) fn of(made: CreateSiteResponse) -> Site {
        let secret = |scope: Scope| {
            let found = made.keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope);
            found.unwrap().secret.clone()
        };
        Site { id: made.site.as_ref().unwrap().id, read: secret(Scope::Read), server: secret(Scope::Server) }
    }
}

/// A page view of now.
pub(crate) fn page_view(visitor: &str) -> Event {
    Event { visitor_id: visitor.to_owned(), url: "https://example.org/".to_owned(), ..Default::default() }
}
