//! Journal files made by hand, for tests and fuzzing: the published format, written as simply as it allows.
//!
//! In: entries. Out: the bytes of a file, at any moment of its life. Data is written once and shared, entry arrays grow as journald has
//! them grow; the hash tables stay empty, since nobody who reads in order looks into them.

use std::collections::HashMap;

use super::header::Id128;

const HEADER: u64 = 272;
const COMPACT: u32 = 16;
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const DATA_TABLE: u8 = 4;
const FIELD_TABLE: u8 = 5;
const ENTRY_ARRAY: u8 = 6;
/// Where in a data object it says in how many entries it is.
const DATA_ENTRIES: u64 = 56;

/// When an entry was written.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Microseconds since 1970.
    pub realtime: u64,
    /// Microseconds since the boot.
    pub monotonic: u64,
    /// The boot.
    pub boot: Id128,
}

/// A data object's payload, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// Its compression.
    pub flags: u8,
    /// `FIELD=value`, compressed or not.
    pub stored: Vec<u8>,
}

impl Payload {
    /// A field that is not compressed.
    pub fn plain(name: &str, value: impl AsRef<[u8]>) -> Self {
        Self { flags: 0, stored: [name.as_bytes(), b"=", value.as_ref()].concat() }
    }
}

/// How a payload is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// xz
    Xz,
    /// LZ4
    Lz4,
    /// zstd
    Zstd,
}

impl Packing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Xz, Self::Lz4, Self::Zstd];

    /// The bit in the header and in an object, which are alike but for zstd.
    fn flags(self) -> (u32, u8) {
        match self {
            Self::Xz => (1, 1),
            Self::Lz4 => (2, 2),
            Self::Zstd => (8, 4),
        }
    }

    /// A field `MESSAGE` with the value [`long_message`], as the programs of this name compress it.
    pub fn message(self) -> Payload {
        let hex = match self {
            Self::Xz => XZ,
            Self::Lz4 => LZ4,
            Self::Zstd => ZSTD,
        };
        let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        Payload { flags: self.flags().1, stored: digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect() }
    }
}

/// What [`Packing::message`] holds.
pub fn long_message() -> String {
    (0..30).map(|line| format!("line {line} of a long message that repeats itself; ")).collect::<Vec<_>>().concat()
}

/// A file that is being written.
#[derive(Clone, Debug)]
pub struct JournalWriter {
    /// The file as it is now.
    pub bytes: Vec<u8>,
    compact: bool,
    known: HashMap<Payload, u64>,
    /// Where its entries are.
    pub entries: Vec<u64>,
    /// Where its entry arrays are.
    pub arrays: Vec<u64>,
    /// Items that still have room in the last array, and where the next one goes.
    room: u64,
    next_item: u64,
    /// The number of the last entry.
    pub seqnum: u64,
}

impl JournalWriter {
    /// A file without entries, online, whose entries have numbers of the run `seqnum_id` from 1 on.
    pub fn new(compact: bool, packing: Option<Packing>, seqnum_id: Id128) -> Self {
        let mut header = vec![0; HEADER as usize];
        header[..8].copy_from_slice(b"LPKSHHRH");
        header[16] = 1;
        header[24..40].copy_from_slice(&seqnum_id.0.map(|byte| !byte)); // the file's own name
        header[40..56].copy_from_slice(&[0xab; 16]); // the machine's
        header[72..88].copy_from_slice(&seqnum_id.0);
        let known = HashMap::new();
        let (entries, arrays) = (Vec::new(), Vec::new());
        let mut writer = Self { bytes: header, compact, known, entries, arrays, room: 0, next_item: 0, seqnum: 0 };
        let flags = packing.map_or(0, |packing| packing.flags().0) | if compact { COMPACT } else { 0 };
        writer.put(12, &flags.to_le_bytes());
        writer.put_u64(88, HEADER);
        for (at, kind) in [(104, DATA_TABLE), (120, FIELD_TABLE)] {
            let table = writer.object(kind, 0, &[0; 64]);
            writer.put_u64(at, table + 16);
            writer.put_u64(at + 8, 64);
        }
        writer
    }

    /// Appends an entry.
    pub fn entry(&mut self, times: Times, fields: &[Payload]) {
        self.seqnum += 1;
        let mut items: Vec<u64> = fields.iter().map(|field| self.data(field)).collect();
        items.sort_unstable();
        items.dedup();
        let mut body = Vec::new();
        for number in [self.seqnum, times.realtime, times.monotonic] {
            body.extend(number.to_le_bytes());
        }
        body.extend(times.boot.0);
        body.extend((self.seqnum << 32).to_le_bytes()); // anything will do for a hash that nobody computes
        for item in &items {
            body.extend(self.offset(*item));
            body.resize(body.len() + if self.compact { 0 } else { 8 }, 0);
        }
        let at = self.object(ENTRY, 0, &body);
        for item in items {
            self.add(item + DATA_ENTRIES, 1);
            if self.get_u64(item + 40) == 0 {
                self.put_u64(item + 40, at);
            }
        }
        self.list(at);
        self.put_u64(160, self.seqnum);
        self.put_u64(192, times.realtime);
        self.put_u64(200, times.monotonic);
        self.put(56, &times.boot.0);
        if self.get_u64(168) == 0 {
            self.put_u64(168, self.seqnum);
            self.put_u64(184, times.realtime);
        }
        self.entries.push(at);
        self.add(152, 1);
    }

