//! The command line, as the README has it.

use crate::process::{Server, free_port, healthy};
use crate::topology::is_apart;
use std::io::BufRead as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

struct User<'a> {
    home: &'a Path,
    data: &'a Path,
    url: &'a str,
}

impl User<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pistats"))
            .args(arguments)
            .env("PISTATS_CREDENTIALS", self.home.join("credentials.toml"))
            .env("PISTATS_SERVER", self.url)
            .env("PISTATS_DATA", self.data)
            .output()
            .unwrap()
    }

    /// Runs a command that must succeed.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail, and explain itself.
    fn explains(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_from_nothing_to_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let (url, data) = (server.url.clone(), server.ground.data());
    let user = User { home: folder.path(), data: &data, url: &url };

    assert!(user.explains(&["query", "traffic"]).contains("--site"));
    let made = user.says(&["site", "create", "example.org", "--time-zone", "Europe/Berlin"]);
    assert!(made.contains("pst_write_") && made.contains("Europe/Berlin"), "{made}");
    assert!(user.explains(&["site", "create", "example.org"]).contains("there is a site named"));
    assert!(user.says(&["site", "list"]).contains("example.org"));

    if is_apart() {
        // A key counts at every process within a second.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }

    let lines = folder.path().join("events.ndjson");
    let line = |second: u32, visitor: &str, url: &str| {
        format!(
            "{{\"ts\":\"2024-05-01T10:00:{second:02}Z\",\"visitor\":\"{visitor}\",\"url\":\"{url}\",\"country\":\"DE\"}}\n"
        )
    };
    let text = [line(0, "ada", "/"), line(5, "ada", "/shop"), line(9, "bob", "/"), "rubbish\n".to_owned()].concat();
    std::fs::write(&lines, text).unwrap();
    let imported = user.says(&["import", "--wait", lines.to_str().unwrap()]);
    assert!(imported.contains("3 accepted, 1 refused") && imported.contains("line 4: unreadable"), "{imported}");

    let days = ["--from", "2024-05-01", "--to", "2024-05-01", "--json"];
    let asked = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&user.says(&[&["query"], arguments, &days].concat())).unwrap()
    };
    let traffic = asked(&["traffic", "--by", "hour"]);
    assert_eq!((&traffic["total"]["events"], &traffic["total"]["visitors"]), (&3.into(), &2.into()));
    assert_eq!(traffic["steps"].as_array().unwrap().len(), 24);
    let pages = asked(&["breakdown", "page", "--order-by", "events", "--filter", "country=DE|AT"]);
    assert_eq!((&pages["rows"][0]["value"], &pages["rows"][0]["metrics"]["events"]), (&"/".into(), &2.into()));
    let retention = asked(&["retention", "--by", "week", "--start", "page=/shop"]);
    assert_eq!((&retention["cohorts"][0]["visitors"], &retention["cohorts"][0]["cells"][0]), (&1.into(), &1.into()));
    let shown = user.says(&["query", "retention", "--from", "2024-05-01", "--to", "2024-05-02"]);
    assert!(shown.contains("2024-05-01") && shown.contains("100.0"), "{shown}");
    let exported = user.says(&[&["query", "export"][..], &days].concat());
    assert_eq!(exported.lines().count(), 3);
    assert!(user.says(&["query", "traffic", "--from", "2024-05-01", "--to", "2024-05-01"]).contains("bounce rate"));
    let ways = asked(&["funnel", "--step", "path=/ && country=DE", "--step", "page=/shop", "--within", "5s"]);
    let runs: Vec<_> = ways["steps"].as_array().unwrap().iter().map(|step| &step["runs"]).collect();
    assert_eq!((runs, &ways["steps"][1]["since_start_us"]), (vec![&2.into(), &1.into()], &5_000_000.into()));
    let ways =
        user.says(&["query", "funnel", "--from", "2024-05-01", "--to", "2024-05-01", "--step", "any", "--by", "day"]);
    assert!(ways.contains("1 any") && ways.contains("2024-05-01"), "{ways}");
    assert!(user.explains(&["query", "funnel", "--step", "entry_page=/"]).contains("steps[0].filters[0].dimension"));
    let seen = asked(&["visitors", "--limit", "1"]);
    assert_eq!((&seen["total_visitors"], &seen["visitors"][0]["page"]), (&2.into(), &"/".into()), "bob came last");
    assert!(
        user.says(&["query", "visitors", "--from", "2024-05-01", "--to", "2024-05-01"]).contains("2 of 2 visitors")
    );
    let journey = user.says(&["query", "journey", "--id", "ada"]);
    assert!(journey.contains("1 sessions, 2 events") && journey.contains("→ /shop"), "{journey}");
    let event: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    let key = event["visitor"].as_str().unwrap();
    let journey: serde_json::Value = serde_json::from_str(&user.says(&["query", "journey", key, "--json"])).unwrap();
    assert_eq!(journey["sessions"][0]["events"][0], event);
    assert!(user.explains(&["query", "journey", "--id", "nobody"]).contains("never saw this visitor"));
    assert!(user.explains(&["query", "breakdown", "planet"]).contains("no dimension"));

    let landing = r#"{"did": {"where": [{"path": {"starts_with": "/shop"}}], "at_most": 0}}"#;
    assert!(user.explains(&["segment", "create", "Lookers", landing]).contains("--scope manage"));
    user.says(&["key", "create", "--site", "example.org", "--scope", "manage"]);
    let kept = user.says(&["segment", "create", "Lookers", landing]);
    assert!(kept.contains("did not anything (with path starts with \"/shop\")"), "{kept}");
    assert!(user.says(&["segment", "list"]).contains("Lookers"));
    assert!(user.says(&["segment", "preview", "Lookers", "--sql"]).contains("1 of 2 visitors"));
    assert_eq!(user.says(&["segment", "members", "Lookers"]).lines().count(), 1);
    let id: serde_json::Value = serde_json::from_str(&user.says(&["segment", "get", "Lookers", "--json"])).unwrap();
    let within = format!("segment={}", id["id"].as_str().unwrap());
    assert_eq!(asked(&["traffic", "--filter", &within])["total"]["events"], 1);
    assert!(user.says(&["segment", "watch", "Lookers", "--messages", "1"]).contains("1 visitors"));
    assert!(user.explains(&["segment", "preview", "--tree", r#"{"all": []}"#]).contains("root.all.nodes"));
    user.says(&["segment", "delete", "Lookers"]);

    // A reader that goes away early, as `| head` does, is no fault.
    let mut cut = Command::new(env!("CARGO_BIN_EXE_pistats"))
        .args(["config", "--dump"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(cut.stdout.take());
    let ended = cut.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));

    let status = user.says(&["status"]);
    assert!(status.contains("checkpoint") && status.contains("dropped"), "{status}");
    let replayed = user.says(&["replay", "--from", "first", "--json"]);
    let replayed: serde_json::Value = serde_json::from_str(&replayed).unwrap();
    assert_eq!((&replayed["events"], &replayed["repaired"]), (&3.into(), &0.into()));
    assert!(user.says(&["log", "bounds"]).contains("next"));
    let log: String = (0..8).map(|p| user.says(&["log", "read", "--events", "--partition", &p.to_string()])).collect();
    assert_eq!(log.matches("/shop").count(), 1, "{log}");
    assert!(user.says(&["live", "--count", "1"]).contains("current visitors"));
    let live: serde_json::Value = serde_json::from_str(&user.says(&["live", "--json", "--count", "1"])).unwrap();
    assert_eq!((live["minutes"].as_array().unwrap().len(), &live["is_cut"]), (30, &false.into()));
    let filtered = user.says(&["live", "--json", "--count", "1", "--filter", "country=DE"]);
    let filtered: serde_json::Value = serde_json::from_str(&filtered).unwrap();
    assert_eq!((filtered["minutes"].as_array().unwrap().len(), &filtered["current_visitors"]), (30, &0.into()));
    assert!(user.explains(&["live", "--limit", "101"]).contains("limit"));

    // Not on a terminal: one JSON object a change.
    let watched =
        user.says(&[&["watch", "--show", "traffic", "--show", "breakdown", "--count", "2"], &days[..4]].concat());
    let watched: Vec<serde_json::Value> = watched.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| &watched.iter().find(|change| change["report"] == name).unwrap()["answer"];
    assert_eq!(of("traffic"), &asked(&["traffic"]));
    assert_eq!(of("breakdown"), &asked(&["breakdown", "page", "--limit", "10"]));
    assert!(user.says(&["watch", "--show", "realtime", "--count", "1"]).contains("current_visitors"));
    let today = user.says(&["watch", "--show", "traffic", "--count", "1"]);
    assert!(today.contains("Europe/Berlin") && today.contains("\"events\":0"), "{today}");
    assert!(user.explains(&["watch", "--dimension", "planet"]).contains("no dimension"));
    assert!(user.explains(&["watch", "--show", "traffic", "--from", "today"]).contains("reports[0].traffic.range"));

    assert!(user.explains(&["site", "update", "example.org"]).contains("--time-zone"));
    let moved = user.says(&["site", "update", "example.org", "--name", "example.net", "--time-zone", "Asia/Kolkata"]);
    assert!(moved.contains("example.net") && moved.contains("Asia/Kolkata"), "{moved}");
    // Its kept keys go with its name.
    let renamed = asked(&["traffic", "--site", "example.net"]);
    assert_eq!((&renamed["time_zone"], &renamed["total"]["events"]), (&"Asia/Kolkata".into(), &3.into()));
    user.says(&["site", "update", "example.net", "--name", "example.org"]);

    let keys = user.says(&["key", "list", "--site", "example.org"]);
    let read = keys.lines().find(|line| line.contains("read")).unwrap();
    user.says(&["key", "revoke", read.split_whitespace().next().unwrap()]);
    assert!(user.explains(&[&["query", "traffic"][..], &days].concat()).contains("revoked"));
    user.says(&["key", "create", "--site", "example.org", "--scope", "read"]);
    assert_eq!(asked(&["traffic"])["total"]["events"], 3);

    let link = user.says(&["sign-in"]);
    let token = link.trim().strip_prefix(&format!("{url}/#sign-in=")).unwrap();
    assert!(token.len() == 48 && token.bytes().all(|digit| digit.is_ascii_hexdigit()), "{link}");
    assert!(user.explains(&["sign-in", "--key", "wrong"]).contains("unknown or revoked"));

    assert!(user.says(&["config", "--dump"]).contains("commit_max_ms"));
    assert_eq!(user.says(&["health"]).trim(), "serving");
    let _ground = server.terminate();
    assert!(!user.explains(&["health"]).is_empty());
}

/// Ended with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A server whose lines the test reads.
fn serve(port: u16, folder: &Path) -> Ended {
    let child = Command::new(env!("CARGO_BIN_EXE_pistats"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(folder.join("data"))
        .env("PISTATS_LOG__SEGMENT_MIB", "16")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Ended(child)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_when_nobody_reads_what_it_prints() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut server = serve(port, folder.path());
    drop(server.0.stdout.take());
    let answers = async {
        while !healthy(&format!("http://127.0.0.1:{port}")).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answers).await.expect("an answer within a minute");
    // Its lines come when it is healthy.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.0.try_wait().unwrap(), None, "it ended over its own words");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_prints_a_link_that_signs_in_once() {
    use pistats_proto::admin::v1::SignInRequest;
    use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(free_port(), folder.path());
    let out = std::io::BufReader::new(server.0.stdout.take().unwrap());
    let printed = tokio::task::spawn_blocking(move || {
        out.lines().map_while(Result::ok).find(|line| line.contains("#sign-in=")).expect("a link among the first lines")
    });
    let printed = tokio::time::timeout(std::time::Duration::from_secs(60), printed).await.unwrap().unwrap();
    let (url, token) = printed.split_whitespace().last().unwrap().split_once("/#sign-in=").unwrap();
    let channel = tonic::transport::Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let mut admin = AdminServiceClient::new(channel);
    let request = || SignInRequest { token: token.to_owned() };
    let key = admin.sign_in(request()).await.unwrap().into_inner().key;
    assert_eq!(key, std::fs::read_to_string(folder.path().join("data/instance.key")).unwrap().trim());
    let refused = admin.sign_in(request()).await.unwrap_err();
    assert!(refused.message().contains("was used already"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_made_started_and_watched_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let (url, data) = (server.url.clone(), server.ground.data());
    let user = User { home: folder.path(), data: &data, url: &url };
    user.says(&["site", "create", "example.org"]);
    user.says(&["key", "create", "--site", "example.org", "--scope", "manage", "--name", "m"]);
    if is_apart() {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let on = |arguments: &[&str]| user.says(&[arguments, &["--site", "example.org"]].concat());
    let wrong = user.explains(&["campaign", "create", "Spring", "--title", "", "--site", "example.org"]);
    assert!(wrong.contains("content.message.title"), "{wrong}");
    let made =
        on(&["campaign", "create", "Spring", "--title", "Hello", "--quiet", "22:00-07:00", "--cap", "2/7", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!((made["name"].as_str(), made["state"].as_str()), (Some("Spring"), Some("draft")));
    let id = made["id"].as_str().unwrap();
    assert!(on(&["campaign", "list"]).contains(id));
    assert!(on(&["campaign", "start", id]).contains("scheduled"));
    // Nobody subscribed: there is nobody to wait for.
    let watched = on(&["campaign", "watch", "Spring"]);
    assert!(watched.contains("done") && watched.contains("planned"), "{watched}");
    let refused = |name: &str| user.explains(&["campaign", "pause", name, "--site", "example.org"]);
    assert!(refused("Spring").contains("done"), "{}", refused("Spring"));
    assert!(refused("Summer").contains("no campaign named \"Summer\""), "{}", refused("Summer"));
    let told: serde_json::Value = serde_json::from_str(&on(&["campaign", "get", id, "--json"])).unwrap();
    assert_eq!(told["results"]["planned"], 0);
    on(&["campaign", "create", "Spring", "--title", "Hello again"]);
    assert!(refused("Spring").contains("several campaigns"), "{}", refused("Spring"));
    assert!(on(&["campaign", "delete", id]).contains("is gone"));
    server.terminate();
}
