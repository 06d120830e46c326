//! The rules of the house that no compiler checks: floors and arrows, one heavy dependency per crate,
//! what floor 0 may touch, who reads the environment, file lengths, signed exceptions.
//!
//! `ARCHITECTURE.md` explains them. A new crate is entered in [`FLOORS`], a new heavy dependency in
//! [`OWNERS`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate (library name) and floor. A crate may depend on lower floors only.
const FLOORS: [(&str, u8); 15] = [
    ("domain", 0),
    ("seal", 0),
    ("tlog", 0),
    ("store", 1),
    ("providers", 1),
    ("vault", 1),
    ("engine", 1),
    ("media", 1),
    ("credentials", 1),
    ("notify", 1),
    ("testkit", 1),
    ("app", 2),
    ("server", 3),
    ("studio", 4),
    ("xtask", 5),
];

/// Heavy dependency and the crates that may name it.
const OWNERS: [(&str, &[&str]); 31] = [
    ("rusqlite", &["store"]),
    ("tokio-postgres", &["store"]),
    ("deadpool-postgres", &["store"]),
    ("reqwest", &["providers"]),
    ("image", &["media"]),
    ("openh264", &["media"]),
    ("muxide", &["media"]),
    ("re_mp4", &["media"]),
    ("img-parts", &["media"]),
    ("candle-core", &["engine"]),
    ("candle-nn", &["engine"]),
    ("safetensors", &["engine"]),
    ("half", &["engine"]),
    ("age", &["seal"]),
    ("aes-gcm", &["seal"]),
    ("axum", &["server", "testkit"]),
    ("tower", &["server"]),
    ("tower-http", &["server"]),
    ("rust-embed", &["server"]),
    ("axum-server", &["server"]),
    ("governor", &["server"]),
    ("argon2", &["credentials"]),
    ("jsonwebtoken", &["credentials"]),
    ("webauthn-rs", &["credentials"]),
    ("totp-rs", &["credentials"]),
    ("openidconnect", &["credentials"]),
    ("lettre", &["notify"]),
    ("clap", &["studio"]),
    ("tracing-subscriber", &["studio"]),
    ("tracing-appender", &["studio"]),
    ("zstd", &["studio"]),
];

/// What crates of floor 0 may not touch: input and output, clocks, threads, async.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "SystemTime",
    "Instant::now",
    "async fn",
    "tokio",
];

/// Lines after which a file should have been two.
const MAX_FILE_LINES: usize = 700;

fn floor(krate: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == krate)
        .map(|(_, floor)| *floor)
}

/// Why `from` may not depend on `to`.
fn arrow(from: &str, to: &str, dev: bool) -> Option<String> {
    let (Some(upper), Some(lower)) = (floor(from), floor(to)) else {
        return Some(format!(
            "{from} -> {to}: enter the crate in FLOORS of tests/it/tidy.rs"
        ));
    };
    match (to, dev) {
        ("testkit", true) => None,
        ("testkit", false) => Some(format!("{from} -> testkit: the testkit is for tests only")),
        _ if lower < upper => None,
        _ => Some(format!(
            "{from} (floor {upper}) -> {to} (floor {lower}): arrows point down only"
        )),
    }
}

/// Why `krate` may not name this dependency.
fn owner(krate: &str, dependency: &str) -> Option<String> {
    let (_, owners) = OWNERS.iter().find(|(name, _)| *name == dependency)?;
    let good = owners.contains(&krate);
    (!good).then(|| {
        format!(
            "{krate} names {dependency}, which belongs to {}",
            owners.join(" and ")
        )
    })
}

struct Member {
    name: String,
    folder: PathBuf,
    package: Value,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn members() -> Vec<Member> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let member = |package: &Value| Member {
        name: package["name"]
            .as_str()
            .unwrap()
            .trim_start_matches("studio-")
            .to_owned(),
        folder: Path::new(package["manifest_path"].as_str().unwrap())
            .parent()
            .unwrap()
            .to_owned(),
        package: package.clone(),
    };
    let members: Vec<_> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(member)
        .collect();
    assert!(members.len() >= FLOORS.len(), "{} members", members.len());
    members
}

/// Source files of a folder with their paths from the root of the repository.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The part of a file that is not its tests, without comments, by line number.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    let production =
        lines.take_while(|(_, line)| !line.starts_with("#[cfg(test)]") && *line != "mod tests {");
    production.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn arrows_point_down_and_heavy_dependencies_have_one_home() {
    let members = members();
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut violations = Vec::new();
    for member in &members {
        for dependency in member.package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            let dev = dependency["kind"] == "dev";
            let ours = name.trim_start_matches("studio-");
            if dependency["path"].is_string() && names.contains(&ours) {
                violations.extend(arrow(&member.name, ours, dev));
            } else {
                violations.extend(owner(&member.name, name).filter(|_| !dev));
            }
            let exact = dependency["req"].as_str().unwrap();
            if exact.contains(['-']) && dependency["source"].is_string() {
                violations.push(format!("{}: {name} {exact} is a pre-release", member.name));
            }
        }
        if member.name == "xtask" && member.package["dependencies"] != Value::Array(Vec::new()) {
            violations.push("xtask depends on something other than std".to_owned());
        }
    }
    assert_none(&violations);
}

