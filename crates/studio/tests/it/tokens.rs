//! Tokens from outside: programs that are not ours check them by the JWKS and prove possession, forged
//! ones open nothing, and what is ended is over while the token itself would still be good.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use testkit::foreign;

use crate::bed::{Bed, EMAIL, PASSWORD, Place};
use crate::http::{Answer, Call};

/// Asks with a token; the least that any role may see.
fn with_token(bed: &Bed, token: &str) -> Answer {
    Call::new(bed.address, "GET", "/api/v1/models")
        .bearer(token)
        .send()
}

fn post(bed: &Bed, path: &str, body: &Value) -> Answer {
    Call::new(bed.address, "POST", path).json(body).send()
}

fn log_in(bed: &Bed) -> Value {
    let body = json!({"email": EMAIL, "password": PASSWORD, "client": "api"});
    post(bed, "/api/v1/auth/login", &body).expect(200)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// The address that the process knows itself by.
fn origin(bed: &Bed) -> String {
    format!("http://localhost:{}", bed.address.port())
}

/// Runs a foreign program with JSON on its standard input, and reads JSON from its standard output.
fn run(mut command: Command, input: &Value) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// A script of ours that knows the npm packages.
fn node(script: &str) -> Command {
    let folder = foreign::node_folder();
    let mut command = Command::new("node");
    command
        .current_dir(&folder)
        .args(["--input-type=module", "--eval", script]);
    command
}

const JOSE: &str = r"
import { createLocalJWKSet, jwtVerify, calculateJwkThumbprint } from 'jose';
import { readFileSync } from 'node:fs';
const { jwks, token, issuer, audience } = JSON.parse(readFileSync(0, 'utf8'));
const keys = createLocalJWKSet(jwks);
const options = { issuer, audience, typ: 'at+jwt', algorithms: ['EdDSA'], requiredClaims: ['sub', 'sid', 'tenant', 'epoch', 'nbf'] };
const { payload, protectedHeader } = await jwtVerify(token, keys, options);
const thumbprints = await Promise.all(jwks.keys.map((key) => calculateJwkThumbprint(key)));
const flip = (text, at) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
let changed = 'accepted';
try { await jwtVerify(flip(token, token.lastIndexOf('.') + 5), keys, options); } catch { changed = 'refused'; }
console.log(JSON.stringify({ payload, protectedHeader, thumbprints, changed }));
";

const PYJWT: &str = r"
import json, sys, jwt
given = json.load(sys.stdin)
key = next(key for key in jwt.PyJWKSet.from_dict(given['jwks']).keys
           if key.key_id == jwt.get_unverified_header(given['token'])['kid'])
payload = jwt.decode(given['token'], key.key, algorithms=['EdDSA'], audience=given['audience'],
                     issuer=given['issuer'], options={'require': ['exp', 'nbf', 'iat', 'sub', 'aud', 'iss', 'jti']})
head, body, signature = given['token'].split('.')
other = body[:10] + ('A' if body[10] != 'A' else 'B') + body[11:]
try:
    jwt.decode('.'.join([head, other, signature]), key.key, algorithms=['EdDSA'],
               audience=given['audience'], issuer=given['issuer'])
    changed = 'accepted'
except jwt.InvalidTokenError:
    changed = 'refused'
print(json.dumps({'payload': payload, 'changed': changed}))
";

#[test]
fn other_libraries_check_tokens_by_the_jwks() {
    let place = Place::new();
    let bed = place.serve();
    let tokens = log_in(&bed);
    let jwks = Call::new(bed.address, "GET", "/.well-known/jwks.json")
        .send()
        .expect(200);
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "the one that signs and the one that will");
    for key in keys {
        let mut names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["alg", "crv", "kid", "kty", "use", "x"],
            "public parts alone"
        );
    }
    let issuer = "urn:secure-ai-studio:local";
    let input = json!({"jwks": jwks, "token": tokens["access_token"], "issuer": issuer, "audience": format!("{issuer}/api")});
    let by_jose = run(node(JOSE), &input);
    let kids: Vec<_> = keys.iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(by_jose["thumbprints"], json!(kids), "RFC 7638");
    assert_eq!(by_jose["changed"], "refused");
    let header = &by_jose["protectedHeader"];
    assert_eq!((text(header, "alg"), text(header, "typ")), ("EdDSA", "at+jwt"));
    assert!(kids.contains(&header["kid"]));
    let mut python = Command::new(foreign::python());
    python.args(["-c", PYJWT]);
    let by_pyjwt = run(python, &input);
    assert_eq!(by_pyjwt["changed"], "refused");
    assert_eq!(by_pyjwt["payload"], by_jose["payload"], "both read the same");
    let payload = &by_jose["payload"];
    let number = |name: &str| payload[name].as_i64().unwrap();
    assert_eq!(number("exp") - number("iat"), 600);
    assert!(text(payload, "sub").starts_with("usr_") && text(payload, "sid").starts_with("ses_"));
    assert_eq!(payload["amr"], json!(["pwd"]));
    assert_eq!(tokens["expires_in"], 600);
    with_token(&bed, text(&tokens, "access_token")).expect(200);
}

