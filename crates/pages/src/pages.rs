//! The pages as a value: a brand, a look, languages, and the templates that show a screen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_mfa::{Look, Presenter, Screen};
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment};

use crate::PagesError;
use crate::colour::Colour;
use crate::samples::sample;
use crate::style::{Style, hash_of};
use crate::texts::{Catalogue, Language, filled};
use crate::view;

/// The pages that a host may replace: the frame around all of them, and each screen.
pub(crate) const NAMES: [&str; 27] = [
    "base",
    "password",
    "choose",
    "code",
    "webauthn",
    "wait",
    "contact",
    "enrol",
    "recovery_codes",
    "consent",
    "refused",
    "logout",
    "signed_out",
    "still_signed_in",
    "magic_link",
    "password_forgot",
    "password_reset",
    "password_change",
    "verify_email",
    "account",
    "account_factors",
    "account_recovery_codes",
    "account_devices",
    "account_sessions",
    "account_applications",
    "account_events",
    "not_me",
];

/// What is shown when nothing else can be.
const LAST_RESORT: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Error</title></head>\
<body><main><h1>This page cannot be shown</h1><p role=\"alert\">Go back to the application and try again.</p></main></body></html>\n";

/// What has the browser ask for a passkey or a security key, on the pages that have something to ask.
pub(crate) const SCRIPT: &str = include_str!("../templates/webauthn.js");

/// A logo stands in every page, so it is kept small.
const LARGEST_LOGO: usize = 64 * 1024;

/// The default pages of a login, with a host's name, colours and texts.
///
/// ```
/// use countersign_pages::Pages;
///
/// # fn main() -> Result<(), countersign_pages::PagesError> {
/// let pages = Pages::new("Example").accent("#0b6e4f")?.css(".brand { text-transform: uppercase }")?;
/// let html = pages.preview("password", "en")?;
/// assert!(html.starts_with(b"<!doctype html>"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pages {
    brand: String,
    logo: Option<String>,
    style: Style,
    languages: Catalogue,
    /// The templates as they come, to fall back to.
    built_in: Arc<Environment<'static>>,
    /// The same with the host's own in place of some.
    own: Option<Arc<Environment<'static>>>,
}

impl Pages {
    /// The default pages under the name that users know the host by.
    #[must_use]
    pub fn new(brand: impl Into<String>) -> Self {
        Self {
            brand: brand.into(),
            logo: None,
            style: Style::default(),
            languages: Catalogue::default(),
            built_in: Arc::new(environment()),
            own: None,
        }
    }

    /// The colour of buttons and links, as `#rrggbb`. Text on it, and links in light and in dark mode, are shaded so that
    /// they can be read (WCAG 2.2 §1.4.3).
    ///
    /// # Errors
    /// [`PagesError::Colour`] if it is not a colour.
    pub fn accent(mut self, colour: &str) -> Result<Self, PagesError> {
        self.style.set_accent(Colour::parse(colour)?);
        Ok(self)
    }

    /// Adds a style sheet after the default one. It may load nothing: the content security policy forbids it.
    ///
    /// # Errors
    /// [`PagesError::Style`] if it would end the element that it stands in.
    pub fn css(mut self, sheet: &str) -> Result<Self, PagesError> {
        self.style.add(sheet)?;
        Ok(self)
    }

    /// Shows a picture in place of the name. It is put into the page, so nothing is loaded from elsewhere.
    ///
    /// # Errors
    /// [`PagesError::Logo`] if `media_type` is not a picture's or the picture is larger than 64 KiB.
    pub fn logo(mut self, media_type: &str, picture: &[u8]) -> Result<Self, PagesError> {
        let known = ["image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp"];
        if !known.contains(&media_type) || picture.len() > LARGEST_LOGO {
            return Err(PagesError::Logo);
        }
        self.logo = Some(format!("data:{media_type};base64,{}", STANDARD.encode(picture)));
        Ok(self)
    }

    /// Adds a language by its tag (BCP 47), beside English and German: a JSON object of texts, with the keys of `texts/en.json`. Keys
    /// that it leaves out stay English. With `en` or `de` the kit's own texts are replaced.
    ///
    /// A page speaks the first of `ui_locales` that is spoken here, else of `Accept-Language`, else
    /// [`usual_language`](Self::usual_language).
    ///
    /// ```
    /// use countersign_pages::Pages;
    ///
    /// let dutch = r#"{"title.password": "Aanmelden", "password.username": "Gebruikersnaam"}"#; // and so on
    /// let pages = Pages::new("Example").language("nl", dutch)?.usual_language("nl")?;
    /// let html = pages.preview("password", "fr")?;
    /// assert!(String::from_utf8_lossy(&html).contains("<html lang=\"nl\""));
    /// # Ok::<(), countersign_pages::PagesError>(())
    /// ```
    ///
    /// # Errors
    /// [`PagesError::Texts`] or [`PagesError::UnknownText`] if the file is not such an object.
    pub fn language(mut self, tag: &str, json: &str) -> Result<Self, PagesError> {
        self.languages.add(tag, json)?;
        Ok(self)
    }

