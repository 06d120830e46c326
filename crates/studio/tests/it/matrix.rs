//! The matrix: every route as nobody, as every pair of roles, as somebody else's, and as every API key,
//! compared with the table of rights. A route that asks for a thing by id and is not listed here fails.

use std::collections::BTreeMap;

use domain::identity::{Role, Scopes, scope_of};
use domain::rights::{Action, Object, Reach, allows, holders};
use serde_json::{Value, json};
use server::{Access, ROUTES, Route};

use crate::audit::entries_of_place;
use crate::bed::{Bed, EMAIL, Place, small, until};
use crate::http::{Answer, Call, Stream};
use crate::people::Person;

/// What a refusal is told by.
const REFUSALS: [&str; 5] = [
    "not_permitted",
    "step_up_required",
    "session_required",
    "cross_site",
    "login_required",
];
/// An id of each noun that nothing has.
const NOBODY: &str = "01a204db4b9b7d578c8d38bee07331e6";

fn place() -> Place {
    Place::new()
        .with("LIMITS__ADDRESS_PER_MINUTE", "1000000")
        .with("LIMITS__ENTRANCE_PER_MINUTE", "1000000")
        .with("LIMITS__ACCOUNT_PER_MINUTE", "1000000")
        .with("LIMITS__KEY_PER_MINUTE", "1000000")
        .with("LIMITS__WORKSPACE_PER_MINUTE", "1000000")
}

fn name(route: &Route) -> String {
    format!("{} {}", route.method.to_uppercase(), route.path)
}

