//! `docs/mfa-cookbook.md`: what it shows is what runs. Each file starts a server and asks of whom it says; each piece of another language stands
//! in the example that it names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use countersign_tests::{Callback, FrontEnd, Quickstart, User};
use serde_json::{Value, json};

const REDIRECT_URI: &str = "https://shop.example/callback";
/// The languages of `examples/cookbook`.
const LANGUAGES: [&str; 5] = ["js", "ts", "tsx", "vue", "python"];

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs")
}

/// A fenced block: the heading above it, the last example that was named before it, its language and text.
#[derive(Debug)]
struct Block {
    heading: String,
    example: String,
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut heading, mut example) = (Vec::new(), String::new(), String::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let text = text.join("\n");
            blocks.push(Block {
                heading: heading.clone(),
                example: example.clone(),
                language: language.to_owned(),
                text,
            });
        } else if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        } else if let Some((_, link)) = line.rsplit_once("](../examples/cookbook/") {
            link.split(')').next().unwrap_or_default().clone_into(&mut example);
        }
    }
    blocks
}

fn page() -> Vec<Block> {
    let file = docs().join("mfa-cookbook.md");
    blocks(&fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

/// What stands in no file that it names.
fn invented(blocks: &[Block]) -> Vec<&Block> {
    let examples = docs().with_file_name("examples").join("cookbook");
    let foreign = blocks.iter().filter(|block| LANGUAGES.contains(&block.language.as_str()));
    let missing = foreign.filter(|block| {
        let file = fs::read_to_string(examples.join(&block.example)).unwrap_or_default();
        !file.contains(&block.text) || block.text.trim().is_empty()
    });
    missing.collect()
}

#[test]
fn what_the_cookbook_shows_in_other_languages_stands_in_the_example_that_it_names() {
    let blocks = page();
    let named = |folder: &str| blocks.iter().any(|block| block.example.starts_with(folder));
    for folder in ["shared", "react", "vue", "angular", "next", "express", "flask", "ci"] {
        assert!(named(folder), "nothing is shown of {folder}");
    }
    let invented = invented(&blocks);
    assert!(invented.is_empty(), "{invented:#?}");
    let known = |block: &Block| ["rust", "toml", "sh"].iter().chain(&LANGUAGES).any(|known| block.language == *known);
    assert!(blocks.iter().all(known), "a block that nothing looks at");
}

#[test]
fn a_piece_that_stands_in_no_example_is_found() {
    let shown = "## A\n[`x`](../examples/cookbook/express/api.js):\n```js\nconst app = express();\n```\n";
    assert!(invented(&blocks(shown)).is_empty());
    for wrong in
        [shown.replace("const", "let"), shown.replace("api.js", "ipa.js"), shown.replace("const app = express();", "")]
    {
        assert_eq!(invented(&blocks(&wrong)).len(), 1, "{wrong}");
    }
}

/// A server by the file that stands below this heading.
struct Recipe {
    quickstart: Quickstart,
    callback: Callback,
}

impl Recipe {
    fn below(heading: &str) -> Self {
        let blocks = page();
        let file = blocks.iter().find(|block| block.heading == heading && block.language == "toml");
        let file = file.unwrap_or_else(|| panic!("no file below {heading}"));
        let quickstart = Quickstart::configured(&file.text, &["--throttle", "off"]);
        Self { quickstart, callback: Callback::at(REDIRECT_URI) }
    }

    /// Signs in, and says which steps were asked for and what the ID token says; `remember` ticks the box beside a code.
    fn sign_in(&self, user: &mut User, browser: &mut FrontEnd, scope: &str, remember: bool) -> (Vec<String>, Value) {
        let issuer = self.quickstart.issuer();
        let url = self.callback.authorization_url(issuer, "shop", scope);
        let opened = browser.open(&url);
        let place = opened.header("location").unwrap();
        let mut asked = Vec::new();
        let mut back = place.to_owned();
        if place.starts_with("/login/") {
            let login = format!("{issuer}{place}");
            let mut step = browser.read(&login).json();
            while step["step"] != "done" {
                asked.push(step["step"].as_str().unwrap_or_else(|| panic!("{step}")).to_owned());
                let mut answer = user.yes(&step);
                if remember && step["step"] == "code" {
                    assert_eq!(step["may_remember_device"], true, "{step}");
                    answer["remember"] = true.into();
                }
                step = browser.answer(&login, answer).json();
            }
            step["redirect_to"].as_str().unwrap().clone_into(&mut back);
        }
        (asked, self.callback.exchange(&back, issuer, "shop").claims)
    }

    fn browser(&self) -> FrontEnd {
        FrontEnd::new(self.quickstart.issuer())
    }

    fn sign_out(&self, browser: &mut FrontEnd) {
        let place = self.quickstart.url("/logout");
        let asked = browser.read(&place).json();
        let answer = json!({ "answer": "logout", "request": asked["request"], "decision": "sign_out" });
        assert_eq!(browser.answer(&place, answer).json()["step"], "signed_out");
    }
}

const ENROLS: [&str; 3] = ["password", "enrol", "recovery_codes"];
const MFA: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
const ONE_FACTOR: &str = "http://idmanagement.gov/ns/assurance/aal/1";

#[test]
fn promise_8_the_cookbooks_payment_takes_a_second_factor_and_its_orders_do_not() {
    let recipe = Recipe::below("Step-up for a payment");
    let (mut alice, mut browser) = (User::alice(), recipe.browser());
    let (asked, claims) = recipe.sign_in(&mut alice, &mut browser, "openid orders:read", false);
    assert_eq!((asked, &claims["acr"]), (vec!["password".to_owned(), "consent".to_owned()], &ONE_FACTOR.into()));
    let (asked, claims) = recipe.sign_in(&mut alice, &mut browser, "openid payments:write", false);
    assert_eq!(asked, ["enrol", "recovery_codes", "consent"], "only what is missing");
    assert_eq!(claims["acr"], MFA);
}

#[test]
fn promise_8_the_cookbooks_admins_prove_a_second_factor_and_others_do_not() {
    let recipe = Recipe::below("MFA for admins only");
    let (asked, claims) = recipe.sign_in(&mut User::new("bob", "bob-password"), &mut recipe.browser(), "openid", false);
    assert_eq!((asked, &claims["acr"]), (vec!["password".to_owned(), "consent".to_owned()], &ONE_FACTOR.into()));
    let mut alice = User::alice();
    let (asked, claims) = recipe.sign_in(&mut alice, &mut recipe.browser(), "openid", false);
    assert_eq!(asked[..3], ENROLS);
    assert_eq!(claims["acr"], MFA);
    let (asked, _) = recipe.sign_in(&mut alice, &mut recipe.browser(), "openid", false);
    assert_eq!(asked, ["password", "code"], "at every login");
}

#[test]
fn the_cookbooks_adaptive_policy_asks_in_a_new_browser_and_spares_one_that_is_remembered() {
    let recipe = Recipe::below("Adaptive, with a memory of 30 days");
    let (mut alice, mut home) = (User::alice(), recipe.browser());
    let (asked, _) = recipe.sign_in(&mut alice, &mut home, "openid", false);
    assert_eq!(asked[..3], ENROLS, "a new browser, and no factor yet");
    let mut elsewhere = recipe.browser();
    let (asked, claims) = recipe.sign_in(&mut alice, &mut elsewhere, "openid", true);
    assert_eq!((asked, &claims["acr"]), (vec!["password".to_owned(), "code".to_owned()], &MFA.into()));
    for browser in [&mut elsewhere, &mut home] {
        recipe.sign_out(browser);
    }
    let (asked, claims) = recipe.sign_in(&mut alice, &mut elsewhere, "openid", false);
    assert_eq!((asked, &claims["acr"]), (vec!["password".to_owned()], &ONE_FACTOR.into()), "it is no proof");
    let (asked, _) = recipe.sign_in(&mut alice, &mut home, "openid", false);
    assert_eq!(asked, ["password", "code"], "this one was not remembered");
}

#[test]
fn the_cookbooks_first_login_sets_a_factor_up_or_puts_it_off() {
    let recipe = Recipe::below("Enrolment at the first login");
    let mut browser = recipe.browser();
    let url = recipe.callback.authorization_url(recipe.quickstart.issuer(), "shop", "openid");
    let login = browser.begin(&url);
    let mut alice = User::alice();
    assert_eq!(browser.read(&login).json()["step"], "password");
    let step = browser.answer(&login, alice.password()).json();
    assert_eq!(step["step"], "choose", "of an app, text messages and mails: {step}");
    assert!(step["skip_until"].is_u64(), "{step}");
    let app = step["authenticators"].as_array().unwrap().iter().find(|way| way["type"] == "totp").unwrap();
    let step = browser.answer(&login, json!({ "answer": "choose", "id": app["id"] })).json();
    assert_eq!(step["step"], "enrol", "{step}");
    let done = alice.walk(&mut browser, &login, "done");
    let back = done["redirect_to"].as_str().unwrap();
    assert_eq!(recipe.callback.exchange(back, recipe.quickstart.issuer(), "shop").claims["acr"], MFA);
    // Who puts it off is let in by password.
    let mut browser = recipe.browser();
    let login = browser.begin(&url);
    assert_eq!(browser.read(&login).status, 200);
    let step = browser.answer(&login, User::new("bob", "bob-password").password()).json();
    assert!(step["skip_until"].is_u64(), "{step}");
    let step = browser.answer(&login, json!({ "answer": "skip" })).json();
    assert_eq!(step["step"], "consent", "{step}");
}