const DPOP: &str = r"
import { generateKeyPair, generateProof, calculateThumbprint } from 'dpop';
import { readFileSync } from 'node:fs';
const { origin, login } = JSON.parse(readFileSync(0, 'utf8'));
const pair = await generateKeyPair('ES256');
const thief = await generateKeyPair('ES256');
let nonce;
async function once(method, path, { token, body, key = pair, proof } = {}) {
  const url = origin + path;
  proof ??= await generateProof(key, url, method, nonce, token);
  const headers = { DPoP: proof };
  if (token) headers.Authorization = `DPoP ${token}`;
  if (body) headers['Content-Type'] = 'application/json';
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.text();
  return { status: answer.status, nonce: answer.headers.get('dpop-nonce'), challenge: answer.headers.get('www-authenticate'),
           body: said ? JSON.parse(said) : null, proof };
}
const first = await once('POST', '/api/v1/auth/login', { body: login });
nonce = first.nonce;
const loggedIn = await once('POST', '/api/v1/auth/login', { body: login });
const token = loggedIn.body.access_token;
const models = '/api/v1/models';
const good = await once('GET', models, { token });
const replayed = await once('GET', models, { token, proof: good.proof });
const stolen = await once('GET', models, { token, key: thief });
const bearer = await fetch(origin + models, { headers: { Authorization: `Bearer ${token}` } });
const elsewhere = await generateProof(pair, origin + '/api/v1/providers', 'GET', nonce, token);
const other = await once('GET', models, { token, proof: elsewhere });
const refresh_token = loggedIn.body.refresh_token;
const refreshedByThief = await once('POST', '/api/v1/auth/refresh', { body: { refresh_token }, key: thief });
const refreshed = await once('POST', '/api/v1/auth/refresh', { body: { refresh_token } });
const after = await once('GET', models, { token: refreshed.body.access_token });
const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
console.log(JSON.stringify({
  first: [first.status, first.body.code, first.challenge], loggedIn: [loggedIn.status, loggedIn.body.token_type],
  bound: claims.cnf.jkt === await calculateThumbprint(pair.publicKey),
  good: good.status, replayed: [replayed.status, replayed.body.code], stolen: [stolen.status, stolen.body.code],
  bearer: bearer.status, other: [other.status, other.body.code],
  refreshedByThief: refreshedByThief.status, refreshed: [refreshed.status, refreshed.body.token_type], after: after.status,
}));
";