/// The path of a route with something in the places of its ids.
fn filled(pattern: &str, id: &str) -> String {
    pattern
        .split('/')
        .map(|part| if part.starts_with('{') { id } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// A request to a route, of the kind that it takes.
fn shaped(call: Call, route: &Route) -> Call {
    match (route.method, route.path) {
        ("patch", "/api/v1/uploads/{id}") => call
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Offset", "0")
            .header("Content-Type", "application/offset+octet-stream")
            .body("x"),
        ("patch", "/api/v1/auth/passkeys/{id}") => call.json(&json!({"name": "x"})),
        ("post" | "patch" | "put", _) => call.json(&json!({})),
        _ => call,
    }
}

fn is_stream(route: &Route) -> bool {
    route.path == "/api/v1/events"
}

/// Asks as somebody. A stream that opens counts as its status.
fn ask(bed: &Bed, person: &Person, route: &Route, path: &str, opens: bool) -> Answer {
    if is_stream(route) && opens {
        let stream = Stream::open(&person.call(bed, "GET", path));
        return Answer {
            status: 200,
            headers: stream.headers,
            body: Vec::new(),
        };
    }
    shaped(person.call(bed, &route.method.to_uppercase(), path), route).send()
}

fn code(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

fn assert_let_in(answer: &Answer, what: &str) {
    let refused = REFUSALS.contains(&code(answer).as_str()) || answer.status == 401;
    assert!(!refused, "{what}: {answer:?}");
    assert!(answer.status < 500 && answer.status != 405, "{what}: {answer:?}");
}

fn assert_not_permitted(answer: &Answer, route: &Route, needs: &[String], what: &str) {
    assert_eq!(answer.status, 403, "{what}: {answer:?}");
    if route.method != "head" {
        let problem = answer.problem(403, "not_permitted");
        assert_eq!(problem["needs"], json!(needs), "{what}");
    }
}

fn words(roles: &[Role]) -> Vec<String> {
    roles.iter().map(|role| role.as_str().to_owned()).collect()
}

#[test]
fn nobody_is_let_in_where_somebody_is_asked_for() {
    let place = place();
    let bed = place.serve_to_nobody();
    let mut asked = 0;
    for route in ROUTES {
        let path = filled(route.path, "x");
        let method = route.method.to_uppercase();
        for shown in [
            None,
            Some(("Authorization", "Bearer x.y.z")),
            Some(("Authorization", "Bearer sas_live_guess")),
            Some(("Authorization", "Basic dXNlcjpwYXNz")),
            Some(("Authorization", "DPoP x.y.z")),
            Some(("Cookie", "__Host-sas_at=x.y.z")),
        ] {
            let mut call =
                shaped(Call::new(bed.address, &method, &path), route).header("Sec-Fetch-Site", "same-origin");
            if let Some((header, value)) = shown {
                call = call.header(header, value);
            }
            let answer = call.send();
            let what = format!("{} {shown:?}", name(route));
            if route.access.right().is_none() {
                assert_ne!(code(&answer), "login_required", "{what}");
                continue;
            }
            asked += 1;
            assert_eq!(answer.status, 401, "{what}: {answer:?}");
            assert!(answer.header("www-authenticate").is_some(), "{what}");
            if route.method != "head" {
                assert!(!answer.json()["code"].as_str().unwrap().is_empty(), "{what}");
            }
        }
    }
    assert!(asked > 100, "{asked} requests");
    let bearers = ["Bearer a, Bearer b", "Bearer", ""];
    for value in bearers {
        let call = Call::new(bed.address, "GET", "/api/v1/models").header("Authorization", value);
        assert_eq!(call.send().status, 401, "{value}");
    }
}

/// The role that somebody has for an object.
fn role_for(object: Object, workspace: Role, installation: Role) -> Role {
    match object.reach() {
        Reach::Workspace => workspace,
        Reach::Installation => installation,
    }
}

fn set_role(bed: &Bed, admin: &Person, workspace: &str, user: &str, role: Role) {
    let path = format!("/api/v1/admin/workspaces/{workspace}/members/{user}");
    let body = json!({"role": role.as_str()});
    let answer = admin.call(bed, "PATCH", &path).json(&body).send();
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

#[test]
fn every_route_as_every_pair_of_roles() {
    let place = place();
    for role in Role::ALL {
        place.make_account(&format!("{role}@example.org"), role.as_str());
    }
    let bed = place.serve();
    let admin = Person::login(&bed, EMAIL);
    let mut denied = 0;
    for installation in Role::ALL {
        let email = format!("{installation}@example.org");
        let me = Person::login(&bed, &email).me(&bed);
        let (user, workspace) = (
            me["id"].as_str().unwrap(),
            me["workspace"]["id"].as_str().unwrap(),
        );
        assert_eq!(me["role"], installation.as_str());
        for in_workspace in Role::ALL {
            set_role(&bed, &admin, workspace, user, *in_workspace);
            let person = Person::login(&bed, &email);
            for route in ROUTES {
                let Some((action, object)) = route.access.right() else {
                    continue;
                };
                let role = role_for(object, *in_workspace, *installation);
                let may = allows(role, action, object);
                let answer = ask(&bed, &person, route, &filled(route.path, "x"), may);
                let what = format!("{} as {installation}, {in_workspace} here", name(route));
                if may {
                    assert_let_in(&answer, &what);
                } else {
                    assert_not_permitted(&answer, route, &words(holders(action, object)), &what);
                    denied += 1;
                }
            }
            // None of it has shut them out.
            assert_eq!(person.me(&bed)["workspace"]["role"], in_workspace.as_str());
        }
    }
    assert!(denied > 200, "{denied} denied");
    let entries = entries_of_place(&place, bed);
    let noted: Vec<_> = entries
        .iter()
        .filter(|entry| entry["action"] == "access.denied")
        .collect();
    assert_eq!(noted.len(), denied, "one entry for each request that was denied");
    for entry in noted {
        assert_eq!(entry["outcome"], "role", "{entry}");
        assert!(
            entry["object"].as_str().unwrap().starts_with("/api/v1/"),
            "{entry}"
        );
        assert!(entry["actor"].as_str().unwrap().starts_with("u_"), "{entry}");
    }
}

/// Things of one person, by the beginning of the routes that ask for them.
struct Things(BTreeMap<&'static str, String>);

impl Things {
    fn of(bed: &Bed, owner: &Person) -> Self {
        let asked = owner
            .post(bed, "/api/v1/generations", &small("um barco"))
            .expect(202);
        let generation = asked["id"].as_str().unwrap().to_owned();
        let done = until("the picture", || {
            let view = owner
                .get(bed, &format!("/api/v1/generations/{generation}"))
                .expect(200);
            (view["state"] == "succeeded").then_some(view)
        });
        let asset = done["outputs"][0]["asset"].as_str().unwrap().to_owned();
        let upload = owner
            .call(bed, "POST", "/api/v1/uploads")
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Length", "100")
            .header("Upload-Metadata", "filetype aW1hZ2UvcG5n")
            .send();
        let upload = upload
            .header("location")
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        let sessions = owner.get(bed, "/api/v1/me/sessions").expect(200);
        let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
        let body = json!({"name": "k", "scopes": ["models:read"]});
        let key = owner.post(bed, "/api/v1/me/api-keys", &body).expect(201);
        let key = key["id"].as_str().unwrap().to_owned();
        Self(BTreeMap::from([
            ("/api/v1/generations/", generation),
            ("/api/v1/assets/", asset),
            ("/api/v1/uploads/", upload),
            ("/api/v1/me/sessions/", session),
            ("/api/v1/me/api-keys/", key),
            // A passkey takes an authenticator; that of another is as unknown as none.
            ("/api/v1/auth/passkeys/", format!("pky_{NOBODY}")),
        ]))
    }

    /// The thing that a route asks for, if it asks for one that somebody owns.
    fn asked_by(&self, route: &Route) -> Option<&str> {
        if !route.path.contains('{') || route.access.right().is_none() {
            return None;
        }
        let found = self.0.iter().find(|(begin, _)| route.path.starts_with(**begin));
        if found.is_none() {
            let of_installation = route.path.starts_with("/api/v1/admin/");
            assert!(of_installation, "{}: say whose thing it is", name(route));
        }
        found.map(|(_, id)| id.as_str())
    }
}

#[test]
fn what_is_somebody_elses_does_not_exist() {
    let place = place();
    for role in Role::ALL {
        place.make_account(&format!("{role}@example.org"), role.as_str());
    }
    let bed = place.serve();
    let ana = Person::login(&bed, EMAIL);
    let things = Things::of(&bed, &ana);
    let own = |route: &Route, id: &str| {
        let path = filled(route.path, id);
        ana.call(&bed, &route.method.to_uppercase(), &path).send()
    };
    let reads = |route: &&Route| matches!(route.method, "get" | "head");
    for route in ROUTES.iter().filter(reads) {
        if let Some(id) = things.asked_by(route) {
            assert_eq!(own(route, id).status, 200, "{} of one's own", name(route));
        }
    }
    let mut others: Vec<(String, Person)> = Vec::new();
    for role in Role::ALL {
        let person = Person::login(&bed, &format!("{role}@example.org"));
        others.push((format!("a colleague, {role}"), person));
    }
    let outra = another_workspace(&bed, &ana);
    let admin = in_workspace(&bed, &ana, &outra, "admin@example.org");
    others.push(("an administrator elsewhere".to_owned(), admin));
    let mut asked = 0;
    for (who, person) in &others {
        let me = person.me(&bed);
        let role: Role = me["workspace"]["role"].as_str().unwrap().parse().unwrap();
        for route in ROUTES {
            let Some(id) = things.asked_by(route) else {
                continue;
            };
            let (action, object) = route.access.right().unwrap();
            let answer = ask(&bed, person, route, &filled(route.path, id), false);
            let what = format!("{} of another, as {who}", name(route));
            if allows(role, action, object) {
                assert_eq!(answer.status, 404, "{what}: {answer:?}");
            } else {
                assert_eq!(answer.status, 403, "{what}: {answer:?}");
            }
            asked += 1;
        }
        for list in ["/api/v1/generations", "/api/v1/me/api-keys"] {
            assert_eq!(person.get(&bed, list).expect(200)["items"], json!([]), "{who}");
        }
        let reference = json!([{"role": "image", "asset": things.0["/api/v1/assets/"]}]);
        let mut body = small("um barco");
        body["references"] = reference;
        if allows(role, Action::Create, Object::Generation) {
            let answer = person.post(&bed, "/api/v1/generations", &body);
            assert_eq!(answer.status, 422, "{who}: {answer:?}");
        }
    }
    assert!(asked > 70, "{asked} requests");
    // What somebody makes in one workspace is not theirs in another.
    let self_elsewhere = in_workspace(&bed, &ana, &outra, EMAIL);
    for route in ROUTES {
        let Some(id) = things.asked_by(route) else {
            continue;
        };
        if !route.path.starts_with("/api/v1/me/") {
            let answer = ask(&bed, &self_elsewhere, route, &filled(route.path, id), false);
            assert_eq!(answer.status, 404, "{} from elsewhere: {answer:?}", name(route));
        }
    }
    let ana = Person::login(&bed, EMAIL);
    let own = |route: &Route, id: &str| {
        let path = filled(route.path, id);
        ana.call(&bed, &route.method.to_uppercase(), &path).send()
    };
    // It is all still there, and its owner still in.
    for route in ROUTES.iter().filter(reads) {
        if let Some(id) = things.asked_by(route) {
            assert_eq!(own(route, id).status, 200, "{} afterwards", name(route));
        }
    }
    let keys = ana.get(&bed, "/api/v1/me/api-keys").expect(200);
    // The one that serves the place, and this one.
    assert_eq!(keys["items"].as_array().unwrap().len(), 2);
}

/// Makes another workspace.
fn another_workspace(bed: &Bed, ana: &Person) -> String {
    let made = ana.post(bed, "/api/v1/admin/workspaces", &json!({"name": "Outra"}));
    made.expect(201)["id"].as_str().unwrap().to_owned()
}

/// Somebody as an administrator of a workspace that they come to be a member of.
fn in_workspace(bed: &Bed, ana: &Person, workspace: &str, email: &str) -> Person {
    let user = Person::login(bed, email).me(bed)["id"].clone();
    let path = format!("/api/v1/admin/workspaces/{workspace}/members");
    let answer = ana.post(bed, &path, &json!({"user": user, "role": "admin"}));
    assert!(
        (200..300).contains(&answer.status) || answer.status == 409,
        "{answer:?}"
    );
    let person = Person::login_to(bed, email, workspace);
    assert_eq!(person.me(bed)["workspace"]["id"], workspace);
    person
}

#[test]
fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let place = place();
    let bed = place.serve();
    let ana = Person::login(&bed, EMAIL);
    let mut all = Scopes::known();
    all.push("*".to_owned());
    for word in all {
        let body = json!({"name": "k", "scopes": [word]});
        let made = ana.post(&bed, "/api/v1/me/api-keys", &body).expect(201);
        let key = Person::bearing(made["secret"].as_str().unwrap());
        let scopes = Scopes::parse([word.as_str()]).unwrap();
        for route in ROUTES {
            let Some((action, object)) = route.access.right() else {
                continue;
            };
            let covers = scopes.cover(action, object);
            let is_fresh = matches!(route.access, Access::Fresh(..));
            let answer = ask(&bed, &key, route, &filled(route.path, "x"), covers && !is_fresh);
            let what = format!("{} with a key for {word}", name(route));
            match (covers, is_fresh) {
                (true, false) => assert_let_in(&answer, &what),
                (true, true) => {
                    answer.problem(403, "session_required");
                }
                (false, _) => {
                    assert_not_permitted(&answer, route, &[scope_of(action, object)], &what);
                }
            }
        }
    }
    assert_eq!(ana.me(&bed)["via"], "session", "a key has not shut its owner out");
}
