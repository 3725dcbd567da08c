//! Accessible default pages for the login and the sign-out, as plain HTML.
//!
//! A login shows *screens*: a name and data. These pages turn one into HTML that works without script, passkeys aside, reads well by ear
//! and on a phone, follows the system's dark mode, and loads nothing from anywhere. [`Pages`] plugs into the login of
//! `countersign-mfa` as its `Presenter`; it knows the screens' names and nothing of the protocol.
//!
//! ```
//! use countersign_pages::Pages;
//!
//! # fn main() -> Result<(), countersign_pages::PagesError> {
//! let pages = Pages::new("Example")
//!     .accent("#0b6e4f")?
//!     .language("de", r#"{"title.password": "Anmelden"}"#)?
//!     .template("refused", "{% extends 'base.html' %}{% block content %}<h1>Oh no</h1>{{ message }}{% endblock %}")?;
//! let html = pages.preview("password", "de-AT")?;
//! assert!(html.windows(8).any(|part| part == b"Anmelden"));
//! # Ok(())
//! # }
//! ```
//!
//! # What the forms send
//!
//! Every form is a POST to the screen's `action` with the hidden fields `csrf` and `answer` (the screen's name). Its first
//! submit button means yes; other ways are buttons `name="other"` whose value is an authenticator's id, and they skip the
//! browser's own checks.
//!
//! | screen | fields |
//! |---|---|
//! | `password` | `username`, `password` |
//! | `choose` | `authenticator`: a button for each authenticator |
//! | `code` | `code`, and `remember_device` where offered |
//! | `wait` | none; `other` is `remember_device` where offered |
//! | `webauthn` | `response`, filled by the script; and `remember_device` where offered |
//! | `enrol` | `code`; of passkeys and security keys `response` with `answer` `webauthn` |
//! | `recovery_codes` | none |
//! | `consent` | `decision`: `allow` or `deny` |
//! | `magic_link` | `username` with `answer` `send_link`; at an opened link `link` with `answer` `magic_link` |
//! | `password_forgot` | `username` |
//! | `password_reset` | `link`, `new_password` |
//! | `password_change` | `password` where it is asked for, `new_password` |
//! | `not_me` | `link` |
//! | `verify_email` | `link`, or none to be sent one |
//! | `logout` | `request`, and `decision`: `sign_out` or `stay` |
//!
//! # The content security policy
//!
//! There is no style attribute, and one script, on pages that ask for a passkey or a security key: browsers give these to scripts alone.
//! Without it the pages say so and offer the other ways. Script and style sheet stand in the page and are admitted by their hashes, so no
//! nonce is needed and a page may be cached or compared byte by byte: send [`Pages::content_security_policy`] with every
//! page. A template of the host's own lives under the same policy.
//!
//! A client's logo is not shown: it would tell the client's server who is signing in, and let a stranger's picture stand
//! beside a password field.
//!
//! # What this crate does not do
//!
//! Serve anything, read a request, or decide what is shown: the login does, and hands over a name and data.
//!
//! # Features
//!
//! None.
//!
//! # Where next
//!
//! [`Pages`] has what can be changed, from a colour to the frame of every page; `Presenter` of `countersign-mfa` is what to
//! implement for pages of another kind.

mod colour;
mod date;
mod error;
mod pages;
mod qr;
mod samples;
mod style;
mod texts;
mod view;

pub use error::PagesError;
pub use pages::Pages;

#[cfg(test)]
mod tests;
