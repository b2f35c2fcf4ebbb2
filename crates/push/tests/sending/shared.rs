//! Connections that several messages share.

use crate::service::{Does, Service, identity, message, sender, status};
use pistats_push::{Doubt, Outcome};
use std::time::Duration;

#[tokio::test]
async fn messages_to_one_push_service_share_a_connection() {
    let service = Service::answering(status(201, "")).await;
    let (sender, identity) = (sender(), identity());
    for _ in 0..5 {
        assert_eq!(sender.send(&identity, &service.subscription(), &message()).await, Outcome::Accepted);
    }
    assert_eq!((service.requests(), service.connections()), (5, 1));
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_costs_nothing() {
    let service = Service::that(vec![Does::AnswersAndCloses(status(201, ""))]).await;
    let (sender, identity) = (sender(), identity());
    for _ in 0..5 {
        assert_eq!(sender.send(&identity, &service.subscription(), &message()).await, Outcome::Accepted);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!((service.requests(), service.connections()), (5, 5));
}

#[tokio::test]
async fn after_a_doubt_the_connection_is_not_used_again() {
    let service = Service::that(vec![
        Does::Answers(status(201, "")),
        Does::Answers("rubbish\r\n\r\n".to_owned()),
        Does::Answers(status(201, "")),
    ])
    .await;
    let (sender, identity) = (sender(), identity());
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(sender.send(&identity, &service.subscription(), &message()).await);
    }
    assert_eq!(outcomes, [Outcome::Accepted, Outcome::Uncertain(Doubt::Unreadable), Outcome::Accepted]);
    assert_eq!((service.requests(), service.connections()), (3, 2));
}

#[tokio::test]
async fn a_text_that_is_too_long_costs_the_connection_and_not_the_outcome() {
    let long = format!("HTTP/1.1 201 Created\r\nContent-Length: 5000\r\n\r\n{}", "a".repeat(5000));
    let service = Service::answering(long).await;
    let (sender, identity) = (sender(), identity());
    for _ in 0..2 {
        assert_eq!(sender.send(&identity, &service.subscription(), &message()).await, Outcome::Accepted);
    }
    assert_eq!(service.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_no_answer_to_the_next_message() {
    // Two answers to one request: the second would stand ready when the next request goes out.
    let twice = format!("{}{}", status(201, ""), status(201, ""));
    let service = Service::that(vec![Does::Answers(twice), Does::Answers(status(410, ""))]).await;
    let (sender, identity) = (sender(), identity());
    assert_eq!(sender.send(&identity, &service.subscription(), &message()).await, Outcome::Accepted);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(sender.send(&identity, &service.subscription(), &message()).await, Outcome::Gone);
}
