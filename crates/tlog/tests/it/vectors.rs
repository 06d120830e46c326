//! Published vectors: the eight leaves of the Certificate Transparency reference tests, and the
//! worked examples in the C2SP texts.

use tlog::{
    Bundle, Hash, Tile, bundles_of, leaf_hash, prove_consistency, prove_inclusion, tiles_for_consistency,
    tiles_for_inclusion, tiles_of, verify_consistency, verify_inclusion,
};

use crate::support::TestLog;

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hash(hex: &str) -> Hash {
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    Hash(bytes.try_into().unwrap())
}

fn log_of(size: usize) -> TestLog {
    let mut log = TestLog::new();
    for leaf in &LEAVES[..size] {
        log.append(&[data_encoding::HEXLOWER.decode(leaf.as_bytes()).unwrap()]);
    }
    log
}

#[test]
fn roots_of_the_reference_tree() {
    assert_eq!(
        Hash::empty_root().to_hex(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(log_of(size).root.to_hex(), root, "size {size}");
    }
}

#[test]
fn inclusion_paths_of_the_reference_tree() {
    // Index from 0, size, path from the leaf up.
    let paths: [(u64, u64, &[&str]); 6] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            3,
            &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        ),
        (
            1,
            5,
            &[
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
        (
            4,
            5,
            &["d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
        ),
    ];
    for (index, size, path) in paths {
        let log = log_of(usize::try_from(size).unwrap());
        let tiles = log.fetch(&tiles_for_inclusion(index, size).unwrap());
        let proof = prove_inclusion(index, size, &tiles).unwrap();
        assert_eq!(proof, path.iter().map(|h| hash(h)).collect::<Vec<_>>());
        let leaf = leaf_hash(&log.entries[usize::try_from(index).unwrap()]);
        verify_inclusion(&leaf, index, size, &proof, &log.root).unwrap();
    }
}

#[test]
fn consistency_proofs_of_the_reference_tree() {
    let log = log_of(8);
    let proofs: [(u64, u64, &[&str]); 4] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (old, size, expected) in proofs {
        // The database has grown to 8 entries; the tiles answer for every earlier size.
        let tiles = log.fetch(&tiles_for_consistency(old, size).unwrap());
        let proof = prove_consistency(old, size, &tiles).unwrap();
        assert_eq!(proof, expected.iter().map(|h| hash(h)).collect::<Vec<_>>());
        let root = |size: u64| hash(ROOTS[usize::try_from(size - 1).unwrap()]);
        verify_consistency(old, &root(old), size, &root(size), &proof).unwrap();
    }
}

#[test]
fn tile_paths_of_the_specification() {
    let tile = Tile {
        level: 0,
        index: 1_234_067,
        width: 256,
    };
    assert_eq!(tile.path(), "tile/0/x001/x234/067");
    assert_eq!(Tile { width: 1, ..tile }.path(), "tile/0/x001/x234/067.p/1");
    assert_eq!(
        Bundle {
            index: 67,
            width: 256
        }
        .path(),
        "tile/entries/067"
    );
}

#[test]
fn paths_have_one_spelling() {
    for size in [1, 255, 256, 257, 70_000, 300_000_000] {
        for tile in tiles_of(size).take(2000) {
            assert_eq!(Tile::parse(&tile.path()), Some(tile));
        }
        for bundle in bundles_of(size).take(2000) {
            assert_eq!(Bundle::parse(&bundle.path()), Some(bundle));
        }
    }
    for wrong in [
        "tile/0/67",
        "tile/0/0067",
        "tile/00/067",
        "tile/8/067",
        "tile/0/x067",
        "tile/0/001/067",
        "tile/0/x000/067",
        "tile/0/067.p/0",
        "tile/0/067.p/256",
        "tile/0/067.p/01",
        "tile/0/067.p/+1",
        "tile/0/067/../068",
        "tile/0/",
        "tile/0",
        "checkpoint",
    ] {
        assert_eq!(Tile::parse(wrong), None, "{wrong}");
    }
    assert_eq!(Bundle::parse("tile/entries/67"), None);
}

#[test]
fn tiles_of_the_specification_example() {
    let count = |level, full| {
        tiles_of(70_000)
            .filter(|tile| tile.level == level && tile.is_full() == full)
            .count()
    };
    assert_eq!((count(0, true), count(0, false)), (273, 1));
    assert_eq!((count(1, true), count(1, false)), (1, 1));
    assert_eq!((count(2, true), count(2, false)), (0, 1));
    let partial: Vec<_> = tiles_of(70_000)
        .filter(|tile| !tile.is_full())
        .map(|tile| tile.width)
        .collect();
    assert_eq!(partial, [112, 17, 1]);
    let of_256: Vec<_> = tiles_of(256).map(|tile| tile.path()).collect();
    assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(tiles_of(0).count(), 0);
}
