//! Steps as pages: a screen is a name and data, and a presenter makes a page of it.

use bytes::Bytes;
use countersign_primitives::SecretString;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Step;

/// A page or a JSON step: the name finds the template, the data is both the template's context and the JSON body.
pub trait Screen: Send + Sync {
    /// The name of the screen.
    fn name(&self) -> &'static str;

    /// What stands on it. It may hold a secret that this one user is shown, such as a TOTP seed.
    fn data(&self) -> Value;
}

/// How a page is to look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// The user's languages (BCP 47), the dearest first and parted by spaces, where any is known.
    pub locale: Option<String>,
}

impl Look {
    /// In this language, or in the first of several that is spoken.
    #[must_use]
    pub fn locale(locale: impl Into<String>) -> Self {
        Self { locale: Some(locale.into()) }
    }
}

/// Makes pages of screens. It knows names and data alone, no protocol.
pub trait Presenter: Send + Sync {
    /// The page, as UTF-8 HTML.
    fn page(&self, screen: &dyn Screen, look: &Look) -> Bytes;

    /// The `Content-Security-Policy` that its pages need: no more than they load.
    fn content_security_policy(&self) -> String {
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'".to_owned()
    }
}

/// The client that a login is for, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ScreenClient {
    /// What it is called.
    pub name: String,
    /// Its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
}

/// What stands on every screen beside its own data.
#[derive(Debug, Default)]
pub struct Frame {
    /// The URL that the form posts to.
    pub action: String,
    /// The anti-forgery value that the form repeats.
    pub csrf: SecretString,
    /// The client that the login is for.
    pub client: Option<ScreenClient>,
}

impl Frame {
    /// Adds `step`, `action`, `csrf`, `client` and `error` to a screen's own data.
    pub(crate) fn around(&self, name: &'static str, own: Value, error: Option<&str>) -> Value {
        let mut data = match own {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        data.insert("step".to_owned(), name.into());
        data.insert("action".to_owned(), self.action.as_str().into());
        data.insert("csrf".to_owned(), self.csrf.expose().into());
        data.insert("client".to_owned(), json!(self.client));
        data.insert("error".to_owned(), error.map_or(Value::Null, Value::from));
        Value::Object(data)
    }
}

/// A step of a login as a screen: `password`, `choose`, `code`, `enrol`, `recovery_codes`, `refused` or `done`.
#[derive(Debug)]
pub struct StepScreen<'a> {
    /// The step.
    pub step: &'a Step,
    /// What stands around it.
    pub frame: &'a Frame,
}

impl Screen for StepScreen<'_> {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    fn data(&self) -> Value {
        let own = match self.step {
            Step::Done(_) => json!({}), // who signed in is the server's business
            Step::Refused(refused) => json!({
                "heading": Heading::SignIn.id(),
                "title": Heading::SignIn.title(),
                "message": "It needs a way of signing in that this account does not have.",
                "cause": refused.reason.code(),
            }),
            step => json!(step),
        };
        self.frame.around(self.name(), own, self.step.error().map(crate::StepError::code))
    }
}

/// A scope as its user reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScreenScope {
    /// The scope.
    pub scope: String,
    /// What it allows.
    pub description: String,
}

/// The screen `consent`: what a client asks for.
#[derive(Debug)]
pub struct ConsentScreen<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The name that the user knows the account by.
    pub account: String,
    /// What the client asks for.
    pub scopes: Vec<ScreenScope>,
    /// The host that the answer goes to, which tells a client from an impostor.
    pub redirect_host: String,
    /// Where another account can be chosen.
    pub logout: Option<String>,
}

impl Screen for ConsentScreen<'_> {
    fn name(&self) -> &'static str {
        "consent"
    }

    fn data(&self) -> Value {
        let mut own = json!({
            "account": self.account,
            "scopes": self.scopes,
            "redirect_host": self.redirect_host,
        });
        if let (Some(logout), Some(members)) = (&self.logout, own.as_object_mut()) {
            members.insert("logout".to_owned(), logout.as_str().into());
        }
        self.frame.around(self.name(), own, None)
    }
}

/// What cannot go on: the heading of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heading {
    /// A sign-in.
    SignIn,
    /// A sign-out.
    SignOut,
    /// A link that was opened.
    Link,
    /// A link that was opened in another browser than it is for.
    LinkElsewhere,
    /// Something of ours has failed, or a form that was not ours.
    Failed,
}

impl Heading {
    /// The stable id, by which pages find the words of a language.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignOut => "sign_out",
            Self::Link => "link",
            Self::LinkElsewhere => "link_elsewhere",
            Self::Failed => "failed",
        }
    }

    /// The words, in English.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::SignIn => "This sign-in cannot go on",
            Self::SignOut => "This sign-out cannot go on",
            Self::Link => "This link does not work",
            Self::LinkElsewhere => "This link does not work here",
            Self::Failed => "That did not work",
        }
    }
}

