//! Valid files with bytes changed, cut out and put in: the child may refuse or even die, the parent gets
//! an error or a result within the limits.

use std::sync::LazyLock;

use image::ImageFormat;
use media::{Animate, CameraMove, Clean, StillFormat, Thumbnail, limits};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{animated_gif, exif_segment, file, picture, worker};

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
});

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let jpeg = file(ImageFormat::Jpeg, 40, 30);
    let mut photo = jpeg[..2].to_vec();
    photo.extend(exif_segment());
    photo.extend_from_slice(&jpeg[2..]);
    let clip = Animate {
        width: 32,
        height: 32,
        out_width: 32,
        out_height: 32,
        seconds: 1.0,
        camera: CameraMove::PushIn,
        title: "animated still, demo".to_owned(),
    };
    vec![
        file(ImageFormat::Png, 40, 30),
        photo,
        file(ImageFormat::WebP, 40, 30),
        animated_gif(5),
        RUNTIME
            .block_on(worker().animate(clip, &picture(32, 32)))
            .unwrap()
            .1,
    ]
});

#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Word(Index, u32),
    Cut(Index, u8),
    Repeat(Index, u8),
    End(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        3 => (at(), prop_oneof![Just(0u32), Just(1), Just(u32::MAX), Just(0x7FFF_FFFF), any::<u32>()])
            .prop_map(|(at, value)| Change::Word(at, value)),
        1 => (at(), any::<u8>()).prop_map(|(at, len)| Change::Cut(at, len)),
        1 => (at(), any::<u8>()).prop_map(|(at, len)| Change::Repeat(at, len)),
        1 => at().prop_map(Change::End),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let len = bytes.len().max(1);
    if bytes.is_empty() {
        return;
    }
    match *change {
        Change::Set(at, value) => bytes[at.index(len)] = value,
        Change::Word(at, value) => {
            let at = at.index(len);
            for (place, byte) in bytes[at..].iter_mut().zip(value.to_be_bytes()) {
                *place = byte;
            }
        }
        Change::Cut(at, count) => {
            let at = at.index(len);
            bytes.drain(at..(at + usize::from(count)).min(len));
        }
        Change::Repeat(at, count) => {
            let at = at.index(len);
            let piece = bytes[at..(at + usize::from(count)).min(len)].to_vec();
            bytes.splice(at..at, piece);
        }
        Change::End(at) => bytes.truncate(at.index(len)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 50, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn mutated_files_never_break_the_parent(
        seed in 0..5usize,
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        let mut bytes = SEEDS[seed].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        let (inspected, cleaned, small) = RUNTIME.block_on(async {
            let how = Thumbnail { max_side: 64, format: StillFormat::Png };
            let worker = worker();
            tokio::join!(
                worker.inspect(&bytes),
                worker.clean(&bytes, Clean::default()),
                worker.thumbnail(&bytes, how),
            )
        });
        if let Ok(found) = inspected {
            prop_assert!(found.width <= limits::MAX_SIDE && found.height <= limits::MAX_SIDE);
            prop_assert!(u64::from(found.width) * u64::from(found.height) <= limits::MAX_PIXELS);
        }
        if let Ok((cleaned, result)) = cleaned {
            prop_assert_eq!(media::sniff(&result), Some(cleaned.media_type));
            prop_assert!(u64::from(cleaned.width) * u64::from(cleaned.height) <= limits::MAX_PIXELS);
            prop_assert!(cleaned.seconds <= limits::MAX_SECONDS || !cleaned.media_type.is_video());
        }
        if let Ok((small, _)) = small {
            prop_assert!(small.width <= 64 && small.height <= 64);
        }
    }
}
