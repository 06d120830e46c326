//! Assets, and uploads that become some.

use crate::bed::{Bed, NOW, at, conflict, fresh, generation, local};
use domain::actor::{FIRST_WORKSPACE, LOCAL_USER, SystemScope};
use domain::id::{AssetId, GenerationId, UploadId};
use store::assets::{self, Asset, Role};
use store::uploads::{self, Upload};
use store::{Error, generations};

on_both!(
    what_is_kept_comes_back,
    an_output_is_stored_once,
    a_blob_goes_with_its_last_asset,
    deleted_generations_with_media_are_found,
    an_upload_arrives_in_order,
    an_upload_cannot_grow_beyond_its_length,
);

const SYSTEM: SystemScope = SystemScope { reason: "test" };

pub fn asset(generation: Option<GenerationId>, ordinal: u16) -> Asset {
    let number = fresh();
    Asset {
        id: AssetId::from_value(number),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        generation,
        ordinal,
        role: if generation.is_some() {
            Role::Output
        } else {
            Role::Input
        },
        media_type: "video/mp4".to_owned(),
        width: 1280,
        height: 720,
        seconds_micros: Some(5_040_000),
        bytes: 3_000_000_000,
        sha256: "ab".repeat(32),
        blob: format!("blob-{number}"),
        hidden: true,
        demo: false,
        created_at: NOW,
        deleted_at: None,
    }
}

async fn what_is_kept_comes_back(bed: Bed) {
    let scope = local();
    for asset in [asset(Some(generation(&bed.db).await), 1), asset(None, 0)] {
        write!(bed.db, tx [asset] => assets::insert(tx, &asset)).unwrap();
        let id = asset.id;
        assert_eq!(
            read!(bed.db, read [] => assets::find(read, &scope, id)).unwrap(),
            Some(asset)
        );
    }
}

async fn an_output_is_stored_once(bed: Bed) {
    let id = generation(&bed.db).await;
    let (second, first) = (asset(Some(id), 1), asset(Some(id), 0));
    for asset in [&second, &first] {
        write!(bed.db, tx [asset] => assets::insert(tx, &asset)).unwrap();
    }
    let twin = asset(Some(id), 1);
    assert_eq!(
        conflict(write!(bed.db, tx [twin] => assets::insert(tx, &twin))),
        "assets_output"
    );
    assert_eq!(
        read!(bed.db, read [] => assets::of_generation(read, id)).unwrap(),
        vec![first, second]
    );
}

async fn a_blob_goes_with_its_last_asset(bed: Bed) {
    let (one, mut two, scope) = (asset(None, 0), asset(None, 0), local());
    two.blob = one.blob.clone();
    for asset in [&one, &two] {
        write!(bed.db, tx [asset] => assets::insert(tx, &asset)).unwrap();
    }
    let blob = one.blob.clone();
    for (gone, left) in [(one.id, 1), (two.id, 0)] {
        assert!(write!(bed.db, tx [] => assets::mark_deleted(tx, &scope, gone, at(1))).unwrap());
        assert!(!write!(bed.db, tx [] => assets::mark_deleted(tx, &scope, gone, at(1))).unwrap());
        let references = read!(bed.db, read [blob] => async {
            assets::references_to_blob(read, FIRST_WORKSPACE, &blob).await
        });
        assert_eq!(references, Ok(left));
    }
    assert_eq!(
        read!(bed.db, read [] => assets::all_blobs(read, SYSTEM, None, 10)).unwrap(),
        Vec::<String>::new()
    );
}

async fn deleted_generations_with_media_are_found(bed: Bed) {
    let (id, other, scope) = (generation(&bed.db).await, generation(&bed.db).await, local());
    for asset in [asset(Some(id), 0), asset(Some(other), 0)] {
        write!(bed.db, tx [asset] => assets::insert(tx, &asset)).unwrap();
    }
    write!(bed.db, tx [] => generations::mark_deleted(tx, &scope, id, at(1))).unwrap();
    assert_eq!(
        read!(bed.db, read [] => generations::deleted_with_media(read, SYSTEM, 10)).unwrap(),
        vec![id]
    );
    let media = read!(bed.db, read [] => assets::of_generation(read, id)).unwrap()[0].id;
    write!(bed.db, tx [] => assets::mark_deleted(tx, &scope, media, at(2))).unwrap();
    assert_eq!(
        read!(bed.db, read [] => generations::deleted_with_media(read, SYSTEM, 10)).unwrap(),
        vec![]
    );
}

async fn upload(bed: &Bed, length: u64) -> Upload {
    let upload = Upload {
        id: UploadId::from_value(fresh()),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        media_type: "image/png".to_owned(),
        length,
        received: 0,
        asset: None,
        created_at: NOW,
    };
    write!(bed.db, tx [upload] => uploads::insert(tx, &upload)).unwrap();
    upload
}

async fn an_upload_arrives_in_order(bed: Bed) {
    let (upload, scope) = (upload(&bed, 10).await, local());
    let id = upload.id;
    let found = read!(bed.db, read [] => uploads::find(read, &scope, id)).unwrap();
    assert_eq!(found, Some(upload));
    let steps = [
        (4, 8, false),
        (0, 4, true),
        (0, 4, false),
        (4, 4, false),
        (4, 10, true),
        (10, 10, false),
    ];
    for (from, to, taken) in steps {
        let advanced = write!(bed.db, tx [] => async {
            uploads::advance(tx, id, from, to, &format!("part-{from}")).await
        });
        assert_eq!(advanced, Ok(taken), "{from} to {to}");
        if to == 4 {
            let asset = AssetId::from_value(1);
            assert_eq!(
                write!(bed.db, tx [] => uploads::finish(tx, id, asset)),
                Ok(false),
                "bytes are missing"
            );
        }
    }
    let parts = read!(bed.db, read [] => uploads::parts(read, id)).unwrap();
    assert_eq!(parts, vec![("part-0".to_owned(), 4), ("part-4".to_owned(), 6)]);
    let blobs = read!(bed.db, read [] => assets::all_blobs(read, SYSTEM, Some("part-0"), 10)).unwrap();
    assert_eq!(blobs, vec!["part-4".to_owned()]);
    let needed = read!(bed.db, read [] => assets::references_to_blob(read, FIRST_WORKSPACE, "part-4"));
    assert_eq!(needed, Ok(1));
    assert_eq!(write!(bed.db, tx [] => uploads::clear(tx, id)), Ok(2));
    let asset = asset(None, 0);
    write!(bed.db, tx [asset] => assets::insert(tx, &asset)).unwrap();
    let made = asset.id;
    assert_eq!(write!(bed.db, tx [] => uploads::finish(tx, id, made)), Ok(true));
    assert_eq!(write!(bed.db, tx [] => uploads::finish(tx, id, made)), Ok(false));
    let found = read!(bed.db, read [] => uploads::find(read, &scope, id))
        .unwrap()
        .unwrap();
    assert_eq!((found.received, found.asset), (10, Some(made)));
}

async fn an_upload_cannot_grow_beyond_its_length(bed: Bed) {
    let id = upload(&bed, 10).await.id;
    let beyond = write!(bed.db, tx [] => uploads::advance(tx, id, 0, 11, "part"));
    assert!(matches!(beyond, Err(Error::Rule { .. })), "{beyond:?}");
    assert_eq!(
        read!(bed.db, read [] => uploads::parts(read, id)).unwrap(),
        vec![]
    );
}
