//! What is said, in both directions. The numbers of kinds are those of one version: nobody else reads them.

mod from_worker;
mod parts;
mod to_worker;

pub use from_worker::FromWorker;
pub use parts::{Failed, Start, Status};
pub use to_worker::ToWorker;
