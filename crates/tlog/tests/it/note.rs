//! Signed notes, checkpoints and proof files.

use ed25519_dalek::{Signer, SigningKey};
use tlog::{
    Checkpoint, CheckpointError, Hash, NoteError, OfflineProof, OfflineProofError, SignedNote, VerifierKey,
    leaf_hash, note,
};

use crate::support::{ORIGIN, TestLog};

/// The worked example of c2sp.org/signed-note.
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#[test]
fn the_specification_example_verifies() {
    let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
    assert_eq!(key.to_string(), EXAMPLE_KEY);
    assert_eq!(key.name(), "example.com/foo");
    let note = SignedNote::parse(EXAMPLE_NOTE).unwrap();
    assert_eq!(note.verified_text(&key).unwrap(), "This is an example message.\n");
}

#[test]
fn every_flipped_bit_of_the_example_is_found() {
    let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
    for bit in 0..EXAMPLE_NOTE.len() * 8 {
        let mut bytes = EXAMPLE_NOTE.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let verified = SignedNote::parse(&text).and_then(|n| n.verified_text(&key).map(str::len));
        assert!(verified.is_err(), "bit {bit} in {text}");
    }
}

#[test]
fn lines_by_other_keys_are_left_alone() {
    let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
    let others = "\u{2014} witness.example AAAAAAAAAAAAAA==\n".repeat(16);
    let note = format!("{EXAMPLE_NOTE}{others}");
    assert!(SignedNote::parse(&note).unwrap().verified_text(&key).is_ok());
    let only_others = format!("text\n\n{others}");
    assert_eq!(
        SignedNote::parse(&only_others).unwrap().verified_text(&key),
        Err(NoteError::NotSigned("example.com/foo".to_owned()))
    );
}

#[test]
fn malformed_notes_are_refused() {
    let too_many = format!(
        "t\n\n{}",
        "\u{2014} a AAAAAAA=\n".repeat(note::MAX_NOTE_SIGNATURES + 1)
    );
    let too_long = format!("{}{EXAMPLE_NOTE}", "x".repeat(note::MAX_NOTE_BYTES));
    for note in [
        "",
        "no signature\n",
        "text\n\n",
        "text\n\n\u{2014} name AAAAAAA=",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n\u{2014} name AAA=\n",
        "text\n\n\u{2014} na+me AAAAAAA=\n",
        "text\n\n\u{2014}  AAAAAAA=\n",
        "te\txt\n\n\u{2014} name AAAAAAA=\n",
        "te\r\n\n\u{2014} name AAAAAAA=\n",
        too_many.as_str(),
        too_long.as_str(),
    ] {
        let refused = SignedNote::parse(note);
        assert!(matches!(refused, Err(NoteError::Malformed(_))), "{note}");
    }
}

#[test]
fn keys_are_read_strictly() {
    for wrong in [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "exa mple+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
        "example.com/foo+530d903a+not base64",
    ] {
        assert!(VerifierKey::parse(wrong).is_err(), "{wrong}");
    }
    // The neutral element is a key for which anyone can sign.
    let mut weak = [0; 32];
    weak[0] = 1;
    assert!(VerifierKey::ed25519("weak.example", &weak).is_err());
}

#[test]
fn a_wrong_signature_never_becomes_a_note() {
    let signing = SigningKey::from_bytes(&[1; 32]);
    let key = VerifierKey::ed25519("a.example", signing.verifying_key().as_bytes()).unwrap();
    let signature = signing.sign(b"text\n").to_bytes();
    let made = note::sign("text\n", &key, signature).unwrap();
    assert!(SignedNote::parse(&made).unwrap().verified_text(&key).is_ok());
    assert_eq!(
        note::sign("other\n", &key, signature),
        Err(NoteError::WrongSignature("a.example".to_owned()))
    );
    for text in ["no newline", "tab\t\n"] {
        let signature = signing.sign(text.as_bytes()).to_bytes();
        assert!(matches!(
            note::sign(text, &key, signature),
            Err(NoteError::Malformed(_))
        ));
    }
}

