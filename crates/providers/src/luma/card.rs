//! What Luma's current models do and cost. Prices: docs.agents.lumalabs.ai, pricing page.

use domain::capability::{
    Ability, Card, Correlation, DataHandling, Model, ModelId, Per, Polling, Price, PriceRow, ProviderName,
    Verdict,
};
use domain::generation::{Aspect, Kind, Operation, ReferenceRole, Resolution};
use domain::money::Money;
use std::time::Duration;

const SOURCE: &str = "docs.agents.lumalabs.ai/guides/pricing (pay as you go)";
const AS_OF: &str = "2026-07-31";

const IMAGE_ASPECTS: &[Aspect] = &[
    Aspect::Square,
    Aspect::Wide,
    Aspect::Tall,
    Aspect::Landscape,
    Aspect::Portrait,
    Aspect::Photo,
    Aspect::PhotoTall,
    Aspect::Cinema,
    Aspect::Double,
    Aspect::DoubleTall,
    Aspect::Banner,
    Aspect::BannerTall,
];
const VIDEO_ASPECTS: &[Aspect] = &[
    Aspect::Wide,
    Aspect::Tall,
    Aspect::Square,
    Aspect::Landscape,
    Aspect::Portrait,
    Aspect::Cinema,
];
/// The draft tier (360p) has no published price, so it is not offered.
const RESOLUTIONS: &[Resolution] = &[Resolution::P720, Resolution::P540, Resolution::P1080];

pub(crate) fn card(max_concurrent: u32) -> Card {
    Card {
        name: ProviderName(super::NAME.to_owned()),
        title: "Luma".to_owned(),
        models: vec![
            uni("uni-1", "Uni-1", 40_400),
            uni("uni-1-max", "Uni-1 Max", 100_000),
            ray(),
        ],
        handling: DataHandling {
            country: "unknown".to_owned(),
            retention: "no period published".to_owned(),
            training:
                "API terms of 2026-04-28 say no; the pricing page grants it under provisioned throughput \
                       only. Get it into the contract."
                    .to_owned(),
            verdict: Verdict::Allowed,
        },
        correlation: Correlation::None,
        cancel: false,
        polling: Polling {
            image_first: Duration::from_secs(2),
            video_first: Duration::from_secs(30),
            image_every: Duration::from_secs(2),
            video_every: Duration::from_secs(5),
        },
        settle: Duration::from_secs(600),
        max_concurrent,
    }
}

fn price(rows: Vec<PriceRow>, per_further_reference: i64) -> Price {
    Price {
        rows,
        per_further_reference: Money::usd(per_further_reference),
        source: SOURCE.to_owned(),
        as_of: AS_OF.to_owned(),
    }
}

fn per_output(with_references: Option<bool>, micros: i64) -> PriceRow {
    PriceRow {
        resolution: None,
        seconds: None,
        with_references,
        per: Per::Output,
        amount: Money::usd(micros),
    }
}

/// Images in 2K; a reference adds 0.0030 dollars.
fn uni(id: &str, title: &str, plain: i64) -> Model {
    let with = plain + 3_000;
    let ability = |operation, references, required, rows| Ability {
        kind: Kind::Image,
        operation,
        sizes: Vec::new(),
        aspects: IMAGE_ASPECTS.to_vec(),
        resolutions: Vec::new(),
        seconds: Vec::new(),
        references,
        required,
        price: price(rows, 3_000),
    };
    Model {
        id: ModelId(id.to_owned()),
        title: title.to_owned(),
        demo: false,
        abilities: vec![
            ability(
                Operation::Create,
                vec![(ReferenceRole::Image, 9)],
                vec![],
                vec![per_output(Some(false), plain), per_output(Some(true), with)],
            ),
            ability(
                Operation::Edit,
                vec![(ReferenceRole::Source, 1), (ReferenceRole::Image, 8)],
                vec![ReferenceRole::Source],
                vec![per_output(None, with)],
            ),
        ],
        min_prompt_chars: 1,
        max_prompt_chars: 6000,
        seed: false,
        looping: false,
    }
}

fn table(per: Per, rows: &[(Resolution, Option<u32>, i64)]) -> Price {
    let rows = rows.iter().map(|(resolution, seconds, micros)| PriceRow {
        resolution: Some(*resolution),
        seconds: *seconds,
        with_references: None,
        per,
        amount: Money::usd(*micros),
    });
    price(rows.collect(), 0)
}

/// Clips without sound.
fn ray() -> Model {
    use Resolution::{P540, P720, P1080};
    let ability = |operation, seconds: Vec<u32>, references, required, price| Ability {
        kind: Kind::Video,
        operation,
        sizes: Vec::new(),
        aspects: VIDEO_ASPECTS.to_vec(),
        resolutions: RESOLUTIONS.to_vec(),
        seconds,
        references,
        required,
        price,
    };
    let made = table(
        Per::Output,
        &[
            (P540, Some(5), 150_000),
            (P720, Some(5), 300_000),
            (P1080, Some(5), 1_200_000),
            (P540, Some(10), 450_000),
            (P720, Some(10), 900_000),
            (P1080, Some(10), 3_600_000),
        ],
    );
    let edited = table(
        Per::Output,
        &[
            (P540, Some(5), 720_000),
            (P720, Some(5), 1_080_000),
            (P1080, Some(5), 2_160_000),
            (P540, Some(10), 1_440_000),
            (P720, Some(10), 2_160_000),
            (P1080, Some(10), 4_320_000),
        ],
    );
    let reframed = table(
        Per::Second,
        &[
            (P540, None, 60_000),
            (P720, None, 120_000),
            (P1080, None, 360_000),
        ],
    );
    let frames = vec![(ReferenceRole::StartFrame, 1), (ReferenceRole::EndFrame, 1)];
    let source = || (vec![(ReferenceRole::Source, 1)], vec![ReferenceRole::Source]);
    Model {
        id: ModelId("ray-3.2".to_owned()),
        title: "Ray 3.2".to_owned(),
        demo: false,
        abilities: vec![
            ability(Operation::Create, vec![5, 10], frames, vec![], made.clone()),
            ability(Operation::Extend, vec![5, 10], source().0, source().1, made),
            // The length of a source is the user's word; what arrives longer is refused before it is sent.
            ability(Operation::Modify, vec![5, 10], source().0, source().1, edited),
            ability(
                Operation::Reframe,
                vec![5, 10, 15, 20, 25, 30],
                source().0,
                source().1,
                reframed,
            ),
        ],
        min_prompt_chars: 1,
        max_prompt_chars: 6000,
        seed: false,
        looping: true,
    }
}
