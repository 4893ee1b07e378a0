//! Help that teaches, and complaints about the command line itself.

use std::path::Path;

use insta::assert_snapshot;
use rstest::rstest;

use crate::support::{Ran, run, tokensmith};

fn help(arguments: &[&str]) -> Ran {
    run(tokensmith(Path::new("/")).args(arguments))
}

#[test]
fn the_first_help_says_where_to_start() {
    let said = help(&["--help"]).done();
    let said = said.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");

    assert_snapshot!(said, @"
    Issue scoped API tokens for projects and subprojects, and check them.

    Start with `tokensmith serve --bootstrap`. It makes a database in ./data, a first project and a
    management token, and serves on 127.0.0.1:8080.

    Usage: tokensmith [OPTIONS] <COMMAND>

    Commands:
      serve        Migrate the database to this version's schema, then serve the APIs
      migrate      Migrate the database to this version's schema
      backup       Copy the SQLite database to a file, while servers go on
      restore      Replace the SQLite database by a copy that 'backup' made. Stop the server first
      project      Create, list, show, rename and delete projects
      token        Issue, list, show, update, revoke and verify tokens
      config       Check the configuration
      openapi      Print the OpenAPI 3.1 document of this version's API
      keygen       Generate a server key (server.key)
      healthcheck  Ask a running server on this machine whether it is ready. For health checks of
                   containers
      completions  Print a script that completes commands and flags in a shell
      man          Write man pages, one for each command, to a directory
      help         Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>
              Read this configuration file over the defaults

              [env: TOKENSMITH_CONFIG=]

          --set <KEY=VALUE>
              Set one key of the configuration, over file and environment: --set
              server.bind=127.0.0.1:9000.

              Not for secrets: other users of the machine can see a command line. Use the environment or
              a file for them.

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Examples:
      tokensmith serve --bootstrap
      tokensmith token create --project \"My platform\" --name \"Billing\" -p calling,chat
    ");
}

#[rstest]
#[case(&["serve"], &["--bootstrap [<NAME>]", "--bind <ADDRESS:PORT>", "bootstrap.json", "only its owner can read", "two lines to copy into another terminal"])]
#[case(&["migrate"], &["to this version's schema", "--config <FILE>", "--set <KEY=VALUE>", "Not for secrets"])]
#[case(&["backup"], &["<FILE>", "while servers go on", "Do not copy the file of a running server", "--with-key", "--force", "--json", "pg_dump", "tokensmith backup /var/backups/tokensmith.db", "tokensmith backup tonight.db --with-key --json"])]
#[case(&["restore"], &["<FILE>", "Stop the server first", "shows what it replaces, and asks", "valid again", "--yes", "--discard", "--without-key", "--json", "tokensmith restore /var/backups/tokensmith.db", "tokensmith restore tonight.db --yes --json"])]
#[case(&["project"], &["create", "list", "show", "rename", "delete"])]
#[case(&["project", "create"], &["<NAME>", "1 to 250 characters", "--parent <PROJECT>", "root project", "--no-token", "--json", "--field <NAME>", "\"management\""])]
#[case(&["project", "list"], &["newest first", "--parent <PROJECT>", "--name <NAME>", "--limit <N>", "--after <CURSOR>", "--all", "--json"])]
#[case(&["project", "show"], &["<PROJECT>", "first 8 or more digits", "or its name", "how many tokens", "--json", "--field <NAME>"])]
#[case(&["project", "rename"], &["<PROJECT>", "<NAME>", "1 to 250 characters", "--json"])]
#[case(&["project", "delete"], &["<PROJECT>", "--yes", "no subprojects", "On a terminal it shows what it deletes, and asks"])]
#[case(&["project", "remove"], &["<PROJECT>", "--yes"])]
#[case(&["token"], &["create", "list", "show", "update", "revoke", "verify"])]
#[case(&["token", "list"], &["--project <PROJECT>", "newest first", "Secrets are not stored", "--limit <N>", "--after <CURSOR>", "--all", "--json"])]
#[case(&["token", "show"], &["<TOKEN>", "first 8 or more digits", "--json", "--field <NAME>"])]
#[case(&["token", "update"], &["<TOKEN>", "What is not named stays", "--name <NAME>", "--permission <NAME>", "--json"])]
#[case(&["token", "create"], &["--project <PROJECT>", "--name <NAME>", "--permission <NAME>", "-p", "commas", "--json", "--field <NAME>", "this once"])]
#[case(&["token", "revoke"], &["<TOKEN>", "cannot be undone", "--yes"])]
#[case(&["token", "delete"], &["<TOKEN>", "cannot be undone"])]
#[case(&["token", "verify"], &["stdin", "PROJECT_ID:SECRET", "never taken from an argument", "--permission <NAME>", "--json"])]
#[case(&["config"], &["check"])]
#[case(&["config", "check"], &["as it takes effect", "Secrets are hidden"])]
#[case(&["keygen"], &["server.key", "beside the database", "TOKENSMITH_SERVER__KEY_FILE", "only its owner can read"])]
#[case(&["openapi"], &["OpenAPI 3.1"])]
#[case(&["healthcheck"], &["running server", "ready", "--wait <TIME>"])]
#[case(&["completions"], &["bash", "fish", "zsh"])]
#[case(&["man"], &["<DIR>", "man pages"])]
fn the_help_of_a_command_teaches_it(#[case] command: &[&str], #[case] taught: &[&str]) {
    let said = help(&[command, &["--help"]].concat()).done().split_whitespace().collect::<Vec<_>>().join(" ");

    for taught in taught {
        assert!(said.contains(taught), "{taught:?} is not in: {said}");
    }
}

#[test]
fn the_version_is_a_result() {
    assert_eq!(help(&["--version"]).done(), concat!("tokensmith ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn no_command_gets_the_help_as_a_complaint() {
    let ran = help(&[]);

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("Usage: tokensmith"), "{}", ran.stderr);
}

#[rstest]
#[case(&["swim"], "unrecognized subcommand 'swim'")]
#[case(&["serve", "--swim"], "unexpected argument '--swim'")]
#[case(&["serve", "one", "two"], "unexpected argument 'one'")]
#[case(&["backup"], "<FILE>")]
#[case(&["restore"], "<FILE>")]
#[case(&["project", "create"], "<NAME>")]
#[case(&["project", "create", "x", "--parent", ""], "its first 8 or more digits, or its name")]
#[case(&["project", "create", "x", "--field", "token"], "token.token")]
#[case(&["project", "create", "x", "--field", "project.id", "--json"], "cannot be used with")]
#[case(&["token", "create", "--name", "x"], "--project <PROJECT>")]
#[case(&["token", "create", "--project", " ", "--name", "x", "-p", "chat"], "its first 8 or more digits, or its name")]
#[case(&["token", "show", "0a1b2c3"], "its first 8 or more")]
#[case(&["token", "show", "0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d"], "8-4-4-4-12 hexadecimal digits")]
#[case(&["token", "show", "{0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d}"], "8-4-4-4-12 hexadecimal digits")]
#[case(&["token", "show", "0a1b2c3d", "--field", "token"], "invalid value 'token'")]
#[case(&["token", "create", "--project", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "--name", "x"], "--permission <NAME>")]
#[case(&["token", "revoke"], "<TOKEN>")]
#[case(&["token", "list"], "--project <PROJECT>")]
#[case(&["token", "list", "--project", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "--limit", "0"], "1..=1000")]
#[case(&["token", "update", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"], "--name <NAME>")]
#[case(&["project", "list", "--limit", "1001"], "1..=1000")]
#[case(&["project", "list", "--limit", "7", "--all"], "cannot be used with")]
#[case(&["project", "list", "--after", "yesterday"], "take it from the end of an earlier list")]
#[case(&["healthcheck", "--wait", "10"], "--wait <TIME>")]
#[case(&["completions", "dos"], "bash")]
#[case(&["man"], "<DIR>")]
#[case(&["project", "rename", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"], "<NAME>")]
#[case(&["project", "delete"], "<PROJECT>")]
#[case(&["token", "revoke", "all"], "8-4-4-4-12 hexadecimal digits")]
#[case(&["token", "verify", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d:secret"], "unexpected argument")]
#[case(&["config", "check", "--set", "server.bind"], "write KEY=VALUE")]
#[case(&["config", "check", "--set", "=1"], "write KEY=VALUE")]
#[case(&["config", "check", "--config"], "--config <FILE>")]
#[case(&["config", "check", "--config", ""], "--config <FILE>")]
fn a_wrong_command_line_is_told_what_would_do(#[case] arguments: &[&str], #[case] told: &str) {
    let complaint = help(arguments).misused();

    assert!(complaint.contains(told), "{complaint}");
}

#[test]
fn a_secret_on_the_command_line_is_not_repeated() {
    let secret = format!("PT{}", "0a".repeat(24));
    let credential = format!("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d:{secret}");
    let directory = tempfile::tempdir().unwrap();
    run(tokensmith(directory.path()).arg("migrate")).done();
    let project = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    for arguments in [
        vec!["token", "verify", &credential],
        vec!["token", "revoke", &secret],
        vec!["project", "show", &secret],
        vec!["config", "check", "--set", &secret],
        vec!["token", "create", "--project", project, "--name", "x", "-p", &secret],
        vec!["token", "create", "--project", project, "--name", "x", "-p", &credential],
        vec!["config", "check", "--set", &format!("log.level={secret}")],
        vec!["config", "check", "--config", &secret],
    ] {
        let ran = run(tokensmith(directory.path()).args(&arguments));

        assert_ne!(ran.code, 0, "{arguments:?}");
        assert!(!ran.stderr.contains("0a0a0a0a"), "{}", ran.stderr);
        assert!(ran.stderr.contains("[secret]"), "{}", ran.stderr);
    }
}
