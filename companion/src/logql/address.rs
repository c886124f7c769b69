//! `ip()`: one address, a range of them (`10.0.0.1-10.0.0.9`) or a network (`10.0.0.0/8`), and addresses inside a line.
//!
//! The two families are apart: `::ffff:10.0.0.1` is not `10.0.0.1`.

use std::net::IpAddr;

use ipnet::IpNet;

/// Which addresses are meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Addresses {
    One(IpAddr),
    Range(IpAddr, IpAddr),
    Network(IpNet),
}

impl Addresses {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address, no range of addresses and no network");
        if let Some((first, last)) = text.split_once('-') {
            let first: IpAddr = first.trim().parse().map_err(|_| wrong())?;
            let last: IpAddr = last.trim().parse().map_err(|_| wrong())?;
            if first.is_ipv4() != last.is_ipv4() || first > last {
                return Err(wrong());
            }
            return Ok(Self::Range(first, last));
        }
        if text.contains('/') {
            return text.parse().map(Self::Network).map_err(|_| wrong());
        }
        text.parse().map(Self::One).map_err(|_| wrong())
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::One(one) => *one == address,
            Self::Range(first, last) => first.is_ipv4() == address.is_ipv4() && *first <= address && address <= *last,
            Self::Network(network) => network.contains(&address),
        }
    }

    /// Whether a label's value is one of them.
    pub(crate) fn contains_text(&self, text: &str) -> bool {
        Self::read(text).is_some_and(|address| self.contains(address))
    }

    /// The address that a text is.
    pub(crate) fn read(text: &str) -> Option<IpAddr> {
        // A zone says through which interface; an address with one is still that address.
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        address.parse().ok()
    }

    /// Whether one of them stands anywhere in the line.
    pub(crate) fn found_in(&self, line: &str) -> bool {
        let bytes = line.as_bytes();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let is_v4 = begins_v4(rest);
            if !is_v4 && !begins_v6(rest) {
                at += 1;
                continue;
            }
            let is_part = |byte: &u8| {
                if is_v4 {
                    byte.is_ascii_digit() || *byte == b'.'
                } else {
                    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
                }
            };
            let length = rest.iter().take_while(|byte| is_part(byte)).count();
            if self.contains_text(&line[at..at + length]) {
                return true;
            }
            at += length;
        }
        false
    }
}

/// One to three digits and a dot.
fn begins_v4(rest: &[u8]) -> bool {
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits) && rest.get(digits) == Some(&b'.')
}

/// At most four hexadecimal digits and a colon; of none, two colons.
fn begins_v6(rest: &[u8]) -> bool {
    let digits = rest.iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
    digits <= 4 && rest.get(digits) == Some(&b':') && (digits > 0 || rest.get(1) == Some(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_lines() {
        let network = Addresses::new("192.168.0.0/16").unwrap();
        for (line, found) in [
            ("conn from 192.168.0.1 ok", true),
            ("192.168.0.15:8080", true),
            ("192.168.0.1.5", false),
            ("::ffff:192.168.0.7", false),
            ("300.168.0.1 and 10.0.0.1", false),
            ("abc192.168.0.1", true),
            ("", false),
        ] {
            assert_eq!(network.found_in(line), found, "{line}");
        }
        assert!(Addresses::new("2001:db8::/32").unwrap().found_in("addr=[2001:db8:0:0:0:0:0:ff]:443"));
        assert!(Addresses::new("::1").unwrap().found_in("::1 localhost"));
        assert!(Addresses::new("10.0.0.1-10.0.0.9").unwrap().contains_text("10.0.0.5"));
        assert!(Addresses::new("fe80::/10").unwrap().contains_text("fe80::1%eth0"));
        for wrong in ["nope", "", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::1"] {
            assert!(Addresses::new(wrong).is_err(), "{wrong}");
        }
    }
}
