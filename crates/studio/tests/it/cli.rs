//! The command line: what it makes, what it prints, how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bed::{Ended, Place, in_ci};
use crate::media_files::{jpeg_with_place, png_texts};

const SMALL: [&str; 4] = ["--size", "128x128", "--seed", "7"];

fn generate(place: &Place, prompt: &str, more: &[&str]) -> crate::bed::Ended {
    place.run_with_data(&[&["generate", prompt][..], &SMALL, more].concat())
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// Codec and length in seconds of a clip, by an independent reader; none if the machine has none.
fn probe(clip: &Path) -> Option<(String, f64)> {
    let asked = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name:format=duration",
            "-of",
            "json",
        ])
        .arg(clip)
        .output();
    let Ok(output) = asked else {
        assert!(!in_ci(), "ffprobe is missing");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seconds = told["format"]["duration"].as_str().unwrap().parse().unwrap();
    Some((
        told["streams"][0]["codec_name"].as_str().unwrap().to_owned(),
        seconds,
    ))
}

#[test]
fn the_same_seed_draws_the_same_picture() {
    let place = Place::new();
    let out = generate(&place, "um barco vermelho", &["-o", "one.png"]).well();
    assert_eq!(out, "one.png\n");
    generate(&place, "um barco vermelho", &["-o", "two.png"]).well();
    // In another place with other keys as well.
    let other = Place::new();
    generate(&other, "um barco vermelho", &["-o", "three.png"]).well();
    let read = |place: &Place, name: &str| fs::read(place.file(name)).unwrap();
    let one = read(&place, "one.png");
    assert_eq!(one, read(&place, "two.png"));
    assert_eq!(one, read(&other, "three.png"));
    assert!(
        png_texts(&one).contains("demonstration model"),
        "{}",
        png_texts(&one)
    );
    let another = [
        "generate",
        "um barco vermelho",
        "--size",
        "128x128",
        "--seed",
        "8",
        "-o",
        "other.png",
    ];
    place.run_with_data(&another).well();
    assert_ne!(one, read(&place, "other.png"), "another seed, another picture");
}

#[test]
fn lines_of_json_tell_the_way_and_the_end() {
    let place = Place::new();
    let out = generate(&place, "um barco", &["--json", "--count", "2", "-o", "a.png"]).well();
    let lines = json_lines(&out);
    let (end, way) = lines.split_last().unwrap();
    assert!(
        way.len() >= 2 && way.iter().all(|line| line["id"] == end["id"]),
        "{out}"
    );
    assert_eq!(way.last().unwrap()["state"], "succeeded");
    assert_eq!(end["state"], "succeeded");
    assert_eq!(end["demo"], true);
    assert_eq!(end["files"], serde_json::json!(["a.png", "a-2.png"]));
    for name in ["a.png", "a-2.png"] {
        assert!(
            fs::read(place.file(name)).unwrap().starts_with(b"\x89PNG"),
            "{name}"
        );
    }
    assert!(!place.file("a.part").exists());
}

#[test]
fn a_clip_is_h264_of_the_length_that_was_asked() {
    let place = Place::new();
    let arguments = ["--kind", "video", "--seconds", "2", "-o", "clip.mp4"];
    let ended = generate(&place, "um barco", &arguments);
    assert!(ended.err.contains("animated still"), "{ended:?}");
    ended.well();
    if let Some((codec, seconds)) = probe(&place.file("clip.mp4")) {
        assert_eq!(codec, "h264");
        assert!((1.9..=2.1).contains(&seconds), "{seconds}");
    }
}

