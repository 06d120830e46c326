//! A generation from the request to the file, and everything that can be done with it on the way.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bed::{Bed, Place, small, until};
use crate::events::Listener;
use crate::media_files::png_texts;

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn outputs(generation: &Value) -> Vec<Value> {
    generation["outputs"].as_array().unwrap().clone()
}

fn asset(generation: &Value) -> String {
    outputs(generation)[0]["asset"].as_str().unwrap().to_owned()
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_picture_from_the_request_to_the_file() {
    let place = Place::new();
    let bed = place.serve();
    let wish = json!({"kind": "image", "prompt": "um barco vermelho no mar", "size": "128x128", "seed": 5});
    let answer = bed.post("/api/v1/generations", &wish);
    let accepted = answer.expect(202);
    let id = accepted["id"].as_str().unwrap();
    assert!(id.starts_with("gen_"), "{id}");
    assert_eq!(
        answer.header("location"),
        Some(format!("/api/v1/generations/{id}").as_str())
    );
    assert!(
        matches!(accepted["state"].as_str(), Some("queued" | "running")),
        "{accepted}"
    );

    let done = bed.made(id);
    assert_eq!(done["prompt"], "um barco vermelho no mar");
    assert_eq!(done["demo"], true);
    assert_eq!(
        done["engine"],
        json!({"provider": "embedded", "model": "studio-tiny", "demo": true})
    );
    let free = json!({"micros": 0, "currency": "USD"});
    assert_eq!(
        done["cost"],
        json!({"estimated": free, "actual": free, "currency": "USD"})
    );
    assert!(done["notes"].to_string().contains("demo_model"), "{done}");
    assert!(done["finished_at"].as_str().unwrap() >= done["created_at"].as_str().unwrap());

    let output = &outputs(&done)[0];
    assert_eq!((&output["width"], &output["height"]), (&json!(128), &json!(128)));
    assert_eq!(output["media_type"], "image/png");
    let path = format!("/api/v1/assets/{}", asset(&done));
    let content = bed.get(&format!("{path}/content"));
    assert_eq!(content.status, 200, "{content:?}");
    assert_eq!(content.header("content-type"), Some("image/png"));
    assert_eq!(
        content.header("content-security-policy"),
        Some("default-src 'none'; sandbox")
    );
    assert_eq!(sha256(&content.body), output["sha256"].as_str().unwrap());
    let texts = png_texts(&content.body);
    assert!(texts.contains("demonstration model studio-tiny"), "{texts}");
    assert!(
        !texts.contains("barco"),
        "a file does not tell its prompt: {texts}"
    );

    let shown = bed.get(&path).expect(200);
    assert_eq!(shown["sha256"], output["sha256"]);
    assert_eq!(shown["bytes"], content.body.len());
    assert_eq!(shown["demo"], true);
    bed.stop();
}

#[test]
fn parts_of_a_file_as_a_player_asks_for_them() {
    let place = Place::new();
    let bed = place.serve();
    let path = format!("/api/v1/assets/{}/content", asset(&bed.picture("um barco")));
    let whole = bed.get(&path);
    let total = whole.body.len();
    let tag = whole.header("etag").unwrap().to_owned();
    let ask = |range: &str| bed.call("GET", &path).header("Range", range).send();

    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=7-106".to_owned(), 7, 107),
        (format!("bytes={}-", total - 10), total - 10, total),
        ("bytes=-20".to_owned(), total - 20, total),
        (format!("bytes=-{}", total + 5), 0, total),
        (format!("bytes=5-{}", total + 100), 5, total),
    ] {
        let part = ask(&range);
        assert_eq!(part.status, 206, "{range}: {part:?}");
        assert_eq!(part.body, whole.body[from..to], "{range}");
        let told = format!("bytes {from}-{}/{total}", to - 1);
        assert_eq!(part.header("content-range"), Some(told.as_str()), "{range}");
        assert_eq!(part.header("etag"), Some(tag.as_str()));
    }
    for range in [
        format!("bytes={total}-"),
        "bytes=-0".to_owned(),
        format!("bytes={}-", u64::MAX),
    ] {
        let refused = ask(&range);
        refused.problem(416, "range_not_satisfiable");
        let told = format!("bytes */{total}");
        assert_eq!(refused.header("content-range"), Some(told.as_str()), "{range}");
    }
    for range in ["lines=0-1", "bytes=", "bytes=9-2", "bytes=0-1,5-6", "bytes=1-x"] {
        let answer = ask(range);
        assert_eq!((answer.status, answer.body.len()), (200, total), "{range}");
    }

    let with = |name: &str, value: &str| bed.call("GET", &path).header(name, value);
    let unchanged = with("If-None-Match", &format!("\"other\", {tag}")).send();
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(with("If-None-Match", "\"other\"").send().status, 200);
    let same = with("If-Range", &tag).header("Range", "bytes=0-1").send();
    assert_eq!(same.status, 206);
    let other = with("If-Range", "\"other\"").header("Range", "bytes=0-1").send();
    assert_eq!((other.status, other.body.len()), (200, total));
    let head = bed.call("HEAD", &path).send();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), Some(total.to_string().as_str()));
    let saved = bed.get(&format!("{path}?download=1"));
    assert!(
        saved
            .header("content-disposition")
            .unwrap()
            .starts_with("attachment; ")
    );
    bed.stop();
}

