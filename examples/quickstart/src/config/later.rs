//! What the file may say one day, and the errors that tell where a file is wrong.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Members that a later version reads. An array's members are named without their number.
const MEMBERS: &[&str] = &[
    "client.jwks_uri",
    "client.tls_client_auth_subject_dn",
    "client.tls_client_auth_san_dns",
    "client.tls_client_auth_san_uri",
    "client.tls_client_auth_san_ip",
    "client.tls_client_auth_san_email",
    "client.tls_client_certificate_bound_access_tokens",
    "client.dpop_bound_access_tokens",
    "client.id_token_encrypted_response_alg",
    "client.id_token_encrypted_response_enc",
    "client.userinfo_signed_response_alg",
    "client.userinfo_encrypted_response_alg",
    "client.userinfo_encrypted_response_enc",
    "client.request_object_signing_alg",
    "client.request_uris",
    "client.require_pushed_authorization_requests",
    "client.require_signed_request_object",
    "client.authorization_details_types",
    "client.sector_identifier_uri",
    "client.default_acr_values",
    "client.initiate_login_uri",
    "client.backchannel_logout_uri",
    "client.backchannel_logout_session_required",
    "client.frontchannel_logout_uri",
    "client.frontchannel_logout_session_required",
    "client.backchannel_token_delivery_mode",
    "client.backchannel_client_notification_endpoint",
    "client.backchannel_user_code_parameter",
    "client.software_statement",
    "lifetimes.device_code",
    "lifetimes.request_uri",
    "lifetimes.link",
];

/// Values that a later version knows, of members that this one reads.
const VALUES: &[(&str, &[&str])] = &[
    ("client.preset", &["fapi2", "mcp"]),
    (
        "client.grant_types",
        &[
            "implicit",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:openid:params:grant-type:ciba",
        ],
    ),
    (
        "client.response_types",
        &["token", "id_token", "id_token token", "code id_token", "code token", "code id_token token", "none"],
    ),
    ("client.token_endpoint_auth_method", &["client_secret_jwt", "tls_client_auth", "self_signed_tls_client_auth"]),
];

/// A configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or has a member or value that nobody knows.
    #[error("{file}, line {line}: {problem}", file = file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong, and what could stand there.
        problem: String,
    },
    /// The file has a member of a later version.
    #[error("{file}, line {line}: {member} comes with a later version: leave it out", file = file.display())]
    LaterMember {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The member, with the tables that it stands in.
        member: String,
    },
    /// The file has a value of a later version.
    #[error("{file}, line {line}: {member} = \"{value}\" comes with a later version: leave it out", file = file.display())]
    LaterValue {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The member, with the tables that it stands in.
        member: String,
        /// The value.
        value: &'static str,
    },
}

impl ConfigFileError {
    /// What the parser said, in one line and without the lines of the file that it quotes: a secret may stand there.
    pub(super) fn of_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        Self::at(file, text, &error.span().unwrap_or_default(), error.message().replace('\n', " "))
    }

    pub(super) fn at(file: &Path, text: &str, span: &Range<usize>, problem: String) -> Self {
        Self::Wrong { file: file.to_owned(), line: line_of(text, span), problem }
    }
}

/// Refuses what comes with a later version, with its line.
pub(super) fn refuse(file: &Path, text: &str) -> Result<(), ConfigFileError> {
    let document = DeTable::parse(text).map_err(|error| ConfigFileError::of_toml(file, text, &error))?;
    Walk { file, text }.table("", document.get_ref())
}

struct Walk<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Walk<'_> {
    fn table(&self, path: &str, table: &DeTable<'_>) -> Result<(), ConfigFileError> {
        for (key, value) in table {
            let member = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            if MEMBERS.contains(&member.as_str()) {
                let line = line_of(self.text, &key.span());
                return Err(ConfigFileError::LaterMember { file: self.file.to_owned(), line, member });
            }
            self.value(&member, value)?;
        }
        Ok(())
    }

    fn value(&self, path: &str, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigFileError> {
        match value.get_ref() {
            DeValue::Table(table) => self.table(path, table),
            DeValue::Array(items) => items.iter().try_for_each(|item| self.value(path, item)),
            DeValue::String(word) => match later_value(path, word) {
                Some(known) => Err(ConfigFileError::LaterValue {
                    file: self.file.to_owned(),
                    line: line_of(self.text, &value.span()),
                    member: path.to_owned(),
                    value: known,
                }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn later_value(path: &str, word: &str) -> Option<&'static str> {
    let (_, words) = VALUES.iter().find(|(member, _)| *member == path)?;
    words.iter().copied().find(|later| *later == word)
}

pub(super) fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}
