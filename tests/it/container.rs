//! Runs the Dockerfile's own commands without a container engine, on nothing but what its context holds: its build, and
//! its user, entry point and health check on the image's files alone. What only an engine does (the base, the mounts) is not
//! covered.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{program, without_words_to_tests};

const DOCKERFILE: &str = include_str!("../../Dockerfile");
const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// The Dockerfile's instructions, each with its arguments on one line, by stage.
fn stages() -> Vec<Vec<(String, String)>> {
    let text: String =
        DOCKERFILE.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let mut stages: Vec<Vec<_>> = Vec::new();
    for line in text.replace("\\\n", " ").lines().filter(|line| !line.is_empty()) {
        let (name, arguments) = line.split_once(' ').unwrap();
        if name == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push((name.to_owned(), arguments.trim().to_owned()));
    }
    stages
}

/// The arguments of every instruction of that name, in one stage.
fn all<'s>(stage: &'s [(String, String)], name: &str) -> Vec<&'s str> {
    stage.iter().filter(|(named, _)| named == name).map(|(_, arguments)| arguments.as_str()).collect()
}

/// An instruction in the exec form: `["a", "b"]`.
fn exec_form(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap()
}

/// The paths that an instruction copies from the context.
fn copied(arguments: &str) -> Vec<&str> {
    let mut paths: Vec<_> = arguments.split_whitespace().collect();
    paths.pop();
    paths
}

#[test]
fn the_base_is_pinned_and_the_service_is_not_root() {
    let [build, image] = &stages()[..] else { panic!("a stage that builds, and the image") };
    let pinned = include_str!("../../rust-toolchain.toml");
    let rust = all(build, "FROM")[0].strip_prefix("rust:").unwrap().split('-').next().unwrap();
    assert!(rust.starts_with(|c: char| c.is_ascii_digit()), "{rust} is not pinned");
    assert!(pinned.contains(rust), "the image builds with another compiler than rust-toolchain.toml says");

    assert_eq!(all(image, "FROM"), ["scratch"]);
    let at = |name: &str| image.iter().position(|(named, _)| named == name).unwrap();
    assert_eq!(all(image, "USER"), ["10001:10001"]);
    assert!(at("USER") < at("ENTRYPOINT"));
}

