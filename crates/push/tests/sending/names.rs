//! Names that lead where they should not (W-2).

use crate::service::{Does, Service, identity, message, sender, settings, status, subscription};
use pistats_push::address::Kind;
use pistats_push::{NotSent, Outcome, Reach, Resolve, Sender, Settings};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Answers each question with the next of its answers, and the last for ever.
struct Changing {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
    hosts: Mutex<Vec<String>>,
}

impl Changing {
    fn new(answers: &[&[&'static str]]) -> Arc<Changing> {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Arc::new(Changing { answers, asked: AtomicUsize::new(0), hosts: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Resolve for Changing {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        self.hosts.lock().expect("no panic").push(host.to_owned());
        Ok(self.answers[number].iter().map(|text| text.parse().expect("an address")).collect())
    }
}

async fn refused(reach: Reach, endpoint: &str, addresses: &[&'static str]) -> Outcome {
    let settings = Settings { reach, ..settings() };
    let sender = Sender::with_resolver(&settings, Changing::new(&[addresses])).expect("a sender");
    sender.send(&identity(), &subscription(endpoint), &message()).await
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    match outcome {
        Outcome::NotSent(NotSent::Address(refused)) => Some(refused.kind),
        _ => None,
    }
}

#[tokio::test]
async fn w2_a_name_is_looked_up_once_a_connection_and_what_was_checked_is_connected_to() {
    // A rebinding name: harmless when it is checked, private when somebody looks again.
    let service = Service::that(vec![Does::AnswersAndCloses(status(201, ""))]).await;
    let resolver = Changing::new(&[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1"]]);
    let sender = Sender::with_resolver(&settings(), resolver.clone()).expect("a sender");
    let to = subscription(&format!("http://push.test:{}/1", service.address.port()));
    let identity = identity();

    assert_eq!(sender.send(&identity, &to, &message()).await, Outcome::Accepted);
    assert_eq!(resolver.asked(), 1);
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    let outcome = sender.send(&identity, &to, &message()).await;
    assert_eq!((kind(&outcome), resolver.asked()), (Some(Kind::Private), 2));
    assert_eq!(service.connections(), 1);
    assert_eq!(sender.send(&identity, &to, &message()).await, Outcome::Accepted);
    assert_eq!((service.connections(), resolver.asked()), (2, 3));
    assert_eq!(*resolver.hosts.lock().expect("no panic"), ["push.test", "push.test", "push.test"]);
}

#[tokio::test]
async fn w2_a_name_that_leads_to_this_machine_is_refused_and_nobody_knocks() {
    let service = Service::answering(status(201, "")).await;
    let endpoint = format!("https://push.test:{}/1", service.address.port());
    let outcome = refused(Reach::Public, &endpoint, &["127.0.0.1"]).await;
    assert_eq!(kind(&outcome), Some(Kind::Loopback));
    assert!(!outcome.may_send_again());
    // By the machine's own names, too.
    let endpoint = format!("https://localhost:{}/1", service.address.port());
    let sender = Sender::new(&Settings { reach: Reach::Public, ..settings() }).expect("a sender");
    let outcome = sender.send(&identity(), &subscription(&endpoint), &message()).await;
    assert_eq!(kind(&outcome), Some(Kind::Loopback));
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn w2_every_address_of_a_name_is_checked() {
    let https = "https://push.test/1";
    for address in
        ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "fd00::1", "0.0.0.0"]
    {
        let outcome = refused(Reach::PublicAndLoopback, https, &[address]).await;
        assert!(kind(&outcome).is_some(), "{address}: {outcome:?}");
    }
    assert_eq!(kind(&refused(Reach::Public, https, &["192.168.1.1", "fe80::1"]).await), Some(Kind::Private));
    // Among others: those that are allowed are tried, and no other.
    let service = Service::answering(status(201, "")).await;
    let http = format!("http://push.test:{}/1", service.address.port());
    let outcome = refused(Reach::PublicAndLoopback, &http, &["10.0.0.1", "127.0.0.1", "fe80::1"]).await;
    assert_eq!((outcome, service.connections()), (Outcome::Accepted, 1));
}

#[tokio::test]
async fn a_name_without_addresses_is_not_sent_to() {
    let outcome = refused(Reach::Public, "https://push.test/1", &[]).await;
    assert!(matches!(outcome, Outcome::NotSent(NotSent::Resolve(_))), "{outcome:?}");
    assert!(outcome.may_send_again());
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_does_not_answer() {
    let service = Service::answering(status(201, "")).await;
    let http = format!("http://push.test:{}/1", service.address.port());
    // Nobody listens on 127.0.0.2 at that port: the service is bound to 127.0.0.1 alone.
    let outcome = refused(Reach::PublicAndLoopback, &http, &["127.0.0.2", "127.0.0.1"]).await;
    assert_eq!(outcome, Outcome::Accepted);
}

#[tokio::test]
async fn w2_without_tls_only_loopback_is_sent_to_and_only_with_the_setting_for_tests() {
    let service = Service::answering(status(201, "")).await;
    let http = format!("http://push.test:{}/1", service.address.port());
    assert_eq!(refused(Reach::Public, &http, &["127.0.0.1"]).await, Outcome::NotSent(NotSent::Plain));
    assert_eq!(refused(Reach::PublicAndLoopback, &http, &["8.8.8.8"]).await, Outcome::NotSent(NotSent::Plain));
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn w2_a_redirect_is_not_followed() {
    let inside = Service::answering(status(201, "")).await;
    for code in [301, 302, 303, 307, 308] {
        let location = format!("Location: http://{}/push/1\r\n", inside.address);
        let service = Service::answering(status(code, &location)).await;
        let outcome = sender().send(&identity(), &service.subscription(), &message()).await;
        assert_eq!(outcome, Outcome::Rejected { status: code, reason: String::new() });
        assert_eq!((service.requests(), inside.connections()), (1, 0));
    }
}
