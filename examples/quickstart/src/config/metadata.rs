//! The table `[mfa.metadata]`: what is known of models of security keys (FIDO MDS 3.0).

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use countersign::mfa::AuthenticatorMetadata;
use countersign::outbound::HttpClient;
use countersign::webauthn::MetadataSource;
use http::Uri;
use serde::Deserialize;
use toml::Spanned;
use x509_parser::pem::parse_x509_pem;

use super::ConfigFileError;

/// Whose metadata, and where it lies. Files are named from where the configuration file is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetadataEntry {
    root: Spanned<PathBuf>,
    signed_for: Option<String>,
    url: Option<Spanned<String>>,
    trust: Option<Spanned<PathBuf>>,
}

impl MetadataEntry {
    /// Reads the files that the table names.
    pub(super) fn load(&self, file: &Path, text: &str) -> Result<AuthenticatorMetadata, ConfigFileError> {
        let at =
            |span: &Range<usize>, problem: &dyn Display| ConfigFileError::at(file, text, span, problem.to_string());
        let read = |name: &Spanned<PathBuf>| {
            let path = file.parent().unwrap_or(Path::new("")).join(name.get_ref());
            let unreadable = |error| format!("{} cannot be read: {error}", path.display());
            std::fs::read(&path).map_err(|error| at(&name.span(), &unreadable(error)))
        };
        let source = match &self.signed_for {
            Some(host) => MetadataSource::signed_for(host),
            None => MetadataSource::fido_alliance(),
        };
        let root = read(&self.root)?;
        let der = match parse_x509_pem(&root) {
            Ok((_, pem)) => pem.contents,
            Err(_) => root,
        };
        let source = source
            .root(der)
            .map_err(|error| at(&self.root.span(), &format!("{error}: name a certificate in PEM or DER")))?;
        let authorities = self.trust.as_ref().map(read).transpose()?.unwrap_or_default();
        let client = HttpClient::trusting(AuthenticatorMetadata::LIMITS, &authorities).map_err(|error| {
            let place = self.trust.as_ref().map_or_else(|| self.root.span(), Spanned::span);
            at(&place, &error)
        })?;
        let metadata = AuthenticatorMetadata::new(source, client);
        let Some(url) = &self.url else { return Ok(metadata) };
        match url.get_ref().parse::<Uri>() {
            Ok(address) if address.scheme_str() == Some("https") && address.host().is_some() => {
                Ok(metadata.address(address))
            }
            _ => Err(at(&url.span(), &"the address of the metadata must be https://HOST/PATH")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::FileConfig;
    use crate::testing::TempDir;

    #[test]
    fn the_table_names_a_root_and_every_mistake_is_told_with_its_line() {
        let folder = TempDir::new();
        let root = rcgen::generate_simple_self_signed(["root.example".to_owned()]).unwrap().cert;
        std::fs::write(folder.path().join("root.pem"), root.pem()).unwrap();
        std::fs::write(folder.path().join("root.der"), root.der()).unwrap();
        std::fs::write(folder.path().join("none"), "hunter2").unwrap();
        let parse = |table: &str| {
            let text = format!("[mfa.metadata]\n{table}");
            FileConfig::parse(&folder.path().join("demo.toml"), &text).map(|file| file.mfa.metadata())
        };
        for root in ["root.pem", "root.der"] {
            let all = format!(
                "root = \"{root}\"\nsigned_for = \"m.example\"\nurl = \"https://m.example/b\"\ntrust = \"root.pem\""
            );
            assert!(format!("{:?}", parse(&all).unwrap()).contains("m.example"));
            assert!(format!("{:?}", parse(&format!("root = \"{root}\"")).unwrap()).contains("mds.fidoalliance.org"));
        }
        for (table, line, words) in [
            ("url = \"https://m.example/\"", 1, "missing field `root`"),
            ("root = \"nowhere.pem\"", 2, "nowhere.pem cannot be read"),
            ("root = \"none\"", 2, "name a certificate in PEM or DER"),
            ("root = \"root.pem\"\nurl = \"http://m.example/\"", 3, "must be https://"),
            ("root = \"root.pem\"\nurl = \"m.example\"", 3, "must be https://"),
            ("root = \"root.pem\"\ntrust = \"none\"", 3, "none in PEM"),
            ("root = \"root.pem\"\nhost = \"x\"", 3, "unknown field `host`"),
        ] {
            let told = parse(table).unwrap_err().to_string();
            assert!(told.contains(&format!("line {line}: ")) && told.contains(words), "{told}\n{words}");
            assert!(!told.contains("hunter2"));
        }
    }
}
