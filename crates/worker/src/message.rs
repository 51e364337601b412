//! The messages of both directions. The numbers of kinds may change with each version, because both ends have the same version.

mod chunk;
mod from_worker;
mod parts;
mod to_worker;

pub use chunk::Chunk;
pub use from_worker::FromWorker;
pub use parts::{Failed, Start, Status};
pub use to_worker::ToWorker;
