//! A certificate for 127.0.0.1, and the authority that vouches for it: both made by openssl, both thrown away.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{program, run};

/// All that openssl needs to know. Its own configuration is not asked: it differs between systems.
const CONFIGURATION: &str = "
[req]
prompt = no
distinguished_name = name
x509_extensions = authority
[name]
CN = Throw-away authority of a test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
subjectAltName = IP:127.0.0.1, DNS:localhost
extendedKeyUsage = serverAuth
";

/// The files, gone when this is dropped.
pub struct Certificates(TempDir);

impl Certificates {
    pub fn new() -> Self {
        let made = Self(TempDir::new().unwrap());
        fs::write(made.path("openssl.cnf"), CONFIGURATION).unwrap();
        let key = "-newkey rsa:2048 -nodes -config openssl.cnf";
        made.openssl(&format!("req -x509 {key} -keyout authority.key -out authority.pem -days 2"));
        made.openssl(&format!("req -new {key} -subj /CN=127.0.0.1 -keyout server.key -out server.csr"));
        let signer = "-CA authority.pem -CAkey authority.key -CAcreateserial";
        let extensions = "-extfile openssl.cnf -extensions server";
        made.openssl(&format!("x509 -req {signer} {extensions} -in server.csr -out server.pem -days 2"));
        made
    }

    /// Whom a client must trust.
    pub fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// What the server shows.
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// What the server keeps.
    pub fn key(&self) -> PathBuf {
        self.path("server.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.0.path()).join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut openssl = Command::new(program("openssl", "openssl"));
        run(openssl.args(arguments.split(' ')).current_dir(self.0.path())).done();
    }
}
