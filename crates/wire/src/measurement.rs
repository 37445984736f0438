//! Names of series where a measurement has several fields, as in `InfluxDB`'s data model.

use bellwether_series::METRIC_NAME;

use crate::remote_write::LabelBuffer;

/// The field whose series is called as the measurement is.
const VALUE: &[u8] = b"value";

/// Adds the metric name of a field: `measurement_field`, and for a field called `value` the measurement alone, which is how
/// Telegraf itself names series for Prometheus.
pub(crate) fn push_field_name(labels: &mut LabelBuffer, measurement: &[u8], field: &[u8]) {
    labels.push_with(
        |text| text.extend_from_slice(METRIC_NAME.as_bytes()),
        |text| {
            text.extend_from_slice(measurement);
            if field != VALUE {
                text.push(b'_');
                text.extend_from_slice(field);
            }
        },
    );
}