#[test]
fn exit_codes_tell_what_kind_of_no_it_is() {
    let place = Place::new();
    for arguments in [
        &["nonsense"][..],
        &["generate"],
        &["generate", "x", "--size", "5"],
        &["generate", "x", "--kind", "sound"],
        &["generate", "x", "--seed", "-1"],
        &["serve", "--role", "cook"],
        &["audit", "verify"],
    ] {
        let ended = place.run(arguments);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(2), ""),
            "{arguments:?}: {ended:?}"
        );
    }
    let data = |arguments: &[&str]| place.run_with_data(arguments);
    data(&["generate", "um barco", "--size", "130x130"]).badly(2, "invalid_request");
    data(&["generate", "um barco", "--count", "9"]).badly(2, "invalid_request");
    data(&["generate", "um barco", "--ref", "missing.png"]).badly(2, "generate.reference");
    data(&["generate", "um barco", "--model", "gpt"]).badly(3, "model_unavailable");
    data(&["generate", "um barco", "--provider", "luma"]).badly(3, "model_unavailable");
    data(&["generate", "barco \u{202e}x"]).badly(5, "prompt_refused");
    data(&["generate", ""]).badly(5, "prompt_refused");
    place
        .run(&["provider", "test", "luma"])
        .badly(3, "provider.not_configured");
    place
        .run(&["provider", "test", "nobody"])
        .badly(2, "provider.unknown");
    place
        .run(&["--config", "missing.toml", "models", "list"])
        .badly(3, "config.file_unreadable");
    data(&["serve", "--role", "web"]).badly(3, "serve.role_needs_postgres");
    data(&["serve", "--listen", "0.0.0.0:0"]).badly(5, "serve.in_the_clear");
    data(&["serve", "--listen", "[::]:0"]).badly(5, "serve.in_the_clear");
    fs::write(place.file("file"), "").unwrap();
    place
        .run(&["generate", "x", "--data", "file/below"])
        .badly(4, "data.unusable");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    data(&["serve", "--listen", &address]).badly(4, "serve.address");
    assert!(!data(&["generate", "x \u{202e}segredo"]).err.contains("segredo"));
    for arguments in [&["--version"][..], &["--help"], &["generate", "--help"]] {
        place.run(arguments).well();
    }
}

#[test]
fn one_process_has_a_data_directory() {
    let place = Place::new();
    let bed = place.serve();
    for arguments in [
        &["generate", "um barco"][..],
        &["serve", "--listen", "127.0.0.1:0"],
        &["migrate", "status"],
        &["audit", "export", "-o", "x"],
    ] {
        place.run_with_data(arguments).badly(4, "data.in_use");
    }
    bed.picture("um barco");
    bed.cut();
    place.run_with_data(&["migrate", "status"]).well();
}

#[test]
fn the_data_directory_is_for_its_owner() {
    let place = Place::new();
    place.serve().stop();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.data()), 0o700);
    for file in place.data_files() {
        assert_eq!(mode(&file) & 0o077, 0, "{} may be read by others", file.display());
    }
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o755)).unwrap();
    let ended = place.run_with_data(&["generate", "um barco"]);
    ended.badly(5, "data.readable_by_others");
    assert!(ended.err.contains("chmod 700"), "{ended:?}");
    let doctor = place.run_with_data(&["doctor"]);
    doctor.badly(1, "doctor.failed");
    assert!(
        doctor.out.contains("FAIL  data") && doctor.out.contains("chmod 700"),
        "{doctor:?}"
    );
}

#[test]
fn the_doctor_says_what_is_well_in_words_and_in_json() {
    let place = Place::new();
    let text = place.run_with_data(&["doctor"]).well();
    for check in [
        "clock", "data", "space", "fsync", "keys", "database", "media", "engine", "provider",
    ] {
        assert!(
            text.lines()
                .any(|line| line.split_whitespace().nth(1) == Some(check)),
            "{check}: {text}"
        );
    }
    let report: Value = serde_json::from_str(&place.run_with_data(&["doctor", "--json"]).well()).unwrap();
    assert_eq!(report["ok"], true);
    for check in report["checks"].as_array().unwrap() {
        assert!(
            check["check"].is_string() && check["found"].is_string(),
            "{check}"
        );
        assert_eq!(check["do"].is_string(), check["grade"] != "ok", "{check}");
    }
    let key = place.data().join("keys/root.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = place.run_with_data(&["doctor", "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["ok"], false);
    let keys = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["check"] == "keys");
    assert_eq!(keys.unwrap()["grade"], "fail", "{report}");
}

#[test]
fn the_schema_is_planned_applied_and_told() {
    let place = Place::new();
    let status = place.run_with_data(&["migrate", "status"]);
    status.badly(1, "database.pending");
    assert!(status.out.starts_with("pending  0001_"), "{status:?}");
    let plan = place.run_with_data(&["migrate", "plan"]).well();
    assert!(
        plan.starts_with("-- 0001_") && plan.contains("create table generations"),
        "{plan}"
    );
    place
        .run_with_data(&["migrate", "status"])
        .badly(1, "database.pending");
    assert!(
        place
            .run_with_data(&["migrate", "apply"])
            .well()
            .starts_with("applied 0001_")
    );
    assert_eq!(
        place.run_with_data(&["migrate", "apply"]).well(),
        "nothing to do\n"
    );
    assert_eq!(place.run_with_data(&["migrate", "plan"]).well(), "");
    assert!(
        place
            .run_with_data(&["migrate", "status"])
            .well()
            .starts_with("applied  0001_")
    );
}

