//! Appending in any batches gives the same tree, with only the right edge fetched.

use proptest::prelude::*;
use tlog::{
    Edge, Hash, MAX_TREE_SIZE, Tile, TileError, Tiles, append, leaf_hash, tiles_for_append, tiles_of,
};

use crate::support::TestLog;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn batches_do_not_matter(size in 0..1500_u64, batch in 1..600_usize) {
        let one_by_one = TestLog::of_size(size, 1);
        let batched = TestLog::of_size(size, batch);
        prop_assert_eq!(one_by_one.root, batched.root);
        for tile in tiles_of(size) {
            prop_assert_eq!(one_by_one.tile(tile), batched.tile(tile));
        }
    }
}

#[test]
fn nothing_appended_changes_nothing() {
    for size in [0, 1, 255, 256, 300] {
        let log = TestLog::of_size(size, 64);
        let appended = append(size, &log.fetch(&tiles_for_append(size)), &[]).unwrap();
        assert_eq!((appended.size, appended.root), (size, log.root));
        assert!(appended.tiles.is_empty());
    }
}

#[test]
fn only_the_right_edge_changes() {
    let log = TestLog::of_size(513, 64);
    let edge = log.fetch(&tiles_for_append(513));
    let appended = append(513, &edge, &[leaf_hash(b"one more")]).unwrap();
    let changed: Vec<_> = appended.tiles.iter().map(|(tile, _)| tile.path()).collect();
    assert_eq!(changed, ["tile/0/002.p/2"]);
}

#[test]
fn a_missing_or_short_edge_is_refused() {
    assert_eq!(
        append(300, &Tiles::new(), &[]),
        Err(TileError::Missing(Tile {
            level: 0,
            index: 1,
            width: 44
        }))
    );
    let tile = Tile {
        level: 0,
        index: 0,
        width: 3,
    };
    let refused = Tiles::new().insert(tile, vec![0; 95]);
    assert_eq!(refused, Err(TileError::Length { tile, length: 95 }));
}

#[test]
fn the_largest_tree_takes_no_more() {
    let mut tiles = Tiles::new();
    for tile in tiles_for_append(MAX_TREE_SIZE) {
        tiles.insert(tile, vec![1; usize::from(tile.width) * 32]).unwrap();
    }
    let leaf = leaf_hash(b"");
    assert_eq!(append(MAX_TREE_SIZE, &tiles, &[leaf]), Err(TileError::TooLarge));
    assert_eq!(append(MAX_TREE_SIZE + 1, &tiles, &[]), Err(TileError::TooLarge));

    let mut tiles = Tiles::new();
    for tile in tiles_for_append(MAX_TREE_SIZE - 1) {
        tiles.insert(tile, vec![1; usize::from(tile.width) * 32]).unwrap();
    }
    let mut edge = Edge::open(MAX_TREE_SIZE - 1, &tiles).unwrap();
    edge.push(leaf).unwrap();
    assert_eq!(edge.size(), MAX_TREE_SIZE);
    assert_ne!(edge.root(), Hash::empty_root());
}