#[test]
fn a_client_that_is_not_ours_proves_possession() {
    let place = Place::new();
    let bed = place.serve();
    let login = json!({"email": EMAIL, "password": PASSWORD, "client": "api"});
    let told = run(node(DPOP), &json!({"origin": origin(&bed), "login": login}));
    assert_eq!(told["first"][0], 401);
    assert_eq!(told["first"][1], "proof_nonce");
    let challenge = told["first"][2].as_str().unwrap();
    assert!(
        challenge.starts_with("DPoP error=\"use_dpop_nonce\""),
        "{challenge}"
    );
    assert_eq!(told["loggedIn"], json!([200, "DPoP"]));
    assert_eq!(told["bound"], true, "`cnf.jkt` is the thumbprint of its key");
    assert_eq!(told["good"], 200);
    let refused = json!([401, "proof_invalid"]);
    for name in ["replayed", "stolen", "other"] {
        assert_eq!(told[name], refused, "{name}");
    }
    assert_eq!(told["bearer"], 401, "without its proof the token is nobody's");
    assert_eq!(told["refreshedByThief"], 401);
    assert_eq!(told["refreshed"], json!([200, "DPoP"]));
    assert_eq!(told["after"], 200);
}

fn encoded(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

fn part(token: &str, at: usize) -> &str {
    token.split('.').nth(at).unwrap()
}

fn decoded(token: &str, at: usize) -> Value {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part(token, at).as_bytes()).unwrap()).unwrap()
}

/// Everything that somebody without our key can make of a good token.
fn forgeries(token: &str, refresh: &str, jwks: &Value) -> Vec<(String, String)> {
    let (header, payload, signature) = (decoded(token, 0), decoded(token, 1), part(token, 2));
    let mut forged = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE"] {
        let mut other = header.clone();
        other["alg"] = json!(alg);
        let message = format!("{}.{}", encoded(&other), part(token, 1));
        forged.push((format!("alg {alg}, unsigned"), format!("{message}.")));
        forged.push((format!("alg {alg}, signed"), format!("{message}.{signature}")));
    }
    for key in jwks["keys"].as_array().unwrap() {
        let public = BASE64URL_NOPAD.decode(text(key, "x").as_bytes()).unwrap();
        for secret in [
            public.as_slice(),
            text(key, "x").as_bytes(),
            key.to_string().as_bytes(),
        ] {
            let mut other = header.clone();
            (other["alg"], other["kid"]) = (json!("HS256"), key["kid"].clone());
            let message = format!("{}.{}", encoded(&other), part(token, 1));
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
            mac.update(message.as_bytes());
            let mac = BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
            forged.push(("HS256 by the public key".to_owned(), format!("{message}.{mac}")));
        }
    }
    for (name, value) in [
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/cert")),
        ("jwk", jwks["keys"][0].clone()),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("typ", json!("JWT")),
        ("typ", json!("dpop+jwt")),
        ("alg", json!("ES256")),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("' or 1=1 --")),
        ("kid", json!("k".repeat(10_000))),
        ("kid", json!(null)),
        ("kid", jwks["keys"][1]["kid"].clone()),
    ] {
        let mut other = header.clone();
        if other[name] == value {
            continue;
        }
        other[name] = value;
        let text = format!("{}.{}.{signature}", encoded(&other), part(token, 1));
        forged.push((format!("header {name}"), text));
    }
    for (name, value) in [
        ("exp", json!(4_000_000_000_u64)),
        ("exp", json!("4000000000")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", json!(9_223_372_036_854_775_808_u64)),
        ("nbf", json!("0")),
        ("iss", json!("https://evil.example")),
        ("aud", json!(["a", "b"])),
        ("sub", json!("usr_00000000000000000000000000000001")),
        ("tenant", json!("wsp_00000000000000000000000000000001")),
        ("scope", json!("admin")),
        ("epoch", json!(99)),
    ] {
        let mut other = payload.clone();
        other[name] = value;
        let text = format!("{}.{}.{signature}", part(token, 0), encoded(&other));
        forged.push((format!("claim {name}"), text));
    }
    let twice = payload.to_string().replacen('{', "{\"exp\":4000000000,", 1);
    let twice = BASE64URL_NOPAD.encode(twice.as_bytes());
    let plain = [
        ("claim twice", format!("{}.{twice}.{signature}", part(token, 0))),
        ("no signature", format!("{}.{}.", part(token, 0), part(token, 1))),
        ("two parts", format!("{}.{}", part(token, 0), part(token, 1))),
        ("padded", format!("{token}=")),
        ("more after it", format!("{token}A")),
        ("100 kB", "a".repeat(20_000)),
        ("dots", "..".to_owned()),
        ("nothing", "x".to_owned()),
        ("a refresh token", refresh.to_owned()),
        ("a key that is none", format!("sas_live_{}", "A".repeat(49))),
    ];
    forged.extend(plain.map(|(name, text)| (name.to_owned(), text)));
    forged
}

