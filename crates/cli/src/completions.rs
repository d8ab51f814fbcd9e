//! `rtms completions` and `rtms man`: what a shell and `man` know of this program, made from its own arguments.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  For bash, as root:
    rtms completions bash > /usr/share/bash-completion/completions/rtms

  For zsh and fish:
    rtms completions zsh > ~/.zfunc/_rtms
    rtms completions fish > ~/.config/fish/completions/rtms.fish

Exit codes: 0 printed; 1 it cannot be written; 2 wrong arguments.";

const MAN_EXAMPLES: &str = "\
Examples:
  Read the page of `rtms`:
    rtms man > rtms.1 && man ./rtms.1

  Write a page for each subcommand, as root:
    rtms man /usr/local/share/man/man1

Exit codes: 0 printed or written; 1 it cannot be written; 2 wrong arguments.";

/// Print completions for a shell.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Print them for this shell
    shell: Shell,
}

/// Print the manual page, or write the page of each subcommand to a folder.
#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// Write a file for each subcommand here; the folder is created
    dir: Option<PathBuf>,
}

/// Prints the completions of the program for a shell.
pub(crate) fn completions(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(args.shell, &mut program, name, &mut text);
    crate::output::print_bytes(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints or writes the manual pages of the program.
pub(crate) fn man(args: &ManArgs, program: Command) -> anyhow::Result<ExitCode> {
    match &args.dir {
        Some(dir) => {
            fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
            clap_mangen::generate_to(program, dir)
                .with_context(|| format!("cannot write the manual pages to {}", dir.display()))?;
        }
        None => {
            let mut text = Vec::new();
            // As the page in a folder, where `help` has no page to refer to.
            Man::new(program.disable_help_subcommand(true)).render(&mut text)?;
            crate::output::print_bytes(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
