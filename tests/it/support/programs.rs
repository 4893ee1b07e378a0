//! Programs of the system that some tests need. `scripts/test` installs them; one that is missing fails the test.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Where servers are kept that a user's own `PATH` often leaves out: Debian's, and Homebrew's of either kind.
const MORE: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin"];

/// The path of a program; the package is for whom it is missing.
#[track_caller]
pub fn program(name: &str, package: &str) -> PathBuf {
    find_program(name).unwrap_or_else(|| {
        panic!("{name} is missing: ./scripts/test installs it, or install the package \"{package}\"")
    })
}

/// The path of a program, if it is there.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(MORE.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

/// Takes from a command's environment what Cargo tells a test of its package, and `scripts/test` tells libtest. Build scripts
/// of dependencies heed both, and would run again.
pub fn without_words_to_tests(cargo: &mut Command) -> &mut Command {
    const WORDS: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "OUT_DIR", "RUSTC_BOOTSTRAP"];
    for (key, _) in env::vars_os() {
        let key = key.to_string_lossy();
        if WORDS.iter().any(|word| key.starts_with(word)) {
            cargo.env_remove(&*key);
        }
    }
    cargo
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
