//! The bytes of a ZIP (PKWARE's APPNOTE 6.3.10) whose entries are stored and whose sizes come after the data.
//!
//! ```text
//! header, data, descriptor │ header, data, descriptor │ … │ directory │ end       (§4.3.6)
//! ```
//!
//! Written here and not by a crate: those bring readers too, and a table for the checksum that no compression
//! makes smaller.
use std::mem;

/// What a 32-bit field says when a 64-bit one has the number (§4.4.1.4).
const SEE_64: u32 = u32::MAX;
/// Names are UTF-8 (§4.4.4, bit 11).
const UTF8: u16 = 1 << 11;
/// Sizes and checksum follow the data (§4.4.4, bit 3).
const DESCRIPTOR: u16 = 1 << 3;
/// Made on Unix, by version 4.5 of the format (§4.4.2).
const MADE_BY: u16 = 3 << 8 | 45;
/// The extra field with 64-bit numbers (§4.5.3).
const EXTRA_64: u16 = 0x0001;
/// The Info-ZIP extra field with the time in seconds since 1970.
const EXTRA_TIME: u16 = 0x5455;

/// What is said of an entry beside its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    pub(super) folder: bool,
    /// Whether it may reach 4 GiB.
    pub(super) large: bool,
    /// Unix permissions.
    pub(super) mode: u32,
    /// Date and time as MS-DOS has them (§4.4.6).
    pub(super) dos: (u16, u16),
    /// Seconds since 1970.
    pub(super) modified: Option<i32>,
}

/// An archive being written; its bytes are added to a buffer of the caller's.
pub(super) struct Zip {
    crc: Crc32,
    /// Bytes written before those in the buffer that the caller holds.
    position: u64,
    entries: Vec<Entry>,
    /// Whether the last entry's data are coming.
    open: bool,
}

struct Entry {
    name: String,
    attributes: Attributes,
    offset: u64,
    crc: u32,
    size: u64,
}

impl Entry {
    fn flags(&self) -> u16 {
        if self.attributes.folder { UTF8 } else { UTF8 | DESCRIPTOR }
    }

    fn version(&self) -> u16 {
        if self.attributes.large || self.offset >= u64::from(SEE_64) { 45 } else { 20 }
    }

    /// What header and directory share: from the version to the checksum.
    fn common(&self, out: &mut Vec<u8>, crc: u32) {
        put16(out, self.version());
        put16(out, self.flags());
        put16(out, 0); // stored
        put16(out, self.attributes.dos.1);
        put16(out, self.attributes.dos.0);
        put32(out, crc);
    }

    fn time(&self) -> Vec<u8> {
        let mut field = Vec::new();
        if let Some(modified) = self.attributes.modified {
            put16(&mut field, EXTRA_TIME);
            put16(&mut field, 5);
            field.push(1); // bit 0: the modification time follows
            field.extend_from_slice(&modified.to_le_bytes());
        }
        field
    }
}

impl Zip {
    pub(super) fn new() -> Self {
        Self { crc: Crc32::new(), position: 0, entries: Vec::new(), open: false }
    }

