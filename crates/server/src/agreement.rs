//! The table of routes, the axum router and the API description say the same.

use crate::access::Access;
use crate::openapi;
use crate::router::{ROUTES, Route};
use serde_json::Value;
use std::collections::BTreeSet;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

type Lines = BTreeSet<(String, String)>;

fn table() -> Lines {
    let lines = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()));
    lines.collect()
}

fn description() -> Value {
    serde_json::from_str(&openapi::json()).unwrap()
}

fn operation<'a>(api: &'a Value, route: &Route) -> &'a Value {
    &api["paths"][route.path][route.method]
}

/// The calls of `.route(path, methods)` in the text of the router.
fn routed(text: &str) -> Lines {
    let text = text.split("#[cfg(test)]").next().unwrap();
    let mut lines = Lines::new();
    for call in text.split(".route(").skip(1) {
        let path = call.split('"').nth(1).unwrap();
        let rest = &call[call.find(path).unwrap() + path.len()..];
        let mut depth = 1_i32;
        let end = rest.char_indices().find(|(_, c)| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let methods = &rest[..end.unwrap().0];
        for method in METHODS {
            let at = |lead: &str| methods.contains(&format!("{lead}{method}("));
            if at(" ") || at(".") {
                lines.insert((method.to_owned(), path.to_owned()));
            }
        }
    }
    lines
}

#[test]
fn the_table_the_router_and_the_description_have_the_same_routes() {
    let table = table();
    assert_eq!(table.len(), ROUTES.len(), "a route stands twice in the table");
    assert_eq!(routed(include_str!("router.rs")), table, "router and table");
    let api = description();
    let mut described = Lines::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            described.insert(((*method).to_owned(), path.clone()));
        }
    }
    assert_eq!(described, table, "description and table");
}

#[test]
fn the_reader_of_the_router_sees_every_form_of_a_line() {
    let text = "route(\"get\", \"/table\", Public),\nfn router() {\n.route(\"/a\", get(x::y))\n.route(\n \"/b/{id}\",\n get(x::get_it)\n.head(z).patch(p),\n)\n\
                .layer(post(1))#[cfg(test)].route(\"/c\", get(x))";
    let line = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    let all = [
        line("get", "/a"),
        line("get", "/b/{id}"),
        line("head", "/b/{id}"),
        line("patch", "/b/{id}"),
    ];
    assert_eq!(routed(text), all.into());
}

#[test]
fn the_description_says_of_each_route_what_the_table_says() {
    let api = description();
    for route in ROUTES {
        let name = format!("{} {}", route.method, route.path);
        let operation = operation(&api, route);
        let security = operation["security"].as_array();
        let security = security.unwrap_or_else(|| panic!("{name} says nothing of security"));
        match route.access {
            Access::Public | Access::Entrance => assert!(security.is_empty(), "{name}"),
            Access::Right(..) | Access::Fresh(..) => {
                assert_eq!(security.len(), 3, "{name}");
                for status in ["401", "403"] {
                    let described = &operation["responses"][status];
                    assert!(described["description"].is_string(), "{name}: {status}");
                }
            }
        }
    }
    let schemes = api["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer", "cookie", "dpop"]);
}

#[test]
fn what_is_asked_for_is_in_the_table_of_rights() {
    for route in ROUTES {
        if let Some((action, object)) = route.access.right() {
            let holders = domain::rights::holders(action, object);
            assert!(!holders.is_empty(), "{} {}: nobody may", route.method, route.path);
        }
    }
}

#[test]
fn a_change_of_something_is_never_a_right_to_read() {
    use domain::rights::Action;
    for route in ROUTES {
        if let Some((action, _)) = route.access.right() {
            let reads = matches!(route.method, "get" | "head" | "options");
            assert_eq!(reads, action == Action::Read, "{} {}", route.method, route.path);
        }
    }
}
