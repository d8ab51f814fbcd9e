//! Settings that are one of a few words.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IntoDeserializer},
};

/// Reads a setting that is one of a few words. An error names those, which the layers of `config` by themselves do not.
pub(super) fn word<'de, D: Deserializer<'de>, W: DeserializeOwned>(deserializer: D) -> Result<W, D::Error> {
    W::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// Reads a list of them.
pub(super) fn words<'de, D: Deserializer<'de>, W: DeserializeOwned>(deserializer: D) -> Result<Vec<W>, D::Error> {
    #[derive(Deserialize)]
    #[serde(bound = "W: DeserializeOwned")]
    struct Word<W>(#[serde(deserialize_with = "word")] W);

    Ok(Vec::<Word<W>>::deserialize(deserializer)?.into_iter().map(|Word(word)| word).collect())
}
