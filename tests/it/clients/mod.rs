//! Programs of others as witnesses: SignalWire's and Twilio's clients, OAuth libraries, and a tester that reads nothing but
//! our OpenAPI document.
//! They stand in `tests/clients/`; what they are made of is fetched once, by hashes and lock file, into `target/clients/`.

mod introspection;
mod node;
mod pins;
mod python;
mod schemathesis;
mod twilio;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Binary, Certificates, Nginx, Project, Ran, program, run_within};

/// Where the programs are.
fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Registries are far away and not always quick.
pub(crate) const FETCHED_WITHIN: Duration = Duration::from_secs(600);

/// `target/clients/`.
pub(crate) fn folder_of_what_is_fetched() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients")
}

/// A folder below `target/clients/` that `fetch` has filled. It is filled anew where it was made from another text, and
/// by one process at a time.
fn fetched(name: &str, made_from: &str, fetch: impl FnOnce(&Path)) -> PathBuf {
    let all = folder_of_what_is_fetched();
    fs::create_dir_all(&all).unwrap();
    let lock = File::create(all.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = all.join(name);
    let stamp = folder.join("made-from");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == made_from) {
        return folder;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir(&folder).unwrap();
    fetch(&folder);
    fs::write(stamp, made_from).unwrap();
    folder
}

/// The interpreter of a virtual environment with what the folder's `requirements.txt` pins.
fn python(name: &str) -> PathBuf {
    python_of(name, &sources(name))
}

/// As `python`, for sources anywhere.
pub(crate) fn python_of(name: &str, sources: &Path) -> PathBuf {
    let python = program("python3", "python3-venv");
    let version = run_within(FETCHED_WITHIN, Command::new(&python).arg("--version"), b"").done();
    let is_new = version
        .trim()
        .strip_prefix("Python 3.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok())
        .is_some_and(|minor| minor >= 11);
    assert!(is_new, "the clients need Python 3.11 or later, and python3 is {version}");
    let requirements = sources.join("requirements.txt");
    let pins = fs::read_to_string(&requirements).unwrap();
    let folder = fetched(name, &format!("{} {version}{pins}", python.display()), |folder| {
        let mut venv = Command::new(&python);
        fetch(venv.args(["-m", "venv"]).arg(folder.join("venv")), "python3-venv makes a virtual environment");
        let mut pip = Command::new(folder.join("venv/bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
            "-r",
        ]);
        fetch(pip.arg(&requirements), "pip fetches what requirements.txt pins");
    });
    folder.join("venv/bin/python")
}

/// The modules that `package-lock.json` pins.
fn node_modules() -> PathBuf {
    node_modules_of("node", &sources("node"))
}

/// As `node_modules`, for sources anywhere.
pub(crate) fn node_modules_of(name: &str, sources: &Path) -> PathBuf {
    let npm = program("npm", "npm");
    let lock = fs::read_to_string(sources.join("package-lock.json")).unwrap();
    let folder = fetched(name, &lock, |folder| {
        for name in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(sources.join(name), folder.join(name)).unwrap();
        }
        let mut npm = Command::new(npm);
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
        fetch(&mut npm, "npm fetches what package-lock.json pins");
    });
    folder.join("node_modules")
}

#[track_caller]
fn fetch(command: &mut Command, what: &str) {
    let ran = run_within(FETCHED_WITHIN, command, b"");
    assert_eq!(ran.code, 0, "not so: {what}\n{}\n{}", ran.stdout, ran.stderr);
}

/// A reverse proxy that speaks TLS, as these clients insist, and passes everything on as it comes.
fn proxy(server: &Binary, certificates: &Certificates) -> Nginx {
    let (certificate, key) = (certificates.certificate(), certificates.key());
    Nginx::serve(|port| {
        format!(
            r#"
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate "{certificate}";
    ssl_certificate_key "{key}";
    location / {{
      proxy_pass http://{upstream};
    }}
  }}"#,
            certificate = certificate.display(),
            key = key.display(),
            upstream = server.address,
        )
    })
}

/// A client's program, in a directory of its own and with nothing of this process's environment but the `PATH`: no
/// proxy, no setting of a developer's.
fn client(program: &Path, directory: &TempDir, caller: &Project) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory.path())
        .env("LANG", "C.UTF-8")
        .env("SIGNALWIRE_PROJECT_ID", caller.id.to_string())
        .env("SIGNALWIRE_API_TOKEN", &caller.secret)
        .current_dir(directory.path());
    command
}

/// Runs a client's program, which must come to a good end and print no secret. What it has witnessed, one thing a line.
#[track_caller]
fn witness(patience: Duration, command: &mut Command) -> Vec<String> {
    let ran = run_within(patience, command, b"");
    let said = format!("{}\n{}", ran.stdout, ran.stderr);
    let Ran { code, stdout, .. } = ran;
    assert_eq!(code, 0, "{command:?}\n{said}", command = command.get_args());
    assert!(!holds_a_secret(&said), "a client printed a secret");
    // For whoever asks with --nocapture.
    println!("{stdout}");
    stdout.lines().map(str::to_owned).collect()
}

/// A token's secret: `PT` and 48 hexadecimal digits.
fn holds_a_secret(text: &str) -> bool {
    text.match_indices("PT").any(|(at, _)| {
        let digits = text[at + 2..].bytes().take(48).filter(u8::is_ascii_hexdigit).count();
        digits == 48
    })
}
