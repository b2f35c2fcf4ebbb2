//! grpcurl needs no file: it lists and calls every rpc by reflection alone, and wrong use is explained.

use crate::harness::Instance;
use crate::topology::is_apart;
use pistats_testkit::require;
use std::process::{Command, Output};

fn grpcurl(arguments: &[&str]) -> Output {
    Command::new("grpcurl").args(["-plaintext", "-max-time", "3"]).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a call with an empty request may answer: success, or one of the statuses that the contract names for it.
const EXPLAINED: [&str; 5] = ["InvalidArgument", "NotFound", "PermissionDenied", "OutOfRange", "DeadlineExceeded"];

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_is_listed_described_and_called_by_reflection() {
    if !require::have("grpcurl") {
        return;
    }
    let instance = Instance::start().await;
    let site = instance.site("s", "UTC").await;
    let address = instance.running.address.to_string();
    let instance_key = instance.running.secrets.instance_key.clone();
    tokio::task::spawn_blocking(move || {
        let listed = text(&grpcurl(&[&address, "list"]));
        let services: Vec<&str> = listed.lines().filter(|line| line.starts_with("pistats.")).collect();
        assert_eq!(
            services,
            [
                "pistats.admin.v1.AdminService",
                "pistats.aggregate.v1.AggregateService",
                "pistats.ingest.v1.IngestService",
                "pistats.ingest.v1.ResubmitService",
                "pistats.log.v1.LogService",
                "pistats.push.v1.PushService",
                "pistats.query.v1.QueryService",
                "pistats.segment.v1.SegmentService",
            ]
        );
        let mut called = 0;
        for service in services {
            for method in text(&grpcurl(&[&address, "list", service])).lines() {
                let described = text(&grpcurl(&[&address, "describe", method]));
                assert!(described.contains("rpc "), "{described}");
                let key = match method {
                    _ if method.contains("Query") || method.ends_with("WatchLive") => &site.read,
                    _ if method.contains("Ingest") => &site.server_key,
                    _ => &instance_key,
                };
                let header = format!("authorization: Bearer {key}");
                let answer = grpcurl(&["-H", &header, "-d", "{}", &address, method]);
                let told = text(&answer);
                // A token is its key, and an empty one opens nothing.
                let is_open = method.ends_with("AdminService.SignIn") && told.contains("Unauthenticated");
                // With the roles apart the front has this service for the sake of live reports, and sends this call on to nobody.
                let is_elsewhere =
                    is_apart() && method.ends_with("FollowSegment") && told.contains("FailedPrecondition");
                let explained = is_open || is_elsewhere || EXPLAINED.iter().any(|status| told.contains(status));
                assert!(answer.status.success() || explained, "{method}: {told}");
                let refused = text(&grpcurl(&["-d", "{}", &address, method]));
                assert!(refused.contains("Unauthenticated"), "{method} without a key: {refused}");
                called += 1;
            }
        }
        assert_eq!(called, 55);
        let faulty = r#"{"range":{"days":{"first":"yesterday","last":"2024-01-01"}}}"#;
        let header = format!("authorization: Bearer {}", site.read);
        let told = text(&grpcurl(&["-H", &header, "-d", faulty, &address, "pistats.query.v1.QueryService/Traffic"]));
        assert!(told.contains("InvalidArgument") && told.contains("range.days.first"), "{told}");
    })
    .await
    .unwrap();
    instance.stop().await;
}
