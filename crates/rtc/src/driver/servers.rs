//! STUN and TURN servers as URLs name them (RFC 7064, RFC 7065).
//!
//! ```text
//! stun:host[:port]      turn:host[:port][?transport=udp|tcp]      port 3478 unless said; IPv6 literals in brackets
//! ```
use std::fmt;

/// STUN's and TURN's own port (RFC 8489 §18.6).
const PORT: u16 = 3478;
/// USERNAME's limit, bytes (RFC 8489 §14.3).
const MAX_USERNAME: usize = 508;

/// A server that helps to find a path.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:…` (RFC 7064) or `turn:…` (RFC 7065); other kinds are skipped.
    pub url: String,
    /// TURN's user name.
    pub username: String,
    /// TURN's password.
    pub password: String,
}

impl fmt::Debug for IceServer {
    /// Without names and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IceServer(…)")
    }
}

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Stun { host: String, port: u16 },
    Turn { host: String, port: u16, tcp: bool },
}

impl IceServer {
    /// Nothing for a server that can't be used.
    pub(super) fn parse(&self) -> Option<Server> {
        let (scheme, rest) = self.url.split_once(':')?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (address, PORT),
        };
        if host.is_empty() {
            return None;
        }
        let host = host.to_owned();
        match (scheme, query) {
            ("stun", _) => Some(Server::Stun { host, port }),
            ("turn", "" | "transport=udp" | "transport=tcp") if self.username.len() <= MAX_USERNAME => {
                Some(Server::Turn { host, port, tcp: query == "transport=tcp" })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Option<Server> {
        IceServer { url: url.into(), ..IceServer::default() }.parse()
    }

    #[test]
    fn urls_have_a_host_and_perhaps_a_port() {
        let stun = |host: &str, port| Some(Server::Stun { host: host.into(), port });

        assert_eq!(parse("stun:example.org"), stun("example.org", 3478));
        assert_eq!(parse("stun:example.org:19302"), stun("example.org", 19302));
        assert_eq!(parse("stun:[2001:db8::1]"), stun("[2001:db8::1]", 3478));
        assert_eq!(parse("stun:[2001:db8::1]:5"), stun("[2001:db8::1]", 5));
        assert_eq!(parse("stun:example.org:x"), None);
        assert_eq!(parse("stun:"), None);
    }

    #[test]
    fn turn_is_reached_over_udp_or_tcp_but_not_tls() {
        let turn = |tcp| Some(Server::Turn { host: "example.org".into(), port: 3478, tcp });

        assert_eq!(parse("turn:example.org"), turn(false));
        assert_eq!(parse("turn:example.org?transport=udp"), turn(false));
        assert_eq!(parse("turn:example.org:3478?transport=tcp"), turn(true));
        assert_eq!(parse("turn:example.org?transport=sctp"), None);
        assert_eq!(parse("turns:example.org"), None);
    }

    #[test]
    fn a_user_name_that_fits_no_message_is_refused() {
        let of = |len| IceServer { url: "turn:h".into(), username: "x".repeat(len), password: String::new() };

        assert!(of(508).parse().is_some());
        assert!(of(509).parse().is_none());
    }
}
