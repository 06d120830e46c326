//! A still shown by a moving camera, as H.264 in MP4. It is an animated still and says so in its title.

use muxide::api::{Metadata, MuxerBuilder, VideoCodec};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange, VuiConfig,
};
use openh264::formats::{RgbSliceU8, YUVBuffer};

use crate::limits::{ANIMATE_SECONDS, FRAMES_PER_SECOND, MAX_ANIMATE_SIDE, MIN_ANIMATE_SIDE};
use crate::protocol::{Animate, CameraMove, Encoded};
use crate::{MediaError, MediaType, still};

/// How much closer the camera is at its closest.
const ZOOM: f64 = 1.18;
/// Bits per pixel and frame that the encoder aims at; generous, because the clip is short.
const BITS_PER_PIXEL: f64 = 0.35;
/// Longest title, in bytes.
const MAX_TITLE: usize = 200;

/// Encodes the camera's way over `pixels` (RGB8).
pub(crate) fn encode(job: &Animate, pixels: &[u8]) -> Result<(Encoded, Vec<u8>), MediaError> {
    still::check_pixels(job.width, job.height, pixels)?;
    check(job)?;
    let failed = |what: String| MediaError::Encode { what };
    let rate = f64::from(FRAMES_PER_SECOND);
    let frames = frame_count(job.seconds);
    let (width, height) = (job.out_width as usize, job.out_height as usize);

    let bits = f64::from(job.out_width) * f64::from(job.out_height) * rate * BITS_PER_PIXEL;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 1920² · 24 · 0.35, positive"
    )]
    let bits = bits as u32;
    let config = EncoderConfig::new()
        .bitrate(BitRate::from_bps(bits))
        .max_frame_rate(FrameRate::from_hz(24.0))
        .skip_frames(false)
        .intra_frame_period(IntraFramePeriod::from_num_frames(FRAMES_PER_SECOND))
        .qp(QpRange::new(10, 36))
        // One thread: the child has one share of the machine, and threads would cost address space.
        .num_threads(1)
        // The encoder's own RGB conversion is BT.601 with limited range; say so.
        .vui(VuiConfig::bt601());
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
        .map_err(|error| failed(error.to_string()))?;
    let mut muxer = MuxerBuilder::new(Vec::new())
        .video(VideoCodec::H264, job.out_width, job.out_height, rate)
        .with_metadata(Metadata::new().with_title(job.title.clone()))
        .with_fast_start(true)
        .build()
        .map_err(|error| failed(error.to_string()))?;

    let mut camera = Camera::new(job, pixels);
    let mut picture = vec![0u8; width * height * 3];
    let mut yuv = YUVBuffer::new(width, height);
    let mut coded = Vec::new();
    for frame in 0..frames {
        camera.shoot(progress(frame, frames), &mut picture);
        yuv.read_rgb8(RgbSliceU8::new(&picture, (width, height)));
        let stream = encoder.encode(&yuv).map_err(|error| failed(error.to_string()))?;
        let key = matches!(stream.frame_type(), FrameType::IDR | FrameType::I);
        coded.clear();
        stream.write_vec(&mut coded);
        muxer
            .write_video(f64::from(frame) / rate, &coded, key)
            .map_err(|error| failed(error.to_string()))?;
    }
    muxer
        .finish_in_place()
        .map_err(|error| failed(error.to_string()))?;
    let encoded = Encoded {
        media_type: MediaType::Mp4,
        width: job.out_width,
        height: job.out_height,
        frames,
        seconds: f64::from(frames) / rate,
    };
    Ok((encoded, muxer.into_writer()))
}

fn check(job: &Animate) -> Result<(), MediaError> {
    let bad = |what: String| Err(MediaError::BadRequest { what });
    for side in [job.out_width, job.out_height] {
        if !(MIN_ANIMATE_SIDE..=MAX_ANIMATE_SIDE).contains(&side) || side % 2 == 1 {
            return bad(format!(
                "a side of the video must be even and {MIN_ANIMATE_SIDE} to {MAX_ANIMATE_SIDE} pixels"
            ));
        }
    }
    if !ANIMATE_SECONDS.contains(&job.seconds) {
        return bad(format!(
            "the video must last {} to {} s",
            ANIMATE_SECONDS.start(),
            ANIMATE_SECONDS.end()
        ));
    }
    if job.title.len() > MAX_TITLE {
        return bad(format!("a title has at most {MAX_TITLE} bytes"));
    }
    Ok(())
}

fn frame_count(seconds: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be 1 to 10 s"
    )]
    let frames = (seconds * f64::from(FRAMES_PER_SECOND)).round() as u32;
    frames.max(2)
}

