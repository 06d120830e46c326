//! Configuration: precedence, origins, unknown names, secrets.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use studio::config::{ConfigError, DEFAULT_TOML, Environment, Flag, Loaded, Origin, Sources, load, schema};
use tempfile::TempDir;

/// A folder with a `studio.toml` of this text.
fn folder(toml: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    write(&dir.path().join("studio.toml"), toml, 0o600);
    dir
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn sources(dir: &Path, variables: &[(&str, &str)]) -> Sources {
    Sources {
        file: None,
        working_dir: dir.to_owned(),
        environment: Environment::of(variables.iter().copied()),
        flags: Vec::new(),
    }
}

pub fn read(toml: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let dir = folder(toml);
    load(&sources(dir.path(), variables))
}

fn refused(toml: &str, variables: &[(&str, &str)]) -> String {
    read(toml, variables)
        .expect_err("the configuration should have been refused")
        .to_string()
}

fn shown(loaded: &Loaded) -> BTreeMap<&str, (&str, &Origin)> {
    loaded
        .settings
        .iter()
        .map(|s| (s.key.as_str(), (s.shown.as_str(), &s.origin)))
        .collect()
}

#[test]
fn the_defaults_document_every_setting() {
    let loaded = read("", &[]).unwrap();
    assert!(
        loaded
            .settings
            .iter()
            .all(|setting| setting.origin == Origin::Default)
    );
    assert!(loaded.warnings.is_empty());
    for setting in &loaded.settings {
        let (section, key) = setting.key.rsplit_once('.').unwrap();
        let after = DEFAULT_TOML
            .split(&format!("[{section}]\n"))
            .nth(1)
            .expect(section);
        let section_text = after.split("\n[").next().unwrap();
        // Set, or named in a comment where it has no default.
        let start = if setting.shown == "(not set)" {
            format!("# {key} = ")
        } else {
            format!("{key} = ")
        };
        let line = section_text
            .lines()
            .position(|line| line.starts_with(&start))
            .expect(&setting.key);
        let above = section_text.lines().nth(line.wrapping_sub(1));
        let commented = above.is_some_and(|above| above.starts_with("# "));
        let family = ["[screening]", "[providers"]
            .iter()
            .any(|name| format!("[{section}]").starts_with(name));
        assert!(commented || family, "{} has no comment above it", setting.key);
    }
}

#[test]
fn the_schema_accepts_the_keys_of_a_file_and_no_others() {
    let schema = schema();
    let server = schema.pointer("/$defs/Server").unwrap();
    assert_eq!(server["additionalProperties"], false);
    assert!(server["properties"]["listen"].is_object() && server.get("required").is_none());
    let provider = &schema.pointer("/$defs/HostedProvider").unwrap()["properties"];
    assert_eq!(provider["api_key"]["writeOnly"], true);
    assert_eq!(provider["api_key_file"]["type"], "string");
}

#[test]
fn later_layers_win_and_say_so() {
    let dir = folder("[server]\nlisten = \"127.0.0.1:1\"\ndrain_seconds = 3\n\n[log]\nlevel = \"warn\"\n");
    let mut sources = sources(
        dir.path(),
        &[
            ("STUDIO__LOG__LEVEL", "debug"),
            ("STUDIO__SERVER__LISTEN", "[::1]:2"),
        ],
    );
    sources.flags.push(Flag {
        name: "--listen",
        key: "server.listen",
        value: "127.0.0.1:3".into(),
    });
    let loaded = load(&sources).unwrap();
    let shown = shown(&loaded);
    let file = dir.path().join("studio.toml");
    assert_eq!(loaded.config.server.listen.port(), 3);
    assert_eq!(
        shown["server.listen"],
        ("\"127.0.0.1:3\"", &Origin::Flag("--listen".into()))
    );
    assert_eq!(
        shown["log.level"],
        ("\"debug\"", &Origin::Environment("STUDIO__LOG__LEVEL".into()))
    );
    assert_eq!(
        shown["server.drain_seconds"],
        ("3", &Origin::File { path: file, line: 3 })
    );
    assert_eq!(shown["log.format"], ("\"pretty\"", &Origin::Default));
}

#[test]
fn the_file_is_the_named_one_then_here_then_at_home() {
    let (here, home) = (
        folder("server.drain_seconds = 1"),
        folder("server.drain_seconds = 2"),
    );
    let named = here.path().join("other.toml");
    write(&named, "server.drain_seconds = 3", 0o600);
    let elsewhere = TempDir::new().unwrap();
    let home_variable = [("STUDIO_HOME", home.path().to_str().unwrap())];
    let drain = |sources: &Sources| load(sources).unwrap().config.server.drain_seconds;
    assert_eq!(drain(&sources(here.path(), &home_variable)), 1);
    assert_eq!(drain(&sources(elsewhere.path(), &home_variable)), 2);
    assert_eq!(drain(&sources(elsewhere.path(), &[])), 30);
    assert_eq!(
        drain(&Sources {
            file: Some(named),
            ..sources(here.path(), &home_variable)
        }),
        3
    );
    let missing = Sources {
        file: Some(PathBuf::from("/nowhere/studio.toml")),
        ..sources(here.path(), &[])
    };
    let error = load(&missing).unwrap_err();
    assert!(
        error.is_missing() && error.to_string().contains("/nowhere/studio.toml"),
        "{error}"
    );
}

#[test]
fn an_unknown_key_names_the_nearest_and_the_place() {
    for (toml, end) in [
        (
            "\n[server]\nlisen = \"x\"",
            "studio.toml:3: there is no setting server.lisen; did you mean server.listen?",
        ),
        (
            "[sever]\nlisten = \"x\"",
            "studio.toml:1: there is no setting sever; did you mean server?",
        ),
        (
            "listen = \"x\"",
            "studio.toml:1: there is no setting listen; did you mean server.listen?",
        ),
        (
            "[providers.lumma]\napi_key = \"x\"",
            "studio.toml:1: there is no setting providers.lumma; did you mean providers.luma?",
        ),
        (
            "[providers.luma]\napi_kye = \"x\"",
            "studio.toml:2: there is no setting providers.luma.api_kye; did you mean providers.luma.api_key?",
        ),
        (
            "[server]\nlisten_file = \"x\"",
            "studio.toml:2: there is no setting server.listen_file; did you mean server.listen?",
        ),
    ] {
        let text = refused(toml, &[]);
        assert!(text.ends_with(end), "{text}");
    }
    assert_eq!(
        refused("", &[("STUDIO__SERVER__LISTENN", "x")]),
        "env STUDIO__SERVER__LISTENN: there is no setting STUDIO__SERVER__LISTENN; \
         did you mean STUDIO__SERVER__LISTEN?"
    );
    assert!(
        refused("", &[("STUDIO__Server__Listen", "127.0.0.1:1")])
            .contains("did you mean STUDIO__SERVER__LISTEN")
    );
}

#[test]
fn a_wrong_value_says_what_is_expected_and_does_not_repeat_it() {
    for (toml, end) in [
        (
            "[server]\ndrain_seconds = 601",
            "studio.toml:2: server.drain_seconds: a whole number from 0 to 600 is expected",
        ),
        (
            "server.drain_seconds = \"3\"",
            "server.drain_seconds: a whole number from 0 to 600 is expected",
        ),
        (
            "server.drain_seconds = 99999999999999999999",
            "a whole number from 0 to 600 is expected",
        ),
        (
            "log.format = \"xml\"",
            "studio.toml:1: log.format: one of json, pretty is expected",
        ),
        ("log = 3", "studio.toml:1: log: a table is expected"),
        (
            "server.listen = \"here\"",
            "studio.toml:1: server.listen: invalid socket address syntax",
        ),
        (
            "outbound.allow = [\"10.0.0.0/8\", \"x\"]",
            "outbound.allow[1]: a network such as 10.20.0.0/16 or fd00::/8 is expected",
        ),
        (
            "server.public_url = \"studio.example\"",
            "an address that begins with https:// or http:// is expected",
        ),
        (
            "log.targets = { app = \"loud\" }",
            "pairs of a name and one of off, error, warn, info, debug, trace are expected",
        ),
        ("log.dir = \"\"", "log.dir: a text is expected, not an empty one"),
        (
            "providers.luma.api_key = 4711",
            "studio.toml:1: providers.luma.api_key: a text is expected",
        ),
        ("\n= 3", "studio.toml:2: "),
    ] {
        let text = refused(toml, &[]);
        assert!(text.contains(end), "{toml}: {text}");
        assert!(!text.contains("4711") && !text.contains("loud"), "{text}");
    }
    assert!(refused("", &[("STUDIO__LOG__DAILY", "perhaps")]).contains("true or false is expected"));
}

#[test]
fn providers_may_be_written_with_a_hyphen() {
    let loaded = read(
        "[providers.luma-dream-machine]\nmax_concurrent = 2\n",
        &[(
            "STUDIO__PROVIDERS__LUMA_DREAM_MACHINE__BASE_URL",
            "http://127.0.0.1:9/v1/",
        )],
    )
    .unwrap();
    assert_eq!(loaded.config.providers.luma_dream_machine.max_concurrent, 2);
    assert_eq!(
        loaded.config.providers.luma_dream_machine.base_url.as_str(),
        "http://127.0.0.1:9/v1"
    );
}

#[test]
fn lists_and_maps_are_read_from_the_environment() {
    let loaded = read(
        "",
        &[
            ("STUDIO__OUTBOUND__ALLOW", "10.0.0.0/8, ::1"),
            ("STUDIO__LOG__TARGETS", "providers::luma=debug, store=off"),
            ("STUDIO__LOG__DIR", ""),
        ],
    )
    .unwrap();
    assert_eq!(
        loaded
            .config
            .outbound
            .allow
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.0/8", "::1/128"]
    );
    assert_eq!(
        shown(&loaded)["log.targets"].0,
        "{ \"providers::luma\" = \"debug\", \"store\" = \"off\" }"
    );
    assert!(
        loaded.config.log.dir.is_none(),
        "an empty variable counts as not set"
    );
}

/// A provider with what it must have, and an address to come back to.
const PROVIDER: &str = "server.public_url = \"https://studio.example\"\n\
    [oidc.my-org]\nissuer = \"https://id.example/\"\nclient_id = \"studio\"\n";

#[test]
fn an_openid_provider_is_read_from_every_layer_under_the_name_it_was_given() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("k");
    write(&key, "canary-oidc\n", 0o600);
    let loaded = read(
        PROVIDER,
        &[
            ("STUDIO__OIDC__MY_ORG__CLIENT_SECRET_FILE", key.to_str().unwrap()),
            ("STUDIO__OIDC__MY_ORG__ROLE_CLAIM", "groups"),
            ("STUDIO__OIDC__MY_ORG__ROLE_MAP", "staff=operator, chiefs=admin"),
            ("STUDIO__OIDC__MY_ORG__ALGORITHMS", "EdDSA"),
            ("STUDIO__OIDC__SECOND__ISSUER", "https://two.example"),
            ("STUDIO__OIDC__SECOND__CLIENT_ID", "x"),
        ],
    )
    .unwrap();
    let provider = &loaded.config.oidc["my_org"];
    assert_eq!(provider.issuer.as_str(), "https://id.example/");
    assert_eq!(provider.client_secret.as_ref().unwrap().expose(), "canary-oidc");
    assert_eq!(provider.role_map["chiefs"].as_str(), "admin");
    assert_eq!(provider.scopes, ["openid", "email", "profile"]);
    assert_eq!(loaded.config.oidc.len(), 2);
    let shown = shown(&loaded);
    assert_eq!(shown["oidc.my_org.client_secret"].0, "(set)");
    assert_eq!(shown["oidc.my_org.algorithms"].0, "[\"EdDSA\"]");
    assert_eq!(
        shown["oidc.second.algorithms"].0,
        "[\"RS256\", \"ES256\", \"EdDSA\"]"
    );
    assert_eq!(shown["oidc.second.create_accounts"].0, "false");
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    for (toml, end) in [
        (
            "server.tls_cert = \"c\"",
            "studio.toml:1: server.tls_cert: server.tls_key must be set too",
        ),
        (
            "server.tls_key = \"c\"",
            "server.tls_key: server.tls_cert must be set too",
        ),
        (
            "server.trusted_proxies = [\"0.0.0.0/0\"]",
            "a network of /0 trusts everybody",
        ),
        (
            "auth.password_min_with_factor = 16",
            "at most auth.password_min is expected",
        ),
        (
            "auth.refresh_idle_hours = 169",
            "at most auth.refresh_absolute_days is expected",
        ),
        (
            "auth.admin_refresh_idle_hours = 13",
            "at most auth.admin_refresh_absolute_hours is expected",
        ),
        (
            "auth.registration = \"all\"",
            "one of closed, invite, open is expected",
        ),
        (
            "auth.pepper = \"canary-short\"",
            "auth.pepper: at least 32 characters are expected",
        ),
        ("mail.from = \"nobody\"", "mail.from: an address such as"),
        ("mail.from = \"a <a@b.c\"", "mail.from: an address such as"),
        (
            "mail.url = \"canary://h\"",
            "mail.url: an address such as smtp://",
        ),
        (
            "mail.url = \"smtp://canary:canary@\"",
            "mail.url: an address such as smtp://",
        ),
        (
            "mail.url = \"smtp://u:canary@h:587\"",
            "mail.url: mail.from must be set too",
        ),
        (
            "mail.url = \"smtp://u:canary@h:587\"\nmail.from = \"s@example.org\"",
            "mail.url: server.public_url must be set too",
        ),
        (
            "[oidc.a]\nissuer = \"https://a\"",
            "oidc.a: missing field `client_id`",
        ),
        (
            "[oidc.a]\nissuer = \"https://a\"\nclient_id = \"s\"",
            "studio.toml:2: oidc.a.issuer: server.public_url must be set",
        ),
        (
            "[oidc.a]\nissuer = \"http://id.example\"\nclient_id = \"s\"",
            "https:// is expected",
        ),
        (
            "[oidc.a]\nissuers = \"x\"",
            "there is no setting oidc.a.issuers; did you mean oidc.a.issuer?",
        ),
        (
            "[oidc.a]\nalgorithms = [\"none\"]",
            "a list of RS256, PS256, ES256, EdDSA is expected",
        ),
        (
            "[oidc.a]\nalgorithms = [\"HS256\"]",
            "a list of RS256, PS256, ES256, EdDSA is expected",
        ),
        ("oidc = 3", "oidc: a table is expected"),
        ("oidc.a = 3", "oidc.a: a table is expected"),
        ("[oidc.A]\nissuer = \"x\"", "there is no setting oidc.A"),
    ] {
        let text = refused(toml, &[]);
        assert!(text.contains(end), "{toml}: {text}");
        assert!(!text.contains("canary"), "{text}");
    }
    for (toml, end) in [
        ("algorithms = []", "oidc.my_org.algorithms: at least one of"),
        (
            "role_map = { a = \"admin\" }",
            "oidc.my_org.role_map: role_claim must be set too",
        ),
        (
            "scopes = [\"a b\"]",
            "oidc.my_org.scopes: words without blanks are expected",
        ),
    ] {
        let text = refused(&format!("{PROVIDER}{toml}"), &[]);
        assert!(text.contains(end), "{toml}: {text}");
    }
    for good in [
        "mail.url = \"smtps://h\"\nmail.from = \"Studio <s@example.org>\"\nserver.public_url = \"https://s.example.org\"",
        "mail.url = \"smtp://u:p%40@h:25\"\nmail.from = \"s@example.org\"\nserver.public_url = \"https://s.example.org\"",
        "server.tls_cert = \"c\"\nserver.tls_key = \"k\"",
    ] {
        assert!(read(good, &[]).is_ok(), "{good}");
    }
}

