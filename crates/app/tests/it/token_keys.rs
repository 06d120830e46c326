//! The keys of access tokens: made once, announced a day ahead, turned, withdrawn.

use crate::bed::Bed;
use app::Studio;
use app::identity::{ANNOUNCED, Presented, Stage, TokenKeyError, Tokens};
use domain::actor::Actor;

const DAY: i64 = 24 * 3600;

async fn stages(studio: &Studio) -> Vec<(String, Stage)> {
    let status = studio.token_key_status().await.unwrap();
    status.into_iter().map(|key| (key.kid, key.stage)).collect()
}

async fn published(studio: &Studio) -> Vec<String> {
    let keys = studio.jwks().await.unwrap().keys;
    keys.into_iter().map(|key| key.kid).collect()
}

async fn is_good(studio: &Studio, tokens: &Tokens) -> bool {
    let token = tokens.access.clone();
    studio
        .authenticate(Presented::Access { token, proof: None })
        .await
        .is_ok()
}

async fn turn(bed: &Bed, at_once: bool) -> Result<(), TokenKeyError> {
    bed.studio
        .rotate_token_keys(&Actor::local(), at_once)
        .await
        .map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_announced_a_day_before_it_signs_and_leaves_after_its_last_token() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    assert_eq!(ANNOUNCED.as_secs(), 24 * 3600);
    let first = stages(&bed.studio).await;
    let words: Vec<Stage> = first.iter().map(|(_, stage)| *stage).collect();
    assert_eq!(words, [Stage::Signing, Stage::Announced]);
    let (current, next) = (first[0].0.clone(), first[1].0.clone());
    assert_eq!(published(&bed.studio).await.len(), 2);

    bed.wait(3600);
    turn(&bed, false).await.unwrap();
    let again = turn(&bed, false).await;
    assert!(matches!(again, Err(TokenKeyError::Scheduled(_))), "{again:?}");
    let later = stages(&bed.studio).await;
    assert_eq!(later[0], (current.clone(), Stage::Signing));
    assert_eq!(later[1], (next.clone(), Stage::Announced));
    assert_eq!(later.len(), 3);

    bed.wait(DAY - 3600 - 1);
    let old = bed.session(user).await;
    bed.wait(1);
    let new = bed.session(user).await;
    let signed_by = |tokens: &Tokens| {
        use secrecy::ExposeSecret;
        let header = tokens
            .access
            .expose_secret()
            .split('.')
            .next()
            .unwrap()
            .to_owned();
        let json = data_encoding::BASE64URL_NOPAD.decode(header.as_bytes()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&json).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (signed_by(&old), signed_by(&new)),
        (current.clone(), next.clone())
    );
    assert!(is_good(&bed.studio, &old).await && is_good(&bed.studio, &new).await);
    assert!(published(&bed.studio).await.contains(&current));
    bed.wait(599);
    assert!(is_good(&bed.studio, &old).await, "to its own end");
    bed.wait(3600);
    assert!(!published(&bed.studio).await.contains(&current));
    bed.studio.keep_house().await.unwrap();
    bed.wait(5);
    let left: Vec<String> = stages(&bed.studio)
        .await
        .into_iter()
        .map(|(kid, _)| kid)
        .collect();
    assert!(!left.contains(&current) && left.contains(&next) && left.len() == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn turned_at_once_what_the_old_key_signed_is_void() {
    let bed = Bed::new().await;
    let (_, tokens, _) = bed.logged_in().await;
    let node = bed.another();
    assert!(is_good(&node, &tokens).await);
    let before = stages(&bed.studio).await;
    turn(&bed, true).await.unwrap();
    assert!(!is_good(&bed.studio, &tokens).await);
    bed.wait(5);
    assert!(!is_good(&node, &tokens).await, "elsewhere within seconds");
    let after = stages(&bed.studio).await;
    assert_eq!(after.len(), 2);
    assert_eq!(after[0], (before[1].0.clone(), Stage::Signing));
    let tokens = bed.refreshed(&tokens).await;
    assert!(is_good(&node, &tokens).await);
    // One that was on its way signs at once, too.
    turn(&bed, false).await.unwrap();
    turn(&bed, true).await.unwrap();
    assert_eq!(stages(&bed.studio).await[0], (after[1].0.clone(), Stage::Signing));
    let told = bed.told().await;
    let turned = told.iter().filter(|(action, ..)| action == "token_key.rotated");
    assert_eq!(turned.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_one_pair_of_keys() {
    let bed = Bed::new().await;
    let nodes: Vec<_> = (0..8).map(|_| bed.another()).collect();
    let mut starting = Vec::new();
    for node in &nodes {
        let node = node.clone();
        starting.push(tokio::spawn(async move { published(&node).await }));
    }
    let mut seen = std::collections::BTreeSet::new();
    for start in starting {
        seen.insert(start.await.unwrap());
    }
    assert_eq!(seen.len(), 1);
    assert_eq!(bed.number("select count(*) as n from token_keys").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_alone_signs_nothing() {
    let bed = Bed::new().await;
    stages(&bed.studio).await;
    let rows = bed
        .db
        .read("test.keys", |read| Box::pin(store::token_keys::all(read)))
        .await;
    let rows: Vec<store::token_keys::TokenKey> = rows.map_err(|error: store::Error| error).unwrap();
    for row in rows {
        let secret = bed
            .keys
            .unwrap(&format!("token-key/{}", row.kid), &row.private_wrapped)
            .unwrap();
        assert_eq!(secret.len(), 32);
        assert!(
            !row.private_wrapped
                .windows(32)
                .any(|part| part == secret.as_slice())
        );
        assert!(bed.keys.unwrap("token-key/other", &row.private_wrapped).is_err());
    }
}
