//! What the Dream Machine models do and cost. Luma publishes no price table for this API that could be
//! read; the figures are a third party's and say so.

use domain::capability::{
    Ability, Card, Correlation, DataHandling, Model, ModelId, Per, Polling, Price, PriceRow, ProviderName,
    Verdict,
};
use domain::generation::{Aspect, Kind, Operation, ReferenceRole, Resolution};
use domain::money::Money;
use std::time::Duration;

const SOURCE: &str = "third party: docs.comfy.org, prices of Luma's nodes; not confirmed by Luma";
/// Nobody publishes these; they are counted like a new clip or picture of the same size, so that the ceiling
/// is rather too high than too low.
const ASSUMED: &str = "no published price; assumed to cost as much as generating it (third-party figures)";
const AS_OF: &str = "2025-10-31";

const ASPECTS: &[Aspect] = &[
    Aspect::Wide,
    Aspect::Square,
    Aspect::Tall,
    Aspect::Landscape,
    Aspect::Portrait,
    Aspect::Cinema,
    Aspect::CinemaTall,
];
const RESOLUTIONS: &[Resolution] = &[
    Resolution::P720,
    Resolution::P540,
    Resolution::P1080,
    Resolution::K4,
];
const SECONDS: &[u32] = &[5, 9];

/// A clip's price by resolution and length, in millionths of a dollar.
type Table = [(Resolution, i64, i64); 4];

const RAY: Table = [
    (Resolution::P540, 400_000, 720_000),
    (Resolution::P720, 710_000, 1_270_000),
    (Resolution::P1080, 1_590_000, 2_870_000),
    (Resolution::K4, 6_370_000, 11_470_000),
];
const RAY_FLASH: Table = [
    (Resolution::P540, 140_000, 250_000),
    (Resolution::P720, 240_000, 440_000),
    (Resolution::P1080, 550_000, 990_000),
    (Resolution::K4, 2_190_000, 3_940_000),
];

pub(crate) fn card(max_concurrent: u32) -> Card {
    Card {
        name: ProviderName(super::NAME.to_owned()),
        title: "Luma Dream Machine".to_owned(),
        models: vec![
            photon("photon-1", "Photon", 15_000),
            photon("photon-flash-1", "Photon Flash", 4_000),
            ray("ray-2", "Ray 2", &RAY, true),
            ray("ray-flash-2", "Ray 2 Flash", &RAY_FLASH, false),
        ],
        handling: DataHandling {
            country: "unknown".to_owned(),
            retention: "no period published; a generation can be deleted".to_owned(),
            training: "API terms of 2026-04-28 say no".to_owned(),
            verdict: Verdict::Allowed,
        },
        correlation: Correlation::List,
        cancel: false,
        polling: Polling {
            image_first: Duration::from_secs(3),
            video_first: Duration::from_secs(20),
            image_every: Duration::from_secs(3),
            video_every: Duration::from_secs(5),
        },
        settle: Duration::from_secs(600),
        max_concurrent,
    }
}

fn photon(id: &str, title: &str, micros: i64) -> Model {
    let price = |source: &str| Price {
        rows: vec![PriceRow {
            resolution: None,
            seconds: None,
            with_references: None,
            per: Per::Output,
            amount: Money::usd(micros),
        }],
        per_further_reference: Money::ZERO_USD,
        source: source.to_owned(),
        as_of: AS_OF.to_owned(),
    };
    let ability = |operation, references, required, source| Ability {
        kind: Kind::Image,
        operation,
        sizes: Vec::new(),
        aspects: ASPECTS.to_vec(),
        resolutions: Vec::new(),
        seconds: Vec::new(),
        references,
        required,
        price: price(source),
    };
    let source = || vec![ReferenceRole::Source];
    Model {
        id: ModelId(id.to_owned()),
        title: title.to_owned(),
        demo: false,
        abilities: vec![
            ability(
                Operation::Create,
                vec![
                    (ReferenceRole::Image, 4),
                    (ReferenceRole::Style, 4),
                    (ReferenceRole::Character, 4),
                ],
                vec![],
                SOURCE,
            ),
            ability(
                Operation::Edit,
                vec![(ReferenceRole::Source, 1)],
                source(),
                SOURCE,
            ),
            ability(
                Operation::Reframe,
                vec![(ReferenceRole::Source, 1)],
                source(),
                ASSUMED,
            ),
        ],
        min_prompt_chars: 3,
        max_prompt_chars: 5000,
        seed: false,
        looping: false,
    }
}

fn ray(id: &str, title: &str, table: &Table, modifies: bool) -> Model {
    let price = |source: &str| {
        let row = |resolution, seconds, micros| PriceRow {
            resolution: Some(resolution),
            seconds: Some(seconds),
            with_references: None,
            per: Per::Output,
            amount: Money::usd(micros),
        };
        let rows = table
            .iter()
            .flat_map(|(r, five, nine)| [row(*r, 5, *five), row(*r, 9, *nine)]);
        Price {
            rows: rows.collect(),
            per_further_reference: Money::ZERO_USD,
            source: source.to_owned(),
            as_of: AS_OF.to_owned(),
        }
    };
    let ability = |operation, references, required, source| Ability {
        kind: Kind::Video,
        operation,
        sizes: Vec::new(),
        aspects: ASPECTS.to_vec(),
        resolutions: RESOLUTIONS.to_vec(),
        seconds: SECONDS.to_vec(),
        references,
        required,
        price: price(source),
    };
    let frames = vec![(ReferenceRole::StartFrame, 1), (ReferenceRole::EndFrame, 1)];
    let source = || vec![ReferenceRole::Source];
    let one = || vec![(ReferenceRole::Source, 1)];
    let mut abilities = vec![
        ability(Operation::Create, frames, vec![], SOURCE),
        ability(Operation::Extend, one(), source(), SOURCE),
        ability(Operation::Reframe, one(), source(), ASSUMED),
        ability(Operation::Upscale, one(), source(), ASSUMED),
        ability(Operation::Audio, one(), source(), ASSUMED),
    ];
    if modifies {
        let references = vec![(ReferenceRole::Source, 1), (ReferenceRole::StartFrame, 1)];
        abilities.push(ability(Operation::Modify, references, source(), ASSUMED));
    }
    Model {
        id: ModelId(id.to_owned()),
        title: title.to_owned(),
        demo: false,
        abilities,
        min_prompt_chars: 3,
        max_prompt_chars: 5000,
        seed: false,
        looping: true,
    }
}
