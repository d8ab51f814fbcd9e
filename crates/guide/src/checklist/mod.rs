//! What an app needs in Zoom's Marketplace, for each product and medium: the [form](list) and the [facts](products).

pub mod list;
pub mod products;
