//! Accessible default pages for the login, as plain HTML.