#[test]
fn use_lines_follow_the_arrows() {
    let members = members();
    let mut violations = Vec::new();
    for member in &members {
        // A module may be called like a crate.
        let is_module = |name: &str| {
            let src = member.folder.join("src");
            src.join(name).is_dir() || src.join(format!("{name}.rs")).is_file()
        };
        for (path, text) in sources(&member.folder.join("src")) {
            for (number, line) in code(&text) {
                let line = line.trim_start().trim_start_matches("pub ");
                let Some(rest) = line.strip_prefix("use ") else {
                    continue;
                };
                let first = rest.split([':', ';', ' ', '{']).next().unwrap();
                if floor(first).is_some() && first != member.name && !is_module(first) {
                    let wrong = arrow(&member.name, first, false);
                    violations.extend(wrong.map(|wrong| format!("{path}:{number}: {wrong}")));
                }
                let dependency = first.replace('_', "-");
                let wrong = owner(&member.name, &dependency).or_else(|| owner(&member.name, first));
                violations.extend(wrong.map(|wrong| format!("{path}:{number}: {wrong}")));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn floor_0_is_pure_and_only_studio_reads_the_environment() {
    let mut violations = Vec::new();
    for member in &members() {
        for (path, text) in sources(&member.folder.join("src")) {
            let is_test = path.ends_with("tests.rs") || path.contains("/tests/");
            for (number, line) in code(&text).filter(|_| !is_test) {
                if floor(&member.name) == Some(0) {
                    let found = IMPURE.iter().filter(|word| line.contains(**word));
                    violations.extend(found.map(|word| format!("{path}:{number}: {word} in floor 0")));
                }
                let reads = ["env::var", "env::vars"].iter().any(|call| line.contains(call));
                if reads && !["xtask"].contains(&member.name.as_str()) && path != ENVIRONMENT {
                    violations.push(format!(
                        "{path}:{number}: only {ENVIRONMENT} reads the environment"
                    ));
                }
            }
        }
    }
    assert_none(&violations);
}

const ENVIRONMENT: &str = "crates/studio/src/config/environment.rs";

#[test]
fn every_crate_says_what_it_is_for() {
    let mut violations = Vec::new();
    for member in &members() {
        let description = member.package["description"].as_str().unwrap_or_default();
        if description.len() < 20 {
            violations.push(format!("{}: the manifest has no description", member.name));
        }
        let opens = ["src/lib.rs", "src/main.rs"]
            .iter()
            .find_map(|file| fs::read_to_string(member.folder.join(file)).ok());
        if !opens.is_some_and(|text| text.starts_with("//! ")) {
            violations.push(format!(
                "{}: the crate does not open with what it is for",
                member.name
            ));
        }
    }
    assert_none(&violations);
}

#[test]
fn files_are_short_and_exceptions_are_signed() {
    let mut violations = Vec::new();
    for member in &members() {
        let tests: Vec<_> = fs::read_dir(member.folder.join("tests"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "rs"))
            .collect();
        if !tests.is_empty() {
            violations.push(format!(
                "{}: integration tests are one binary, tests/it/main.rs",
                member.name
            ));
        }
        for (path, text) in sources(&member.folder) {
            let lines = text.lines().count();
            if lines > MAX_FILE_LINES {
                violations.push(format!(
                    "{path}: {lines} lines, more than {MAX_FILE_LINES}: one file, one job"
                ));
            }
            for (number, line) in text.lines().enumerate() {
                let line = line.trim_start();
                if line.starts_with("#[allow(") {
                    violations.push(format!(
                        "{path}:{}: sign it: #[expect(…, reason = \"…\")]",
                        number + 1
                    ));
                }
                if ["TODO", "FIXME"]
                    .iter()
                    .any(|word| line.starts_with("//") && line.contains(word))
                {
                    violations.push(format!("{path}:{}: do it or leave it out", number + 1));
                }
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn the_rules_see_what_they_forbid() {
    assert_eq!(arrow("app", "store", false), None);
    assert_eq!(arrow("store", "testkit", true), None);
    for (from, to) in [
        ("store", "app"),
        ("store", "vault"),
        ("domain", "tlog"),
        ("app", "testkit"),
        ("app", "new"),
    ] {
        assert!(arrow(from, to, false).is_some(), "{from} -> {to}");
    }
    assert_eq!(owner("media", "image"), None);
    assert_eq!(owner("app", "serde"), None);
    assert!(owner("app", "reqwest").is_some());
    let text = "use a::b;\n// use c;\n#[cfg(test)]\nmod tests {\n    use d;\n}\n";
    assert_eq!(
        code(text).collect::<BTreeMap<_, _>>(),
        BTreeMap::from([(1, "use a::b;")])
    );
}

/// Files of the repository's own text, without what is built or installed.
fn papers() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("docs/book") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    let at_root = [
        "README.md",
        "README.pt-BR.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    found.extend(at_root.iter().map(|name| root().join(name)));
    found
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut violations = Vec::new();
    let mut links = 0;
    for paper in papers() {
        let text = fs::read_to_string(&paper).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap();
            // Addresses and pictures: pictures of the page are made by the tests in the browser.
            if target.is_empty() || target.contains("://") || target.ends_with(".png") {
                continue;
            }
            links += 1;
            if !paper.parent().unwrap().join(target).exists() {
                violations.push(format!("{}: {target} is not there", paper.display()));
            }
        }
    }
    assert!(links > 20, "{links} links found");
    assert_none(&violations);
}
