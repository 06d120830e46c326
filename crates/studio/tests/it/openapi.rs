//! The API description, the table of routes, the router and the committed snapshot say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bed::Place;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

fn described(api: &Value) -> BTreeSet<(String, String)> {
    let paths = api["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().keys();
        let known: Vec<_> = methods
            .filter(|name| METHODS.contains(&name.as_str()))
            .cloned()
            .collect();
        known
            .into_iter()
            .map(|method| (method, path.clone()))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_description_the_table_and_the_router_agree() {
    let place = Place::new();
    let bed = place.serve();
    let served = bed.get("/openapi.json");
    let api = served.expect(200);
    assert_eq!(api["openapi"], "3.1.0");
    let table: BTreeSet<_> = server::ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(table.len(), server::ROUTES.len(), "a route is in the table twice");
    assert_eq!(described(&api), table);
    for (method, path) in &table {
        let concrete = path
            .replace("{id}", "x")
            .replace("{provider}", "luma")
            .replace("{token}", "x");
        if path == "/api/v1/events" {
            // A stream does not end; that it is routed, its own tests show.
            continue;
        }
        let answer = bed.call(&method.to_uppercase(), &concrete).send();
        assert_ne!(answer.status, 405, "{method} {path} is not routed");
        assert!(
            !answer.text().contains("no such address"),
            "{method} {path} is not routed"
        );
    }
    let page = bed.get("/docs").text();
    for (_, path) in &table {
        assert!(
            page.contains(&format!("<code>{path}</code>")),
            "{path} is not on /docs"
        );
    }
    let printed = place.run(&["openapi"]).well();
    assert_eq!(printed.trim_end(), served.text().trim_end());
}

#[test]
fn every_refusal_is_described_as_a_problem() {
    let place = Place::new();
    let api: Value = serde_json::from_str(&place.run(&["openapi"]).well()).unwrap();
    for (method, path) in described(&api) {
        let responses = api["paths"][&path][&method]["responses"].as_object().unwrap();
        assert!(!responses.is_empty(), "{method} {path}");
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{method} {path} {status}");
            if status.starts_with(['4', '5']) && method != "head" {
                let problem = &response["content"]["application/problem+json"];
                assert!(problem.is_object(), "{method} {path} {status}: {response}");
            }
        }
    }
}

#[test]
fn the_committed_description_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/openapi.json");
    let advice = "run `cargo xtask types` and commit web/openapi.json";
    let committed = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {advice}"));
    let printed = Place::new().run(&["openapi"]).well();
    let committed: Value = serde_json::from_str(&committed).expect(advice);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert!(committed == printed, "the API has changed: {advice}");
}
