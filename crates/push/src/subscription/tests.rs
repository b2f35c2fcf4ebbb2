use super::*;
use crate::address::Kind;
use proptest::prelude::*;

const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

fn at(endpoint: &str) -> Result<Subscription, BadSubscription> {
    Subscription::read(endpoint, P256DH, AUTH, Reach::Public)
}

fn fault(endpoint: &str) -> Fault {
    let bad = at(endpoint).expect_err(endpoint);
    assert_eq!(bad.field, Field::Endpoint);
    bad.fault
}

#[test]
fn what_a_browser_answers_is_kept_as_it_is() {
    let endpoint = "https://fcm.googleapis.com/fcm/send/c1KrmpTuRm0:APA91bGyyyyy?x=1&y=a%20b";
    let subscription = at(endpoint).expect("a subscription");
    assert_eq!(subscription.endpoint(), endpoint);
    assert_eq!((subscription.p256dh().as_str(), subscription.auth().as_str()), (P256DH, AUTH));
    assert_eq!(subscription.push_service(), "https://fcm.googleapis.com");
    let place = subscription.place();
    assert_eq!(place.target().to_string(), "/fcm/send/c1KrmpTuRm0:APA91bGyyyyy?x=1&y=a%20b");
    assert_eq!((place.host(), place.authority(), place.port()), ("fcm.googleapis.com", "fcm.googleapis.com", 443));
    let again = Subscription::read(subscription.endpoint(), &format!("{P256DH}="), &format!("{AUTH}=="), Reach::Public);
    assert_eq!(again, Ok(subscription));
}

#[test]
fn an_endpoint_has_one_form() {
    let normal = at("https://push.example.net/a").expect("a subscription");
    for other in ["HTTPS://Push.Example.NET/a", "https://push.example.net:443/a", "https://push.example.net/b/../a"] {
        assert_eq!(at(other).as_ref(), Ok(&normal), "{other}");
    }
    let port = at("https://push.example.net:8443/a").expect("a subscription");
    assert_eq!(port.push_service(), "https://push.example.net:8443");
    assert_eq!((port.place().authority(), port.place().port()), ("push.example.net:8443", 8443));
}

#[test]
fn an_endpoint_is_an_https_address_and_nothing_more() {
    assert_eq!(fault("http://push.example.net/a"), Fault::Scheme);
    assert_eq!(fault("ftp://push.example.net/a"), Fault::Scheme);
    assert_eq!(fault("file:///etc/passwd"), Fault::Scheme);
    assert_eq!(fault("https://user@push.example.net/a"), Fault::Extra);
    assert_eq!(fault("https://:pass@push.example.net/a"), Fault::Extra);
    assert_eq!(fault("https://push.example.net/a#b"), Fault::Extra);
    for quoted in ["https://a\"b.example/", "https://a'b.example/", "https://a{b.example/", "https://a,b.example/"] {
        assert_eq!(fault(quoted), Fault::NoUrl, "{quoted}");
    }
    for none in ["", "push.example.net", "https://", "https:///", "https://a b/", "https://push.example.net:0/"] {
        assert_eq!(fault(none), Fault::NoUrl, "{none}");
    }
}

#[test]
fn an_endpoint_of_2048_bytes_passes_and_one_more_does_not() {
    let of = |bytes: usize| format!("https://push.example.net/{}", "a".repeat(bytes - 25));
    assert_eq!(at(&of(2048)).expect("a subscription").endpoint().len(), 2048);
    assert_eq!(fault(&of(2049)), Fault::TooLong { bytes: 2049 });
    // Short as it was sent, long once it is escaped.
    let escaped = format!("https://push.example.net/{}", "ä".repeat(1000));
    assert_eq!(fault(&escaped), Fault::TooLong { bytes: 6025 });
}

#[test]
fn a_forbidden_address_is_refused_however_it_is_written() {
    for (endpoint, kind) in [
        ("https://10.0.0.1/a", Kind::Private),
        ("https://127.0.0.1/a", Kind::Loopback),
        ("https://2130706433/a", Kind::Loopback),
        ("https://0x7f.1/a", Kind::Loopback),
        ("https://0177.0.0.1/a", Kind::Loopback),
        ("https://127。0。0。1/a", Kind::Loopback),
        ("https://[::1]/a", Kind::Loopback),
        ("https://[::ffff:10.0.0.1]/a", Kind::Mapped),
        ("https://169.254.169.254/latest/meta-data", Kind::LinkLocal),
        ("https://[fd00:ec2::254]/a", Kind::UniqueLocal),
    ] {
        let Fault::Address(refused) = fault(endpoint) else { panic!("{endpoint}: {:?}", fault(endpoint)) };
        assert_eq!(refused.kind, kind, "{endpoint}");
    }
    assert!(at("https://142.250.74.74/a").is_ok());
}

