//! The table of findings in docs/simulator.md, held against the findings that there are.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;

use rtms_sim::findings::Kind;

const DOCUMENT: &str = include_str!("../../../docs/simulator.md");
const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

#[test]
fn each_finding_has_one_row_with_its_severity_and_the_rows_stand_in_their_order() {
    let rows: Vec<_> = rows().into_iter().map(|row| (row[0].trim_matches('`'), row[1])).collect();
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| (kind.name(), kind.severity().as_str())).collect();

    assert_eq!(rows, kinds, "docs/simulator.md, What it finds");
}

#[test]
fn no_two_findings_have_one_name() {
    let mut times = BTreeMap::new();
    for kind in Kind::ALL {
        *times.entry(kind.name()).or_insert(0) += 1;
    }

    assert!(times.values().all(|times| *times == 1), "{times:?}");
}

#[test]
fn each_row_says_what_it_is_and_on_what_it_rests_with_a_source() {
    for row in rows() {
        let (what, basis) = (row[2], row[3]);
        assert!(what.len() > 10, "{row:?}");
        let word = ["documented", "observed", "reconstructed"].into_iter().find(|word| basis.starts_with(word));
        let source = basis.split_once(": ").map_or("", |(_, source)| source);
        assert!(word.is_some() && source.len() > 3, "{row:?}");
        for link in basis.split("(protocol.md#").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(is_section(link), "docs/protocol.md has no section {link}");
        }
    }
}

/// The cells of each row of the table.
fn rows() -> Vec<Vec<&'static str>> {
    let table = DOCUMENT.split_once("| Finding | Severity |").unwrap().1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<_>> = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 4), "{rows:?}");
    rows
}

fn is_section(link: &str) -> bool {
    let slug = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    let is_heading = PROTOCOL.lines().any(|line| line.starts_with('#') && slug(line) == link);
    is_heading || PROTOCOL.contains(&format!("<a id=\"{link}\">"))
}