#[test]
fn a_secret_comes_from_a_file_and_an_open_file_is_reported() {
    let dir = folder("[providers.luma]\napi_key_file = \"luma.key\"\n");
    let key = dir.path().join("luma.key");
    write(&key, "canary-luma\r\n", 0o600);
    let loaded = load(&sources(dir.path(), &[])).unwrap();
    assert_eq!(
        loaded.config.providers.luma.api_key.as_ref().unwrap().expose(),
        "canary-luma"
    );
    assert!(loaded.warnings.is_empty());
    let named_by = Box::new(Origin::File {
        path: dir.path().join("studio.toml"),
        line: 2,
    });
    assert_eq!(
        shown(&loaded)["providers.luma.api_key"],
        (
            "(set)",
            &Origin::SecretFile {
                path: key.clone(),
                named_by
            }
        )
    );

    write(&key, "canary-luma", 0o640);
    let loaded = load(&sources(dir.path(), &[])).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(
        loaded.warnings[0].to_string().contains("chmod 600"),
        "{}",
        loaded.warnings[0]
    );

    for (text, reason) in [
        ("\n", "is empty"),
        (&"x".repeat(70_000), "is larger than 65536 bytes"),
    ] {
        write(&key, text, 0o600);
        let error = load(&sources(dir.path(), &[])).unwrap_err();
        assert!(
            error.is_missing() && error.to_string().contains(reason),
            "{error}"
        );
    }
    fs::remove_file(&key).unwrap();
    assert!(
        load(&sources(dir.path(), &[]))
            .unwrap_err()
            .to_string()
            .contains("luma.key cannot be read")
    );
}