    /// Says that nothing will be written to it any more.
    pub fn archive(&mut self) {
        self.bytes[16] = 2;
    }

    /// Writes at a place.
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Writes a number at a place.
    pub fn put_u64(&mut self, at: u64, number: u64) {
        self.put(at, &number.to_le_bytes());
    }

    /// The number at a place.
    pub fn get_u64(&self, at: u64) -> u64 {
        super::object::u64_at(&self.bytes, at as usize).unwrap_or_default()
    }

    fn add(&mut self, at: u64, number: u64) {
        self.put_u64(at, self.get_u64(at) + number);
    }

    fn offset(&self, offset: u64) -> Vec<u8> {
        if self.compact { (offset as u32).to_le_bytes().to_vec() } else { offset.to_le_bytes().to_vec() }
    }

    fn data(&mut self, payload: &Payload) -> u64 {
        if let Some(&at) = self.known.get(payload) {
            return at;
        }
        let mut body = vec![0; if self.compact { 56 } else { 48 }];
        body.extend(&payload.stored);
        let at = self.object(DATA, payload.flags, &body);
        self.known.insert(payload.clone(), at);
        self.add(208, 1);
        at
    }

    fn list(&mut self, entry: u64) {
        let item = self.offset(0).len() as u64;
        if self.room == 0 {
            let items = (self.entries.len() as u64 * 2).max(4);
            let last = self.arrays.last().map_or(176, |last| last + 16);
            let array = self.object(ENTRY_ARRAY, 0, &vec![0; (8 + items * item) as usize]);
            self.put_u64(last, array);
            self.arrays.push(array);
            self.add(232, 1);
            (self.room, self.next_item) = (items, array + 24);
        }
        self.put(self.next_item, &self.offset(entry));
        self.room -= 1;
        self.next_item += item;
    }

    fn object(&mut self, kind: u8, flags: u8, body: &[u8]) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.extend([kind, flags, 0, 0, 0, 0, 0, 0]);
        self.bytes.extend((16 + body.len() as u64).to_le_bytes());
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.put_u64(136, at);
        self.put_u64(96, self.bytes.len() as u64 - HEADER);
        self.add(144, 1);
        at
    }
}

/// `xz -0 --check=none`
const XZ: &str = "\
    fd377a585a000000ff12d941020021010c0000008f98419ce0057f007e5d00269146acd06f74b8a61cf92798f22e8e42ba65b6757fd3a41f2244\
    7dbf787c3f1ab5a7177e6f38717498dd16c390598ece63b32264c75d7ef6803581d46ca6bcf8eba44d4bd8cae37b46a0db697bd39b55e27f37ff\
    d1e6835e35137da4c0a176f0b5d4fd62bf2ce0778313e922fe2ba5250e4a89836425b19597af32bf1000000000019201800b0000ff13974fa800\
    0afc020000000000595a";
/// A block of `lz4`, behind its size.
const LZ4: &str = "\
    8005000000000000f1274d4553534147453d6c696e652030206f662061206c6f6e67206d65737361676520746861742072657065617473206974\
    73656c663b202e001f312e001a1f322e001a1f332e001a1f342e001a1f352e001a1f362e001a1f372e001a1f382e001a1f392e001a1f31cd011c\
    0fce011b1f31cf011b1f31d0011b1f31d1011b1f31d2011b1f31d3011b1f31d4011b1f31d5011b1f31d6011b1f32d6011b1f32d6011b1f32d601\
    1b1f32d6011b1f32d6011b1f32d6011b1f32d6011b1f32d6011b1f32d6011b1f32d6011150656c663b20";
/// `zstd --no-check`
const ZSTD: &str = "\
    28b52ffd608004b5040022851117804b7320a27b9c90283c5d309a85dc706c6d2adc1359d1ffffffbf6ddbb60d05c2401000dc3d1c7598a99876\
    8e7b348d913d6488d7285a89aaf524457a2b294451248c298b1e00002403f306261b9832306f60b2812903f306261b4c397bcd1b7b4df6f59ab2\
    f59a77f59a6cea35e5e9356fe935f9e8350de81531812902f30426139822304f6032812902f304865914d41e";
