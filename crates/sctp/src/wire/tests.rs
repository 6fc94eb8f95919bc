//! Golden bytes of every chunk, round trips, and damage.
use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |d: u8| (d as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// One of each, as a peer would send it.
const GOLDEN: &[(&str, &str)] = &[
    // type flags length | TSN | stream ssn | ppid | "abc" pad
    ("DATA", "00 0b 0013 | 00000005 | 0001 0002 | 00000035 | 616263 00"),
    // type flags length | TSN | stream reserved | message | ppid | "ab" pad
    ("I-DATA", "40 07 0016 | 00000005 | 0001 0000 | 00000009 | 00000035 | 6162 0000"),
    // tag | window | streams out, in | TSN | forward TSN | extensions 82 c0: what Chromium sends
    ("INIT", "01 00 0020 | 11223344 | 00500000 | ffff ffff | 00000007 | c000 0004 | 8008 0006 82c0 0000"),
    // tag | window | streams | TSN | cookie "hey" | zero checksum by DTLS | paced
    (
        "INIT ACK",
        "02 00 0028 | 11223344 | 00020000 | 0100 0200 | 00000007 | 0007 0007 686579 00 | 8001 0008 00000001 | 8b1c 0004",
    ),
    // cumulative | window | 2 gaps, 1 duplicate | 2-3 | 5-5 | 16
    ("SACK", "03 00 001c | 00000010 | 00010000 | 0002 0001 | 0002 0003 | 0005 0005 | 00000010"),
    // cumulative | window | 1 duplicate | 2-3 | 70000-70001
    ("DELTA SACK", "9c 00 0020 | 00000010 | 00010000 | 0001 0000 | 00000002 00000003 | 00011170 00011171"),
    ("HEARTBEAT", "04 00 000c | 0001 0008 01020304"),
    ("HEARTBEAT ACK", "05 00 000c | 0001 0008 01020304"),
    // cause 12, user-initiated: "bye" pad
    ("ABORT", "06 00 000c | 000c 0007 627965 00"),
    ("SHUTDOWN", "07 00 0008 | 00000010"),
    ("SHUTDOWN ACK", "08 00 0004"),
    // cause 1, stream 7, reserved
    ("ERROR", "09 00 000c | 0001 0008 0007 0000"),
    ("COOKIE ECHO", "0a 00 0007 | 686579 00"),
    ("COOKIE ACK", "0b 00 0004"),
    ("SHUTDOWN COMPLETE", "0e 00 0004"),
    // outgoing reset: request, response, last TSN, stream 1, pad
    ("RE-CONFIG", "82 00 0018 | 000d 0012 00000001 00000002 00000003 0001 0000"),
    // response: request 1, performed
    ("RE-CONFIG response", "82 00 0010 | 0010 000c 00000001 00000001"),
    // incoming reset of all streams
    ("RE-CONFIG incoming", "82 00 000c | 000e 0008 00000001"),
    // five zeros, and the chunk's own padding
    ("PAD", "84 00 0009 | 0000000000 000000"),
    // cumulative, stream 1 up to 2
    ("FORWARD TSN", "c0 00 000c | 00000010 | 0001 0002"),
    // cumulative, stream 1 unordered up to message 2
    ("I-FORWARD-TSN", "c2 00 0010 | 00000010 | 0001 0001 00000002"),
    ("unknown", "bf 05 0006 | 0102 0000"),
];

fn first_chunk(bytes: &[u8]) -> Result<Chunk<'_>, Malformed> {
    let mut chunks = Chunks::of(bytes);
    Chunk::parse(chunks.next().unwrap()?)
}

#[test]
fn golden_bytes_are_read_and_written_the_same() {
    for (name, text) in GOLDEN {
        let mut bytes = hex(text);
        // A length that does not count the inner padding: the last parameter's own.
        let chunk = first_chunk(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));

        let mut out = Vec::new();
        chunk.write(&mut out);

        // The chunk's length may or may not count the padding of its last parameter (RFC 9260 §3.2): both are read.
        bytes[3] = out[3];
        assert_eq!(out, bytes, "{name}");
    }
}

