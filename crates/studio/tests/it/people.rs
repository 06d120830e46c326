//! People for tests that ask who may do what: logged in over HTTP, or bearing a key.

use serde_json::{Value, json};

use crate::bed::{Bed, PASSWORD};
use crate::http::{Answer, Call};

/// Somebody who is logged in, or a key of theirs.
pub struct Person {
    secret: String,
}

impl Person {
    pub fn bearing(token: &str) -> Self {
        Self {
            secret: token.to_owned(),
        }
    }

    /// Logs in as a program does.
    pub fn login(bed: &Bed, email: &str) -> Self {
        Self::login_with(bed, email, json!({}))
    }

    /// Logs in to one of their workspaces.
    pub fn login_to(bed: &Bed, email: &str, workspace: &str) -> Self {
        Self::login_with(bed, email, json!({"workspace": workspace}))
    }

    fn login_with(bed: &Bed, email: &str, mut body: Value) -> Self {
        for (name, value) in [("email", email), ("password", PASSWORD), ("client", "api")] {
            body[name] = json!(value);
        }
        let answer = Call::new(bed.address, "POST", "/api/v1/auth/login")
            .json(&body)
            .send();
        Self::bearing(answer.expect(200)["access_token"].as_str().unwrap())
    }

    pub fn call(&self, bed: &Bed, method: &str, path: &str) -> Call {
        Call::new(bed.address, method, path).bearer(&self.secret)
    }

    pub fn get(&self, bed: &Bed, path: &str) -> Answer {
        self.call(bed, "GET", path).send()
    }

    pub fn post(&self, bed: &Bed, path: &str, body: &Value) -> Answer {
        self.call(bed, "POST", path).json(body).send()
    }

    pub fn me(&self, bed: &Bed) -> Value {
        self.get(bed, "/api/v1/me").expect(200)
    }
}
