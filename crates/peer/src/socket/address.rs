//! A server's address as people write it.
use http::Uri;
use std::{fmt, str::FromStr};

/// An `http` or `https` address of a server, with the path that it lives under.
///
/// `Display` shows scheme, host and port; never a user name, query or fragment, which it cannot hold.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    secure: bool,
    /// Host and, where given, port.
    authority: String,
    host: String,
    port: u16,
    /// Begins and ends with a slash.
    prefix: String,
}

/// Why a text is not a server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerAddressError {
    /// Not of the form `http://host:port/prefix/`.
    #[error("a server's address looks like https://example.org or http://192.168.1.5:8080")]
    Form,
    /// `user:password@host`.
    #[error("a server's address holds no user name")]
    User,
}

impl ServerAddress {
    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The address of the page, with a slash at its end: what a link begins with.
    pub fn base(&self) -> String {
        format!("{self}{}", self.prefix)
    }

    /// Whether it names this machine itself.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }

    /// `http(s)://host:port`, as a proxy wants it.
    pub(crate) fn uri(&self) -> Result<Uri, http::Error> {
        let scheme = if self.secure { "https" } else { "http" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        Uri::builder().scheme(scheme).authority(format!("{host}:{}", self.port)).path_and_query("/").build()
    }

    /// `ws(s)://…/ws`.
    pub(crate) fn socket_url(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}ws", self.authority, self.prefix)
    }
}

impl FromStr for ServerAddress {
    type Err = ServerAddressError;

    /// Takes also an address without scheme: `https` then, or `http` for an address of this machine or a
    /// literal one of the local network.
    fn from_str(text: &str) -> Result<ServerAddress, ServerAddressError> {
        let text = text.trim();
        let text = text.split(['#', '?']).next().unwrap_or_default();
        let (secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(true), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(false), rest),
            Some(_) => return Err(ServerAddressError::Form),
            None => (None, text),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(ServerAddressError::User);
        }
        let parsed: http::uri::Authority = authority.parse().map_err(|_| ServerAddressError::Form)?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(ServerAddressError::Form);
        }
        let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
        let secure = secure.unwrap_or(!local);
        // `Authority` takes a port that is none.
        if authority.len() > parsed.host().len() && parsed.port_u16().is_none() {
            return Err(ServerAddressError::Form);
        }
        let port = parsed.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let prefix = format!("{}/", path.trim_end_matches('/'));
        http::uri::PathAndQuery::from_str(&prefix).map_err(|_| ServerAddressError::Form)?;
        Ok(ServerAddress { secure, authority: authority.to_owned(), host, port, prefix })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "ServerAddress(https)" } else { "ServerAddress(http)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ServerAddress {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_prefix_is_kept() {
        assert_eq!(parse("https://example.org/drop").socket_url(), "wss://example.org/drop/ws");
        assert_eq!(parse("https://example.org/drop/").base(), "https://example.org/drop/");
        assert_eq!(parse("http://[::1]:8080").socket_url(), "ws://[::1]:8080/ws");
        assert_eq!(parse("http://[::1]:8080").host(), "::1");
    }

    #[test]
    fn a_scheme_may_be_left_out() {
        assert_eq!(parse("example.org").base(), "https://example.org/");
        assert_eq!(parse("192.168.1.5:8080").base(), "http://192.168.1.5:8080/");
        assert_eq!(parse("localhost:1").port(), 1);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "ftp://example.org", "http://", "http://a b/", "http://example.org:99999", "http://x:/"]
        {
            assert_eq!(text.parse::<ServerAddress>(), Err(ServerAddressError::Form), "{text:?}");
        }
        assert_eq!("http://me:secret@example.org".parse::<ServerAddress>(), Err(ServerAddressError::User));
    }
}