    /// Ends the entry before and begins another; `name` has `/` between its parts, and none at the end.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>, name: &str, attributes: Attributes) {
        self.end(out);
        let from = out.len();
        let name = if attributes.folder { format!("{name}/") } else { name.to_owned() };
        let entry = Entry { name, attributes, offset: self.position, crc: 0, size: 0 };
        put32(out, 0x0403_4b50);
        entry.common(out, 0);
        let (size, mut extra) = (if attributes.large { SEE_64 } else { 0 }, Vec::new());
        if attributes.large {
            // That it is here says that the descriptor's sizes have 64 bits (§4.3.9.2).
            put16(&mut extra, EXTRA_64);
            put16(&mut extra, 16);
            extra.extend_from_slice(&[0; 16]);
        }
        extra.extend(entry.time());
        put32(out, size);
        put32(out, size);
        put16(out, entry.name.len() as u16); // a RelPath is far shorter
        put16(out, extra.len() as u16);
        out.extend_from_slice(entry.name.as_bytes());
        out.extend(extra);
        self.position += (out.len() - from) as u64;
        self.open = !attributes.folder;
        self.entries.push(entry);
    }

    /// The next bytes of the entry that was begun last.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if let Some(entry) = self.entries.last_mut() {
            entry.crc = self.crc.update(entry.crc, bytes);
            entry.size += bytes.len() as u64;
            self.position += bytes.len() as u64;
            out.extend_from_slice(bytes);
        }
    }

    /// Ends the last entry and writes the directory.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.end(out);
        let (offset, from) = (self.position, out.len());
        let entries = mem::take(&mut self.entries);
        for entry in &entries {
            directory_entry(out, entry);
        }
        let size = (out.len() - from) as u64;
        let count = entries.len() as u64;
        if count >= 0xffff || offset.max(size) >= u64::from(SEE_64) {
            put32(out, 0x0606_4b50); // §4.3.14
            put64(out, 44);
            put16(out, MADE_BY);
            put16(out, 45);
            put64(out, 0); // two disk numbers
            for number in [count, count, size, offset] {
                put64(out, number);
            }
            put32(out, 0x0706_4b50); // §4.3.15
            put32(out, 0);
            put64(out, offset + size);
            put32(out, 1);
        }
        put32(out, 0x0605_4b50); // §4.3.16
        put32(out, 0); // two disk numbers
        put16(out, count.min(0xffff) as u16);
        put16(out, count.min(0xffff) as u16);
        put32(out, narrow(size));
        put32(out, narrow(offset));
        put16(out, 0);
        self.position += (out.len() - from) as u64;
    }

    /// The descriptor after an entry's data (§4.3.9).
    fn end(&mut self, out: &mut Vec<u8>) {
        let (true, Some(entry)) = (mem::take(&mut self.open), self.entries.last()) else { return };
        let from = out.len();
        put32(out, 0x0807_4b50);
        put32(out, entry.crc);
        for _ in 0..2 {
            if entry.attributes.large { put64(out, entry.size) } else { put32(out, entry.size as u32) }
        }
        self.position += (out.len() - from) as u64;
    }
}

/// §4.3.12.
fn directory_entry(out: &mut Vec<u8>, entry: &Entry) {
    let mut wide = Vec::new();
    for number in [entry.size, entry.size, entry.offset] {
        if number >= u64::from(SEE_64) {
            put64(&mut wide, number);
        }
    }
    let mut extra = Vec::new();
    if !wide.is_empty() {
        put16(&mut extra, EXTRA_64);
        put16(&mut extra, wide.len() as u16);
        extra.extend(wide);
    }
    extra.extend(entry.time());
    let kind = if entry.attributes.folder { 0o040_000 } else { 0o100_000 };
    put32(out, 0x0201_4b50);
    put16(out, MADE_BY);
    entry.common(out, entry.crc);
    put32(out, narrow(entry.size));
    put32(out, narrow(entry.size));
    put16(out, entry.name.len() as u16);
    put16(out, extra.len() as u16);
    put32(out, 0); // no comment, disk 0
    put16(out, 0); // no internal attributes
    put32(out, (kind | entry.attributes.mode) << 16 | u32::from(entry.attributes.folder) << 4);
    put32(out, narrow(entry.offset));
    out.extend_from_slice(entry.name.as_bytes());
    out.extend(extra);
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(SEE_64)
}

fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// ISO 3309's checksum, sixteen bytes at a time; the tables are made when first needed.
struct Crc32(Box<[[u32; 256]; 16]>);

impl Crc32 {
    fn new() -> Self {
        let mut tables = Box::new([[0u32; 256]; 16]);
        for first in 0..256 {
            let mut crc = first as u32;
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
            tables[0][first] = crc;
        }
        for table in 1..16 {
            for first in 0..256 {
                let crc = tables[table - 1][first];
                tables[table][first] = crc >> 8 ^ tables[0][(crc & 0xff) as usize];
            }
        }
        Self(tables)
    }

