//! `bellwether gateway`: the receiver with a topic of Kafka behind it, until it is told to stop.

#[cfg(feature = "kafka")]
mod service;

#[cfg(feature = "kafka")]
pub(crate) use service::GatewayApp;

use crate::cli::GatewayArgs;

/// Runs until it is told to stop.
///
/// # Errors
/// When it cannot start.
#[cfg(feature = "kafka")]
pub fn gateway(args: GatewayArgs) -> anyhow::Result<()> {
    service::run(args)
}

/// There is no gateway in this program.
///
/// # Errors
/// Always.
#[cfg(not(feature = "kafka"))]
pub fn gateway(_: GatewayArgs) -> anyhow::Result<()> {
    anyhow::bail!("this bellwether was built without Kafka, and a gateway needs it")
}