#[test]
fn forged_tokens_open_nothing() {
    let place = Place::new().with("LIMITS__ADDRESS_PER_MINUTE", "100000");
    let mut bed = place.serve();
    let tokens = log_in(&bed);
    let token = text(&tokens, "access_token");
    let jwks = Call::new(bed.address, "GET", "/.well-known/jwks.json")
        .send()
        .expect(200);
    let forged = forgeries(token, text(&tokens, "refresh_token"), &jwks);
    assert!(forged.len() > 45, "{}", forged.len());
    for (name, text) in forged {
        for (header, value) in [
            ("Authorization", format!("Bearer {text}")),
            ("Authorization", format!("DPoP {text}")),
            ("Cookie", format!("__Host-sas_at={text}")),
        ] {
            let answer = Call::new(bed.address, "GET", "/api/v1/models")
                .header(header, value)
                .send();
            assert_eq!(answer.status, 401, "{name} in {header}: {answer:?}");
            assert!(answer.header("www-authenticate").is_some(), "{name}");
        }
    }
    // More than any header may be: refused before it is looked at.
    let huge = with_token(&bed, &"a".repeat(100_000));
    assert!((400..500).contains(&huge.status), "{huge:?}");
    for text in [format!("{token} {token}"), format!("Bearer {token}")] {
        assert_eq!(with_token(&bed, &text).status, 401);
    }
    let both = Call::new(bed.address, "GET", "/api/v1/models")
        .header("Authorization", format!("Bearer {token}"))
        .header("Authorization", format!("Bearer {token}"))
        .send();
    assert_eq!(both.status, 401, "which of the two?");
    bed.assert_alive();
    with_token(&bed, token).expect(200);
}

