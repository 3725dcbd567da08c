//! A real SMTP server on loopback, in Python, and certificates for it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// How TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    None,
    Starttls,
    Wrapped,
}

/// A server that ends with this value.
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) port: u16,
    /// What the server tells of each mail.
    mails: Receiver<String>,
    /// The authority that signed its certificate.
    pub(crate) authority: String,
    folder: PathBuf,
}

impl Server {
    /// Starts one whose certificate is for these names.
    pub(crate) fn start(tls: Tls, names: &[&str], login: Option<&str>) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-smtp-{}-{:p}", std::process::id(), &names));
        std::fs::create_dir_all(&folder).unwrap();
        let authority = certificates(&folder, names);
        let python = std::env::var_os("COUNTERSIGN_TEST_PYTHON").expect("COUNTERSIGN_TEST_PYTHON names a Python");
        let mut command = Command::new(python);
        command.args(["-c", include_str!("server.py")]).arg("--tls").arg(match tls {
            Tls::None => "none",
            Tls::Starttls => "starttls",
            Tls::Wrapped => "wrapped",
        });
        command.arg("--cert").arg(folder.join("cert.pem")).arg("--key").arg(folder.join("key.pem"));
        if let Some(login) = login {
            command.args(["--login", login]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, mails) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let first = mails.recv_timeout(Duration::from_secs(30)).expect("the server says where it listens");
        let port = first.trim_start_matches("{\"port\": ").trim_end_matches('}').parse().unwrap();
        Self { stdin: child.stdin.take(), child, port, mails, authority, folder }
    }

    /// The next mail that it took, as the JSON that it told.
    pub(crate) fn mail(&self) -> String {
        self.mails.recv_timeout(Duration::from_secs(30)).expect("a mail arrives")
    }

    /// Whether it took no other mail.
    pub(crate) fn took_no_more(&self) -> bool {
        self.mails.try_recv().is_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Writes a certificate for these names and its key, and returns the authority's own.
fn certificates(folder: &Path, names: &[&str]) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Test authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    authority.pem()
}
