//! Ends of the process, wanted and unwanted: what was accepted is finished, what is open is answered.

use rustix::process::Signal;
use serde_json::Value;

use crate::bed::{Bed, Place, SLOW_COUNT, files_below, slow, small, until};
use crate::events::Listener;
use crate::media_files::png;
use crate::uploads;

fn picture_count(generation: &Value) -> usize {
    generation["outputs"].as_array().unwrap().len()
}

fn finishes_after(end: impl FnOnce(Bed)) {
    let place = Place::new();
    let bed = place.serve();
    let mut listener = Listener::after(&bed, 0);
    let id = bed.ask(&slow("uma casa na neve"));
    let waiting = bed.ask(&small("um barco"));
    listener.until_drawn(&id);
    end(bed);

    let bed = place.serve();
    let done = bed.made(&id);
    assert_eq!(picture_count(&done), SLOW_COUNT);
    assert_eq!(picture_count(&bed.made(&waiting)), 1);
    assert_eq!(done["cost"]["actual"]["micros"], 0);
    let blobs = place.blobs();
    assert_eq!(blobs.len(), SLOW_COUNT + 1, "{blobs:?}");
    let page = bed.get("/api/v1/generations").expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

#[test]
fn what_was_cut_off_is_finished_after_the_start() {
    finishes_after(Bed::cut);
}

#[test]
fn what_was_stopped_is_finished_after_the_start() {
    finishes_after(Bed::stop);
}

#[test]
fn a_stop_answers_what_is_open_and_takes_nothing_new() {
    let place = Place::new();
    let mut bed = place.serve();
    let mut listener = Listener::after(&bed, 0);
    let file = png(32, 32);
    let upload = uploads::begin(&bed, file.len(), "image/png");
    let half = uploads::part(&bed, &upload, 0, &file).begin(file.len() / 2);
    // The half is in when the request has been routed: the upload's own page still answers beside it.
    bed.get(&upload).expect(200);
    bed.signal(Signal::TERM);
    assert!(listener.next().is_none(), "streams end");
    bed.wait_deaf();
    assert!(bed.is_alive(), "it waits for the request that is open");
    let answer = half.finish();
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(answer.header("studio-asset").is_some(), "{answer:?}");
    assert_eq!(bed.wait().code(), Some(0), "{}", bed.log());
    assert!(bed.log().contains("stopped"), "{}", bed.log());
}

#[test]
fn what_is_stopped_well_leaves_one_whole_database_file() {
    let whole = |place: &Place| {
        let files = place.data_files();
        let of_database = |path: &&std::path::PathBuf| path.to_string_lossy().contains("studio.db");
        files.iter().filter(of_database).count() == 1
    };
    let place = Place::new();
    let bed = place.serve();
    bed.picture("um barco");
    assert!(!whole(&place), "while it runs there is a journal");
    bed.stop();
    assert!(whole(&place), "{:?}", place.data_files());
    let arguments = ["generate", "um barco", "--size", "128x128", "-o", "a.png"];
    place.run_with_data(&arguments).well();
    assert!(whole(&place), "{:?}", place.data_files());
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new();
    let mut bed = place.serve();
    let file = png(32, 32);
    let upload = uploads::begin(&bed, file.len(), "image/png");
    let half = uploads::part(&bed, &upload, 0, &file).begin(file.len() / 2);
    bed.get(&upload).expect(200);
    bed.signal(Signal::INT);
    bed.wait_deaf();
    bed.signal(Signal::TERM);
    assert_eq!(bed.wait().code(), Some(130));
    drop(half);
}

#[test]
fn a_broken_upload_leaves_the_process_and_the_upload_as_they_were() {
    let place = Place::new();
    let mut bed = place.serve();
    let file = png(32, 32);
    let upload = uploads::begin(&bed, file.len(), "image/png");
    uploads::part(&bed, &upload, 0, &file)
        .begin(file.len() / 2)
        .breaks();
    until("nothing of the broken part", || {
        place.blobs().is_empty().then_some(())
    });
    assert_eq!(bed.get(&upload).expect(200)["offset"], 0);
    assert_eq!(uploads::part(&bed, &upload, 0, &file).send().status, 204);
    bed.assert_alive();
}

#[test]
fn a_hangup_reads_the_levels_anew_and_the_audit_log_knows() {
    let place = Place::new();
    let write = |level: &str| {
        std::fs::write(place.file("studio.toml"), format!("[log]\nlevel = \"{level}\"\n")).unwrap();
    };
    write("warn");
    let bed = place.serve();
    bed.get("/docs");
    assert!(!bed.log().contains("/docs"), "{}", bed.log());
    write("info");
    bed.signal(Signal::HUP);
    until("levels are read anew", || {
        bed.log().contains("levels read anew").then_some(())
    });
    bed.get("/docs");
    until("requests are logged", || {
        bed.log().contains("route=/docs").then_some(())
    });
    write("not a level");
    bed.signal(Signal::HUP);
    until("a bad file changes nothing", || {
        bed.log().contains("levels stay").then_some(())
    });
    bed.stop();
    write("warn");
    let told = place.file("export");
    place
        .run_with_data(&["audit", "export", "-o", &told.display().to_string()])
        .well();
    let entries = files_below(&told.join("tile/entries"));
    let bytes: Vec<u8> = entries
        .iter()
        .flat_map(|file| std::fs::read(file).unwrap())
        .collect();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(
        text.contains("setting.changed") && text.contains("log.level"),
        "{text}"
    );
}
