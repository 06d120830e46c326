//! What of the floor below the floors above speak of: errors that an answer to a caller must tell apart,
//! and networks.

pub use credentials::oidc::{Answer as OidcAnswer, OidcError};
pub use credentials::password::{HashError, ListError, NotAPassword, Weak, build as build_breach_list};
pub use media::MediaError;
pub use providers::outbound::Cidr;
pub use store::Error as StoreError;
pub use vault::{KeyError, VaultError};
