//! The messages of OTLP metrics, as far as they mean something here: what a field is called in JSON, its number, and what it holds.

/// A message.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) holds: Holds,
}

/// What a field holds. Where it holds several, they come as an array.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    Message(&'static Schema),
    Messages(&'static Schema),
    String,
    /// In base64.
    Bytes,
    Bool,
    /// An enum, by number or by one of these names, in the order of their numbers.
    Enum(&'static [&'static str]),
    /// `uint32`.
    Uint32,
    /// `int64`, as a varint.
    Int64,
    Fixed64,
    Sfixed64,
    Double,
    Fixed64s,
    Doubles,
}

use Holds::{
    Bool, Bytes, Double, Doubles, Enum, Fixed64, Fixed64s, Int64, Message, Messages, Sfixed64,
    String, Uint32,
};

const fn field(name: &'static str, number: u32, holds: Holds) -> Field {
    Field { name, number, holds }
}

pub(super) static REQUEST: Schema =
    Schema { fields: &[field("resourceMetrics", 1, Messages(&RESOURCE_METRICS))] };

static RESOURCE_METRICS: Schema = Schema {
    fields: &[
        field("resource", 1, Message(&RESOURCE)),
        field("scopeMetrics", 2, Messages(&SCOPE_METRICS)),
    ],
};

static RESOURCE: Schema = Schema { fields: &[field("attributes", 1, Messages(&KEY_VALUE))] };

static SCOPE_METRICS: Schema = Schema { fields: &[field("metrics", 2, Messages(&METRIC))] };

static METRIC: Schema = Schema {
    fields: &[
        field("name", 1, String),
        field("unit", 3, String),
        field("gauge", 5, Message(&GAUGE)),
        field("sum", 7, Message(&SUM)),
        field("histogram", 9, Message(&HISTOGRAM)),
        field("exponentialHistogram", 10, Message(&EXPONENTIAL_HISTOGRAM)),
        field("summary", 11, Message(&SUMMARY)),
    ],
};

const TEMPORALITY: Holds = Enum(&[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
]);

static GAUGE: Schema = Schema { fields: &[field("dataPoints", 1, Messages(&NUMBER_POINT))] };

static SUM: Schema = Schema {
    fields: &[
        field("dataPoints", 1, Messages(&NUMBER_POINT)),
        field("aggregationTemporality", 2, TEMPORALITY),
        field("isMonotonic", 3, Bool),
    ],
};

static HISTOGRAM: Schema = Schema {
    fields: &[
        field("dataPoints", 1, Messages(&HISTOGRAM_POINT)),
        field("aggregationTemporality", 2, TEMPORALITY),
    ],
};

static EXPONENTIAL_HISTOGRAM: Schema = Schema {
    fields: &[
        field("dataPoints", 1, Messages(&EXPONENTIAL_POINT)),
        field("aggregationTemporality", 2, TEMPORALITY),
    ],
};

static SUMMARY: Schema = Schema { fields: &[field("dataPoints", 1, Messages(&SUMMARY_POINT))] };

static NUMBER_POINT: Schema = Schema {
    fields: &[
        field("timeUnixNano", 3, Fixed64),
        field("asDouble", 4, Double),
        field("asInt", 6, Sfixed64),
        field("attributes", 7, Messages(&KEY_VALUE)),
        field("flags", 8, Uint32),
    ],
};

static HISTOGRAM_POINT: Schema = Schema {
    fields: &[
        field("timeUnixNano", 3, Fixed64),
        field("count", 4, Fixed64),
        field("sum", 5, Double),
        field("bucketCounts", 6, Fixed64s),
        field("explicitBounds", 7, Doubles),
        field("attributes", 9, Messages(&KEY_VALUE)),
        field("flags", 10, Uint32),
    ],
};

static EXPONENTIAL_POINT: Schema = Schema {
    fields: &[
        field("attributes", 1, Messages(&KEY_VALUE)),
        field("timeUnixNano", 3, Fixed64),
        field("count", 4, Fixed64),
        field("sum", 5, Double),
        field("flags", 10, Uint32),
    ],
};

static SUMMARY_POINT: Schema = Schema {
    fields: &[
        field("timeUnixNano", 3, Fixed64),
        field("count", 4, Fixed64),
        field("sum", 5, Double),
        field("quantileValues", 6, Messages(&QUANTILE)),
        field("attributes", 7, Messages(&KEY_VALUE)),
        field("flags", 8, Uint32),
    ],
};

static QUANTILE: Schema =
    Schema { fields: &[field("quantile", 1, Double), field("value", 2, Double)] };

static KEY_VALUE: Schema =
    Schema { fields: &[field("key", 1, String), field("value", 2, Message(&ANY_VALUE))] };

static ANY_VALUE: Schema = Schema {
    fields: &[
        field("stringValue", 1, String),
        field("boolValue", 2, Bool),
        field("intValue", 3, Int64),
        field("doubleValue", 4, Double),
        field("arrayValue", 5, Message(&ARRAY_VALUE)),
        field("kvlistValue", 6, Message(&KEY_VALUE_LIST)),
        field("bytesValue", 7, Bytes),
    ],
};

static ARRAY_VALUE: Schema = Schema { fields: &[field("values", 1, Messages(&ANY_VALUE))] };

static KEY_VALUE_LIST: Schema = Schema { fields: &[field("values", 1, Messages(&KEY_VALUE))] };
