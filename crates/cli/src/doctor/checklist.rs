//! The checklist for Zoom's Marketplace, as text and as JSON.

use rtms_guide::checklist::{
    list::{Checklist, Fact, Scope, Scopes, Subscription},
    products::{ACCOUNT_SCOPES, ACCOUNT_SUBSCRIPTIONS, FOR_ALL},
};
use rtms_wire::codes::product::Product;
use serde_json::{Value, json};

use crate::output::paragraph;

/// For people.
pub(super) fn text(products: &[Product]) -> String {
    let mut text = String::from("For every app\n");
    FOR_ALL.iter().for_each(|fact| text += &item("", fact.text));
    for product in products {
        let list = Checklist::of(*product);
        text += &format!("\n{} ({})\n", list.title, product.as_str());
        text += &item("app type: ", list.app_type.text);
        text += &item(
            "credentials: ",
            &format!("{} and {}, and the Secret Token", list.credentials.id, list.credentials.secret),
        );
        for subscription in list.subscriptions {
            text += &item("subscribe to: ", &boxed(subscription));
        }
        text += &item("event scopes: ", &words(list.event_scopes));
        for (medium, scopes) in list.media {
            text += &item(&format!("scopes for {}: ", medium.as_str()), &words(scopes));
        }
        text += &item("scopes to start and stop by REST (optional): ", &words(list.control_scopes));
        text += &item("REST call: ", list.control_call);
        list.starts.iter().for_each(|fact| text += &item("to start: ", fact.text));
        list.adding.iter().for_each(|fact| text += &item("once: ", fact.text));
    }
    text += "\nEvents of the account (recommended)\n";
    ACCOUNT_SUBSCRIPTIONS.iter().for_each(|subscription| text += &item("subscribe to: ", &boxed(subscription)));
    text += &item("event scopes: ", &words(ACCOUNT_SCOPES));
    text
}

fn item(what: &str, fact: &str) -> String {
    paragraph("  [ ] ", &format!("{what}{fact}"))
}

fn boxed(Subscription { event, title }: &Subscription) -> String {
    match title {
        Some(title) => format!("\"{title}\" ({event})"),
        None => format!("{event}; the title of its box is not known"),
    }
}

fn words(scopes: Scopes) -> String {
    match scopes {
        Scopes::Listed(scopes) => scopes.iter().map(word).collect::<Vec<_>>().join(", "),
        Scopes::NoneListed => "none needed, as far as the documents list".into(),
        Scopes::NotSeen => {
            "not known: no document that we know shows them; look in the Marketplace's list of scopes".into()
        }
        Scopes::NotStreamed => "the product does not stream it, as far as is published".into(),
    }
}

fn word(scope: &Scope) -> String {
    if scope.has_admin { format!("{} (or with :admin)", scope.name) } else { scope.name.to_owned() }
}

/// One JSON object. Words and fields are only ever added.
pub(super) fn json(products: &[Product]) -> Value {
    let facts = |facts: &[Fact]| -> Vec<Value> {
        facts.iter().map(|fact| json!({"text": fact.text, "basis": fact.basis.word()})).collect()
    };
    let scopes = |scopes: Scopes| match scopes {
        Scopes::Listed(scopes) => {
            let scope = |it: &Scope| json!({"name": it.name, "admin": it.has_admin, "basis": it.basis.word()});
            json!({"known": "listed", "scopes": scopes.iter().map(scope).collect::<Vec<_>>()})
        }
        Scopes::NoneListed => json!({"known": "none_listed", "scopes": []}),
        Scopes::NotSeen => json!({"known": "not_seen", "scopes": []}),
        Scopes::NotStreamed => json!({"known": "not_streamed", "scopes": []}),
    };
    let subscriptions = |all: &[Subscription]| -> Vec<Value> {
        all.iter().map(|it| json!({"event": it.event, "title": it.title})).collect()
    };
    let of = |product: &Product| {
        let list = Checklist::of(*product);
        let media: serde_json::Map<String, Value> =
            list.media.iter().map(|(medium, of)| (medium.as_str().to_owned(), scopes(*of))).collect();
        json!({
            "product": product.as_str(),
            "title": list.title,
            "app_type": {"text": list.app_type.text, "basis": list.app_type.basis.word()},
            "credentials": [list.credentials.id, list.credentials.secret, "Secret Token"],
            "instance_id": list.instance_id.0,
            "subscriptions": subscriptions(list.subscriptions),
            "event_scopes": scopes(list.event_scopes),
            "media": media,
            "control_scopes": scopes(list.control_scopes),
            "control_call": list.control_call,
            "starts": facts(list.starts),
            "adding": facts(list.adding),
        })
    };
    json!({
        "for_all": facts(FOR_ALL),
        "products": products.iter().map(of).collect::<Vec<_>>(),
        "account": {"subscriptions": subscriptions(ACCOUNT_SUBSCRIPTIONS), "event_scopes": scopes(ACCOUNT_SCOPES)},
    })
}