#[test]
fn a_secret_given_twice_in_one_place_is_refused_and_a_later_place_wins() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("k");
    write(&key, "from-file", 0o600);
    let path = key.to_str().unwrap();
    let value = ("STUDIO__METRICS__TOKEN", "from-variable");
    let text = refused("", &[value, ("STUDIO__METRICS__TOKEN_FILE", path)]);
    assert!(
        text.contains("STUDIO__METRICS__TOKEN and env STUDIO__METRICS__TOKEN_FILE")
            || text.contains("secret file"),
        "{text}"
    );
    let loaded = read(&format!("metrics.token_file = \"{path}\""), &[value]).unwrap();
    assert_eq!(loaded.config.metrics.token.unwrap().expose(), "from-variable");
}

#[test]
fn a_file_that_holds_a_secret_should_not_be_open() {
    let dir = folder("metrics.token = \"t\"");
    assert!(load(&sources(dir.path(), &[])).unwrap().warnings.is_empty());
    write(&dir.path().join("studio.toml"), "metrics.token = \"t\"", 0o644);
    assert_eq!(load(&sources(dir.path(), &[])).unwrap().warnings.len(), 1);
    write(&dir.path().join("studio.toml"), "server.drain_seconds = 1", 0o644);
    assert!(load(&sources(dir.path(), &[])).unwrap().warnings.is_empty());
}

