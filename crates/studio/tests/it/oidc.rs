//! Login at an OpenID provider: a real one, npm `oidc-provider`, as its own process, and a browser that
//! follows where it is sent.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use testkit::foreign;

use crate::bed::{Bed, EMAIL, Place};
use crate::http::{Answer, Call};

/// Where people reach the studio; the requests themselves go to its address on loopback.
const HERE: &str = "studio.example.org";
const PUBLIC: &str = "https://studio.example.org";
const CALLBACK: &str = "/api/v1/auth/oidc/main/callback";

/// The provider: whoever types a name logs in as it, the address belongs to the name.
const PROVIDER: &str = r"
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';
// Its notices go where nobody reads; only the line with its address goes to the test.
console.info = console.error;
const people = JSON.parse(process.argv[1]);
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'studio',
      client_secret: 'a-secret-between-the-two-of-us',
      redirect_uris: ['https://studio.example.org/api/v1/auth/oidc/main/callback'],
    }],
    claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['k'] },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.on('end', () => process.exit(0)).resume();
";

struct Provider {
    child: Child,
    issuer: String,
}

impl Provider {
    fn start() -> Self {
        let people = serde_json::json!({
            "bia": {"email": "bia@example.org", "email_verified": true, "name": "Bia", "groups": ["staff", "money"]},
            "rui": {"email": "rui@example.org", "email_verified": false, "name": "Rui"},
            "eve": {"email": EMAIL, "email_verified": true, "name": "Eve", "groups": ["chiefs"]},
        });
        let mut child = Command::new("node")
            .current_dir(foreign::node_folder())
            .args([
                "--input-type=module",
                "--eval",
                PROVIDER,
                "--",
                &people.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: node: {error}", foreign::ADVICE));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http://")));
        let issuer = issuer.expect("the provider says where it is");
        Self { child, issuer }
    }

    fn address(&self) -> SocketAddr {
        self.issuer.trim_start_matches("http://").parse().unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser without a window: cookies by host, and one page at a time.
struct Browser<'a> {
    bed: &'a Bed,
    provider: &'a Provider,
    cookies: BTreeMap<(bool, String), String>,
}

impl<'a> Browser<'a> {
    fn new(bed: &'a Bed, provider: &'a Provider) -> Self {
        Self {
            bed,
            provider,
            cookies: BTreeMap::new(),
        }
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(&(true, name.to_owned())).map(String::as_str)
    }

    /// Opens an address of the studio or of the provider; a form is sent when there is one.
    fn open(&mut self, url: &str, form: Option<&str>) -> Answer {
        let theirs = url.strip_prefix(&self.provider.issuer);
        let ours = theirs.is_none();
        let path = theirs.unwrap_or_else(|| url.strip_prefix(PUBLIC).unwrap_or(url));
        let address = if ours {
            self.bed.address
        } else {
            self.provider.address()
        };
        let mut call = Call::new(address, if form.is_some() { "POST" } else { "GET" }, path);
        if ours {
            call = call.header("Host", HERE);
        }
        let jar = self.cookies.iter().filter(|((of_ours, _), _)| *of_ours == ours);
        let jar: Vec<String> = jar.map(|((_, name), value)| format!("{name}={value}")).collect();
        if !jar.is_empty() {
            call = call.header("Cookie", jar.join("; "));
        }
        if let Some(form) = form {
            call = call
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form);
        }
        let answer = call.send();
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let key = (ours, name.to_owned());
            if value.is_empty() {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        answer
    }

    /// Begins at the studio; the address of the provider's page.
    fn begin(&mut self, back: &str) -> String {
        let answer = self.open(&format!("/api/v1/auth/oidc/main/start?return={back}"), None);
        location(&answer)
    }

    /// Logs in at the provider; the address that it sends the browser back to.
    fn log_in(&mut self, page: &str, name: &str) -> String {
        let mut url = page.to_owned();
        for _ in 0..12 {
            let answer = self.open(&url, None);
            if answer.status == 200 {
                let asks_for_login = answer.text().contains("name=\"login\"");
                let form = format!("prompt=login&login={name}&password=x");
                let form = if asks_for_login {
                    form.as_str()
                } else {
                    "prompt=consent"
                };
                let sent = self.open(&url, Some(form));
                url = self.absolute(&location(&sent));
            } else {
                url = self.absolute(&location(&answer));
            }
            if url.starts_with(PUBLIC) {
                return url;
            }
        }
        panic!("the provider never sends anybody back: {url}");
    }

    fn absolute(&self, url: &str) -> String {
        if url.starts_with('/') {
            format!("{}{url}", self.provider.issuer)
        } else {
            url.to_owned()
        }
    }

    /// The caller as they see themselves.
    fn me(&mut self) -> Value {
        self.open("/api/v1/me", None).expect(200)
    }
}

fn location(answer: &Answer) -> String {
    assert!(matches!(answer.status, 302 | 303), "{answer:?}");
    answer.header("location").expect("a place to go").to_owned()
}