#[test]
fn a_session_ends_at_once_and_a_token_used_twice_ends_it() {
    let place = Place::new();
    let bed = place.serve();
    let (one, two) = (log_in(&bed), log_in(&bed));
    let (token, other) = (text(&one, "access_token"), text(&two, "access_token"));
    let listed = Call::new(bed.address, "GET", "/api/v1/me/sessions")
        .bearer(token)
        .send()
        .expect(200);
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let current: Vec<_> = items.iter().filter(|item| item["current"] == true).collect();
    assert_eq!(current.len(), 1);
    let theirs = items.iter().find(|item| item["current"] == false).unwrap();
    let path = format!("/api/v1/me/sessions/{}", text(theirs, "id"));
    let end = |path: &str| Call::new(bed.address, "DELETE", path).bearer(token).send();
    assert_eq!(end(&path).status, 204);
    with_token(&bed, other).problem(401, "session_over");
    end(&path).problem(404, "not_found");
    end("/api/v1/me/sessions/ses_00000000000000000000000000000001").problem(404, "not_found");

    let refresh = |token: &str| post(&bed, "/api/v1/auth/refresh", &json!({"refresh_token": token}));
    let first = text(&one, "refresh_token").to_owned();
    let second = refresh(&first).expect(200);
    let third = refresh(text(&second, "refresh_token")).expect(200);
    refresh(&first).problem(401, "session_over");
    refresh(text(&third, "refresh_token")).problem(401, "session_over");
    with_token(&bed, text(&third, "access_token")).problem(401, "session_over");
    refresh("nothing").problem(401, "session_over");

    let last = log_in(&bed);
    let token = text(&last, "access_token");
    let out = Call::new(bed.address, "POST", "/api/v1/auth/logout")
        .bearer(token)
        .send();
    assert_eq!(out.status, 204, "{out:?}");
    assert_eq!(
        out.header("clear-site-data"),
        Some(r#""cache", "cookies", "storage""#)
    );
    with_token(&bed, token).problem(401, "session_over");
    refresh(text(&last, "refresh_token")).problem(401, "session_over");
    bed.stop();
    let folder = place.file("log");
    let folder = folder.to_str().unwrap();
    place.run_with_data(&["audit", "export", "-o", folder]).well();
    let entries = entries_of(Path::new(folder));
    for action in ["token.reused", "session.ended", "token_key.rotated"] {
        assert!(entries.contains(action), "{action}");
    }
}

/// Every entry of an exported log, as text.
fn entries_of(folder: &Path) -> String {
    let files = crate::bed::files_below(folder);
    let bytes: Vec<u8> = files
        .iter()
        .flat_map(|file| std::fs::read(file).unwrap())
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_browser_has_its_tokens_in_cookies_alone() {
    let place = Place::new();
    let bed = place.serve();
    let from_browser = |path: &str, cookies: &str, body: &Value| {
        let call = Call::new(bed.address, "POST", path).header("Sec-Fetch-Site", "same-origin");
        let call = if cookies.is_empty() {
            call
        } else {
            call.header("Cookie", cookies)
        };
        call.json(body).send()
    };
    let login = from_browser(
        "/api/v1/auth/login",
        "",
        &json!({"email": EMAIL, "password": PASSWORD}),
    );
    assert_eq!(login.expect(200), json!({"expires_in": 600}));
    let cookie = |answer: &Answer, name: &str| {
        let lines = answer.headers.iter().filter(|(header, _)| header == "set-cookie");
        let line = lines
            .map(|(_, line)| line)
            .find(|line| line.starts_with(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name}: {answer:?}"))
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    };
    let refresh = cookie(&login, "__Host-sas_rt");
    let access = cookie(&login, "__Host-sas_at");
    let seen = Call::new(bed.address, "GET", "/api/v1/models")
        .header("Cookie", &access)
        .send();
    assert_eq!(seen.status, 200);
    let renewed = from_browser("/api/v1/auth/refresh", &refresh, &json!({}));
    assert_eq!(renewed.expect(200), json!({"expires_in": 600}));
    let newer = cookie(&renewed, "__Host-sas_rt");
    assert_ne!(newer, refresh);
    // The same token in a body is not how it was handed out.
    let secret = newer.split_once('=').unwrap().1;
    post(&bed, "/api/v1/auth/refresh", &json!({"refresh_token": secret})).problem(401, "session_over");
    let out = from_browser("/api/v1/auth/logout", &newer, &json!({}));
    assert_eq!(out.status, 204);
    assert_eq!(cookie(&out, "__Host-sas_at"), "__Host-sas_at=");
    let over = from_browser("/api/v1/auth/refresh", &newer, &json!({}));
    over.problem(401, "session_over");
    assert_eq!(
        cookie(&over, "__Host-sas_rt"),
        "__Host-sas_rt=",
        "the browser forgets it"
    );
}

#[test]
fn keys_are_turned_by_command() {
    let place = Place::new();
    let bed = place.serve();
    let tokens = log_in(&bed);
    bed.stop();
    let status = place.run_with_data(&["keys", "status"]).well();
    let words: Vec<_> = status
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(words, ["signing", "announced"], "{status}");
    place.run_with_data(&["keys", "rotate"]).well();
    place
        .run_with_data(&["keys", "rotate"])
        .badly(1, "keys.scheduled");
    let bed = place.serve();
    with_token(&bed, text(&tokens, "access_token")).expect(200);
    bed.stop();
    place.run_with_data(&["keys", "rotate", "--now"]).well();
    let bed = place.serve();
    with_token(&bed, text(&tokens, "access_token")).problem(401, "login_required");
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let newer = post(&bed, "/api/v1/auth/refresh", &body).expect(200);
    with_token(&bed, text(&newer, "access_token")).expect(200);
}
