//! An independent implementation, crate `ct-merkle`, must agree hash by hash.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use tlog::{
    Hash, ProofError, leaf_hash, prove_consistency, prove_inclusion, tiles_for_consistency,
    tiles_for_inclusion, verify_consistency, verify_inclusion,
};

use crate::support::TestLog;

fn oracle(entries: &[Vec<u8>]) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    for entry in entries {
        tree.push(entry.clone());
    }
    tree
}

fn bytes_of(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

fn position(index: u64) -> usize {
    usize::try_from(index).unwrap()
}

#[test]
fn every_proof_of_every_small_tree_equals_the_oracle() {
    for size in 1..=40_u64 {
        let log = TestLog::of_size(size, 3);
        let tree = oracle(&log.entries);
        assert_eq!(tree.root().as_bytes().as_slice(), log.root.0);
        for index in 0..size {
            let tiles = log.fetch(&tiles_for_inclusion(index, size).unwrap());
            let proof = prove_inclusion(index, size, &tiles).unwrap();
            assert_eq!(bytes_of(&proof), tree.prove_inclusion(position(index)).as_bytes());
            let leaf = leaf_hash(&log.entries[position(index)]);
            verify_inclusion(&leaf, index, size, &proof, &log.root).unwrap();
        }
        for old in 1..=size {
            let tiles = log.fetch(&tiles_for_consistency(old, size).unwrap());
            let proof = prove_consistency(old, size, &tiles).unwrap();
            if old < size {
                let theirs = tree.prove_consistency(position(size - old));
                assert_eq!(bytes_of(&proof), theirs.as_bytes());
            }
            let old_root = TestLog::of_size(old, 7).root;
            verify_consistency(old, &old_root, size, &log.root, &proof).unwrap();
        }
    }
}

#[test]
fn trees_over_several_tile_levels_equal_the_oracle() {
    // 65 536 is the first size with a tile at level 2.
    let log = TestLog::of_size(66_000, 1111);
    let tree = oracle(&log.entries);
    assert_eq!(tree.root().as_bytes().as_slice(), log.root.0);
    for index in [0, 255, 256, 65_535, 65_536, 65_537, 65_999] {
        let tiles = log.fetch(&tiles_for_inclusion(index, 66_000).unwrap());
        let proof = prove_inclusion(index, 66_000, &tiles).unwrap();
        assert_eq!(bytes_of(&proof), tree.prove_inclusion(position(index)).as_bytes());
    }
    for old in [1, 255, 256, 257, 65_535, 65_536, 65_537, 65_999] {
        let tiles = log.fetch(&tiles_for_consistency(old, 66_000).unwrap());
        let proof = prove_consistency(old, 66_000, &tiles).unwrap();
        assert_eq!(
            bytes_of(&proof),
            tree.prove_consistency(position(66_000 - old)).as_bytes()
        );
    }
}

#[test]
fn questions_without_an_answer_are_refused() {
    let log = TestLog::of_size(5, 5);
    let none = tlog::Tiles::new();
    for (index, size) in [(5, 5), (0, 0), (9, 5)] {
        let expected = ProofError::OutOfRange { asked: index, size };
        assert_eq!(prove_inclusion(index, size, &none), Err(expected.clone()));
        assert_eq!(
            verify_inclusion(&log.root, index, size, &[], &log.root),
            Err(expected)
        );
    }
    for (old, size) in [(0, 5), (6, 5), (0, 0)] {
        let expected = ProofError::OutOfRange { asked: old, size };
        assert_eq!(prove_consistency(old, size, &none), Err(expected.clone()));
        assert_eq!(
            verify_consistency(old, &log.root, size, &log.root, &[]),
            Err(expected)
        );
    }
    assert!(matches!(prove_inclusion(0, 5, &none), Err(ProofError::Tile(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_inclusion_proof_verifies_and_any_flipped_bit_is_found(
        size in 1..700_u64, pick in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
    ) {
        let log = TestLog::of_size(size, 100);
        let index = pick.index(position(size)) as u64;
        let tiles = log.fetch(&tiles_for_inclusion(index, size).unwrap());
        let proof = prove_inclusion(index, size, &tiles).unwrap();
        let leaf = leaf_hash(&log.entries[position(index)]);
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &log.root).is_ok());

        // Leaf, root and every hash of the proof in one row of bits; any one of them flipped.
        let mut all = vec![leaf, log.root];
        all.extend_from_slice(&proof);
        let bit = flip.index(all.len() * 256);
        all[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&all[0], index, size, &all[2..], &all[1]).is_err());

        // A hash more or less, or another place, is refused too.
        let mut longer = proof.clone();
        longer.push(log.root);
        prop_assert!(verify_inclusion(&leaf, index, size, &longer, &log.root).is_err());
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert!(verify_inclusion(&leaf, index, size, shorter, &log.root).is_err());
            prop_assert!(
                verify_inclusion(&leaf, (index + 1) % size, size, &proof, &log.root).is_err()
            );
        }
    }

    #[test]
    fn any_consistency_proof_verifies_and_any_flipped_bit_is_found(
        size in 1..700_u64, pick in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
    ) {
        let log = TestLog::of_size(size, 100);
        let old = 1 + pick.index(position(size)) as u64;
        let old_root = TestLog::of_size(old, 64).root;
        let tiles = log.fetch(&tiles_for_consistency(old, size).unwrap());
        let proof = prove_consistency(old, size, &tiles).unwrap();
        prop_assert!(verify_consistency(old, &old_root, size, &log.root, &proof).is_ok());

        let mut all = vec![old_root, log.root];
        all.extend_from_slice(&proof);
        let bit = flip.index(all.len() * 256);
        all[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_consistency(old, &all[0], size, &all[1], &all[2..]).is_err());

        let mut longer = proof.clone();
        longer.push(log.root);
        prop_assert!(verify_consistency(old, &old_root, size, &log.root, &longer).is_err());
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert!(verify_consistency(old, &old_root, size, &log.root, shorter).is_err());
        }
    }
}