#[test]
fn models_and_providers_are_listed() {
    let place = Place::new();
    let text = place.run(&["models", "list"]).well();
    let tiny = text.lines().find(|line| line.starts_with("studio-tiny")).unwrap();
    assert!(tiny.contains("free") && tiny.contains("demonstration"), "{tiny}");
    let models = json_lines(&place.run(&["models", "list", "--json"]).well());
    assert_eq!(models[0]["id"], "studio-tiny");
    assert!(
        models
            .iter()
            .any(|model| model["provider"] == "luma" && model["available"] == false)
    );
    let providers = json_lines(&place.run(&["provider", "list", "--json"]).well());
    let names: Vec<_> = providers.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["embedded", "luma", "luma-dream-machine"]);
    assert!(place.run(&["provider", "list"]).well().starts_with("embedded "));
    assert!(place.run(&["provider", "test", "embedded"]).well().contains("ok"));

    let bed = place.serve();
    let served = bed.get("/api/v1/models").expect(200);
    assert_eq!(served["items"].as_array().unwrap(), &models);
    let served = bed.get("/api/v1/providers").expect(200);
    assert_eq!(served["items"][0]["name"], "embedded");
    assert_eq!(served["items"][0]["available"], true);
}

#[test]
fn a_reference_that_no_model_takes_is_refused_before_anything_is_made() {
    let place = Place::new();
    fs::write(place.file("photo.jpg"), jpeg_with_place("x")).unwrap();
    let ended = generate(&place, "um barco", &["--ref", "photo.jpg"]);
    assert!(matches!(ended.code, Some(2 | 3)), "{ended:?}");
    fs::write(place.file("program.png"), b"\x7fELF\x02\x01\x01").unwrap();
    generate(&place, "um barco", &["--ref", "program.png"]).badly(2, "generate.reference");
}

#[test]
fn the_demonstration_leaves_its_files_each_time() {
    let place = Place::new();
    for _ in 0..2 {
        let out = place.run(&["demo", "--folder", "made"]).well();
        assert!(
            out.lines()
                .last()
                .unwrap()
                .starts_with("7. verified from those files alone"),
            "{out}"
        );
        let folder = place.file("made");
        assert!(
            fs::read(folder.join("picture.png"))
                .unwrap()
                .starts_with(b"\x89PNG")
        );
        if let Some((codec, seconds)) = probe(&folder.join("clip.mp4")) {
            assert_eq!(codec, "h264");
            assert!((2.0..=3.5).contains(&seconds), "{seconds}");
        }
        let log = folder.join("audit");
        place.run(&["audit", "verify", log.to_str().unwrap()]).well();
    }
}

#[test]
fn another_studio_makes_it_and_tells_it_in_the_same_words() {
    let place = Place::new();
    let bed = place.serve();
    let address = format!("http://{}", bed.address);
    let remote = |prompt: &str, more: &[&str]| {
        let arguments = ["generate", prompt, "--server", &address];
        let mut command = place.studio([&arguments[..], &SMALL, more].concat());
        command.env("STUDIO__CLIENT__API_KEY", place.key());
        Ended::from(command.output().unwrap())
    };
    let nobody = place.run(&["generate", "um barco", "--server", &address]);
    nobody.badly(3, "generate.server");
    let there = remote("um barco vermelho", &["--json", "-o", "there.png"]).well();
    let other = Place::new();
    let here = generate(&other, "um barco vermelho", &["--json", "-o", "here.png"]).well();
    let (there, here) = (json_lines(&there), json_lines(&here));
    let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&there[0]), keys(&here[0]));
    let (mut end, mut expected) = (there.last().unwrap().clone(), here.last().unwrap().clone());
    for end in [&mut end, &mut expected] {
        end["id"].take();
        end["files"].take();
    }
    assert_eq!(end, expected);
    let read = |place: &Place, name: &str| fs::read(place.file(name)).unwrap();
    assert_eq!(read(&place, "there.png"), read(&other, "here.png"));

    let ended = remote("um barco", &["-o", "plain.png"]);
    assert!(
        ended.err.contains("studio: note: ") && ended.err.contains("demonstration"),
        "{ended:?}"
    );
    assert_eq!(ended.well(), "plain.png\n");
    remote("", &[]).badly(5, "prompt_refused");
    remote("um barco", &["--model", "gpt"]).badly(2, "generate.server");
    remote("um barco", &["--provider", "luma"]).badly(3, "generate.server");
    bed.stop();
    remote("um barco", &[]).badly(4, "generate.server");
    place
        .run(&["generate", "x", "--server", "not an address"])
        .badly(2, "generate.server");
}