    /// What is spoken to whoever reads none of the languages. Default: English.
    ///
    /// # Errors
    /// [`PagesError::UnknownLanguage`] for one that was not added.
    pub fn usual_language(mut self, tag: &str) -> Result<Self, PagesError> {
        self.languages.set_usual(tag)?;
        Ok(self)
    }

    /// Replaces one page by a template of the host's own (minijinja), at run time. `name` is a screen (`password`,
    /// `choose`, `code`, `webauthn`, `enrol`, `recovery_codes`, `consent`, `refused`, `logout`, `signed_out`, `still_signed_in`, `magic_link`,
    /// `password_forgot`, `password_reset`, `password_change`, `verify_email`, `not_me`, `account` and its rooms) or `base`, the
    /// frame around them.
    ///
    /// The template sees the screen's data and `brand`, `logo`, `style`, `script`, `lang`, `direction`, and the function `t(key)`
    /// for texts; it may `{% extends "base.html" %}` and include `hidden.html`, `error.html`, `client.html`,
    /// `others.html`. Everything it prints is escaped. It is tried with sample data here. Should it fail on real data
    /// later, the default page is shown and the failure is logged.
    ///
    /// # Errors
    /// [`PagesError::UnknownPage`] for another name, [`PagesError::Template`] if the template does not work.
    pub fn template(mut self, name: &str, source: impl Into<String>) -> Result<Self, PagesError> {
        if !NAMES.contains(&name) {
            return Err(PagesError::UnknownPage { name: name.to_owned() });
        }
        let wrong = |error: minijinja::Error| PagesError::Template {
            name: name.to_owned(),
            line: error.line().unwrap_or_default(),
            source: error.into(),
        };
        let mut own = self.own.as_deref().cloned().unwrap_or_else(environment);
        own.add_template_owned(format!("{name}.html"), source.into()).map_err(wrong)?;
        let screen = if name == "base" { "refused" } else { name };
        self.render_in(&own, screen, &sample(screen), "en").map_err(wrong)?;
        self.own = Some(Arc::new(own));
        Ok(self)
    }

    /// The page of a screen with sample data: to look at while working on templates, styles and texts. `locale` is a
    /// language tag, or several with spaces between, the dearest first.
    ///
    /// # Errors
    /// [`PagesError::UnknownPage`] if there is no such screen, [`PagesError::Template`] if its template fails.
    pub fn preview(&self, screen: &str, locale: &str) -> Result<Bytes, PagesError> {
        if !NAMES.contains(&screen) || screen == "base" {
            return Err(PagesError::UnknownPage { name: screen.to_owned() });
        }
        let templates = self.own.as_ref().unwrap_or(&self.built_in);
        self.render_in(templates, screen, &sample(screen), locale).map(Bytes::from).map_err(|error| {
            PagesError::Template {
                name: screen.to_owned(),
                line: error.line().unwrap_or_default(),
                source: error.into(),
            }
        })
    }

    /// The `Content-Security-Policy` that these pages are made for (Content Security Policy Level 3). It admits their one
    /// style sheet and their one script by their hashes, and pictures that stand in the page: no other script, no frame, nothing from
    /// elsewhere.
    ///
    /// `form-action` is left out: a browser applies it to redirects too, and a login's last form is answered by a redirect
    /// to the client.
    #[must_use]
    pub fn content_security_policy(&self) -> String {
        format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
            self.style_hash(),
            hash_of(SCRIPT)
        )
    }

    /// The hash of the style sheet as a policy's source: `sha256-…` (Content Security Policy Level 3 §2.3.1).
    #[must_use]
    pub fn style_hash(&self) -> &str {
        self.style.hash()
    }

    /// The page of a screen. It cannot fail: a template that does is replaced by the default one.
    pub(crate) fn render(&self, screen: &str, data: &serde_json::Value, locale: &str) -> Bytes {
        for templates in self.own.iter().chain([&self.built_in]) {
            match self.render_in(templates, screen, data, locale) {
                Ok(html) => return html.into(),
                // The error's own text may quote the data, which holds secrets: only its place is told.
                Err(error) => tracing::error!(
                    screen,
                    template = error.name().unwrap_or_default(),
                    line = error.line().unwrap_or_default(),
                    kind = ?error.kind(),
                    "a page could not be shown"
                ),
            }
        }
        Bytes::from_static(LAST_RESORT.as_bytes())
    }

    fn render_in(
        &self,
        templates: &Environment<'static>,
        screen: &str,
        data: &serde_json::Value,
        locale: &str,
    ) -> Result<String, minijinja::Error> {
        let language = self.languages.choose(locale);
        let no_object =
            || minijinja::Error::new(minijinja::ErrorKind::BadSerialization, "a screen's data is an object");
        let view = view::context(screen, data, language).ok_or_else(no_object)?;
        let mut context: BTreeMap<String, Value> =
            view.into_iter().map(|(name, value)| (name, Value::from(Serde(value)))).collect();
        // These two are ours from the first byte to the last; all else is escaped.
        let safe = |text: &str| Value::from_safe_string(text.to_owned());
        let qr = context.get("qr").and_then(Value::as_str).map(safe);
        context.insert("qr".to_owned(), qr.into());
        context.insert("style".to_owned(), safe(self.style.sheet()));
        context.insert("script".to_owned(), safe(SCRIPT));
        context.insert("brand".to_owned(), self.brand.as_str().into());
        context.insert("logo".to_owned(), self.logo.as_deref().into());
        context.insert("lang".to_owned(), language.name.into());
        context.insert("direction".to_owned(), language.text("direction").into());
        context.insert("t".to_owned(), text_function(language));
        templates.get_template(&format!("{screen}.html"))?.render(Value::from_object(context))
    }
}