/// A studio that knows the provider.
fn studio(provider: &Provider) -> Place {
    Place::new()
        .with("SERVER__PUBLIC_URL", PUBLIC)
        .with("OUTBOUND__ALLOW", "127.0.0.1")
        .with("OIDC__MAIN__ISSUER", &provider.issuer)
        .with("OIDC__MAIN__CLIENT_ID", "studio")
        .with("OIDC__MAIN__CLIENT_SECRET", "a-secret-between-the-two-of-us")
        .with("OIDC__MAIN__CREATE_ACCOUNTS", "true")
        .with("OIDC__MAIN__ROLE_CLAIM", "groups")
        .with("OIDC__MAIN__ROLE_MAP", "money=finance,chiefs=admin")
}

#[test]
fn somebody_logs_in_at_a_real_provider_and_is_the_same_person_the_next_time() {
    let provider = Provider::start();
    let place = studio(&provider);
    let bed = place.serve();
    let policy = bed.get("/api/v1/auth/policy").expect(200);
    assert_eq!(policy["oidc"][0]["name"], "main", "{policy}");
    let mut browser = Browser::new(&bed, &provider);
    let page = browser.begin("/gallery");
    assert!(page.starts_with(&provider.issuer), "{page}");
    let transaction = browser.cookie("__Host-sas_tx").unwrap().to_owned();
    let back = browser.log_in(&page, "bia");
    assert!(
        back.starts_with(&format!("{PUBLIC}{CALLBACK}?")) && back.contains("iss="),
        "{back}"
    );
    let answer = browser.open(&back, None);
    assert_eq!(location(&answer), "/gallery", "{answer:?}\n{}", bed.log());
    assert_eq!(browser.cookie("__Host-sas_tx"), None);
    let me = browser.me();
    assert_eq!(
        (&me["email"], &me["role"]),
        (&"bia@example.org".into(), &"finance".into()),
        "{me}"
    );

    // What was used once is over, with the cookie and without.
    for cookie in [Some(transaction.as_str()), None] {
        let mut other = Browser::new(&bed, &provider);
        let cookie = cookie.map(str::to_owned);
        other
            .cookies
            .extend(cookie.map(|cookie| ((true, "__Host-sas_tx".to_owned()), cookie)));
        assert_eq!(
            location(&other.open(&back, None)),
            "/login?error=oidc_transaction"
        );
        assert_eq!(other.cookie("__Host-sas_at"), None);
    }

    let mut again = Browser::new(&bed, &provider);
    let page = again.begin("//evil.example");
    let back = again.log_in(&page, "bia");
    assert_eq!(location(&again.open(&back, None)), "/");
    assert_eq!(again.me()["id"], me["id"]);
}

#[test]
fn an_address_alone_lets_nobody_in() {
    let provider = Provider::start();
    let place = studio(&provider);
    let bed = place.serve();
    for (name, code) in [("eve", "oidc_address_taken"), ("rui", "oidc_no_address")] {
        let mut browser = Browser::new(&bed, &provider);
        let page = browser.begin("/");
        let back = browser.log_in(&page, name);
        assert_eq!(
            location(&browser.open(&back, None)),
            format!("/login?error={code}")
        );
        assert_eq!(browser.cookie("__Host-sas_at"), None);
    }
    bed.stop();
    let closed = place.with("OIDC__MAIN__CREATE_ACCOUNTS", "false");
    let bed = closed.serve();
    let mut browser = Browser::new(&bed, &provider);
    let page = browser.begin("/");
    let back = browser.log_in(&page, "bia");
    assert_eq!(
        location(&browser.open(&back, None)),
        "/login?error=oidc_no_account"
    );
}

#[test]
fn what_the_provider_did_not_send_is_refused() {
    let provider = Provider::start();
    let place = studio(&provider);
    let bed = place.serve();
    let state_of = |page: &str| {
        let state = page.split("state=").nth(1).unwrap();
        state.split('&').next().unwrap().to_owned()
    };
    let iss = provider.issuer.replace(':', "%3A").replace('/', "%2F");
    for (answer, code) in [
        ("error=access_denied&state={state}&iss={iss}", "oidc_refused"),
        ("code=made-up&state={state}&iss={iss}", "oidc_refused"),
        (
            "code=made-up&state={state}&iss=https%3A%2F%2Fevil.example",
            "oidc_refused",
        ),
        ("code=made-up&state={state}", "oidc_refused"),
        ("code=made-up&state=another&iss={iss}", "oidc_refused"),
        ("", "oidc_refused"),
    ] {
        let mut browser = Browser::new(&bed, &provider);
        let page = browser.begin("/");
        let answer = answer.replace("{state}", &state_of(&page)).replace("{iss}", &iss);
        let answer = browser.open(&format!("{CALLBACK}?{answer}"), None);
        assert_eq!(location(&answer), format!("/login?error={code}"));
        assert_eq!(browser.cookie("__Host-sas_at"), None);
    }
    let mut browser = Browser::new(&bed, &provider);
    browser
        .open("/api/v1/auth/oidc/other/start", None)
        .problem(404, "not_found");
    let page = browser.begin("/");
    let transaction = browser.cookie("__Host-sas_tx").unwrap().to_owned();
    drop(provider);
    let state = state_of(&page);
    let answer = bed
        .call("GET", &format!("{CALLBACK}?code=x&state={state}&iss={iss}"))
        .header("Host", HERE)
        .header("Cookie", format!("__Host-sas_tx={transaction}"))
        .send();
    assert_eq!(location(&answer), "/login?error=oidc_unavailable");
}
