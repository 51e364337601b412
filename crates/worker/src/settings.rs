//! What a worker is told when it starts.

/// The first message to a worker, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Opening {
    /// The version of this package: both ends are of one.
    pub version: String,
    /// The options of the handler: [`asgi_node_core::Config`] as JSON.
    pub config: String,
    /// The most bytes of address space, where there is a limit.
    pub address_space: Option<u64>,
    /// The number of Node's process.
    pub node: u32,
    /// `sys.argv`.
    pub argv: Vec<String>,
}

/// The version that both ends must have.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
