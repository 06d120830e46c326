//! Our own pixels as PNG or lossless WebP, saying in the file that a machine made them.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use img_parts::png::{Png, PngChunk};

use crate::protocol::{Encoded, Still, StillFormat};
use crate::{MediaError, MediaType, container};

/// What the files name as the program that made them.
const SOFTWARE: &str = "Secure AI Studio";

/// IPTC's term for media made by a trained model
/// (<https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia>).
const SOURCE_TYPE: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 2_000;

/// Writes RGB8 `pixels` as a picture with its description.
pub(crate) fn encode(job: &Still, pixels: &[u8]) -> Result<(Encoded, Vec<u8>), MediaError> {
    check_pixels(job.width, job.height, pixels)?;
    if job.description.len() > MAX_DESCRIPTION {
        return Err(MediaError::BadRequest {
            what: format!("a description has at most {MAX_DESCRIPTION} bytes"),
        });
    }
    let failed = |error: image::ImageError| MediaError::Encode {
        what: error.to_string(),
    };
    let mut bare = Vec::new();
    let (media_type, result) = match job.format {
        StillFormat::Png => {
            PngEncoder::new_with_quality(&mut bare, CompressionType::Default, FilterType::Adaptive)
                .write_image(pixels, job.width, job.height, ExtendedColorType::Rgb8)
                .map_err(failed)?;
            (MediaType::Png, describe_png(bare, &job.description)?)
        }
        StillFormat::WebP => {
            WebPEncoder::new_lossless(&mut bare)
                .write_image(pixels, job.width, job.height, ExtendedColorType::Rgb8)
                .map_err(failed)?;
            let result = describe_webp(&bare, job)?;
            (MediaType::WebP, result)
        }
    };
    let encoded = Encoded {
        media_type,
        width: job.width,
        height: job.height,
        frames: 1,
        seconds: 0.0,
    };
    Ok((encoded, result))
}

/// Checks that `pixels` are `width` × `height` RGB8 within the limits.
pub(crate) fn check_pixels(width: u32, height: u32, pixels: &[u8]) -> Result<(), MediaError> {
    container::check_size(width, height).map_err(|error| MediaError::BadRequest {
        what: error.to_string(),
    })?;
    let expected = u64::from(width) * u64::from(height) * 3;
    if u64::try_from(pixels.len()) != Ok(expected) {
        return Err(MediaError::BadRequest {
            what: format!("{expected} bytes of RGB8 expected, {} given", pixels.len()),
        });
    }
    Ok(())
}

/// Adds iTXt chunks (PNG 3rd edition, 11.3.3.4) after the header: software, description, XMP.
fn describe_png(bare: Vec<u8>, description: &str) -> Result<Vec<u8>, MediaError> {
    let mut png = Png::from_bytes(bare.into()).map_err(|error| MediaError::Encode {
        what: error.to_string(),
    })?;
    let texts = [
        ("Software", SOFTWARE.to_owned()),
        ("Description", description.to_owned()),
        ("XML:com.adobe.xmp", xmp(description)),
    ];
    for (place, (keyword, text)) in texts.into_iter().enumerate() {
        let mut data = keyword.as_bytes().to_vec();
        // Not compressed, method 0, no language, no translated keyword.
        data.extend_from_slice(&[0, 0, 0, 0, 0]);
        data.extend_from_slice(text.as_bytes());
        let chunk = PngChunk::new(*b"iTXt", data.into());
        png.chunks_mut().insert(place + 1, chunk);
    }
    let mut result = Vec::new();
    png.encoder()
        .write_to(&mut result)
        .map_err(|error| MediaError::Encode {
            what: error.to_string(),
        })?;
    Ok(result)
}

/// Wraps a plain lossless WebP in the extended layout (RFC 9649, 2.7) with an XMP chunk.
fn describe_webp(bare: &[u8], job: &Still) -> Result<Vec<u8>, MediaError> {
    const XMP_FLAG: u8 = 0x04;
    let picture = bare
        .get(12..)
        .filter(|rest| rest.starts_with(b"VP8L"))
        .ok_or_else(|| MediaError::Encode {
            what: "the encoder wrote no lossless WebP".to_owned(),
        })?;
    let mut body = b"WEBP".to_vec();
    let mut header = vec![XMP_FLAG, 0, 0, 0];
    for side in [job.width, job.height] {
        header.extend_from_slice(&(side - 1).to_le_bytes()[..3]);
    }
    push_chunk(&mut body, *b"VP8X", &header);
    body.extend_from_slice(picture);
    push_chunk(&mut body, *b"XMP ", xmp(&job.description).as_bytes());
    let mut result = b"RIFF".to_vec();
    result.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    result.extend_from_slice(&body);
    Ok(result)
}

fn push_chunk(body: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    body.extend_from_slice(&kind);
    body.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(data);
    if data.len() % 2 == 1 {
        body.push(0);
    }
}

fn xmp(description: &str) -> String {
    let text = description
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!(
        "<?xpacket begin=\"\u{FEFF}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" \
         xmp:CreatorTool=\"{SOFTWARE}\" Iptc4xmpExt:DigitalSourceType=\"{SOURCE_TYPE}\">\
         <dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">{text}</rdf:li></rdf:Alt></dc:description>\
         </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>"
    )
}