/// The templates know a screen by its name, and read its data as it stands.
impl Presenter for Pages {
    fn page(&self, screen: &dyn Screen, look: &Look) -> Bytes {
        self.render(screen.name(), &screen.data(), look.locale.as_deref().unwrap_or_default())
    }

    fn content_security_policy(&self) -> String {
        Self::content_security_policy(self)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("brand", &self.brand).finish_non_exhaustive()
    }
}

/// `t(key, place=value)`: a text of the language, with its places filled.
fn text_function(language: Language<'_>) -> Value {
    let texts = Arc::clone(language.texts);
    Value::from_function(move |key: &str, values: Kwargs| -> Result<String, minijinja::Error> {
        let unknown = || minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "no text has this key");
        let text = texts.get(key).ok_or_else(unknown)?;
        let mut places = BTreeMap::new();
        for name in values.args() {
            places.insert(name, values.get::<Value>(name)?.to_string());
        }
        Ok(filled(text, |place| places.get(place).map(String::as_str)))
    })
}

/// The templates as they come. Everything printed is escaped, whatever a template is called.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_debug(false);
    environment
        .add_filter("date", |seconds: Value| i64::try_from(seconds).ok().map(crate::date::shown).unwrap_or_default());
    environment.set_loader(|name| Ok(built_in(name)));
    environment
}

fn built_in(name: &str) -> Option<&'static str> {
    Some(match name {
        "base.html" => include_str!("../templates/base.html"),
        "hidden.html" => include_str!("../templates/hidden.html"),
        "error.html" => include_str!("../templates/error.html"),
        "client.html" => include_str!("../templates/client.html"),
        "others.html" => include_str!("../templates/others.html"),
        "code_input.html" => include_str!("../templates/code_input.html"),
        "passkey.html" => include_str!("../templates/passkey.html"),
        "password.html" => include_str!("../templates/password.html"),
        "magic_link.html" => include_str!("../templates/magic_link.html"),
        "password_forgot.html" => include_str!("../templates/password_forgot.html"),
        "password_reset.html" => include_str!("../templates/password_reset.html"),
        "password_change.html" => include_str!("../templates/password_change.html"),
        "new_password.html" => include_str!("../templates/new_password.html"),
        "verify_email.html" => include_str!("../templates/verify_email.html"),
        "choose.html" => include_str!("../templates/choose.html"),
        "code.html" => include_str!("../templates/code.html"),
        "enrol_form.html" => include_str!("../templates/enrol_form.html"),
        "wait.html" => include_str!("../templates/wait.html"),
        "webauthn.html" => include_str!("../templates/webauthn.html"),
        "webauthn_form.html" => include_str!("../templates/webauthn_form.html"),
        "webauthn_hidden.html" => include_str!("../templates/webauthn_hidden.html"),
        "webauthn_texts.html" => include_str!("../templates/webauthn_texts.html"),
        "contact.html" => include_str!("../templates/contact.html"),
        "enrol.html" => include_str!("../templates/enrol.html"),
        "recovery_codes.html" => include_str!("../templates/recovery_codes.html"),
        "consent.html" => include_str!("../templates/consent.html"),
        "account.html" => include_str!("../templates/account.html"),
        "account_applications.html" => include_str!("../templates/account_applications.html"),
        "account_events.html" => include_str!("../templates/account_events.html"),
        "not_me.html" => include_str!("../templates/not_me.html"),
        "account_devices.html" => include_str!("../templates/account_devices.html"),
        "account_factors.html" => include_str!("../templates/account_factors.html"),
        "account_nav.html" => include_str!("../templates/account_nav.html"),
        "account_recovery_codes.html" => include_str!("../templates/account_recovery_codes.html"),
        "account_sessions.html" => include_str!("../templates/account_sessions.html"),
        "refused.html" => include_str!("../templates/refused.html"),
        "logout.html" => include_str!("../templates/logout.html"),
        "signed_out.html" => include_str!("../templates/signed_out.html"),
        "still_signed_in.html" => include_str!("../templates/still_signed_in.html"),
        _ => return None,
    })
}