#[test]
fn the_image_and_compose_say_which_release_they_are() {
    let [_, image] = &stages()[..] else { panic!("a stage that builds, and the image") };
    let labels = all(image, "LABEL").join(" ");
    let label = |name: &str, value: &str| format!(r#"org.opencontainers.image.{name}="{value}""#);
    let version = env!("CARGO_PKG_VERSION");
    for wanted in [label("version", version), label("licenses", "MIT OR Apache-2.0"), label("title", "Tokensmith")] {
        assert!(labels.contains(&wanted), "{wanted} is not in {labels}");
    }
    let compose = include_str!("../../docker-compose.yml");
    assert!(compose.contains(&format!("\n    image: tokensmith:{version}\n")), "{compose}");
}

/// So a document, a test or a file that somebody left here changes nothing and is in no image.
#[test]
fn the_context_is_what_the_dockerfile_copies() {
    let [build, _] = &stages()[..] else { panic!("a stage that builds, and the image") };
    let mut needed: Vec<_> = all(build, "COPY").into_iter().flat_map(copied).collect();
    let ignore = include_str!("../../.dockerignore");
    let mut rules = ignore.lines().filter(|line| !line.starts_with('#'));

    assert_eq!(rules.next(), Some("*"));
    let mut allowed: Vec<_> = rules.map(|rule| rule.strip_prefix('!').unwrap()).collect();
    needed.sort_unstable();
    allowed.sort_unstable();
    assert_eq!(allowed, needed);
}

#[test]
fn git_ignores_what_the_documents_make() {
    let clone = TempDir::new().unwrap();
    let git = |arguments: &[&str]| {
        Command::new(program("git", "git")).args(arguments).current_dir(clone.path()).output().unwrap()
    };
    fs::write(clone.path().join(".gitignore"), include_str!("../../.gitignore")).unwrap();
    assert!(git(&["init", "--quiet"]).status.success());

    let made =
        ["server.key", "demo/tokensmith.db", "t.db", "t.db-wal", "t.db-shm", "t.db.key", "data/x", "secrets/x", ".env"];
    let ignored = git(&[&["check-ignore", "--no-index"], &made[..]].concat());
    assert_eq!(String::from_utf8(ignored.stdout).unwrap().lines().collect::<Vec<_>>(), made);
    let kept =
        git(&["check-ignore", "--no-index", "src/main.rs", "Cargo.lock", "docs/keys.md", "deploy/nginx/site.conf"]);
    assert_eq!(String::from_utf8(kept.stdout).unwrap(), "");
}

#[test]
fn the_images_own_commands_build_serve_and_check() {
    let place = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let [build, image] = &stages()[..] else { panic!("a stage that builds, and the image") };
    let source = place.path().join("src");
    let compiled = run_stage(build, &source);
    let copies = build.iter().take_while(|(name, _)| name != "RUN").filter(|(name, _)| name == "COPY");
    let first_layer: Vec<_> = copies.flat_map(|(_, arguments)| copied(arguments)).collect();
    assert_eq!(first_layer, ["Cargo.toml", "Cargo.lock"], "no other change builds the dependencies again");
    let [_dependencies, this_crate] = &compiled[..] else { panic!("{compiled:?}") };
    assert_eq!(this_crate, &["tokensmith"], "a change of the source builds this crate alone");

    let root = place.path().join("root");
    let home = root.join("var/lib/tokensmith");
    assert_eq!(
        all(image, "COPY"),
        ["--from=build /src/image/ /", "--from=build --chown=10001:10001 /src/home/ /var/lib/"]
    );
    copy(&source.join("image/."), &root);
    copy(&source.join("home/."), &root.join("var/lib"));
    let is_root = fs::metadata(&root).unwrap().uid() == 0;
    if is_root {
        chown(&home, Some(10_001), Some(10_001)).unwrap();
    }
    assert_eq!(fs::metadata(&home).unwrap().mode() & 0o777, 0o700);
    assert_eq!(all(image, "WORKDIR"), ["/var/lib/tokensmith"]);
    let held = files(&root);
    if is_debian() {
        assert_holds_what_it_needs(&root, &held);
    }

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let as_in_the_image = |arguments: &[String]| {
        let mut command = if is_root && is_debian() {
            on_its_files_alone(&root, &home)
        } else {
            Command::new(root.join("usr/local/bin/tokensmith"))
        };
        command
            .args(arguments)
            .env_clear()
            .current_dir(&home)
            .env("TOKENSMITH_SERVER__BIND", format!("127.0.0.1:{port}"))
            .env("TOKENSMITH_SERVER__INSECURE_BIND", "true");
        command
    };
    assert_eq!(exec_form(all(image, "ENTRYPOINT")[0]), ["tokensmith"]);
    assert_eq!(all(image, "ENV"), ["PATH=/usr/local/bin"]);
    let check = exec_form(all(image, "HEALTHCHECK")[0].split("CMD ").nth(1).unwrap());
    assert_eq!(check[0], "tokensmith");
    let is_healthy = || {
        let status = as_in_the_image(&check[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        status.code().unwrap()
    };

    let serve = exec_form(all(image, "CMD")[0]);
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
    let elsewhere: Vec<_> = files(&root).into_iter().filter(|file| !file.starts_with("/var/lib/tokensmith/")).collect();
    assert_eq!(elsewhere, held, "it writes nowhere else");
}

/// Runs a stage in a folder, and lists what each of its cargo builds compiled.
fn run_stage(stage: &[(String, String)], folder: &Path) -> Vec<Vec<String>> {
    let debug = Path::new(env!("CARGO_BIN_EXE_tokensmith")).parent().unwrap();
    let profile = match debug.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    assert_eq!(all(stage, "ARG"), ["PROFILE=release"]);
    // What takes an engine's first build minutes is here already, as `cargo test` built it.
    lend_dependencies(debug, &folder.join("target").join(debug.file_name().unwrap()));

    let mut compiled = Vec::new();
    for (name, arguments) in stage {
        match name.as_str() {
            "COPY" => {
                let (from, to) = (copied(arguments), arguments.rsplit(' ').next().unwrap());
                for path in from {
                    let path = Path::new(PROJECT).join(path);
                    copy(&if path.is_dir() { path.join(".") } else { path }, &folder.join(to));
                }
            }
            "RUN" if arguments.contains("cargo build") => {
                let said = run(arguments, folder, profile);
                let crates = said.lines().filter_map(|line| line.trim_start().strip_prefix("Compiling "));
                compiled.push(crates.map(|line| line.split(' ').next().unwrap().to_owned()).collect());
            }
            "RUN" if is_debian() => drop(run(arguments, folder, profile)),
            // The files of the base are not here.
            "RUN" => drop(run(
                "install -D target/*/tokensmith image/usr/local/bin/tokensmith; install -d -m 0700 home/tokensmith",
                folder,
                profile,
            )),
            "FROM" | "ARG" | "WORKDIR" => {}
            other => panic!("{other} is an instruction that this test does not know"),
        }
    }
    compiled
}

/// Runs a command of the Dockerfile; what it said on stderr.
fn run(command: &str, folder: &Path, profile: &str) -> String {
    let output = without_words_to_tests(&mut Command::new("sh"))
        .args(["-c", command])
        .current_dir(folder)
        .env("PROFILE", profile)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TERM_QUIET", "false")
        .env("CARGO_TERM_COLOR", "never")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command}\n{said}");
    said
}

/// Gives a build the dependencies of another. Compilers put new files in the place of old ones and change none, so a
/// library may be one file for both.
fn lend_dependencies(from: &Path, to: &Path) {
    for folder in [".fingerprint", "build"] {
        copy(&from.join(folder).join("."), &to.join(folder));
        for entry in fs::read_dir(to.join(folder)).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().unwrap().starts_with("tokensmith-") {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
    fs::create_dir(to.join("deps")).unwrap();
    for entry in fs::read_dir(from.join("deps")).unwrap().map(Result::unwrap) {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_str().unwrap();
        if name.starts_with("lib") && !name.starts_with("libtokensmith-") {
            fs::hard_link(path, to.join("deps").join(name)).unwrap();
        }
    }
}

/// Copies a file into a folder, or what a folder holds, with modes and times as they are.
fn copy(from: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    assert!(Command::new("cp").arg("-a").args([from, into]).status().unwrap().success());
}

/// Whether this system is of the kind that the image's files are taken from.
fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists()
}

/// The image's program without capabilities, as its user, for whom the image's files are all there is.
fn on_its_files_alone(root: &Path, home: &Path) -> Command {
    let mut command = Command::new(program("setpriv", "util-linux"));
    command
        .args(["--no-new-privs", "--bounding-set=-all,+dac_read_search,+setgid,+setuid,+sys_chroot"])
        .arg(program("nsenter", "util-linux"))
        .args([format!("--root={}", root.display()), format!("--wd={}", home.display())])
        .args(["--setgid=10001", "--setuid=10001", "/usr/local/bin/tokensmith"]);
    command
}

/// Every file below a folder, by its path from there.
fn files(root: &Path) -> Vec<String> {
    let found = Command::new("find").args([".", "-type", "f"]).current_dir(root).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    let mut files: Vec<_> = found.lines().map(|line| line[1..].to_owned()).collect();
    files.sort_unstable();
    files
}

/// The libraries that the binary asks for, and no more; what verifies a certificate; the licences.
fn assert_holds_what_it_needs(root: &Path, held: &[String]) {
    let mut libraries: Vec<_> = held
        .iter()
        .filter_map(|file| file.strip_prefix("/lib")?.rsplit('/').next())
        .map(|name| name.split('.').next().unwrap().split("-linux").next().unwrap())
        .collect();
    libraries.sort_unstable();
    assert_eq!(libraries, ["ld", "libc", "libgcc_s", "libm"], "{held:?}");
    let authorities = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.matches("BEGIN CERTIFICATE").count() > 50);
    for of in ["tokensmith/LICENSE", "tokensmith/LICENSE-APACHE", "tokensmith/LICENSE-MIT", "libc6/copyright"] {
        assert!(held.contains(&format!("/usr/share/doc/{of}")), "{of} is not in {held:?}");
    }
    assert_eq!(fs::read_to_string(root.join("etc/nsswitch.conf")).unwrap(), "hosts: files dns\n");
}
