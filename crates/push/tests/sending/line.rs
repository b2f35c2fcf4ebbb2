//! The line between "not sent" and "uncertain" (W-3), one request a call (W-4), and the bounds (W-5).

use crate::service::{Does, Service, hasty, identity, message, sender, settings, status, subscription};
use pistats_push::{Doubt, NotSent, Outcome, Resolve, Sender, Settings};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

async fn outcome(service: &Service) -> Outcome {
    sender().send(&identity(), &service.subscription(), &message()).await
}

#[tokio::test]
async fn w3_where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}/push/1", listener.local_addr().expect("an address"));
    drop(listener);
    let outcome = sender().send(&identity(), &subscription(&endpoint), &message()).await;
    assert!(matches!(outcome, Outcome::NotSent(NotSent::Connect(_))), "{outcome:?}");
    assert!(outcome.may_send_again());
}

#[tokio::test]
async fn w3_a_connection_that_breaks_before_an_answer_is_uncertain() {
    for does in [
        Does::AnswersAndCloses(String::new()),
        Does::AnswersAndCloses("HTTP/1.1 201 Cre".to_owned()),
        Does::AnswersAndCloses("HTTP/1.1 201 Created\r\nLocation: /m/1\r\n".to_owned()),
    ] {
        let service = Service::that(vec![does.clone()]).await;
        let outcome = outcome(&service).await;
        assert_eq!(outcome, Outcome::Uncertain(Doubt::Broken), "{does:?}");
        assert!(!outcome.may_send_again());
        assert_eq!(service.connections(), 1, "W-4: {does:?}");
    }
}

#[tokio::test]
async fn w3_a_connection_that_is_closed_at_once_is_not_sent_or_uncertain_and_never_tried_again() {
    // Which of both depends on who is faster; that neither is called accepted or sent twice does not.
    for _ in 0..20 {
        let service = Service::that(vec![Does::ClosesUnread]).await;
        let outcome = outcome(&service).await;
        let expected = [Outcome::NotSent(NotSent::Closed), Outcome::Uncertain(Doubt::Broken)];
        assert!(expected.contains(&outcome), "{outcome:?}");
        assert_eq!(service.connections(), 1, "W-4");
    }
}

#[tokio::test]
async fn w3_no_answer_within_the_deadline_is_uncertain() {
    for beginning in ["", "HTTP/1.1 201", "HTTP/1.1 201 Created\r\nA: b\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let service = Service::that(vec![Does::Hangs(beginning.to_owned())]).await;
        let begun = Instant::now();
        let outcome = hasty().send(&identity(), &service.subscription(), &message()).await;
        assert_eq!(outcome, Outcome::Uncertain(Doubt::Deadline), "{beginning:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "W-5: {:?}", begun.elapsed());
        assert_eq!(service.requests(), 1, "W-4");
    }
}

#[tokio::test]
async fn w3_an_answer_that_is_no_http_is_uncertain() {
    for rubbish in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 201 OK\r\n\0: x\r\n\r\n"] {
        let service = Service::answering(rubbish.to_owned()).await;
        assert_eq!(outcome(&service).await, Outcome::Uncertain(Doubt::Unreadable), "{rubbish:?}");
    }
    let endless = format!("HTTP/1.1 201 Created\r\nA: {}", "a".repeat(100_000));
    let outcome = outcome(&Service::answering(endless).await).await;
    assert!(matches!(outcome, Outcome::Uncertain(_)), "{outcome:?}");
}

#[tokio::test]
async fn w3_a_deadline_before_the_connection_stands_is_not_sent() {
    // Takes the connection and never says a word of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("https://{}/push/1", listener.local_addr().expect("an address"));
    let outcome = hasty().send(&identity(), &subscription(&endpoint), &message()).await;
    assert_eq!(outcome, Outcome::NotSent(NotSent::Deadline));

    struct Silent;
    #[async_trait::async_trait]
    impl Resolve for Silent {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    let within = Duration::from_millis(200);
    let settings = Settings { deadline: within, connect_within: within, ..settings() };
    let sender = Sender::with_resolver(&settings, Arc::new(Silent)).expect("a sender");
    let outcome = sender.send(&identity(), &subscription("https://push.test/1"), &message()).await;
    assert_eq!(outcome, Outcome::NotSent(NotSent::Deadline));
}

#[tokio::test]
async fn answers_are_read_by_their_status() {
    let wait = Some(Duration::from_secs(2));
    for (answer, expected) in [
        (status(201, "Location: /m/1\r\n"), Outcome::Accepted),
        (status(404, ""), Outcome::Gone),
        (status(410, ""), Outcome::Gone),
        (status(413, ""), Outcome::TooLarge),
        (status(429, "Retry-After: 2\r\n"), Outcome::RateLimited { retry_after: wait }),
        (status(429, ""), Outcome::RateLimited { retry_after: None }),
        (
            status(429, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            Outcome::RateLimited { retry_after: Some(Duration::ZERO) },
        ),
        (status(503, "Retry-After: 2\r\n"), Outcome::TryLater { status: 503, retry_after: wait }),
        (status(500, ""), Outcome::Uncertain(Doubt::Failed(500))),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nwrong key".to_owned(),
            Outcome::Rejected { status: 403, reason: "wrong key".to_owned() },
        ),
        ("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned(), Outcome::Accepted),
    ] {
        let service = Service::answering(answer.clone()).await;
        assert_eq!(outcome(&service).await, expected, "{answer}");
        assert_eq!(service.requests(), 1, "W-4: {answer}");
    }
}

#[tokio::test]
async fn w5_an_answer_without_an_end_counts_by_its_status() {
    let begun = Instant::now();
    let beginning = "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf";
    let service = Service::that(vec![Does::Hangs(beginning.to_owned())]).await;
    assert_eq!(outcome(&service).await, Outcome::Accepted);
    let endless = format!("HTTP/1.1 403 No\r\nContent-Length: 9999999\r\n\r\n{}", "no ".repeat(10_000));
    let service = Service::that(vec![Does::Hangs(endless)]).await;
    let Outcome::Rejected { status: 403, reason } = outcome(&service).await else { panic!("not rejected") };
    assert_eq!(reason.chars().count(), 200);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn w5_no_more_requests_are_in_flight_than_there_are_places() {
    let slow = Does::AnswersAfter(Duration::from_millis(50), status(201, ""));
    let service = Service::that(vec![slow]).await;
    let sender = Arc::new(Sender::new(&Settings { in_flight: 3, ..settings() }).expect("a sender"));
    let sends: Vec<_> = (0..12)
        .map(|_| {
            let (sender, to) = (sender.clone(), service.subscription());
            tokio::spawn(async move { sender.send(&identity(), &to, &message()).await })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.expect("sent"), Outcome::Accepted);
    }
    assert_eq!((service.requests(), service.most_at_once()), (12, 3));
}
