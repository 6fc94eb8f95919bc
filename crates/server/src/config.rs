//! What a server is told before it starts.
use crate::limits::Limits;
use beeline_core::wire::signal::{Ice, PeerId};
use ipnet::IpNet;
use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use url::Url;

/// What a server is told before it starts. The default works without any of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where page and signaling answer. `[::]` means IPv4 too, and `0.0.0.0` on a machine without IPv6;
    /// port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where `/metrics`, `/healthz` and `/readyz` answer; not for the public.
    pub metrics: Option<SocketAddr>,
    /// STUN and TURN servers that peers are told of.
    pub ice: Vec<Ice>,
    /// How the world reaches this server through a reverse proxy, with the path prefix if there is one.
    /// Pages of this origin may connect, and everything answers below the prefix too.
    pub public_url: Option<Url>,
    /// Reverse proxies whose `X-Forwarded-For` is believed. Nobody's is by default.
    pub trusted_proxies: Vec<IpNet>,
    /// What sockets and addresses may use.
    pub limits: Limits,
    /// How long sockets may take to close when the server stops.
    pub grace: Duration,
    /// For tests of the peers.
    #[doc(hidden)]
    pub hostile: Hostile,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv6Addr::UNSPECIFIED, 8080).into()],
            metrics: None,
            ice: Vec::new(),
            public_url: None,
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
            grace: Duration::from_secs(5),
            hostile: Hostile::default(),
        }
    }
}

/// Changes a posted message: sender, receiver, body.
#[doc(hidden)]
pub type Tamper = dyn Fn(PeerId, PeerId, Vec<u8>) -> Vec<u8> + Send + Sync;

/// A server that lies, to test that peers notice.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Hostile {
    /// Applied to every posted message.
    pub tamper: Option<Arc<Tamper>>,
    /// Lets anybody join for ever.
    pub ignore_lock: bool,
}

impl fmt::Debug for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hostile")
            .field("tamper", &self.tamper.is_some())
            .field("ignore_lock", &self.ignore_lock)
            .finish()
    }
}

/// Not the address of a STUN or TURN server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IceUrlError {
    /// The scheme is another.
    #[error("an ICE server starts with stun:, stuns:, turn: or turns:")]
    Scheme,
    /// Nothing after the scheme.
    #[error("the ICE server has no host")]
    NoHost,
    /// TURN without credentials.
    #[error("a TURN server needs a name and a password: turn:NAME:PASSWORD@HOST")]
    NoCredential,
}

/// Reads `stun:HOST[:PORT]` (RFC 7064) or `turn:NAME:PASSWORD@HOST[:PORT][?transport=udp|tcp]`, which is
/// RFC 7065 with credentials in front of the host.
pub fn parse_ice(text: &str) -> Result<Ice, IceUrlError> {
    let (scheme, rest) = text.split_once(':').ok_or(IceUrlError::Scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    let (credentials, host) = match rest.rsplit_once('@') {
        Some((credentials, host)) => (credentials.split_once(':'), host),
        None => (None, rest),
    };
    if host.is_empty() || host.starts_with([':', '?', '/']) {
        return Err(IceUrlError::NoHost);
    }
    let urls = vec![format!("{scheme}:{host}")];
    match (scheme.as_str(), credentials) {
        ("stun" | "stuns", _) => Ok(Ice { urls, username: None, credential: None }),
        ("turn" | "turns", Some((name, password))) if !name.is_empty() && !password.is_empty() => {
            Ok(Ice { urls, username: Some(name.into()), credential: Some(password.into()) })
        }
        ("turn" | "turns", _) => Err(IceUrlError::NoCredential),
        _ => Err(IceUrlError::Scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ice_servers_are_read_with_their_credentials() {
        let stun = parse_ice("STUN:stun.example.org:3478").unwrap();
        assert_eq!((stun.urls, stun.username), (vec!["stun:stun.example.org:3478".to_owned()], None));

        let turn = parse_ice("turn:ann:p@ss@[2001:db8::1]:3478?transport=tcp").unwrap();
        assert_eq!(turn.urls, ["turn:[2001:db8::1]:3478?transport=tcp"]);
        assert_eq!((turn.username.as_deref(), turn.credential.as_deref()), (Some("ann"), Some("p@ss")));
    }

    #[test]
    fn what_is_no_ice_server_is_refused_in_words() {
        assert_eq!(parse_ice("https://example.org"), Err(IceUrlError::NoHost));
        assert_eq!(parse_ice("example.org"), Err(IceUrlError::Scheme));
        assert_eq!(parse_ice("http:example.org"), Err(IceUrlError::Scheme));
        assert_eq!(parse_ice("stun:"), Err(IceUrlError::NoHost));
        assert_eq!(parse_ice("turn:relay.example.org"), Err(IceUrlError::NoCredential));
    }
}