#[test]
fn fields_are_where_the_pictures_say() {
    let bytes = hex(GOLDEN[0].1);
    let Chunk::Data(data) = first_chunk(&bytes).unwrap() else { panic!() };
    assert_eq!(data.placement, Placement { immediate: true, unordered: false, first: true, last: true });
    assert_eq!((data.tsn, data.stream, data.ssn, data.ppid, data.payload), (5, 1, 2, 53, &b"abc"[..]));

    let bytes = hex(GOLDEN[4].1);
    let Chunk::Sack(sack) = first_chunk(&bytes).unwrap() else { panic!() };
    assert_eq!((sack.cumulative, sack.window), (16, 65536));
    let gaps: Vec<_> = sack.gaps().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(gaps, [(2, 3), (5, 5)]);
    assert_eq!(sack.duplicates().collect::<Vec<_>>(), [16]);

    let bytes = hex(GOLDEN[3].1);
    let Chunk::InitAck(init) = first_chunk(&bytes).unwrap() else { panic!() };
    assert_eq!((init.outbound, init.inbound, init.cookie.as_deref()), (256, 512, Some(&b"hey"[..])));
    assert_eq!((init.zero_checksum, init.paced, init.forward_tsn), (Some(DTLS_ZERO_CHECKSUM), true, false));
}

#[test]
fn unknown_chunks_are_treated_by_their_high_bits() {
    assert_eq!(ChunkType(0x3f).on_unknown(), OnUnknown { skip: false, report: false });
    assert_eq!(ChunkType(0x7f).on_unknown(), OnUnknown { skip: false, report: true });
    assert_eq!(ChunkType(0xbf).on_unknown(), OnUnknown { skip: true, report: false });
    assert_eq!(ChunkType(0xff).on_unknown(), OnUnknown { skip: true, report: true });
}

#[test]
fn a_packet_has_its_checksum() {
    let header = Header { source: 5000, destination: 5000, tag: 7 };
    let mut packet = vec![0xee; 3]; // what stands before in the caller's buffer
    start(&mut packet, header);
    CookieAck.write(&mut packet);
    seal(&mut packet, 3);

    assert_eq!(packet[3..11], hex("1388 1388 00000007"));
    assert_eq!(packet[15..], hex("0b000004"));
    let read = Packet::parse(&packet[3..], false).unwrap();
    assert_eq!(read.header, header);
    assert_eq!(read.chunks().count(), 1);

    packet[7] ^= 1;
    assert_eq!(Packet::parse(&packet[3..], false), Err(Malformed("checksum")));
    packet[11..15].fill(0);
    assert!(Packet::parse(&packet[3..], false).is_err());
    assert!(Packet::parse(&packet[3..], true).is_ok());
}

#[test]
fn the_checksum_is_crc32c() {
    // RFC 3720 §B.4: 32 bytes of zero give 0x8a9136aa.
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
}

#[test]
fn data_without_bytes_and_init_without_tag_are_refused() {
    assert!(first_chunk(&hex("00 03 0010 00000005 0001 0002 00000035")).is_err());
    assert!(first_chunk(&hex("01 00 0014 00000000 00500000 ffff ffff 00000007")).is_err());
    assert!(first_chunk(&hex("03 00 0010 00000010 00010000 ffff 0001")).is_err());
}

fn read_all(bytes: &[u8]) {
    for raw in Chunks::of(bytes) {
        let Ok(raw) = raw else { return };
        let Ok(chunk) = Chunk::parse(raw) else { continue };
        match &chunk {
            Chunk::Sack(sack) => _ = (sack.gaps().count(), sack.duplicates().count()),
            Chunk::Reconfig(reconfig) => {
                for param in reconfig.params() {
                    if let ReconfigParam::Outgoing { reset, .. } = param {
                        reset.streams().count();
                    }
                }
            }
            Chunk::ForwardTsn(forward) => _ = forward.skipped().count(),
            Chunk::IForwardTsn(forward) => _ = forward.skipped().count(),
            Chunk::Abort(abort) => _ = abort.causes().count(),
            Chunk::Error(error) => _ = error.causes().count(),
            _ => {}
        }
        let mut out = Vec::new();
        chunk.write(&mut out);
    }
}

proptest! {
    #[test]
    fn damaged_chunks_do_not_panic(
        which in 0..GOLDEN.len(), flips in prop::collection::vec((0usize..64, any::<u8>()), 0..6), cut in 0usize..64
    ) {
        let mut bytes = hex(GOLDEN[which].1);
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len().saturating_sub(cut % 8));
        read_all(&bytes);
    }

    #[test]
    fn any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
        _ = Packet::parse(&bytes, true);
    }
}
