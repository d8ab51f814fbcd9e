//! The floors: a crate depends only on crates below it. The table here is the one place that says who may.

use anyhow::Context;
use serde_json::Value;

use crate::workspace::Workspace;

/// Each package with those of ours that it may depend on.
const FLOORS: [(&str, &[&str]); 19] = [
    ("rtms-http", &[]),
    ("rtms-private", &[]),
    ("rtms-slots", &[]),
    ("rtms-wire", &[]),
    ("rtms-guide", &["rtms-wire"]),
    ("rtms-proto", &["rtms-wire"]),
    ("rtms-zoom-api", &["rtms-http", "rtms-wire"]),
    ("rtms-sim", &["rtms-wire"]),
    ("rtms-sim-server", &["rtms-http", "rtms-slots", "rtms-wire", "rtms-sim"]),
    ("rtms-store", &["rtms-private", "rtms-wire"]),
    ("rtms-record", &["rtms-private", "rtms-wire"]),
    ("rtms-sink", &["rtms-wire"]),
    ("rtms-client", &["rtms-http", "rtms-wire", "rtms-proto"]),
    ("rtms-api", &["rtms-wire", "rtms-store", "rtms-record"]),
    (
        "rtms-gateway",
        &[
            "rtms-http",
            "rtms-zoom-api",
            "rtms-private",
            "rtms-slots",
            "rtms-wire",
            "rtms-proto",
            "rtms-client",
            "rtms-store",
            "rtms-record",
            "rtms-sink",
            "rtms-api",
        ],
    ),
    (
        "rtms",
        &[
            "rtms-http",
            "rtms-zoom-api",
            "rtms-wire",
            "rtms-guide",
            "rtms-proto",
            "rtms-sim",
            "rtms-sim-server",
            "rtms-client",
            "rtms-store",
            "rtms-record",
            "rtms-sink",
            "rtms-api",
            "rtms-gateway",
        ],
    ),
    ("bench-simulator", &["rtms-wire", "rtms-sim", "rtms-sim-server"]),
    ("bench-webhooks", &["rtms-wire"]),
    ("xtask", &[]),
];

/// What any test may use besides: Zoom's half of the conversation, in memory and on sockets.
const FOR_TESTS: [&str; 2] = ["rtms-sim", "rtms-sim-server"];

/// What the tests of one crate may use besides. The model plays a gateway in small: its client folds webhooks and keeps a ledger.
const FOR_TESTS_OF: (&str, &[&str]) = ("rtms-proto", &["rtms-record", "rtms-store"]);

/// How high a package stands: its place in the table, from the ground.
pub(crate) fn height(package: &str) -> usize {
    FLOORS.iter().position(|(floor, _)| *floor == package).unwrap_or_default()
}

/// Every dependency that reaches up or sideways.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    check_packages(&workspace.packages)
}

fn check_packages(packages: &[Value]) -> anyhow::Result<Vec<String>> {
    let ours: Vec<&str> = packages.iter().map(|package| text(package, "name")).collect::<anyhow::Result<_>>()?;
    let mut findings = Vec::new();
    for package in packages {
        let name = text(package, "name")?;
        let Some((_, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == name) else {
            findings.push(format!("{name} has no floor; give it one in xtask/src/floors.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().context("a package without a list of dependencies")? {
            let on = text(dependency, "name")?;
            let of_one = FOR_TESTS_OF.0 == name && FOR_TESTS_OF.1.contains(&on);
            let for_tests = dependency["kind"] == "dev" && (FOR_TESTS.contains(&on) || of_one);
            if ours.contains(&on) && !allowed.contains(&on) && !for_tests {
                findings.push(format!("{name} must not depend on {on}"));
            }
        }
    }
    Ok(findings)
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata without `{key}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let package = json!({"name": name, "dependencies": [{"name": dependency, "kind": kind}, {"name": "serde", "kind": null}]});
        let other = json!({"name": dependency, "dependencies": []});
        check_packages(&[package, other]).expect("the metadata is complete")
    }

    #[test]
    fn down_is_allowed_up_and_sideways_are_not() {
        assert!(found("rtms-proto", "rtms-wire", None).is_empty());
        assert_eq!(found("rtms-wire", "rtms-proto", None), ["rtms-wire must not depend on rtms-proto"]);
        assert_eq!(found("rtms-sim", "rtms-proto", None), ["rtms-sim must not depend on rtms-proto"]);
        assert_eq!(found("rtms-sim", "rtms-sim-server", None), ["rtms-sim must not depend on rtms-sim-server"]);
        assert_eq!(found("rtms-gateway", "rtms-sim", Some("build")), ["rtms-gateway must not depend on rtms-sim"]);
    }

    #[test]
    fn a_test_may_use_the_simulator_from_anywhere() {
        assert!(found("rtms-client", "rtms-sim", Some("dev")).is_empty());
        assert!(found("rtms-client", "rtms-sim-server", Some("dev")).is_empty());
        assert_eq!(found("rtms-client", "rtms-store", Some("dev")), ["rtms-client must not depend on rtms-store"]);
    }

    #[test]
    fn a_new_crate_needs_a_floor() {
        assert_eq!(found("rtms-new", "rtms-wire", None), ["rtms-new has no floor; give it one in xtask/src/floors.rs"]);
    }
}
