//! The paths of the service.

use hyper::Method;

use crate::service::{
    control,
    exchange::{Answer, Asked},
    problem::Problem,
    shared::Shared,
    zoom_api,
};

/// Answers a request by its path.
pub(super) async fn answer(shared: &Shared, asked: Asked) -> Answer {
    let segments: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    match (&asked.method, segments.as_slice()) {
        (&Method::GET, ["healthz"]) => Answer::text("ok\n"),
        (&Method::POST, ["oauth", "token"]) => {
            let (status, answer) = shared.tokens.grant(asked.authorization.as_deref(), &asked.form());
            Answer::json(status, &answer)
        }
        (_, ["v2", rest @ ..]) => zoom_api::answer(shared, &asked, rest).await,
        (_, ["v1", "meetings", rest @ ..]) => {
            control::answer(&shared.meetings, &asked, rest).await.unwrap_or_else(|problem| problem.answer())
        }
        (_, ["healthz"] | ["oauth", "token"]) => Problem::method(&asked).answer(),
        _ => Problem::path(&asked).answer(),
    }
}
