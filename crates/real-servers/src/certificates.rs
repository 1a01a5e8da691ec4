//! Certificates for encrypted connections to this machine, made for a test by `openssl`.

use crate::Missing;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A certificate for `localhost` and 127.0.0.1, the authority that it is of, and another authority that has to do with nothing.
#[derive(Clone, Debug)]
pub struct Certificates {
    dir: PathBuf,
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

impl Certificates {
    /// Makes them in a folder that exists, valid for two days.
    ///
    /// # Errors
    /// When there is no `openssl` here that makes them.
    pub fn make(dir: &Path) -> Result<Self, Missing> {
        let made = std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").is_ok()
            && ["right", "wrong"].iter().all(|name| {
                let files = format!("-keyout {name}.key -out {name}.pem");
                openssl(dir, &format!("req -x509 {NEW_KEY} -days 2 -subj /CN={name}-authority {files}"))
            })
            && openssl(dir, &format!("req {NEW_KEY} -subj /CN=localhost -keyout server.key -out server.csr"))
            && openssl(
                dir,
                "x509 -req -in server.csr -CA right.pem -CAkey right.key -CAcreateserial -days 2 -extfile names -out server.pem",
            );
        let missing = || Missing("openssl cannot make certificates here (Debian: apt-get install openssl)".into());
        made.then(|| Self { dir: dir.to_owned() }).ok_or_else(missing)
    }

    /// The certificate of the authority that the server's is of (PEM).
    pub fn authority(&self) -> PathBuf {
        self.dir.join("right.pem")
    }

    /// The certificate of an authority that the server's is not of (PEM).
    pub fn wrong_authority(&self) -> PathBuf {
        self.dir.join("wrong.pem")
    }

    /// The server's certificate (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("server.pem")
    }

    /// The server's key (PEM).
    pub fn key(&self) -> PathBuf {
        self.dir.join("server.key")
    }
}

/// Runs it with arguments that hold no spaces themselves.
fn openssl(dir: &Path, arguments: &str) -> bool {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output();
    output.is_ok_and(|output| output.status.success())
}
