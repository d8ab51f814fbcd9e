//! `rtms webhook`: what it refuses before anything is signed or sent.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use common::{finish, rtms};

#[tokio::test]
async fn what_cannot_be_posted_to_is_a_wrong_argument() {
    for url in ["ftp://gateway.test/webhook", "gateway.test/webhook", "/webhook", ""] {
        // The file is not there, and not looked for.
        let refused = finish(rtms(&["webhook", "send", "/nowhere/started.json", "--to", url])).await;

        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{url}: {refused:?}");
        assert!(refused.stderr.contains("--to"), "{url}: {refused:?}");
    }
}
