//! Both sides of every range.

use super::*;

fn kind(text: &str) -> Option<Kind> {
    let address = text.parse().expect("an address");
    let refused = Reach::Public.check(address).err();
    assert!(refused.is_none_or(|refused| refused.address == address));
    refused.map(|refused| refused.kind)
}

#[test]
fn every_range_is_refused_from_its_first_address_to_its_last_and_its_neighbours_are_not() {
    let ranges: &[(&str, Kind, &str, &str, &str)] = &[
        ("", Kind::Unspecified, "0.0.0.0", "0.255.255.255", "1.0.0.0"),
        ("9.255.255.255", Kind::Private, "10.0.0.0", "10.255.255.255", "11.0.0.0"),
        ("100.63.255.255", Kind::Shared, "100.64.0.0", "100.127.255.255", "100.128.0.0"),
        ("126.255.255.255", Kind::Loopback, "127.0.0.0", "127.255.255.255", "128.0.0.0"),
        ("168.63.129.15", Kind::Metadata, "168.63.129.16", "168.63.129.16", "168.63.129.17"),
        ("169.253.255.255", Kind::LinkLocal, "169.254.0.0", "169.254.255.255", "169.255.0.0"),
        ("172.15.255.255", Kind::Private, "172.16.0.0", "172.31.255.255", "172.32.0.0"),
        ("191.255.255.255", Kind::Reserved, "192.0.0.0", "192.0.0.255", "192.0.1.0"),
        ("192.0.1.255", Kind::Documentation, "192.0.2.0", "192.0.2.255", "192.0.3.0"),
        ("192.31.195.255", Kind::Reserved, "192.31.196.0", "192.31.196.255", "192.31.197.0"),
        ("192.52.192.255", Kind::Reserved, "192.52.193.0", "192.52.193.255", "192.52.194.0"),
        ("192.88.98.255", Kind::Translated, "192.88.99.0", "192.88.99.255", "192.88.100.0"),
        ("192.167.255.255", Kind::Private, "192.168.0.0", "192.168.255.255", "192.169.0.0"),
        ("192.175.47.255", Kind::Reserved, "192.175.48.0", "192.175.48.255", "192.175.49.0"),
        ("198.17.255.255", Kind::Benchmarking, "198.18.0.0", "198.19.255.255", "198.20.0.0"),
        ("198.51.99.255", Kind::Documentation, "198.51.100.0", "198.51.100.255", "198.51.101.0"),
        ("203.0.112.255", Kind::Documentation, "203.0.113.0", "203.0.113.255", "203.0.114.0"),
        ("223.255.255.255", Kind::Multicast, "224.0.0.0", "239.255.255.255", ""),
        ("", Kind::Reserved, "240.0.0.0", "255.255.255.255", ""),
        ("", Kind::Unspecified, "::", "::", ""),
        ("", Kind::Loopback, "::1", "::1", ""),
        ("", Kind::Mapped, "::2", "::ffff:ffff", ""),
        ("", Kind::Mapped, "::ffff:0:0", "::ffff:255.255.255.255", ""),
        ("", Kind::Mapped, "::ffff:0:0:0", "::ffff:0:ffff:ffff", ""),
        ("", Kind::Translated, "64:ff9b::", "64:ff9b::255.255.255.255", ""),
        ("", Kind::Translated, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", ""),
        ("", Kind::Reserved, "100::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"),
        ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Translated, "2001::", "2001:0:ffff::", ""),
        ("", Kind::Benchmarking, "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", ""),
        ("", Kind::Reserved, "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"),
        ("2001:db7:ffff::", Kind::Documentation, "2001:db8::", "2001:db8:ffff:ffff::", "2001:db9::"),
        ("2001:ffff::", Kind::Translated, "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"),
        ("3ffe:ffff::", Kind::Documentation, "3fff::", "3fff:fff:ffff::", "3fff:1000::"),
        ("3fff:ffff::", Kind::Reserved, "4000::", "fbff::", ""),
        ("", Kind::UniqueLocal, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
        ("", Kind::Reserved, "fe00::", "fe7f::", ""),
        ("", Kind::LinkLocal, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
        ("", Kind::Private, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
        ("", Kind::Multicast, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
    ];
    for (before, expected, first, last, after) in ranges {
        assert_eq!(kind(first), Some(*expected), "{first}");
        assert_eq!(kind(last), Some(*expected), "{last}");
        for neighbour in [before, after].into_iter().filter(|text| !text.is_empty()) {
            assert_eq!(kind(neighbour), None, "{neighbour} is public");
        }
    }
}

#[test]
fn addresses_of_push_services_are_allowed() {
    for public in ["142.250.74.74", "34.107.243.93", "17.188.143.34", "2a00:1450:4001:82b::200a", "2607:f8b0::1"] {
        assert_eq!(kind(public), None, "{public}");
    }
}

#[test]
fn an_ipv4_address_in_disguise_is_refused_even_if_it_is_public() {
    for disguised in ["::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "::ffff:127.0.0.1"] {
        assert!(kind(disguised).is_some(), "{disguised}");
        assert!(Reach::PublicAndLoopback.check(disguised.parse().expect("an address")).is_err(), "{disguised}");
    }
}

#[test]
fn loopback_needs_the_setting_for_tests_and_nothing_else_comes_with_it() {
    for loopback in ["127.0.0.1", "127.8.8.8", "::1"] {
        let address = loopback.parse().expect("an address");
        assert!(Reach::Public.check(address).is_err());
        assert!(Reach::PublicAndLoopback.check(address).is_ok());
    }
    for other in ["10.0.0.1", "169.254.169.254", "0.0.0.0", "fd00::1", "fe80::1"] {
        assert!(Reach::PublicAndLoopback.check(other.parse().expect("an address")).is_err(), "{other}");
    }
    let refused = Reach::Public.check("10.0.0.1".parse().expect("an address")).expect_err("private");
    assert_eq!(refused.to_string(), "10.0.0.1 is a private address; messages go to public addresses only");
}