    /// The checksum of what had the checksum `crc` followed by `bytes`.
    fn update(&self, crc: u32, bytes: &[u8]) -> u32 {
        let tables = &*self.0;
        let mut crc = !crc;
        let (pieces, rest) = bytes.as_chunks::<16>();
        for piece in pieces {
            let mut piece = *piece;
            for (byte, of_crc) in piece.iter_mut().zip(crc.to_le_bytes()) {
                *byte ^= of_crc;
            }
            crc = 0;
            for (byte, table) in piece.iter().zip(tables.iter().rev()) {
                crc ^= table[usize::from(*byte)];
            }
        }
        for byte in rest {
            crc = crc >> 8 ^ tables[0][usize::from(crc as u8 ^ byte)];
        }
        !crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Read};
    use zip::ZipArchive;

    const FILE: Attributes = Attributes {
        folder: false,
        large: false,
        mode: 0o644,
        dos: (0x21, 0),
        modified: Some(1_700_000_001),
    };

    #[test]
    fn another_reader_finds_names_bytes_modes_and_times() {
        let long: Vec<u8> = (0..100_003u32).map(|i| ((i * 7) >> 3) as u8).collect();
        let (mut zip, mut out) = (Zip::new(), Vec::new());
        zip.begin(&mut out, "사진", Attributes { folder: true, mode: 0o755, ..FILE });
        zip.begin(&mut out, "사진/a", FILE);
        for piece in long.chunks(333) {
            zip.write(&mut out, piece);
        }
        zip.begin(&mut out, "empty", Attributes { mode: 0o755, ..FILE });
        zip.begin(&mut out, "large", Attributes { large: true, modified: None, ..FILE });
        zip.write(&mut out, b"123456789");
        zip.finish(&mut out);

        let mut read = ZipArchive::new(Cursor::new(out)).unwrap();
        let mut found = Vec::new();
        for index in 0..read.len() {
            let mut file = read.by_index(index).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap(); // compares the checksum
            found.push((file.name().to_owned(), file.unix_mode().unwrap(), bytes));
        }

        let expected = [
            ("사진/", 0o040_755, Vec::new()),
            ("사진/a", 0o100_644, long),
            ("empty", 0o100_755, Vec::new()),
            ("large", 0o100_644, b"123456789".to_vec()),
        ];
        assert_eq!(found, expected.map(|(name, mode, bytes)| (name.to_owned(), mode, bytes)));
        assert!(read.by_name("사진/a").unwrap().extra_data_fields().any(|field| matches!(
            field,
            zip::extra_fields::ExtraField::ExtendedTimestamp(time) if time.mod_time() == Some(1_700_000_001)
        )));
    }

    #[test]
    fn more_than_four_gigabytes_and_more_than_65535_entries_are_found() {
        let (mut zip, mut out) = (Zip::new(), Vec::new());
        for number in 0..70_000 {
            zip.begin(&mut out, &number.to_string(), FILE);
        }
        zip.finish(&mut out);
        assert_eq!(ZipArchive::new(Cursor::new(out)).unwrap().len(), 70_000);

        // As if 5 GiB had gone out: what is in the buffer is only the end.
        let (mut zip, mut out) = (Zip::new(), Vec::new());
        zip.begin(&mut out, "large", Attributes { large: true, ..FILE });
        zip.entries[0].size = 5 << 30;
        zip.position += 5 << 30;
        zip.begin(&mut out, "after", FILE);
        let (after, directory) = (zip.entries[1].offset, zip.position + 16);
        out.clear();
        zip.finish(&mut out);

        let count = |number: u64| out.windows(8).filter(|bytes| *bytes == number.to_le_bytes()).count();
        assert_eq!((count(5 << 30), count(after), count(directory)), (2, 1, 1), "two sizes and two places");
    }

    #[test]
    fn the_checksum_is_the_usual_one_however_it_is_cut() {
        let crc = Crc32::new();
        assert_eq!(crc.update(0, b"123456789"), 0xcbf4_3926);
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * i) as u8).collect();
        for cut in [0, 1, 15, 16, 17, 500, 1000] {
            assert_eq!(crc.update(crc.update(0, &bytes[..cut]), &bytes[cut..]), crc.update(0, &bytes));
        }
    }
}
