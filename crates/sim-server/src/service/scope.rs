//! The scopes of Zoom's REST calls for RTMS.

use rtms_wire::codes::product::Product;

/// The scope that the call of a product needs; none for the Video SDK. Basis: documented, but for that of webinars,
/// which is taken to be that of meetings. An app that its account's admin has made has it with `:admin`.
pub(super) fn scope(product: Product) -> Option<&'static str> {
    match product {
        Product::Meeting | Product::Webinar => Some("meeting:update:participant_rtms_app_status"),
        Product::Session => None,
        Product::ContactCenter => Some("contact_center:update:engagement_rtms_app_status"),
        Product::Phone => Some("phone:write:rtms_session"),
    }
}