#[test]
fn checkpoints_are_read_strictly() {
    let root = Hash::empty_root();
    let good = Checkpoint {
        origin: "a.example/log".to_owned(),
        size: 20_852_163,
        root,
    };
    assert_eq!(Checkpoint::parse_text(&good.text()), Ok(good.clone()));
    let extended = format!("{}opaque line\n", good.text());
    assert_eq!(Checkpoint::parse_text(&extended), Ok(good));
    for wrong in [
        String::new(),
        "a\n1\n".to_owned(),
        format!("a\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("a\n01\n{root}\n"),
        format!("a\n+1\n{root}\n"),
        format!("a\n-1\n{root}\n"),
        format!("a\n99999999999999999999\n{root}\n"),
        format!("a\n1\n{root}\n\n"),
        "a\n1\nAAAA\n".to_owned(),
    ] {
        let refused = Checkpoint::parse_text(&wrong);
        assert!(matches!(refused, Err(CheckpointError::Malformed(_))), "{wrong}");
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let signing = SigningKey::from_bytes(&[1; 32]);
    let key = VerifierKey::ed25519("a.example", signing.verifying_key().as_bytes()).unwrap();
    let other = Checkpoint {
        origin: "b.example".to_owned(),
        size: 0,
        root: Hash::empty_root(),
    };
    let signature = signing.sign(other.text().as_bytes()).to_bytes();
    let refused = other.signed(&key, signature);
    assert!(matches!(refused, Err(CheckpointError::OtherLog { .. })));
    let signed = note::sign(&other.text(), &key, signature).unwrap();
    let refused = Checkpoint::open(&signed, &key);
    assert!(matches!(refused, Err(CheckpointError::OtherLog { .. })));
}

#[test]
fn a_log_may_only_grow() {
    let at = |size: u64| {
        let log = TestLog::of_size(size, 9);
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: log.root,
        }
    };
    let log = TestLog::of_size(20, 9);
    let tiles = log.fetch(&tlog::tiles_for_consistency(7, 20).unwrap());
    let proof = tlog::prove_consistency(7, 20, &tiles).unwrap();
    assert_eq!(at(20).check_follows(&at(7), &proof), Ok(()));
    assert_eq!(at(20).check_follows(&at(20), &[]), Ok(()));
    assert_eq!(at(20).check_follows(&at(0), &[]), Ok(()));
    assert_eq!(at(0).check_follows(&at(0), &[]), Ok(()));
    assert!(matches!(
        at(7).check_follows(&at(20), &proof),
        Err(CheckpointError::Shrunk { .. })
    ));
    assert!(matches!(
        at(20).check_follows(&at(7), &[]),
        Err(CheckpointError::Forked(_))
    ));
    // Two roots for one size: what a log must never sign.
    let fork = Checkpoint {
        root: at(7).root,
        ..at(20)
    };
    assert!(matches!(
        fork.check_follows(&at(20), &[]),
        Err(CheckpointError::Forked(_))
    ));
    let empty_fork = Checkpoint {
        root: at(7).root,
        ..at(0)
    };
    assert!(matches!(
        empty_fork.check_follows(&at(0), &[]),
        Err(CheckpointError::Forked(_))
    ));
    assert!(matches!(
        at(7).check_follows(&empty_fork, &[]),
        Err(CheckpointError::Forked(_))
    ));
    let other = Checkpoint {
        origin: "other".to_owned(),
        ..at(20)
    };
    assert!(matches!(
        other.check_follows(&at(20), &[]),
        Err(CheckpointError::OtherLog { .. })
    ));
}

#[test]
fn a_proof_file_proves_its_entry_and_no_other() {
    let log = TestLog::of_size(300, 100);
    let proof = log.proof_of(257);
    let text = proof.to_text();
    assert_eq!(OfflineProof::parse(&text), Ok(proof));
    let read = OfflineProof::parse(&text).unwrap();
    let checkpoint = read.verify(&leaf_hash(&log.entries[257]), &log.key()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (300, log.root));
    assert!(read.verify(&leaf_hash(&log.entries[256]), &log.key()).is_err());
    let stranger = VerifierKey::parse(EXAMPLE_KEY).unwrap();
    assert!(matches!(
        read.verify(&leaf_hash(&log.entries[257]), &stranger),
        Err(OfflineProofError::Checkpoint(_))
    ));
}

#[test]
fn every_flipped_bit_of_a_proof_file_is_found() {
    let log = TestLog::of_size(20, 20);
    let text = log.proof_of(13).to_text();
    let leaf = leaf_hash(&log.entries[13]);
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        let verified = OfflineProof::parse(&changed).and_then(|p| p.verify(&leaf, &log.key()));
        assert!(verified.is_err(), "bit {bit} in {changed}");
    }
}

#[test]
fn extra_data_travels_and_malformed_files_are_refused() {
    let log = TestLog::of_size(1, 1);
    let mut proof = log.proof_of(0);
    assert!(proof.hashes.is_empty());
    proof.extra = Some(b"id=aud_1".to_vec());
    let text = proof.to_text();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra aWQ9YXVkXzE=\nindex 0\n\n"));
    assert_eq!(OfflineProof::parse(&text), Ok(proof));
    let hash = Hash::empty_root();
    for wrong in [
        String::new(),
        "c2sp.org/tlog-proof@v1\nindex 0\n".to_owned(),
        "c2sp.org/tlog-proof@v2\nindex 0\n\nc".to_owned(),
        "c2sp.org/tlog-proof@v1\n\nc".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 00\n\nc".to_owned(),
        "c2sp.org/tlog-proof@v1\nextra ?\nindex 0\n\nc".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nc".to_owned(),
        format!(
            "c2sp.org/tlog-proof@v1\nindex 0{}\n\nc",
            format!("\n{hash}").repeat(65)
        ),
        format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{}", "c".repeat(1 << 20)),
    ] {
        let refused = OfflineProof::parse(&wrong);
        assert!(matches!(refused, Err(OfflineProofError::Malformed(_))), "{wrong}");
    }
}
