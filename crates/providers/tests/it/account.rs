//! Free looks at the account, the registry, and callbacks as they arrive.

use crate::support::{agents, allow_loopback, config, fetcher, machine, order};
use domain::capability::ProviderName;
use domain::money::Money;
use providers::luma::Luma;
use providers::{Config, Probe, Provider, Registry};
use std::time::Duration;
use testkit::sim::{Callbacks, Misdeed, Plan, Route, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_probe_costs_nothing_and_tells_what_is_wrong() {
    let (sim, luma) = agents().await;
    let (other, machine) = machine().await;
    assert_eq!(luma.probe().await, Probe::Ok { balance: None });
    assert_eq!(
        machine.probe().await,
        Probe::Ok {
            balance: Some(Money::usd(10_000_000_000))
        }
    );
    let wrong = Luma::new(&config(&sim.agents_url(), "wrong"), fetcher(Vec::new())).unwrap();
    let Probe::Fault(fault) = wrong.probe().await else {
        panic!()
    };
    assert_eq!(fault.code, "provider.key_refused");
    for (misdeed, want) in [
        (Misdeed::Status(402), "provider.balance_empty"),
        (Misdeed::Status(403), "provider.forbidden"),
        (Misdeed::Garbage, "provider.unavailable"),
    ] {
        other.script(Route::Account, misdeed);
        let Probe::Fault(fault) = machine.probe().await else {
            panic!("{misdeed:?}")
        };
        assert_eq!(fault.code, want);
    }
    assert_eq!(sim.sends() + other.sends(), 0);
    assert!(sim.bill().entries.is_empty() && other.bill().entries.is_empty());
}

#[tokio::test]
async fn a_provider_without_a_key_is_listed_with_its_reason() {
    let (sim, _) = agents().await;
    let mut with_key = Config {
        luma: config(&sim.agents_url(), "k"),
        ..Config::default()
    };
    let registry = Registry::build(&with_key, &allow_loopback()).unwrap();
    let names: Vec<_> = registry
        .list()
        .into_iter()
        .map(|one| (one.name.0, one.unavailable.is_some()))
        .collect();
    assert_eq!(
        names,
        [
            ("luma".to_owned(), false),
            ("luma-dream-machine".to_owned(), true)
        ]
    );
    assert!(registry.get(&ProviderName("luma".to_owned())).is_some());
    assert!(
        registry
            .get(&ProviderName("luma-dream-machine".to_owned()))
            .is_none()
    );
    with_key.luma.enabled = false;
    let registry = Registry::build(&with_key, &[]).unwrap();
    assert_eq!(registry.ready().count(), 0);
    let bad = Config {
        luma: config(&sim.agents_url(), "line\nbreak"),
        ..Config::default()
    };
    assert_eq!(Registry::build(&bad, &[]).err().unwrap().provider, "luma");
}

#[tokio::test]
async fn a_callback_arrives_under_the_token_with_the_finished_generation() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here: &'static str = Box::leak(
        format!(
            "http://{}/callbacks/luma-dream-machine",
            listener.local_addr().unwrap()
        )
        .into_boxed_str(),
    );
    let callbacks = Some(Callbacks {
        after: Duration::from_millis(1),
        unruly: false,
    });
    let sim = Sim::start(Plan {
        callbacks,
        looks: 9,
        ..Plan::peaceful()
    })
    .await
    .unwrap();
    let machine = crate::support::dream_machine(&sim);
    let mut one = order("photon-1");
    one.callback = Some(here);
    let job = one.accepted(&machine, 7).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0_u8; 4096];
    while !heard.ends_with(b"}") {
        let n = stream.read(&mut buffer).await.unwrap();
        heard.extend_from_slice(&buffer[..n]);
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let heard = String::from_utf8(heard).unwrap();
    assert!(
        heard.starts_with(&format!(
            "POST /callbacks/luma-dream-machine/{} ",
            "07".repeat(32)
        )),
        "{heard}"
    );
    let body: serde_json::Value = serde_json::from_str(heard.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(
        (body["id"].as_str().unwrap(), body["state"].as_str().unwrap()),
        (job.external_id.as_str(), "completed")
    );
}

#[tokio::test]
async fn a_simulator_remembers_its_bill_over_a_restart() {
    let journal = std::env::temp_dir().join(format!("luma-sim-{}.jsonl", std::process::id()));
    let start = || {
        let at = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        Sim::start_at(at, Plan::peaceful(), Some(&journal), testkit::sim::system_clock())
    };
    let sim = start().await.unwrap();
    let job = order("uni-1").accepted(&crate::support::luma(&sim), 1).await;
    let luma = crate::support::luma(&sim);
    for _ in 0..3 {
        luma.poll(&job).await;
    }
    order("uni-1").accepted(&luma, 3).await;
    let before = sim.bill();
    drop(sim);
    let sim = start().await.unwrap();
    assert_eq!(sim.bill(), before);
    let luma = crate::support::luma(&sim);
    assert!(matches!(luma.poll(&job).await, domain::job::Polled::Done { .. }));
    assert_ne!(
        order("uni-1").accepted(&luma, 2).await.external_id,
        job.external_id
    );
    std::fs::remove_file(&journal).unwrap();
}
