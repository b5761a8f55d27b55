//! Frame headers, there and back. RFC 6455 §5.2.

use sansocket::{
    ProtocolError,
    frame::{Header, MaskingKey, OpCode, Start},
};

use super::source::Source;

type Parsed = Result<Option<(Header, usize)>, ProtocolError>;

/// The input is the beginning of a frame, and then a header spelt out: parsing and writing undo each other, and a
/// header that arrives byte by byte is judged like one that arrives whole.
pub fn header(data: &[u8]) {
    let whole = Header::parse(data);
    if let Ok(Some((header, len))) = whole {
        assert_eq!(written(&header), data[..len], "the written form is what was parsed");
        agrees_with_start(data, &header, len);
    }
    prefixes_agree(data, whole);
    write_then_parse(&mut Source::new(data));
}

fn written(header: &Header) -> Vec<u8> {
    let mut wire = Vec::new();
    header.write(&mut wire);
    wire
}

fn agrees_with_start(data: &[u8], header: &Header, len: usize) {
    let start = Start::parse([data[0], data[1]]).expect("the header was parsed");
    let behind = &data[2..];
    assert_eq!((start.fin, start.rsv, start.opcode), (header.fin, header.rsv, header.opcode));
    assert_eq!(start.header_len(), len);
    assert_eq!(start.payload_len(behind), Ok(Some(header.payload_len)));
    assert_eq!(start.masked, header.masking_key.is_some());
    assert_eq!(start.masking_key(behind), Some(header.masking_key.unwrap_or_default()));
    assert_eq!(start.exceeds_control(), header.payload_len > 125);
}

/// `None` up to the byte that decides, and the verdict from there on.
fn prefixes_agree(data: &[u8], whole: Parsed) {
    let decided_at = match whole {
        Ok(Some((_, len))) => len,
        Ok(None) => usize::MAX,
        Err(ProtocolError::ReservedOpCode) => 2,
        Err(_) => 2 + if data[1] & 0x7F == 126 { 2 } else { 8 },
    };
    for end in 0..=data.len().min(Header::MAX_LEN + 2) {
        let expected = if end < decided_at { Ok(None) } else { whole };
        assert_eq!(Header::parse(&data[..end]), expected, "after {end} bytes");
    }
}

fn write_then_parse(source: &mut Source<'_>) {
    let [first, flags] = source.array();
    let Ok(opcode) = OpCode::parse(first) else { return };
    let key = MaskingKey::new(source.array());
    // Small lengths as often as large ones.
    let payload_len = u64::from_be_bytes(source.array()) >> (1 + (flags & 0x3F) % 63);
    let header = Header {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 0b111,
        opcode,
        masking_key: (flags & 0x80 != 0).then_some(key),
        payload_len,
    };
    let wire = written(&header);
    assert!(wire.len() <= Header::MAX_LEN);
    assert_eq!(Header::parse(&wire), Ok(Some((header, wire.len()))));
}
