//! Which addresses a regular expression allows, and whether that is a network: representative addresses are tried, octet by octet.

use std::fmt;

use regex::Regex;

/// An address that passes, and the network that was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// Outside of the network.
    pub(super) address: String,
    /// The largest at the beginning of what is allowed.
    pub(super) network: Network,
}

/// `10.96.0.0/12`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    octets: [u8; 4],
    length: usize,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", dotted(self.octets), self.length)
    }
}

/// What an expression over addresses allows beyond a network; nothing for one that is over something else, or exact.
pub(super) fn excess(pattern: &str) -> Option<Excess> {
    // Whoever means addresses writes dots, escaped or not, and digits.
    let mentions_addresses =
        pattern.bytes().filter(|byte| *byte == b'.').count() >= 2 && pattern.contains(|c: char| c.is_ascii_digit());
    if !mentions_addresses {
        return None;
    }
    let regex = Regex::new(&format!("^(?:{pattern})$")).ok()?;
    let is_allowed = |octets: [u8; 4]| regex.is_match(&dotted(octets));
    // Everything, or nothing that looks like an address.
    if is_allowed([203, 0, 113, 1]) && is_allowed([8, 8, 8, 8]) {
        return None;
    }
    (0..=255).find_map(|first| below(&[first], &is_allowed))
}

fn dotted(octets: [u8; 4]) -> String {
    octets.map(|octet| octet.to_string()).join(".")
}

/// Looks at the octet after a prefix.
fn below(prefix: &[u8], is_allowed: &dyn Fn([u8; 4]) -> bool) -> Option<Excess> {
    let place = prefix.len();
    if place > 3 {
        return None;
    }
    let address = |next: u8, rest: u8| {
        let mut octets = [rest; 4];
        octets.get_mut(..place)?.copy_from_slice(prefix);
        *octets.get_mut(place)? = next;
        Some(octets)
    };
    // Two representatives of all that follows: an expression for one host is not for the other.
    let passes = |next: u8| [1, 20, 200].iter().any(|rest| address(next, *rest).is_some_and(is_allowed));
    let allowed: Vec<u8> = (0..=255).filter(|next| passes(*next)).collect();
    let (Some(first), Some(last)) = (allowed.first().copied(), allowed.last().copied()) else {
        // Representatives may miss a prefix that is longer; look where the expression does.
        return None;
    };
    if allowed.len() == 256 {
        return None;
    }
    if first == last {
        let deeper: Vec<u8> = prefix.iter().copied().chain([first]).collect();
        return below(&deeper, is_allowed);
    }
    // The largest aligned block that begins at the first and is allowed as a whole.
    let bits = (0..8).rev().find(|bits| {
        let size = 1_usize << bits;
        usize::from(first).is_multiple_of(size)
            && (usize::from(first)..usize::from(first) + size)
                .all(|octet| allowed.iter().any(|known| usize::from(*known) == octet))
    })?;
    let end = usize::from(first) + (1 << bits);
    let beyond = allowed.iter().copied().find(|octet| usize::from(*octet) >= end)?;
    let network = Network { octets: address(first, 0)?, length: 8 * place + 8 - bits };
    let example = [1, 20, 200].iter().filter_map(|rest| address(beyond, *rest)).find(|octets| is_allowed(*octets))?;
    // Several networks side by side are meant as they are.
    let is_list = bits == 0 || (beyond as usize > end && is_block(&allowed, beyond));
    (!is_list).then(|| Excess { address: dotted(example), network })
}

/// Whether what begins there is a network by itself, up to the end of what is allowed without a gap.
fn is_block(allowed: &[u8], begin: u8) -> bool {
    let run = allowed
        .iter()
        .skip_while(|octet| **octet < begin)
        .zip(usize::from(begin)..)
        .take_while(|(octet, expected)| usize::from(**octet) == *expected)
        .count();
    run.is_power_of_two() && usize::from(begin).is_multiple_of(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_that_allows_more_than_its_network_is_caught_with_an_example() {
        let shown = |pattern: &str| excess(pattern).map(|excess| (excess.address, excess.network.to_string()));
        let found = |address: &str, network: &str| Some((address.to_owned(), network.to_owned()));
        // The service network ends at 10.111.
        assert_eq!(shown(r"10\.(9[6-9]|1[01][0-9])\..*"), found("10.112.1.1", "10.96.0.0/12"));
        assert_eq!(shown(r"10\.(9[6-9]|10[0-9]|11[01])\..*"), None);
        assert_eq!(shown(r"10\.0\.2[0-9]\..*"), found("10.0.24.1", "10.0.20.0/22"));
        assert_eq!(shown(r"192\.168\.1\..*"), None);
        assert_eq!(shown(r"system:serviceaccount:.+"), None);
        assert_eq!(shown(r".+\..+\.example\.org1"), None);
        assert_eq!(shown("(("), None);
    }
}
