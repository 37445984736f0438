//! Streaming anomaly detection for Prometheus metrics: remote_write in, Alertmanager alerts out.