#[test]
fn no_output_carries_a_secret() {
    const CANARY: &str = "canary-4711-secret";
    let dir = folder(&format!(
        "[metrics]\ntoken = \"{CANARY}\"\n[database]\nurl = \"postgres://u:{CANARY}@h/d\"\n"
    ));
    let key = dir.path().join("key");
    write(&key, CANARY, 0o600);
    let variables = [
        ("STUDIO__PROVIDERS__LUMA__API_KEY", CANARY),
        (
            "STUDIO__PROVIDERS__LUMA_DREAM_MACHINE__API_KEY_FILE",
            key.to_str().unwrap(),
        ),
    ];
    let loaded = load(&sources(dir.path(), &variables)).unwrap();
    assert_eq!(
        loaded
            .settings
            .iter()
            .filter(|setting| setting.shown == "(set)")
            .count(),
        4
    );
    assert!(!format!("{loaded:?}").contains(CANARY));

    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--origin"],
        &["config", "schema"],
    ] {
        let output = studio(dir.path(), &variables).args(arguments).output().unwrap();
        assert!(output.status.success());
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8(all).unwrap().contains(CANARY), "{arguments:?}");
    }
    // Broken in every way that a line with a secret in it can be broken.
    for toml in [
        format!("metrics.token = \"{CANARY}"),
        format!("metrics.token = {CANARY}"),
        format!("metrics.token = [\"{CANARY}\"]"),
        format!("metrics.token.x = \"{CANARY}\""),
        format!("metrics.tokn = \"{CANARY}\""),
        format!("metrics.token = \"{CANARY}\"\nmetrics.token = \"{CANARY}\""),
        format!("metrics.token_file = \"a\"\nmetrics.token = \"{CANARY}\""),
        format!("database.url = \"{CANARY}\"\nserver.listen = \"x\""),
    ] {
        let error = read(&toml, &[]).expect_err(&toml);
        assert!(!format!("{error}{error:?}").contains(CANARY), "{toml}: {error}");
    }
}

