//! The outside world on sockets: HTTP sources, Alertmanager.
