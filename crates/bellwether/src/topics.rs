//! Topics of Kafka, as long as the engine runs: read once it is known how far they have been taken.

#[cfg(feature = "kafka")]
pub(crate) use with_kafka::Topics;
#[cfg(not(feature = "kafka"))]
pub(crate) use without_kafka::Topics;

#[cfg(feature = "kafka")]
mod with_kafka {
    use std::sync::{Arc, OnceLock};
    use std::time::Duration;

    use anyhow::Context;
    use bellwether_connect::source::kafka::{KafkaSource, SourceFigures};
    use bellwether_connect::source::receiver::TenantOptions;
    use bellwether_runtime::{Handle, Offsets};
    use bellwether_series::Timestamp;
    use parking_lot::Mutex;

    use crate::config::KafkaConfig;

    /// The topics that are read, if any are.
    pub(crate) struct Topics {
        options: Option<KafkaConfig>,
        /// As of the newest configuration.
        tenants: Mutex<Option<TenantOptions>>,
        source: OnceLock<KafkaSource>,
    }

    impl Topics {
        /// Nothing is read yet.
        pub(crate) fn new(options: Option<KafkaConfig>, tenants: Option<TenantOptions>) -> Self {
            Self { options, tenants: Mutex::new(tenants), source: OnceLock::new() }
        }

        /// Reads from where `taken` says that `engine` stands.
        ///
        /// # Errors
        /// When the client cannot be started.
        pub(crate) fn start(
            &self,
            taken: &Offsets,
            engine: Handle,
            clock: impl Fn() -> Timestamp + Send + 'static,
        ) -> anyhow::Result<()> {
            let Some(options) = self.options.clone() else { return Ok(()) };
            // Held, so that no reload comes in between.
            let tenants = self.tenants.lock();
            let source =
                KafkaSource::start(options, tenants.clone(), taken, Arc::new(engine), clock);
            let source = source.context("source cannot start: kafka")?;
            // It is started once.
            _ = self.source.set(source);
            Ok(())
        }

        /// Tells tenants apart from the next record on.
        pub(crate) fn tell_apart(&self, tenants: Option<TenantOptions>) {
            let mut held = self.tenants.lock();
            if let Some(source) = self.source.get() {
                source.tell_apart(tenants.clone());
            }
            *held = tenants;
        }

        /// Whether there is anything to be read.
        pub(crate) fn is_configured(&self) -> bool {
            self.options.is_some()
        }

        /// How it is going, once something is read.
        pub(crate) fn figures(&self) -> Option<SourceFigures> {
            Some(self.source.get()?.stats().figures())
        }

        /// Reads no more. Blocks for `limit` at the most.
        pub(crate) fn stop(&self, limit: Duration) {
            if let Some(source) = self.source.get()
                && !source.stop(limit)
            {
                tracing::warn!("the Kafka client did not finish in time");
            }
        }
    }
}

#[cfg(not(feature = "kafka"))]
mod without_kafka {
    use std::time::Duration;

    use bellwether_connect::source::receiver::TenantOptions;
    use bellwether_runtime::{Handle, Offsets};
    use bellwether_series::Timestamp;

    use crate::config::KafkaConfig;

    /// No topics: this program has no Kafka.
    pub(crate) struct Topics;

    #[expect(clippy::unused_self, reason = "as with Kafka")]
    impl Topics {
        pub(crate) fn new(options: Option<KafkaConfig>, _: Option<TenantOptions>) -> Self {
            match options {
                None => Self,
                Some(none) => match none {},
            }
        }

        #[expect(clippy::unnecessary_wraps, reason = "as with Kafka")]
        pub(crate) fn start(
            &self,
            _: &Offsets,
            _: Handle,
            _: impl Fn() -> Timestamp + Send + 'static,
        ) -> anyhow::Result<()> {
            Ok(())
        }

        pub(crate) fn tell_apart(&self, _: Option<TenantOptions>) {}

        pub(crate) fn is_configured(&self) -> bool {
            false
        }

        pub(crate) fn stop(&self, _: Duration) {}
    }
}
