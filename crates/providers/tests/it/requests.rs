//! Requests against the published description of the Dream Machine API, and against the strict simulators.

use crate::support::{agents, finished, machine, order};
use domain::generation::{Aspect, Operation, ReferenceRole, Resolution};
use domain::job::Submitted;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use yaml_rust2::{Yaml, YamlLoader};

fn description() -> Option<Value> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the description lies is the test machine's business"
    )]
    let (folder, ci) = (std::env::var_os("STUDIO_SPECS"), std::env::var("CI"));
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs");
    let path = folder
        .map_or(beside, PathBuf::from)
        .join("luma-dream-machine.openapi.yaml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        let missing = format!("{} is missing: set STUDIO_SPECS to its folder", path.display());
        assert!(ci.as_deref() != Ok("true"), "{missing}");
        #[expect(clippy::print_stderr, reason = "a check that did not run must be seen")]
        {
            eprintln!("NOT CHECKED: {missing}");
        }
        return None;
    };
    let mut documents = YamlLoader::load_from_str(&text).unwrap();
    Some(to_json(documents.remove(0)))
}

fn to_json(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => text.parse::<f64>().map_or(Value::Null, Value::from),
        Yaml::Integer(number) => number.into(),
        Yaml::String(text) => text.into(),
        Yaml::Boolean(yes) => yes.into(),
        Yaml::Array(items) => items.into_iter().map(to_json).collect(),
        Yaml::Hash(pairs) => {
            let pair = |(key, value): (Yaml, Yaml)| (key.into_string().unwrap(), to_json(value));
            Value::Object(pairs.into_iter().map(pair).collect::<Map<_, _>>())
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

/// An object may have no member that the description does not name.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) {
                members.insert("additionalProperties".to_owned(), false.into());
            }
            members.values_mut().for_each(closed);
        }
        Value::Array(items) => items.iter_mut().for_each(closed),
        _ => {}
    }
}

fn validator(description: &Value, name: &str) -> jsonschema::Validator {
    let mut components = description["components"].clone();
    closed(&mut components);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{name}"), "components": components,
    });
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

#[tokio::test]
async fn every_dream_machine_request_is_as_described() {
    let Some(description) = description() else { return };
    let (sim, client) = machine().await;
    let clip = finished(&client, "ray-2").await.external_id;
    let mut looping = order("ray-flash-2");
    looping.looping = true;
    looping.seconds = Some(9);
    looping.resolution = Some(Resolution::K4);
    let mut tall = order("ray-2").how(Operation::Reframe).link(ReferenceRole::Source);
    tall.aspect = Some(Aspect::Tall);
    let orders = [
        ("GenerationRequest", order("ray-2")),
        ("GenerationRequest", looping),
        (
            "GenerationRequest",
            order("ray-2").link(ReferenceRole::StartFrame),
        ),
        (
            "GenerationRequest",
            order("ray-2")
                .link(ReferenceRole::StartFrame)
                .link(ReferenceRole::EndFrame),
        ),
        (
            "GenerationRequest",
            order("ray-2")
                .remote(ReferenceRole::StartFrame, &clip)
                .link(ReferenceRole::EndFrame),
        ),
        (
            "GenerationRequest",
            order("ray-flash-2")
                .how(Operation::Extend)
                .remote(ReferenceRole::Source, &clip),
        ),
        ("ReframeVideoRequest", tall),
        (
            "ModifyVideoRequest",
            order("ray-2")
                .how(Operation::Modify)
                .link(ReferenceRole::Source)
                .link(ReferenceRole::StartFrame),
        ),
        (
            "UpscaleVideoGenerationRequest",
            order("ray-2")
                .how(Operation::Upscale)
                .remote(ReferenceRole::Source, &clip),
        ),
        (
            "AudioGenerationRequest",
            order("ray-2")
                .how(Operation::Audio)
                .remote(ReferenceRole::Source, &clip),
        ),
        ("ImageGenerationRequest", order("photon-1")),
        (
            "ImageGenerationRequest",
            order("photon-flash-1")
                .link(ReferenceRole::Image)
                .link(ReferenceRole::Style)
                .link(ReferenceRole::Character),
        ),
        (
            "ImageGenerationRequest",
            order("photon-1").how(Operation::Edit).link(ReferenceRole::Source),
        ),
        (
            "ReframeImageRequest",
            order("photon-1")
                .how(Operation::Reframe)
                .link(ReferenceRole::Source),
        ),
    ];
    for (n, (schema, order)) in (1..).zip(orders) {
        order.accepted(&client, n).await;
        let (path, body) = sim.submissions().pop().unwrap();
        let validator = validator(&description, schema);
        let errors: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:?}\n{body:#}");
        let callback = body["callback_url"].as_str().unwrap();
        let want = format!(
            "https://studio.example/callbacks/luma-dream-machine/{}",
            format!("{n:02x}").repeat(32)
        );
        assert_eq!(callback, want, "{path}");
    }
}

