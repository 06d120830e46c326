//! The tables of rights and routes, printed into the book.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use domain::identity::{Role, scope_of};
use domain::rights::{self, Action, Object, Reach};
use server::{Access, ROUTES};

use crate::bed::variable;

/// Set, it makes the page anew instead of comparing.
const RENEW: &str = "STUDIO_RENEW_DOCS";

const HEAD: &str = "# Rights

The studio has one table of rights. Every route asks it before anything else happens, and a test calls every route
as every role and compares. This page is printed from it.

A person has a role in the installation and one in each workspace. The second column says which of the two counts.
What a person makes is their own whatever the role: a thing of somebody else answers `404`.
An API key has no more rights than its owner, and of them those of its scopes; `*` stands for all that a key can have.
";

const fn what(object: Object) -> &'static str {
    match object {
        Object::Account => "one's own account",
        Object::Session => "one's own sessions",
        Object::Factor => "one's own second factors",
        Object::ApiKey => "one's own API keys",
        Object::Generation => "one's own generations, quotes and events",
        Object::Asset => "one's own media and uploads",
        Object::Catalogue => "models, prices, providers",
        Object::Member => "members of the workspace",
        Object::Person => "accounts and invitations",
        Object::Workspace => "workspaces",
        Object::AuditLog => "the audit log",
    }
}

fn scope(action: Action, object: Object) -> String {
    if object.is_for_keys() {
        format!("`{}`", scope_of(action, object))
    } else {
        "no key".to_owned()
    }
}

fn page() -> String {
    let mut text = HEAD.to_owned();
    // Writing into a String cannot fail.
    let mut line = |line: String| writeln!(text, "{line}").unwrap();
    line("\n## Who may do what\n".to_owned());
    let roles: Vec<_> = Role::ALL.iter().map(|role| format!(" {role} |")).collect();
    line(format!(
        "| To | Role in | Right |{} Scope of a key |",
        roles.concat()
    ));
    line(format!("|---|---|---|{}---|", ":-:|".repeat(roles.len())));
    for (object, action, holders) in rights::TABLE {
        let reach = match object.reach() {
            Reach::Workspace => "workspace",
            Reach::Installation => "installation",
        };
        let marks: Vec<_> = Role::ALL
            .iter()
            .map(|role| if holders.contains(role) { " ● |" } else { " |" })
            .collect();
        let (what, marks, scope) = (what(*object), marks.concat(), scope(*action, *object));
        line(format!("| {what} | {reach} | {action} |{marks} {scope} |"));
    }
    line("\n## What each route asks for\n".to_owned());
    line("*Fresh* means that a factor was shown a short while ago (`auth.step_up_minutes`); a key shows none.\n".to_owned());
    line("| Route | Right | Fresh | Scope of a key |".to_owned());
    line("|---|---|:-:|---|".to_owned());
    for route in ROUTES {
        let name = format!("`{} {}`", route.method.to_uppercase(), route.path);
        match route.access {
            Access::Public | Access::Entrance => {}
            Access::Right(action, object) => {
                let scope = scope(action, object);
                line(format!("| {name} | {action} {object} | | {scope} |"));
            }
            Access::Fresh(action, object) => line(format!("| {name} | {action} {object} | ● | no key |")),
        }
    }
    line("\n## Routes that ask for nobody\n".to_owned());
    line(
        "Those marked as entrances lead in and have stricter rates (`limits.entrance_per_minute`).\n"
            .to_owned(),
    );
    line("| Route | Entrance |".to_owned());
    line("|---|:-:|".to_owned());
    for route in ROUTES.iter().filter(|route| route.access.right().is_none()) {
        let mark = if route.access == Access::Entrance {
            " ●"
        } else {
            ""
        };
        line(format!(
            "| `{} {}` |{mark} |",
            route.method.to_uppercase(),
            route.path
        ));
    }
    text
}

#[test]
fn the_page_of_rights_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/rights.md");
    let page = page();
    if variable(RENEW).is_some() {
        fs::write(&path, &page).unwrap();
    }
    let printed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        printed == page,
        "docs/src/rights.md is not what the table says: run this test with {RENEW}=1 and commit the page"
    );
}