/// How far along its way the camera is, 0 to 1, starting and stopping gently (smootherstep: speed and
/// acceleration are zero at both ends).
fn progress(frame: u32, frames: u32) -> f64 {
    let t = f64::from(frame) / f64::from(frames - 1);
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

/// The window of the still that one frame shows: centre and size, in pixels of the still.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The window at `t` of the way. It never leaves the still.
fn window(job: &Animate, t: f64) -> Window {
    let (full_width, full_height) = (f64::from(job.width), f64::from(job.height));
    // The largest window with the video's proportions.
    let scale = (full_width / f64::from(job.out_width)).min(full_height / f64::from(job.out_height));
    let (width, height) = (
        f64::from(job.out_width) * scale,
        f64::from(job.out_height) * scale,
    );
    // Zoom grows by a constant factor per step of the way, which the eye sees as constant speed.
    let zoom = match job.camera {
        CameraMove::PushIn => ZOOM.powf(t),
        CameraMove::PullOut => ZOOM.powf(1.0 - t),
        CameraMove::PanLeft | CameraMove::PanRight => ZOOM,
    };
    let (width, height) = (width / zoom, height / zoom);
    // Where in the room that is left: 0 the left or top edge, 1 the right or bottom edge.
    let (across, down) = match job.camera {
        CameraMove::PushIn => (0.5, 0.5 - 0.15 * t),
        CameraMove::PullOut => (0.5, 0.35 + 0.15 * t),
        CameraMove::PanLeft => (1.0 - t, 0.5),
        CameraMove::PanRight => (t, 0.5),
    };
    Window {
        x: width / 2.0 + (full_width - width) * across,
        y: height / 2.0 + (full_height - height) * down,
        width,
        height,
    }
}

/// Four source positions and their weights for one place of the result.
#[derive(Debug, Clone, Copy)]
struct Taps {
    at: [usize; 4],
    weight: [f32; 4],
}

/// Catmull-Rom taps for a row or column of the result: a cubic that passes through the pixels, read at
/// fractions of a pixel, so that slow moves glide instead of jumping from pixel to pixel.
fn taps(out: usize, centre: f64, extent: f64, len: u32) -> Vec<Taps> {
    let last = f64::from(len - 1);
    #[expect(clippy::cast_precision_loss, reason = "at most 1,920")]
    let step = extent / out as f64;
    (0..out)
        .map(|index| {
            #[expect(clippy::cast_precision_loss, reason = "at most 1,920")]
            let position = centre - extent / 2.0 + (index as f64 + 0.5) * step - 0.5;
            let base = position.floor();
            #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
            let f = (position - base) as f32;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to 0..len"
            )]
            let at = [-1.0, 0.0, 1.0, 2.0].map(|offset| (base + offset).clamp(0.0, last) as usize);
            let (f2, f3) = (f * f, f * f * f);
            let weight = [
                -0.5 * f3 + f2 - 0.5 * f,
                1.5 * f3 - 2.5 * f2 + 1.0,
                -1.5 * f3 + 2.0 * f2 + 0.5 * f,
                0.5 * f3 - 0.5 * f2,
            ];
            Taps { at, weight }
        })
        .collect()
}

struct Camera<'a> {
    job: &'a Animate,
    pixels: &'a [u8],
    /// Rows of the still resampled to the video's width.
    rows: Vec<f32>,
}

impl<'a> Camera<'a> {
    fn new(job: &'a Animate, pixels: &'a [u8]) -> Self {
        let rows = vec![0.0; job.height as usize * job.out_width as usize * 3];
        Self { job, pixels, rows }
    }