#[test]
fn pages_show_every_generation_once_and_the_newest_first() {
    let place = Place::new();
    let bed = place.serve();
    let mut made: Vec<_> = (0..5).map(|n| bed.ask(&small(&format!("barco {n}")))).collect();
    made.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bed
            .get(&format!("/api/v1/generations?limit=2{cursor}"))
            .expect(200);
        assert!(ids(&page).len() <= 2, "{page}");
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
    assert_eq!(ids(&bed.get("/api/v1/generations").expect(200)), made);
    bed.get("/api/v1/generations?cursor=gen_x")
        .problem(400, "invalid_cursor");
    bed.get("/api/v1/generations?limit=-1")
        .problem(400, "invalid_query");
    bed.get("/api/v1/generations?page=2")
        .problem(400, "invalid_query");
}

#[test]
fn what_is_deleted_is_gone_from_every_place() {
    let place = Place::new();
    let bed = place.serve();
    let first = bed.picture("um barco vermelho");
    let twin = bed.picture("um barco vermelho");
    assert_eq!(outputs(&first)[0]["sha256"], outputs(&twin)[0]["sha256"]);
    let path = |generation: &Value| format!("/api/v1/generations/{}", generation["id"].as_str().unwrap());

    assert_eq!(bed.delete(&path(&first)).status, 204);
    bed.get(&path(&first)).problem(404, "not_found");
    bed.delete(&path(&first)).problem(404, "not_found");
    bed.call("POST", &format!("{}/retry", path(&first)))
        .send()
        .problem(404, "not_found");
    bed.call("POST", &format!("{}/cancel", path(&first)))
        .send()
        .problem(404, "not_found");
    bed.get(&format!("/api/v1/assets/{}", asset(&first)))
        .problem(404, "not_found");
    bed.get(&format!("/api/v1/assets/{}/content", asset(&first)))
        .problem(404, "not_found");
    assert_eq!(
        ids(&bed.get("/api/v1/generations").expect(200)),
        [twin["id"].as_str().unwrap()]
    );

    let left = bed.content(&asset(&twin));
    assert_eq!(
        sha256(&left),
        outputs(&twin)[0]["sha256"].as_str().unwrap(),
        "its twin is whole"
    );
    assert!(!place.blobs().is_empty());
    assert_eq!(bed.delete(&path(&twin)).status, 204);
    assert_eq!(
        place.blobs(),
        [] as [std::path::PathBuf; 0],
        "nothing needs the media any more"
    );
    bed.stop();
}

#[test]
fn one_that_runs_can_be_stopped() {
    let place = Place::new();
    let bed = place.serve();
    let mut listener = Listener::after(&bed, 0);
    // One clip: once it is being drawn there is still the encoding to come.
    let wish = json!({"kind": "video", "prompt": "uma casa", "size": "512x512", "seconds": 3, "seed": 2});
    let id = bed.ask(&wish);
    let path = format!("/api/v1/generations/{id}");
    listener.until_drawn(&id);
    bed.delete(&path).problem(409, "not_over");
    bed.call("POST", &format!("{path}/retry"))
        .send()
        .problem(409, "not_over");
    bed.call("POST", &format!("{path}/cancel")).send().expect(202);
    let end = bed.ended(&id);
    assert_eq!(end["state"], "cancelled", "{end}");
    assert_eq!(outputs(&end), [] as [Value; 0]);
    assert_eq!(end["cost"]["actual"]["micros"], 0);
    bed.call("POST", &format!("{path}/cancel"))
        .send()
        .problem(409, "already_over");

    // The engine is free for the next one.
    bed.picture("um barco");
    until("no media of the stopped one", || {
        (place.blobs().len() == 1).then_some(())
    });
    bed.stop();
}

#[test]
fn asking_again_makes_a_new_one_with_the_same_settings() {
    let place = Place::new();
    let bed = place.serve();
    let first = bed.picture("um barco azul");
    let path = format!("/api/v1/generations/{}/retry", first["id"].as_str().unwrap());
    let again = bed.call("POST", &path).send();
    let id = again.expect(202)["id"].as_str().unwrap().to_owned();
    assert_ne!(first["id"], id.as_str());
    let second = bed.made(&id);
    assert_eq!(outputs(&second)[0]["sha256"], outputs(&first)[0]["sha256"]);
    for field in ["prompt", "model", "provider", "seed", "size", "count"] {
        assert_eq!(second[field], first[field], "{field}");
    }
}

#[test]
fn several_at_once_differ() {
    let place = Place::new();
    let bed = place.serve();
    let mut wish = small("um barco");
    wish["count"] = json!(2);
    let done = bed.made(&bed.ask(&wish));
    let outputs = outputs(&done);
    assert_eq!(outputs.len(), 2);
    assert_ne!(outputs[0]["sha256"], outputs[1]["sha256"]);
    assert_eq!(place.blobs().len(), 2);
    wish["count"] = json!(5);
    bed.post("/api/v1/generations", &wish)
        .problem(422, "invalid_request");
    wish["count"] = json!(0);
    bed.post("/api/v1/generations", &wish)
        .problem(422, "invalid_request");
}

/// A clip of two seconds.
pub fn clip(bed: &Bed) -> Value {
    let wish = json!({"kind": "video", "prompt": "um barco", "size": "128x128", "seconds": 2, "seed": 3});
    bed.made(&bed.ask(&wish))
}

#[test]
fn a_clip_says_that_it_is_an_animated_still() {
    let place = Place::new();
    let bed = place.serve();
    let done = clip(&bed);
    let output = &outputs(&done)[0];
    assert_eq!(output["media_type"], "video/mp4");
    let seconds = output["seconds"].as_f64().unwrap();
    assert!((1.9..=2.1).contains(&seconds), "{seconds}");
    assert!(done["notes"].to_string().contains("animated_still"), "{done}");
    assert!(String::from_utf8_lossy(&bed.content(&asset(&done))).contains("animated still"));
}
