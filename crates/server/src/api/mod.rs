//! The shapes of the API: what JSON goes in and out. Separate from the rules, so that a rule can change
//! without a client noticing.

pub mod accounts;
mod decision;
pub mod factors;
mod generation;
pub mod keys;
mod media;
mod models;
mod money;
pub mod people;
mod request;
pub mod sessions;

pub use decision::{AttemptBody, CandidateBody, DecisionBody};
pub use generation::{
    CostBody, EngineBody, ErrorBody, FindingBody, GenerationBody, GenerationPage, NoteBody, OutputBody,
    ScreeningBody,
};
pub use media::{AssetBody, UploadBody};
pub use models::{
    AbilityBody, DataBody, ModelBody, ModelList, PriceBody, PriceUnit, ProviderBody, ProviderList,
    ReferencesBody, SizeBody, VocabularyBody, WordBody,
};
pub use money::{MoneyBody, QuoteBody};
pub use request::{NewGenerationBody, ReferenceBody};
