//! Bounds on one request.

/// Bounds on what one request may hold; each is checked before memory is taken for it.
///
/// The first five refuse the whole request, the others only the part that breaks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest body as received, compressed, in bytes.
    pub body_bytes_max: usize,
    /// Largest body after decompression, in bytes; more than 2 GiB has no effect.
    pub decoded_bytes_max: usize,
    /// Most `TimeSeries` messages, with or without samples; formats without such messages are bounded by their samples.
    pub series_max: usize,
    /// Most samples of all series together.
    pub samples_max: usize,
    /// Most messages of any kind at any level: series, labels, samples, histograms, spans and so on.
    pub objects_max: usize,
    /// Most exemplars of one series; those beyond are invalid.
    pub exemplars_per_series_max: usize,
    /// Most characters of all label names and values of one exemplar (`OpenMetrics`: 128).
    pub exemplar_label_chars_max: usize,
    /// Most buckets of one native histogram, both sides together; most custom bounds, too.
    pub histogram_buckets_max: usize,
    /// Longest help text that is worth keeping, in bytes. Help and unit are not read at all today, so
    /// that a longer one is no reason to refuse anything.
    pub help_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 * 1024 * 1024,
            decoded_bytes_max: 32 * 1024 * 1024,
            series_max: 50_000,
            samples_max: 200_000,
            objects_max: 1_000_000,
            exemplars_per_series_max: 10,
            exemplar_label_chars_max: 128,
            histogram_buckets_max: 1_000,
            help_bytes_max: 4_096,
        }
    }
}
