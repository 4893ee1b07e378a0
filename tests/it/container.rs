//! Runs the Dockerfile's own commands without a container engine: its build, its user, its entry point, its health
//! check. What only an engine does (the bases, the mounts) is not covered.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

const DOCKERFILE: &str = include_str!("../../Dockerfile");

/// The arguments of every instruction of that name.
fn instructions(name: &str) -> Vec<&'static str> {
    DOCKERFILE.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect()
}

/// An instruction in the exec form: `["a", "b"]`.
fn exec_form(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_bases_are_pinned_and_the_service_is_not_root() {
    for base in instructions("FROM") {
        let image = base.split(' ').next().unwrap();
        let tag = image.split_once(':').unwrap_or_else(|| panic!("{image} has no tag")).1;
        assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{image} is not pinned");
    }
    let pinned = include_str!("../../rust-toolchain.toml");
    let rust = DOCKERFILE.split("FROM rust:").nth(1).unwrap().split('-').next().unwrap();
    assert!(pinned.contains(rust), "the image builds with another compiler than rust-toolchain.toml says");
    let last_stage = DOCKERFILE.rsplit("\nFROM ").next().unwrap();
    let (user, entry) = (last_stage.find("\nUSER 10001:10001\n").unwrap(), last_stage.find("\nENTRYPOINT").unwrap());
    assert!(user < entry);
}

#[test]
fn the_images_own_commands_build_serve_and_check() {
    let debug = Path::new(env!("CARGO_BIN_EXE_tokensmith"));
    let target = debug.parent().unwrap().parent().unwrap();
    let build = instructions("RUN").into_iter().find(|run| run.starts_with("cargo build")).unwrap();
    let built = Command::new("sh")
        .args(["-c", build])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target)
        .status()
        .unwrap();
    assert!(built.success());

    // What the image holds: the binary, and one directory that its user may write to.
    let root = TempDir::new().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copied =
        instructions("COPY").into_iter().find_map(|copy| copy.strip_prefix("--from=build /src/target/")).unwrap();
    let binary = root.path().join("tokensmith");
    fs::copy(target.join(copied.split(' ').next().unwrap()), &binary).unwrap();
    let home = root.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let is_root = fs::metadata(root.path()).unwrap().uid() == 0;
    if is_root {
        chown(&home, Some(10_001), Some(10_001)).unwrap();
    }

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let as_in_the_image = |arguments: &[String]| {
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=10001", "--regid=10001", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]);
            command.arg(&binary);
            command
        } else {
            Command::new(&binary)
        };
        command
            .args(arguments)
            .env_clear()
            .current_dir(&home)
            .env("TOKENSMITH_SERVER__BIND", format!("127.0.0.1:{port}"))
            .env("TOKENSMITH_SERVER__INSECURE_BIND", "true");
        command
    };
    assert_eq!(exec_form(instructions("ENTRYPOINT")[0]), ["tokensmith"]);
    let check = DOCKERFILE.split("HEALTHCHECK").nth(1).unwrap().lines().next().unwrap().split("CMD ").nth(1).unwrap();
    let check = exec_form(check)[1..].to_vec();
    let is_healthy = || {
        let status = as_in_the_image(&check).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        status.code().unwrap()
    };

    let serve = exec_form(instructions("CMD")[0]);
    let mut server = as_in_the_image(&[serve, vec!["--bootstrap".to_owned()]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while is_healthy() != 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not become healthy");
        std::thread::sleep(Duration::from_millis(50));
    }
    let written: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let stopped = Command::new("kill").args(["-s", "TERM", &server.id().to_string()]).status().unwrap();
    assert!(stopped.success());

    assert!(server.wait().unwrap().success());
    assert_eq!(written, ["data"], "bootstrap.json is beside the database");
    assert_eq!(is_healthy(), 1);
    let elsewhere: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(elsewhere.len(), 2, "it writes nowhere else: {elsewhere:?}");
}
