//! Who is asking: the address behind proxies, and the site whose page opens a socket.
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use url::Url;

/// The header that proxies append to; anybody can send it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address a request came from.
///
/// The TCP peer, unless that is one of `trusted`: then the last hop of `X-Forwarded-For`, read from the right,
/// that is not trusted. What stands left of it is the client's own word.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address.to_canonical()));
    let mut client = peer.to_canonical();
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok());
    let mut hops: Vec<&str> = values.flat_map(|v| v.split(',')).map(str::trim).collect();
    while is_trusted(client) {
        // A hop that cannot be read was not written by a proxy that we trust: the nearest readable one counts.
        let Some(hop) = hops.pop().and_then(parse_hop) else { break };
        client = hop;
    }
    client
}

/// Whether somebody in front forwards for others although nobody is trusted: then all clients look like one.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED_FOR)
}

fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
    address.map(|a: IpAddr| a.to_canonical())
}

/// Whether a page of that origin may open a socket here.
///
/// Programs send no `Origin`. A browser's must be of the host it connects to, by either scheme (a proxy may do
/// the TLS), or of `public_url`. Else any site could use its visitors' addresses to try codes.
pub(crate) fn may_connect(headers: &HeaderMap, public_url: Option<&Url>) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return true,
        (Some(origin), None) => origin,
        _ => return false,
    };
    let Ok(origin) = origin.to_str() else { return false };
    if public_url.is_some_and(|url| url.origin().ascii_serialization().eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let of_origin = origin.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    matches!((of_origin, host), (Some((_, of_origin)), Some(host)) if of_origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let lines: Vec<_> = forwarded.iter().map(|f| (FORWARDED_FOR, *f)).collect();
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers(&lines), &trusted).to_string()
    }

    /// What others believed: a header that anybody can send decided who shares an address.
    #[test]
    fn a_forwarded_header_of_a_stranger_is_not_believed() {
        assert_eq!(client("198.51.100.1", &["203.0.113.9"], &[]), "198.51.100.1");
        assert_eq!(client("198.51.100.1", &["203.0.113.9"], &["10.0.0.0/8"]), "198.51.100.1");
    }

    #[test]
    fn the_last_hop_that_is_not_ours_is_the_client() {
        let ours = &["10.0.0.0/8", "2001:db8:1::/48"];
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 203.0.113.9"], ours), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "203.0.113.9, 10.0.0.2"], ours), "203.0.113.9");
        assert_eq!(client("::ffff:10.0.0.1", &["[2001:db8:2::9]:4711"], ours), "2001:db8:2::9");
        assert_eq!(client("2001:db8:1::1", &["::ffff:203.0.113.9"], ours), "203.0.113.9");
    }

    #[test]
    fn a_hop_that_cannot_be_read_ends_the_walk() {
        assert_eq!(client("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"], &["10.0.0.0/8"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &[""], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn only_our_own_pages_and_programs_may_connect() {
        let public: Url = "https://files.example.org/beeline/".parse().unwrap();
        let may = |origin: &[&str], host: &str| {
            let mut of: Vec<_> = origin.iter().map(|o| ("origin", *o)).collect();
            of.push(("host", host));
            may_connect(&headers(&of), Some(&public))
        };
        assert!(may(&[], "localhost:8080"));
        assert!(may(&["http://localhost:8080"], "localhost:8080"));
        assert!(may(&["http://[::1]:8080"], "[::1]:8080"));
        assert!(may(&["https://Files.example.org"], "10.0.0.5:8080"));
        assert!(may(&["https://lan.example"], "lan.example"));

        assert!(!may(&["http://localhost:8081"], "localhost:8080"));
        assert!(!may(&["https://evil.example"], "files.example.org"));
        assert!(!may(&["https://files.example.org.evil.example"], "files.example.org"));
        assert!(!may(&["null"], "localhost:8080"));
        assert!(!may(&[""], ""));
        assert!(!may(&["http://localhost:8080", "http://localhost:8080"], "localhost:8080"));
    }
}
