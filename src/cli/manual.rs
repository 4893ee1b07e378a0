//! `tokensmith completions` and `tokensmith man`, and the examples at the end of each command's long help.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure, output};

pub(super) const ROOT: &str = "Examples:
  tokensmith serve --bootstrap
  tokensmith token create --project \"My platform\" --name \"Billing\" -p calling,chat";

pub(super) const SERVE: &str = "Examples:
  tokensmith serve --bootstrap
  tokensmith serve --bind 127.0.0.1:9000 --config tokensmith.toml";

pub(super) const MIGRATE: &str = "Examples:
  tokensmith migrate
  tokensmith migrate --set database.url=sqlite://tokensmith.db";

pub(super) const BACKUP: &str = "Examples:
  tokensmith backup /var/backups/tokensmith.db
  tokensmith backup tonight.db --with-key --json";

pub(super) const RESTORE: &str = "Examples:
  tokensmith restore /var/backups/tokensmith.db
  tokensmith restore tonight.db --yes --json";

pub(super) const PROJECT: &str = "Examples:
  tokensmith project create \"My platform\"
  tokensmith project list";

pub(super) const PROJECT_CREATE: &str = "Examples:
  tokensmith project create \"My platform\"
  tokensmith project create \"A customer\" --parent \"My platform\" --no-token --field project.id";

pub(super) const PROJECT_LIST: &str = "Examples:
  tokensmith project list
  tokensmith project list --parent \"My platform\" --all --json";

pub(super) const PROJECT_SHOW: &str = "Examples:
  tokensmith project show \"My platform\"
  tokensmith project show 0a1b2c3d --field id";

pub(super) const PROJECT_RENAME: &str = "Examples:
  tokensmith project rename 0a1b2c3d \"Our platform\"
  tokensmith project rename \"My platform\" \"Our platform\" --json";

pub(super) const PROJECT_DELETE: &str = "Examples:
  tokensmith project delete \"A customer\"
  tokensmith project delete 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d --yes";

pub(super) const TOKEN: &str = "Examples:
  tokensmith token create --project \"My platform\" --name \"Billing\" -p calling,chat
  tokensmith token revoke 0a1b2c3d";

pub(super) const TOKEN_CREATE: &str = "Examples:
  tokensmith token create --project \"My platform\" --name \"Billing\" -p calling,chat
  tokensmith token create --project 0a1b2c3d --name ci -p management --field token > secret.txt";

pub(super) const TOKEN_LIST: &str = "Examples:
  tokensmith token list --project \"My platform\"
  tokensmith token list --project 0a1b2c3d --name ci --json";

pub(super) const TOKEN_SHOW: &str = "Examples:
  tokensmith token show 0a1b2c3d
  tokensmith token show 0a1b2c3d --field permissions";

pub(super) const TOKEN_UPDATE: &str = "Examples:
  tokensmith token update 0a1b2c3d --name \"Billing, new\"
  tokensmith token update 0a1b2c3d -p calling,chat";

pub(super) const TOKEN_REVOKE: &str = "Examples:
  tokensmith token revoke 0a1b2c3d
  tokensmith token revoke 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d --yes";

pub(super) const TOKEN_VERIFY: &str = "Examples:
  tokensmith token verify --permission calling
  echo \"$SECRET\" | tokensmith token verify --json";

pub(super) const CONFIG: &str = "Examples:
  tokensmith config check
  tokensmith config check --config tokensmith.toml";

pub(super) const OPENAPI: &str = "Examples:
  tokensmith openapi > openapi.json
  tokensmith openapi --set permissions.catalogue=calling,chat";

pub(super) const KEYGEN: &str = "Examples:
  tokensmith keygen server.key
  tokensmith keygen";

pub(super) const HEALTHCHECK: &str = "Examples:
  tokensmith healthcheck
  tokensmith healthcheck --wait 10s";

pub(super) const COMPLETIONS: &str = "Examples:
  tokensmith completions bash > ~/.local/share/bash-completion/completions/tokensmith
  tokensmith completions fish > ~/.config/fish/completions/tokensmith.fish";

pub(super) const MAN: &str = "Examples:
  tokensmith man ~/.local/share/man/man1
  tokensmith man /usr/local/share/man/man1";

#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The directory. It is made where it does not exist; pages that are there are replaced.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// `tokensmith completions`
pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tokensmith", &mut script);
    let script = String::from_utf8(script).expect("commands and their help are text");
    output::print_again(&script).map(|()| ExitCode::SUCCESS)
}

/// `tokensmith man`
pub(super) fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    let directory = args.directory.display();
    let write = || {
        fs::create_dir_all(&args.directory)?;
        clap_mangen::generate_to(Cli::command(), &args.directory)
    };
    write().map_err(|error| Failure::Refused(format!("cannot write man pages to {directory}: {error}")))?;
    output::print_again(&format!("wrote man pages to {directory}")).map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{Command, Parser};

    use super::*;

    /// The words of a line, as a shell reads them; what is behind `>` is left out.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for character in line.split(" > ").next().unwrap().chars() {
            match character {
                '"' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                other => words.last_mut().unwrap().push(other),
            }
        }
        words
    }

    fn walk(command: &Command, path: &str, seen: &mut usize) {
        let help = command.get_after_long_help().unwrap_or_else(|| panic!("{path} has no examples")).to_string();
        let lines: Vec<&str> = help.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "Examples:"), "{path}");
        for line in &lines[1..] {
            let line = line.strip_prefix("  ").unwrap();
            let start = line.find("tokensmith ").unwrap();
            assert!(line[start..].starts_with(path), "{path}: {line}");
            Cli::try_parse_from(words(&line[start..])).unwrap_or_else(|error| panic!("{line}: {error}"));
            *seen += 1;
        }
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            walk(command, &format!("{path} {}", command.get_name()), seen);
        }
    }

    #[test]
    fn the_help_of_each_command_ends_with_two_examples_that_parse() {
        let mut seen = 0;

        walk(&Cli::command(), "tokensmith", &mut seen);

        assert!(seen >= 40, "{seen}");
    }
}