#[test]
fn loopback_without_tls_needs_the_setting_for_tests() {
    let test = |endpoint: &str| Subscription::read(endpoint, P256DH, AUTH, Reach::PublicAndLoopback);
    let subscription = test("http://127.0.0.1:8080/push/1").expect("a subscription");
    assert_eq!(subscription.push_service(), "http://127.0.0.1:8080");
    assert!(subscription.place().is_plain());
    assert!(test("http://10.0.0.1/push/1").is_err());
}

#[test]
fn keys_have_their_length_and_lie_on_the_curve() {
    let read = |p256dh: &str, auth: &str| {
        Subscription::read("https://push.example.net/a", p256dh, auth, Reach::Public)
            .map_err(|bad| (bad.field, bad.fault))
    };
    let text = |bytes: &[u8]| base64url::write(bytes);
    let point = base64url::read(P256DH).expect("base64url");
    let mut off = point.clone();
    off[64] ^= 1;
    assert_eq!(read(&text(&off), AUTH), Err((Field::P256dh, Fault::NoPoint)));
    assert_eq!(read(&text(&[0; 65]), AUTH), Err((Field::P256dh, Fault::NoPoint)));
    assert_eq!(read(&text(&point[..64]), AUTH), Err((Field::P256dh, Fault::Length { bytes: 64, must: 65 })));
    let longer = [&point[..], &[0]].concat();
    assert_eq!(read(&text(&longer), AUTH), Err((Field::P256dh, Fault::Length { bytes: 66, must: 65 })));
    assert!(matches!(read(&"A".repeat(1_000_000), AUTH), Err((Field::P256dh, Fault::Length { must: 65, .. }))));
    assert_eq!(read("!", AUTH), Err((Field::P256dh, Fault::Base64)));
    assert_eq!(read("", AUTH), Err((Field::P256dh, Fault::Length { bytes: 0, must: 65 })));
    assert_eq!(read(P256DH, &text(&[1; 15])), Err((Field::Auth, Fault::Length { bytes: 15, must: 16 })));
    assert_eq!(read(P256DH, &text(&[1; 17])), Err((Field::Auth, Fault::Length { bytes: 17, must: 16 })));
    let bad = Subscription::read("https://push.example.net/a", P256DH, "", Reach::Public).expect_err("no secret");
    assert_eq!(
        bad.to_string(),
        "auth: it has 0 bytes and must have 16; send the key as toJSON() of the subscription writes it"
    );
}

#[test]
fn debugging_shows_the_push_service_alone() {
    let shown = format!("{:?}", at("https://push.example.net/secret").expect("a subscription"));
    assert_eq!(shown, "Subscription(https://push.example.net/…)");
}

proptest! {
    #[test]
    fn any_text_is_a_subscription_or_a_reason_and_what_is_kept_reads_again(
        endpoint in "(https?://)?([a-z0-9.:\\[\\]@%#?/_-]{0,40}|\\PC{0,40})", p256dh in "[A-Za-z0-9_=-]{80,90}", auth in "[A-Za-z0-9_=+/-]{18,26}",
    ) {
        for reach in [Reach::Public, Reach::PublicAndLoopback] {
            let _ = Subscription::read(&endpoint, &p256dh, &auth, reach);
            if let Ok(kept) = Subscription::read(&endpoint, P256DH, AUTH, reach) {
                prop_assert!(!kept.place().host().is_empty());
                prop_assert!(kept.place().target().path().starts_with('/'));
                prop_assert!(!kept.place().authority().contains(['"', '\\', ' ']));
                if let Some(address) = kept.place().address() {
                    prop_assert!(reach.check(address).is_ok());
                }
                prop_assert_eq!(Subscription::read(kept.endpoint(), &kept.p256dh(), &kept.auth(), reach), Ok(kept));
            }
        }
    }
}
