//! The address of a client: what the connection says or, where that is a trusted proxy's, what the proxies say.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many hops are read. A longer way is nobody's.
const MOST_HOPS: usize = 64;

/// Whether what this peer says of its client is believed.
pub(super) fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    // A socket for both families names IPv4 peers as IPv6 does: ::ffff:10.0.0.5.
    let peer = peer.to_canonical();
    trusted.iter().any(|network| network.contains(&peer))
}

/// The address of the client: the peer's own or, where that is a trusted proxy, the last hop of `X-Forwarded-For` that is none.
/// `None` where the proxies do not say it.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    if !is_trusted(peer, trusted) {
        return Some(peer.to_canonical());
    }
    // Each proxy adds the peer that it sees at the end, so that a client may write what it likes before that.
    let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(MOST_HOPS) {
        let address = read(hop)?;
        if !is_trusted(address, trusted) {
            return Some(address);
        }
    }
    None
}

/// One hop: an address, perhaps with a port.
fn read(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| inner.contains(':'));
    let address = bare.unwrap_or(hop).parse().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.5";

    fn address(peer: &str, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|network| network.parse().unwrap());
        client_address(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_is_the_client() {
        assert_eq!(address("203.0.113.9", &["198.51.100.7"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(address("::ffff:203.0.113.9", &[]).as_deref(), Some("203.0.113.9"));
        assert_eq!(address("2001:db8::9", &["198.51.100.7"]).as_deref(), Some("2001:db8::9"));
    }

    #[test]
    fn behind_trusted_proxies_the_last_hop_that_is_none_is_the_client() {
        for peer in [PROXY, "::ffff:10.0.0.5", "2001:db8:ffff::1"] {
            for lines in [
                &["198.51.100.7"][..],
                &["1.2.3.4, 198.51.100.7, 10.0.0.9"],
                &["1.2.3.4", "198.51.100.7,10.0.0.9", " 10.1.1.1\t"],
                &["198.51.100.7:52011"],
                &["::ffff:198.51.100.7, 2001:db8:ffff::2"],
                &["garbage, 198.51.100.7"],
            ] {
                assert_eq!(address(peer, lines).as_deref(), Some("198.51.100.7"), "{peer} {lines:?}");
            }
        }
    }

    #[test]
    fn a_hop_of_ipv6_is_read_with_and_without_brackets_and_port() {
        for hop in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:443", "2001:DB8:0::7"] {
            assert_eq!(address(PROXY, &[hop]).as_deref(), Some("2001:db8::7"), "{hop}");
        }
    }

    #[test]
    fn a_hop_that_is_no_address_makes_the_client_unknown() {
        for line in
            ["", ",", "198.51.100.7,", "198.51.100.7, unknown", "198.51.100.7 10.0.0.1", "fe80::1%eth0", "1.2.3"]
        {
            assert_eq!(address(PROXY, &[line]), None, "{line:?}");
        }
        for hop in
            ["[198.51.100.7]", "198.51.100.7:", "198.51.100.7:99999", "[2001:db8::7", "\"198.51.100.7\"", "\u{e9}"]
        {
            assert_eq!(address(PROXY, &[hop]), None, "{hop:?}");
        }
    }

    #[test]
    fn a_way_of_trusted_hops_alone_and_one_without_an_end_make_the_client_unknown() {
        assert_eq!(address(PROXY, &[]), None);
        assert_eq!(address(PROXY, &["10.0.0.1, 10.0.0.2"]), None);
        let hops = |trusted: usize| format!("198.51.100.7{}", ", 10.0.0.1".repeat(trusted));
        assert_eq!(address(PROXY, &[&hops(63)]).as_deref(), Some("198.51.100.7"));
        assert_eq!(address(PROXY, &[&hops(64)]), None);
    }
}
