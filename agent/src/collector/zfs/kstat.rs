//! Kstats of the SPL, from bytes: a line about the kstat, one with `name type data`, then one a statistic; or columns (`io`).

use crate::collector::text::{integer, lines, number, words};

/// A statistic that is a number of 64 bits.
#[derive(Debug, PartialEq)]
pub(super) struct Stat<'t> {
    pub name: &'t [u8],
    pub value: f64,
    pub is_unsigned: bool,
}

/// Statistics of 64 bits, with and without sign; no others are given.
pub(super) fn named(kstat: &[u8]) -> impl Iterator<Item = Stat<'_>> {
    behind_head(kstat).filter_map(|line| {
        let mut parts = words(line);
        let (name, kind, data) = (parts.next()?, parts.next()?, parts.next()?);
        match kind {
            b"4" => Some(Stat { name, value: integer(data)? as f64, is_unsigned: true }),
            b"3" => Some(Stat { name, value: number(data)?, is_unsigned: false }),
            _ => None,
        }
    })
}

/// What the data set of a kstat is called. Blanks are part of it.
pub(super) fn dataset(kstat: &[u8]) -> Option<&[u8]> {
    behind_head(kstat).find_map(|line| {
        let rest = line.strip_prefix(b"dataset_name")?.trim_ascii_start();
        let kind = words(rest).next()?.len();
        Some(rest[kind..].trim_ascii()).filter(|name| !name.is_empty())
    })
}

/// A line of names, and one of numbers.
pub(super) fn columns(kstat: &[u8]) -> impl Iterator<Item = (&[u8], f64)> {
    let mut lines = lines(kstat).skip_while(|line| words(line).next() != Some(b"nread"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    words(names).zip(words(values)).filter_map(|(name, value)| Some((name, integer(value)? as f64)))
}

fn behind_head(kstat: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(kstat).skip_while(|line| !words(line).eq([&b"name"[..], b"type", b"data"])).skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_64_bits_are_statistics() {
        let kstat =
            b"9 1 0x01 4 5 6 7\nname type data\nhits 4 18446744073709551615\nfree 3 -5\nold 2 7\ntext 7 a b\nbad 4 x\nshort 4\n";
        let stats: Vec<_> = named(kstat).map(|stat| (stat.name, stat.value, stat.is_unsigned)).collect();
        assert_eq!(stats, [(&b"hits"[..], 1.844_674_407_370_955_2e19, true), (&b"free"[..], -5.0, false)]);
        assert!(named(b"hits 4 1\n").next().is_none());
    }

    #[test]
    fn a_data_sets_name_may_hold_blanks() {
        assert_eq!(dataset(b"name type data\ndataset_name 7 tank/a  b \n"), Some(&b"tank/a  b"[..]));
        assert_eq!(dataset(b"name type data\ndataset_name 7\n"), None);
        assert_eq!(dataset(b"name type data\nwrites 4 7\n"), None);
    }
}