/// The screen `refused`: an error that must not be redirected. `heading` and `cause` are ids by which a presenter finds words of
/// the user's language; `title` and `message` are English.
#[derive(Debug)]
pub struct RefusedScreen<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What cannot go on.
    pub heading: Heading,
    /// What to do about it.
    pub message: String,
    /// The stable id of the cause, where the user's helper may want it.
    pub cause: Option<String>,
}

impl Screen for RefusedScreen<'_> {
    fn name(&self) -> &'static str {
        "refused"
    }

    fn data(&self) -> Value {
        let mut own = json!({ "heading": self.heading.id(), "title": self.heading.title(), "message": self.message });
        if let (Some(cause), Some(members)) = (&self.cause, own.as_object_mut()) {
            members.insert("cause".to_owned(), cause.as_str().into());
        }
        self.frame.around(self.name(), own, None)
    }
}

/// The screen `logout`: whether to sign out.
#[derive(Debug)]
pub struct LogoutScreen<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The name that the user knows the account by.
    pub account: String,
    /// What names the request while its user is asked; the form repeats it.
    pub request: String,
}

impl Screen for LogoutScreen<'_> {
    fn name(&self) -> &'static str {
        "logout"
    }

    fn data(&self) -> Value {
        self.frame.around(self.name(), json!({ "account": self.account, "request": self.request }), None)
    }
}

/// The screens `signed_out` and `still_signed_in`: what came of it.
#[derive(Debug)]
pub struct LoggedOutScreen<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Whether the user was signed out, or said no.
    pub signed_out: bool,
    /// Where a front end goes now.
    pub redirect_to: Option<String>,
    /// Where a link may lead.
    pub return_to: Option<String>,
}

impl Screen for LoggedOutScreen<'_> {
    fn name(&self) -> &'static str {
        if self.signed_out { "signed_out" } else { "still_signed_in" }
    }

    fn data(&self) -> Value {
        let own = json!({ "redirect_to": self.redirect_to, "return_to": self.return_to });
        self.frame.around(self.name(), own, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{PasswordStep, Refused, RefusedReason};
    use crate::{StepError, step::Shown};

    fn frame() -> Frame {
        let client = ScreenClient { name: "Shop".into(), ..ScreenClient::default() };
        Frame { action: "/login/x".into(), csrf: "c".into(), client: Some(client) }
    }

    #[test]
    fn every_screen_has_the_members_of_the_frame() {
        let frame = frame();
        let step = Step::Password(PasswordStep::default()).with_error(StepError::WrongPassword);
        let password = StepScreen { step: &step, frame: &frame };
        assert_eq!(
            password.data(),
            json!({
                "step": "password", "action": "/login/x", "csrf": "c", "client": {"name": "Shop"},
                "error": "wrong_password", "login_hint": null, "or": []
            })
        );
        let refused = Step::Refused(Refused { reason: RefusedReason::UnmetAuthenticationRequirements });
        let refused = StepScreen { step: &refused, frame: &frame }.data();
        assert_eq!(refused["cause"], "unmet_authentication_requirements");
        assert_eq!(refused["error"], Value::Null);
        assert!(refused["title"].is_string() && refused["message"].is_string());
    }

    #[test]
    fn consent_and_refusal_carry_what_their_templates_read() {
        let frame = Frame { client: None, ..frame() };
        let scopes = vec![ScreenScope { scope: "openid".into(), description: "Know who you are".into() }];
        let consent = ConsentScreen {
            frame: &frame,
            account: "alice".into(),
            scopes,
            redirect_host: "shop.example".into(),
            logout: None,
        };
        let data = consent.data();
        assert_eq!((consent.name(), &data["step"], &data["client"]), ("consent", &json!("consent"), &Value::Null));
        assert_eq!(data["scopes"][0]["description"], "Know who you are");
        assert!(data.get("logout").is_none());
        let refused =
            RefusedScreen { frame: &frame, heading: Heading::Link, message: "m".into(), cause: Some("c".into()) };
        let refused = refused.data();
        assert_eq!(
            (&refused["title"], &refused["message"], &refused["cause"]),
            (&json!("This link does not work"), &json!("m"), &json!("c"))
        );
    }

    #[test]
    fn a_presenter_is_one_function_over_names_and_data() {
        struct Plain;
        impl Presenter for Plain {
            fn page(&self, screen: &dyn Screen, look: &Look) -> Bytes {
                Bytes::from(format!("{} {:?} {}", screen.name(), look.locale, screen.data()["codes"][0]))
            }
        }
        let frame = frame();
        let step = Step::RecoveryCodes(crate::step::RecoveryCodesStep { codes: vec![Shown::new("aaaa-bbbb")] });
        let page = Plain.page(&StepScreen { step: &step, frame: &frame }, &Look::locale("de"));
        assert_eq!(page, "recovery_codes Some(\"de\") \"aaaa-bbbb\"");
    }
}
