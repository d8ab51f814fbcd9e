//! `rtms completions` and `rtms man`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{collections::BTreeSet, fs, process::Command};

use common::{finish, rtms};

#[tokio::test]
async fn each_shell_has_completions_and_bash_can_read_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let printed = finish(rtms(&["completions", shell])).await;
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["serve", "receipts", "data-dir"] {
            assert!(printed.stdout.contains(word), "{shell}: {word}");
        }
        fs::write(folder.path().join(shell), printed.stdout).unwrap();
    }
    let bash = folder.path().join("bash");
    assert!(Command::new("bash").arg("-n").arg(&bash).status().unwrap().success());
    let script =
        "source \"$0\"; COMP_WORDS=(rtms rec) COMP_CWORD=1; _rtms rtms rec rtms; printf '%s ' \"${COMPREPLY[@]}\"";
    let completed = Command::new("bash").args(["-c", script]).arg(&bash).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "receipts recording", "{completed:?}");

    assert_eq!(finish(rtms(&["completions", "cmd"])).await.code, Some(2));
}

#[tokio::test]
async fn each_subcommand_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");

    let written = finish(rtms(&["man", pages.to_str().unwrap()])).await;
    let printed = finish(rtms(&["man"])).await;

    assert_eq!((written.code, written.stdout.as_str(), printed.code), (Some(0), "", Some(0)), "{written:?}");
    let names: BTreeSet<String> =
        fs::read_dir(&pages).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    let help = finish(rtms(&["--help"])).await.stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands =
        commands.lines().take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().next().unwrap());
    let commands: Vec<_> = commands.filter(|name| *name != "help").collect();
    assert!(commands.contains(&"serve") && commands.contains(&"man"), "{commands:?}");
    for command in commands {
        assert!(names.contains(&format!("rtms-{command}.1")), "{command} has no page: {names:?}");
    }
    assert!(names.contains("rtms-recording-check.1"), "{names:?}");
    assert_eq!(printed.stdout, fs::read_to_string(pages.join("rtms.1")).unwrap());
    assert!(printed.stdout.contains(".TH rtms 1") && printed.stdout.contains("rtms\\-serve(1)"), "{}", printed.stdout);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let failed = finish(rtms(&["man", "/dev/null/man1"])).await;

    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("/dev/null/man1"), "{failed:?}");
}
