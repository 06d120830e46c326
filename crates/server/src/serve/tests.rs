use super::*;
use axum::extract::ConnectInfo;
use axum::routing::get;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use tokio::task::JoinHandle;

/// Long enough that a server which never acts fails the test, and nothing waits for it otherwise.
const NEVER: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

fn settings() -> Settings {
    Settings::default()
}

fn behind_proxies(public_url: Option<&str>) -> Settings {
    Settings {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        public_url: public_url.map(str::to_owned),
        ..settings()
    }
}

/// A certificate for `localhost` in files, and itself.
fn certificate(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

use crate::tls::TlsFiles;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
}

async fn running(settings: &Settings, header_timeout: Duration, drain: Duration) -> Running {
    let router = Router::new()
        .route(
            "/",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
        )
        .route("/never", get(std::future::pending::<()>));
    let listening = bind("127.0.0.1:0".parse().unwrap(), settings).await.unwrap();
    let address = listening.address;
    let stop = CancellationToken::new();
    let pace = Pace {
        header_timeout,
        drain,
    };
    let task = tokio::spawn(answer(listening, router, pace, stop.clone()));
    Running { address, stop, task }
}

fn connect(running: &Running) -> TcpStream {
    let stream = TcpStream::connect(running.address).unwrap();
    stream.set_read_timeout(Some(NEVER)).unwrap();
    stream
}

/// Sends and reads until the server closes.
async fn until_closed(mut stream: impl Read + Write + Send + 'static, text: &'static str) -> String {
    let read = tokio::task::spawn_blocking(move || {
        stream.write_all(text.as_bytes()).unwrap();
        let mut all = Vec::new();
        // A reset is a way of closing.
        let _ = stream.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    });
    tokio::time::timeout(NEVER, read)
        .await
        .expect("the server closes the connection")
        .unwrap()
}

const WHOLE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn passwords_do_not_travel_in_the_clear_beyond_loopback() {
    let refused = |address: &str, settings: &Settings| allowed(address.parse().unwrap(), settings).err();
    for near in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
        assert!(refused(near, &settings()).is_none(), "{near}");
    }
    let tls = Settings {
        tls: Some(TlsFiles {
            certificate: "c".into(),
            key: "k".into(),
        }),
        ..settings()
    };
    for far in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1"] {
        assert!(
            matches!(refused(far, &settings()), Some(ServeError::InTheClear(_))),
            "{far}"
        );
        let http_only = Settings {
            public_url: Some("https://studio.example".into()),
            ..settings()
        };
        assert!(
            matches!(refused(far, &http_only), Some(ServeError::InTheClear(_))),
            "{far}"
        );
        for url in [None, Some("http://studio.example"), Some("HTTPS.example")] {
            assert!(
                matches!(
                    refused(far, &behind_proxies(url)),
                    Some(ServeError::ProxyInTheClear(_))
                ),
                "{far}"
            );
        }
        assert!(
            refused(far, &behind_proxies(Some("https://studio.example"))).is_none(),
            "{far}"
        );
        assert!(refused(far, &tls).is_none(), "{far}");
    }
    let proxied = behind_proxies(Some("https://studio.example"));
    assert!(answers_proxies_only("0.0.0.0:1".parse().unwrap(), &proxied));
    assert!(!answers_proxies_only("127.0.0.1:1".parse().unwrap(), &proxied));
    assert!(!answers_proxies_only("0.0.0.0:1".parse().unwrap(), &tls));
}

#[tokio::test]
async fn whoever_is_slow_with_headers_is_cut_and_others_are_answered() {
    let running = running(&settings(), SHORT, Duration::ZERO).await;
    for begun in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: loc",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = until_closed(connect(&running), begun).await;
        assert!(!answer.contains(" 200 "), "{begun:?}: {answer}");
    }
    // The second request on a connection is held to the same.
    let answer = until_closed(
        connect(&running),
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /",
    )
    .await;
    assert_eq!(answer.matches("200 OK").count(), 1, "{answer}");
    let answer = until_closed(connect(&running), WHOLE).await;
    assert!(
        answer.contains("200 OK") && answer.ends_with("127.0.0.1"),
        "{answer}"
    );
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_ends_what_is_idle_at_once_and_what_is_open_at_the_deadline() {
    let idle = running(&settings(), NEVER, NEVER).await;
    let mut stream = connect(&idle);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut some = [0; 16];
    stream.read_exact(&mut some).unwrap();
    idle.stop.cancel();
    tokio::time::timeout(NEVER / 2, idle.task)
        .await
        .expect("nothing is open")
        .unwrap()
        .unwrap();

    let busy = running(&settings(), NEVER, SHORT).await;
    let open = tokio::spawn(until_closed(
        connect(&busy),
        "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ));
    // The request is in when the server no longer counts the connection as idle: another is answered after it.
    let _ = until_closed(connect(&busy), WHOLE).await;
    busy.stop.cancel();
    tokio::time::timeout(NEVER, busy.task)
        .await
        .expect("the deadline ends it")
        .unwrap()
        .unwrap();
    assert_eq!(open.await.unwrap(), "");
    assert!(
        TcpStream::connect(busy.address).is_err(),
        "nobody listens any more"
    );
}

/// A TLS client that trusts this certificate and speaks these versions.
fn client(
    running: &Running,
    root: &CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    rustls::StreamOwned::new(session, connect(running))
}

#[tokio::test]
async fn https_is_spoken_in_both_versions_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let (files, root) = certificate(folder.path());
    let tls = Settings {
        tls: Some(files),
        ..settings()
    };
    let running = running(&tls, SHORT, Duration::ZERO).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let answer = until_closed(client(&running, &root, &[version]), WHOLE).await;
        assert!(
            answer.contains("200 OK") && answer.ends_with("127.0.0.1"),
            "{answer}"
        );
    }
    // Plain HTTP, and a handshake that does not go on, are ended without an answer of ours.
    for begun in [WHOLE, "", "\u{16}\u{3}\u{1}"] {
        let answer = until_closed(connect(&running), begun).await;
        assert!(!answer.contains("HTTP/1.1"), "{begun:?}: {answer}");
    }
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn files_that_are_no_certificate_are_named_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (good, _) = certificate(folder.path());
    let other = tempfile::tempdir().unwrap();
    let (foreign, _) = certificate(other.path());
    let junk = folder.path().join("junk.pem");
    std::fs::write(
        &junk,
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let missing = folder.path().join("missing.pem");
    let with = |certificate: &Path, key: &Path| Settings {
        tls: Some(TlsFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        ..settings()
    };
    for (settings, told) in [
        (with(&missing, &good.key), "missing.pem: No such file"),
        (with(&good.certificate, &missing), "missing.pem: No such file"),
        (
            with(&good.key, &good.key),
            "key.pem holds no certificate in PEM form",
        ),
        (
            with(&junk, &good.key),
            "junk.pem holds no certificate in PEM form",
        ),
        (
            with(&good.certificate, &good.certificate),
            "cert.pem holds no private key in PEM form",
        ),
        (with(&good.certificate, &junk), "cannot be used together"),
        (with(&good.certificate, &foreign.key), "cannot be used together"),
    ] {
        let error = bind("127.0.0.1:0".parse().unwrap(), &settings)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(told) && !error.contains("canary"), "{error}");
    }
}
