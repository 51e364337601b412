//! The settings that a worker gets when it starts.

/// The first message to a worker, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Opening {
    /// The version of this package. Both ends must have the same.
    pub version: String,
    /// The options of the handler: [`asgi_node_core::Config`] as JSON.
    pub config: String,
    /// The most bytes of address space; `None` for no limit.
    pub address_space: Option<u64>,
    /// The process id of Node.
    pub node: u32,
    /// `sys.argv`.
    pub argv: Vec<String>,
}

/// The version that both ends must have.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
