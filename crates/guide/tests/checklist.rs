//! The checklist says what the table of the documents says, no less and no more.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::collections::BTreeSet;

use rtms_guide::checklist::{
    list::{Checklist, Scope, Scopes, Subscription},
    products::{ACCOUNT_SCOPES, ACCOUNT_SUBSCRIPTIONS},
};
use rtms_wire::{codes::product::Product, media::medium::Medium};

const TABLES: &str = include_str!("fixtures/products.md");

#[test]
fn app_types_keys_and_scopes_are_those_of_the_table() {
    let stated = Product::ALL.map(|product| {
        let list = Checklist::of(product);
        let (id, others) = list.instance_id;
        let app_type =
            list.app_type.text.replace(" (required)", "").replace(" in Zoom's sample", "").replace(" OAuth app", "");
        [
            product.as_str().to_owned(),
            id.to_owned(),
            others.join(", "),
            app_type,
            format!("{} / {}", list.credentials.id, list.credentials.secret),
            words(list.event_scopes),
            words(list.control_scopes),
        ]
        .to_vec()
    });
    compare("Instance id", stated.into());
}

#[test]
fn each_medium_of_each_product_has_the_scopes_of_the_table() {
    let stated = Product::ALL.into_iter().flat_map(|product| {
        let media = &Checklist::of(product).media;
        assert_eq!(media.each_ref().map(|(medium, _)| *medium), Medium::ALL);
        media.iter().map(move |(medium, scopes)| {
            assert_eq!(
                product.has(*medium),
                !matches!(scopes, Scopes::NotStreamed),
                "{product} {}: the program and its checklist disagree on what is streamed",
                medium.as_str()
            );
            vec![product.as_str().to_owned(), medium.as_str().to_owned(), words(*scopes)]
        })
    });
    compare("Medium", stated.collect());
}

#[test]
fn the_boxes_to_tick_are_those_of_the_table() {
    let row = |product: &str, it: &Subscription| {
        vec![product.to_owned(), it.event.to_owned(), it.title.unwrap_or("not seen").to_owned()]
    };
    let of = |product: Product| Checklist::of(product).subscriptions.iter().map(move |it| row(product.as_str(), it));
    let account = ACCOUNT_SUBSCRIPTIONS.iter().map(|it| row("account", it));
    compare("Event", Product::ALL.into_iter().flat_map(of).chain(account).collect());
    compare("Scopes for events of the account", [vec!["account".to_owned(), words(ACCOUNT_SCOPES)]].into());
}

#[test]
fn an_event_to_subscribe_to_is_one_that_the_program_knows_and_explains() {
    for product in Product::ALL {
        for Subscription { event, .. } in Checklist::of(product).subscriptions {
            let name = rtms_wire::webhook::event_name::EventName::canonical(event);
            assert_eq!((name.as_str(), name.product()), (*event, Some(product)));
            assert_eq!(rtms_guide::explain::lookup::find(event, None).len(), 1, "{event}");
        }
    }
}

fn words(scopes: Scopes) -> String {
    match scopes {
        Scopes::Listed(scopes) => {
            let word = |scope: &Scope| format!("{}{}", scope.name, if scope.has_admin { " +admin" } else { "" });
            scopes.iter().map(word).collect::<Vec<_>>().join(", ")
        }
        Scopes::NoneListed => "none".into(),
        Scopes::NotSeen => "not seen".into(),
        Scopes::NotStreamed => "not streamed".into(),
    }
}

/// Compares with the table that has this word as the heading of its second column.
fn compare(heading: &str, stated: BTreeSet<Vec<String>>) {
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let mut lines = TABLES.lines().skip_while(|line| !(line.starts_with('|') && cells(line)[1] == heading));
    assert!(lines.next().is_some() && lines.next().is_some(), "no table with the heading {heading}");
    let table: BTreeSet<_> = lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!table.is_empty());
    let only = |one: &BTreeSet<Vec<String>>, other: &BTreeSet<Vec<String>>| -> Vec<_> {
        one.difference(other).cloned().collect()
    };
    assert_eq!(only(&table, &stated), Vec::<Vec<String>>::new(), "the checklist lacks this");
    assert_eq!(only(&stated, &table), Vec::<Vec<String>>::new(), "the table lacks this");
}
