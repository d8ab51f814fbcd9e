//! What a durable append costs, alone and in company.

fn main() {}