fn studio(dir: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_studio"));
    command
        .current_dir(dir)
        .env_clear()
        .envs(variables.iter().copied());
    command
}

#[test]
fn the_command_shows_values_and_where_they_come_from() {
    let dir = folder("[log]\nlevel = \"warn\"\n");
    let output = studio(dir.path(), &[("STUDIO__SERVER__LISTEN", "127.0.0.1:9")]);
    let output = { output }
        .args(["config", "show", "--origin", "--log-level", "debug"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("server.listen = ").ends_with("# env STUDIO__SERVER__LISTEN"),
        "{text}"
    );
    assert!(
        line("log.level = \"debug\"").ends_with("# flag --log-level"),
        "{text}"
    );
    assert!(line("metrics.token = (not set)").ends_with("# default"), "{text}");
}

#[test]
fn exit_codes_tell_missing_from_wrong() {
    let dir = folder("[log]\nlevl = \"warn\"\n");
    let code = |arguments: &[&str]| {
        let output = studio(dir.path(), &[]).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (exit, text) = code(&["config", "show"]);
    assert_eq!((exit, text.lines().count()), (2, 1), "{text}");
    assert!(text.ends_with("[config.unknown_key]\n"), "{text}");
    let (exit, text) = code(&["config", "show", "--config", "missing.toml"]);
    assert_eq!((exit, text.lines().count()), (3, 1), "{text}");
    assert_eq!(code(&["no-such-command"]).0, 2);
    assert_eq!(code(&["--version"]).0, 0);
}

/// The settings that the property below sets, with two values for each: by TOML text and by plain text.
const CHOICES: [(&str, [&str; 3]); 5] = [
    ("server.drain_seconds", ["1", "2", "3"]),
    ("generations.workers", ["5", "6", "7"]),
    ("log.daily", ["true", "false", "true"]),
    ("log.level", ["error", "debug", "trace"]),
    ("providers.luma.max_concurrent", ["11", "12", "13"]),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_setting_has_the_value_and_the_origin_of_the_last_layer_that_names_it(
        layers in proptest::collection::vec(any::<[bool; 3]>(), CHOICES.len())
    ) {
        let mut toml = String::new();
        let mut variables = Vec::new();
        let mut flags = Vec::new();
        for ((key, values), [in_file, in_environment, in_flags]) in CHOICES.iter().zip(&layers) {
            if *in_file {
                let quote = if values[0].parse::<f64>().is_ok() || *key == "log.daily" { "" } else { "\"" };
                toml.push_str(&format!("{key} = {quote}{}{quote}\n", values[0]));
            }
            if *in_environment {
                variables.push((format!("STUDIO__{}", key.to_uppercase().replace('.', "__")), values[1].to_owned()));
            }
            if *in_flags {
                flags.push(Flag { name: "--flag", key, value: values[2].to_owned() });
            }
        }
        let dir = folder(&toml);
        let loaded = load(&Sources {
            file: None,
            working_dir: dir.path().to_owned(),
            environment: Environment::of(variables),
            flags,
        }).unwrap();
        let defaults = read("", &[]).unwrap();
        for ((key, values), [in_file, in_environment, in_flags]) in CHOICES.iter().zip(&layers) {
            let (value, origin) = shown(&loaded)[key];
            let value = value.trim_matches('"');
            match (in_file, in_environment, in_flags) {
                (_, _, true) => prop_assert!(value == values[2] && matches!(origin, Origin::Flag(_))),
                (_, true, false) => prop_assert!(value == values[1] && matches!(origin, Origin::Environment(_))),
                (true, false, false) => {
                    let from_file = matches!(origin, Origin::File { .. });
                    prop_assert!(value == values[0] && from_file);
                }
                (false, false, false) => prop_assert!(*origin == Origin::Default && shown(&defaults)[key].0.trim_matches('"') == value),
            }
        }
    }
}
