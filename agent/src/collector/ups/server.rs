//! Where a UPS's server is: a host and a port.

use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Server {
    /// `host`, `host:port`, `[address]:port` or a bare IPv6 address; nothing if it is none of them.
    pub fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').map(Some).or_else(|| rest.is_empty().then_some(None))?)
        } else if text.matches(':').count() > 1 {
            (text, None)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        let port = port.map_or(Some(default_port), |port| port.parse().ok().filter(|port| *port > 0))?;
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
        is_host.then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_with_or_without_a_port() {
        for (text, shown) in [
            ("ups.example.org", Some("ups.example.org:3493")),
            ("192.0.2.1:3494", Some("192.0.2.1:3494")),
            ("[2001:db8::1]:161", Some("[2001:db8::1]:161")),
            ("[2001:db8::1]", Some("[2001:db8::1]:3493")),
            ("2001:db8::1", Some("[2001:db8::1]:3493")),
            ("", None),
            (":3493", None),
            ("host:", None),
            ("host:0", None),
            ("host:70000", None),
            ("nut://host", None),
            ("[::1]3493", None),
            ("a host", None),
        ] {
            assert_eq!(Server::parse(text, 3493).map(|server| server.to_string()).as_deref(), shown, "{text}");
        }
    }
}