    /// Renders the frame at `t` of the way into `picture` (RGB8): columns first, then rows.
    fn shoot(&mut self, t: f64, picture: &mut [u8]) {
        let window = window(self.job, t);
        let columns = taps(
            self.job.out_width as usize,
            window.x,
            window.width,
            self.job.width,
        );
        let lines = taps(
            self.job.out_height as usize,
            window.y,
            window.height,
            self.job.height,
        );
        let row_len = columns.len() * 3;
        let source_len = self.job.width as usize * 3;
        let first = lines.first().map_or(0, |taps| taps.at[0]);
        let last = lines.last().map_or(0, |taps| taps.at[3]);
        for line in first..=last {
            let source = &self.pixels[line * source_len..(line + 1) * source_len];
            let row = &mut self.rows[line * row_len..(line + 1) * row_len];
            for (taps, out) in columns.iter().zip(row.chunks_exact_mut(3)) {
                let [a, b, c, d] = taps.at.map(|column| &source[column * 3..column * 3 + 3]);
                let [wa, wb, wc, wd] = taps.weight;
                out[0] =
                    wa * f32::from(a[0]) + wb * f32::from(b[0]) + wc * f32::from(c[0]) + wd * f32::from(d[0]);
                out[1] =
                    wa * f32::from(a[1]) + wb * f32::from(b[1]) + wc * f32::from(c[1]) + wd * f32::from(d[1]);
                out[2] =
                    wa * f32::from(a[2]) + wb * f32::from(b[2]) + wc * f32::from(c[2]) + wd * f32::from(d[2]);
            }
        }
        for (taps, out) in lines.iter().zip(picture.chunks_exact_mut(row_len)) {
            let [a, b, c, d] = taps
                .at
                .map(|line| &self.rows[line * row_len..(line + 1) * row_len]);
            let [wa, wb, wc, wd] = taps.weight;
            for (index, value) in out.iter_mut().enumerate() {
                let sum = wa * a[index] + wb * b[index] + wc * c[index] + wd * d[index];
                // A cast saturates: overshoot of the cubic ends at black or white.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "saturating is meant"
                )]
                let byte = (sum + 0.5) as u8;
                *value = byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERAS: [CameraMove; 4] = [
        CameraMove::PushIn,
        CameraMove::PullOut,
        CameraMove::PanLeft,
        CameraMove::PanRight,
    ];

    fn job(camera: CameraMove) -> Animate {
        Animate {
            width: 200,
            height: 120,
            out_width: 256,
            out_height: 128,
            seconds: 3.0,
            camera,
            title: String::new(),
        }
    }

    #[test]
    fn the_window_stays_inside_the_still() {
        for camera in CAMERAS {
            let job = job(camera);
            for frame in 0..72 {
                let Window { x, y, width, height } = window(&job, progress(frame, 72));
                assert!(x - width / 2.0 > -1e-9 && x + width / 2.0 < 200.0 + 1e-9);
                assert!(y - height / 2.0 > -1e-9 && y + height / 2.0 < 120.0 + 1e-9);
                assert!((width / height - 2.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_camera_starts_and_stops_gently() {
        assert!(progress(0, 72).abs() < 1e-12 && (progress(71, 72) - 1.0).abs() < 1e-12);
        let step = |frame| progress(frame + 1, 72) - progress(frame, 72);
        assert!((0..71).all(|frame| step(frame) >= 0.0));
        assert!(step(0) < step(35) / 50.0 && step(70) < step(35) / 50.0);
    }

    #[test]
    fn an_edge_glides_without_jitter() {
        // A soft vertical edge; its place in each frame is where the middle row reaches half height.
        let (width, height) = (200u32, 120u32);
        let pixels: Vec<u8> = (0..height)
            .flat_map(|_| 0..width)
            .flat_map(|x| {
                let value = ((f64::from(x) - 100.0) * 16.0 + 128.0).clamp(0.0, 255.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                let value = value as u8;
                [value; 3]
            })
            .collect();
        for camera in CAMERAS {
            let job = job(camera);
            let mut shot = Camera::new(&job, &pixels);
            let mut picture = vec![0; 256 * 128 * 3];
            let places: Vec<f64> = (0..72)
                .map(|frame| {
                    shot.shoot(progress(frame, 72), &mut picture);
                    let row: Vec<f64> = (0..256).map(|x| f64::from(picture[(64 * 256 + x) * 3])).collect();
                    let right = row.iter().position(|&value| value >= 128.0).unwrap();
                    let (low, high) = (row[right - 1], row[right]);
                    f64::from(u32::try_from(right).unwrap()) - (high - 128.0) / (high - low)
                })
                .collect();
            let worst = places
                .windows(3)
                .map(|three| (three[2] - 2.0 * three[1] + three[0]).abs())
                .fold(0.0, f64::max);
            assert!(worst < 0.2, "{camera:?} jumps by {worst} px");
            let travelled = (places[71] - places[0]).abs();
            assert!(
                travelled > 10.0 || matches!(camera, CameraMove::PushIn | CameraMove::PullOut),
                "{travelled}"
            );
        }
    }

    #[test]
    fn a_camera_at_rest_shows_the_pixels_themselves() {
        let pixels: Vec<u8> = (0..64 * 48 * 3u32)
            .map(|index| u8::try_from(index * 7 % 251).unwrap())
            .collect();
        let job = Animate {
            width: 64,
            height: 48,
            out_width: 64,
            out_height: 48,
            ..job(CameraMove::PushIn)
        };
        let mut picture = vec![0; pixels.len()];
        Camera::new(&job, &pixels).shoot(0.0, &mut picture);
        assert_eq!(picture, pixels);
    }
}
