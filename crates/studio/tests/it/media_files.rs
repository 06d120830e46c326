//! Small media files made here byte by byte, honest ones and others.

/// A photograph as a camera would give it, without metadata.
const STILL: &[u8] = include_bytes!("fixtures/still.jpg");

/// A PNG of one shade.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let row = [vec![0_u8], vec![0x5a; width as usize]].concat();
    png_of(width, height, &zlib_stored(&row.repeat(height as usize)), &[])
}

/// A PNG that claims a size and carries the data of a single dot.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    png_of(width, height, &zlib_stored(&[0, 0]), &[])
}

/// A PNG with a text in it.
pub fn png_saying(text: &str) -> Vec<u8> {
    let said = [b"Comment\0".as_slice(), text.as_bytes()].concat();
    png_of(1, 1, &zlib_stored(&[0, 0]), &said)
}

fn png_of(width: u32, height: u32, data: &[u8], text: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[8, 0, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header);
    if !text.is_empty() {
        chunk(&mut file, b"tEXt", text);
    }
    chunk(&mut file, b"IDAT", data);
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    file.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
    let from = file.len();
    file.extend_from_slice(kind);
    file.extend_from_slice(data);
    let sum = crc32(&file[from..]);
    file.extend_from_slice(&sum.to_be_bytes());
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4).
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks: Vec<_> = data.chunks(0xffff).collect();
    for (number, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(number + 1 == blocks.len()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend_from_slice(&((b << 16) | a).to_be_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            if c & 1 == 1 {
                (c >> 1) ^ 0xedb8_8320
            } else {
                c >> 1
            }
        })
    })
}

/// Every text in a PNG (tEXt, iTXt), one after the other.
pub fn png_texts(file: &[u8]) -> String {
    let mut texts = String::new();
    let mut rest = file.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("a PNG");
    while let [a, b, c, d, k0, k1, k2, k3, tail @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if matches!(&[*k0, *k1, *k2, *k3], b"tEXt" | b"iTXt") {
            texts.push_str(&String::from_utf8_lossy(&tail[..length]));
            texts.push('\n');
        }
        rest = &tail[length + 4..];
    }
    texts
}

/// A photograph with the place where it was taken, and that place in words.
pub fn jpeg_with_place(words: &str) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        let (tag, kind) = (tag.to_le_bytes(), kind.to_le_bytes());
        [&tag[..], &kind, &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    // Directory 0 at 8: its only entry points to the GPS directory at 26.
    tiff.extend_from_slice(&1_u16.to_le_bytes());
    tiff.extend(entry(0x8825, 4, 1, 26));
    tiff.extend_from_slice(&0_u32.to_le_bytes());
    // GPS directory: "S", and the latitude as three fractions at 56.
    tiff.extend_from_slice(&2_u16.to_le_bytes());
    tiff.extend(entry(1, 2, 2, u32::from(b'S')));
    tiff.extend(entry(2, 5, 3, 56));
    tiff.extend_from_slice(&0_u32.to_le_bytes());
    for part in [23_u32, 33, 1] {
        tiff.extend_from_slice(&part.to_le_bytes());
        tiff.extend_from_slice(&1_u32.to_le_bytes());
    }
    tiff.extend_from_slice(words.as_bytes());
    let length = u16::try_from(tiff.len() + 8).unwrap();
    let segment = [b"\xff\xe1", length.to_be_bytes().as_slice(), b"Exif\0\0", &tiff].concat();
    [&STILL[..2], &segment, &STILL[2..]].concat()
}

pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