#[test]
fn the_check_itself_sees_a_wrong_request() {
    let Some(description) = description() else { return };
    let validator = validator(&description, "GenerationRequest");
    let good = json!({ "model": "ray-2", "prompt": "x", "keyframes": { "frame0": { "type": "image", "url": "https://a.example/b" } } });
    assert!(validator.is_valid(&good));
    for wrong in [
        json!({ "prompt": "x" }),
        json!({ "model": "ray-9" }),
        json!({ "model": "ray-2", "seed": 1 }),
        json!({ "model": "ray-2", "keyframes": { "frame0": { "type": "image" } } }),
        json!({ "model": "ray-2", "keyframes": { "frame0": { "type": "generation", "id": "no uuid" } } }),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

#[tokio::test]
async fn agents_requests_say_what_was_asked() {
    let (sim, client) = agents().await;
    let clip = finished(&client, "ray-3.2").await.external_id;
    let png = || testkit::media::png("in");
    let mut ten = order("ray-3.2").bytes(ReferenceRole::StartFrame, "image/png", png());
    ten.seconds = Some(10);
    ten.resolution = Some(Resolution::P1080);
    let mut looped = order("ray-3.2");
    looped.looping = true;
    for (n, (order, want)) in (1..).zip([
        (order("uni-1"), json!({ "type": "image", "model": "uni-1", "aspect_ratio": "1:1", "web_search": false, "output_format": "png" })),
        (order("uni-1-max").bytes(ReferenceRole::Image, "image/png", png()), json!({ "type": "image", "model": "uni-1-max" })),
        (order("uni-1").how(Operation::Edit).bytes(ReferenceRole::Source, "image/png", png()).link(ReferenceRole::Image), json!({ "type": "image_edit" })),
        (ten, json!({ "type": "video", "aspect_ratio": "16:9" })),
        (looped, json!({ "type": "video" })),
        (order("ray-3.2").link(ReferenceRole::StartFrame).link(ReferenceRole::EndFrame), json!({ "type": "video" })),
        (order("ray-3.2").how(Operation::Extend).remote(ReferenceRole::Source, &clip), json!({ "type": "video" })),
        (
            order("ray-3.2").how(Operation::Modify).bytes(ReferenceRole::Source, "video/mp4", testkit::media::mp4("in")),
            json!({ "type": "video_edit" }),
        ),
        (order("ray-3.2").how(Operation::Reframe).remote(ReferenceRole::Source, &clip), json!({ "type": "video_reframe" })),
    ]) {
        order.accepted(&client, n).await;
        let (_, body) = sim.submissions().pop().unwrap();
        for (name, value) in want.as_object().unwrap() {
            assert_eq!(&body[name], value, "{name} of {body:#}");
        }
        assert_eq!(body["prompt"], crate::support::PROMPT);
        assert_eq!(body["user_id"], "usr-pseudonym");
        assert_ne!(body["web_search"], true);
    }
    let bodies: Vec<Value> = sim.submissions().into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies[4]["video"]["duration"], "10s");
    assert_eq!(bodies[4]["video"]["resolution"], "1080p");
    assert_eq!(bodies[4]["video"]["start_frame"]["media_type"], "image/png");
    assert_eq!(bodies[5]["video"]["loop"], true);
    assert_eq!(bodies[7]["video"]["start_frame"]["generation_id"], clip.as_str());
    assert_eq!(bodies[9]["source"]["generation_id"], clip.as_str());
}

#[tokio::test]
async fn the_price_on_the_card_is_the_price_on_the_bill() {
    let (sim, client) = agents().await;
    let (other, machine) = machine().await;
    let mut ten = order("ray-3.2");
    ten.seconds = Some(10);
    let references = order("uni-1")
        .link(ReferenceRole::Image)
        .link(ReferenceRole::Image)
        .link(ReferenceRole::Image);
    use providers::Provider as _;
    for (n, order) in (1..).zip([
        order("uni-1"),
        references,
        order("uni-1-max"),
        order("ray-3.2"),
        ten,
    ]) {
        order.accepted(&client, n).await;
        let spec = order.spec(client.card());
        let price = spec
            .unit_price(client.card().model(&spec.model).unwrap())
            .unwrap();
        assert_eq!(
            sim.bill().entries.last().unwrap().amount,
            price.micros,
            "{}",
            order.model
        );
    }
    for (n, order) in (1..).zip([
        order("photon-1"),
        order("photon-flash-1"),
        order("ray-2"),
        order("ray-flash-2"),
    ]) {
        order.accepted(&machine, n).await;
        let spec = order.spec(machine.card());
        let price = spec
            .unit_price(machine.card().model(&spec.model).unwrap())
            .unwrap();
        assert_eq!(
            other.bill().entries.last().unwrap().amount,
            price.micros,
            "{}",
            order.model
        );
    }
}

#[tokio::test]
async fn every_ability_of_the_cards_has_a_price_for_whatever_can_be_asked() {
    let (_a, client) = agents().await;
    let (_b, machine) = machine().await;
    use providers::Provider as _;
    for card in [client.card(), machine.card()] {
        for model in &card.models {
            for ability in &model.abilities {
                let resolutions: Vec<_> = ability.resolutions.iter().map(|r| Some(*r)).collect();
                let seconds: Vec<_> = ability.seconds.iter().map(|s| Some(*s)).collect();
                for resolution in if resolutions.is_empty() {
                    vec![None]
                } else {
                    resolutions
                } {
                    for seconds in if seconds.is_empty() {
                        vec![None]
                    } else {
                        seconds.clone()
                    } {
                        let price = ability.price.of(resolution, seconds, 1);
                        assert!(
                            price.is_some_and(|p| p.micros > 0),
                            "{} {:?}",
                            model.id,
                            ability.operation
                        );
                    }
                }
                assert!(!ability.price.is_free());
            }
        }
    }
}

#[tokio::test]
async fn combinations_that_the_card_cannot_express_are_refused_unsent() {
    let (sim, client) = agents().await;
    let (other, machine) = machine().await;
    let mut long_loop = order("ray-3.2");
    long_loop.looping = true;
    long_loop.seconds = Some(10);
    let mut long_end = order("ray-3.2").link(ReferenceRole::EndFrame);
    long_end.seconds = Some(10);
    let mut end_loop = order("ray-2").link(ReferenceRole::EndFrame);
    end_loop.looping = true;
    use providers::Provider as _;
    for order in [long_loop, long_end] {
        assert!(client.check(&order.spec(client.card())).is_err());
        assert!(matches!(
            order.submit(&client, 1).await,
            Submitted::Rejected { again: false, .. }
        ));
    }
    assert!(machine.check(&end_loop.spec(machine.card())).is_err());
    assert!(matches!(
        end_loop.submit(&machine, 1).await,
        Submitted::Rejected { again: false, .. }
    ));
    assert_eq!(sim.sends() + other.sends(), 0);
}
