//! Presets: which ones a configuration names, and what one of them holds.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::RawRule;
use crate::config::preset::PRESETS;

/// One name or a list of names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum RawPresets {
    One(String),
    Many(Vec<String>),
}

impl Default for RawPresets {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl RawPresets {
    /// Each name with the field that it stands at.
    pub(in crate::config) fn fields(&self) -> Vec<(String, &str)> {
        match self {
            Self::One(name) => vec![("preset".to_owned(), name)],
            Self::Many(names) => {
                let field = |(index, name)| (format!("preset[{index}]"), String::as_str(name));
                names.iter().enumerate().map(field).collect()
            }
        }
    }
}

impl JsonSchema for RawPresets {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Presets".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = PRESETS.map(|preset| preset.name);
        json_schema!({
            "anyOf": [
                { "type": "string", "enum": names },
                { "type": "array", "items": { "type": "string", "enum": names }, "maxItems": names.len() }
            ],
            "examples": [names[0]]
        })
    }
}

/// What a preset may say: less than a configuration, in the very same words.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Preset")]
pub(in crate::config) struct RawPreset {
    /// Which series are watched.
    pub signals: RawPresetSignals,
    /// How particular series are judged.
    #[schemars(length(max = 1000))]
    pub rules: Vec<RawRule>,
}

/// Which series are watched.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PresetSignals")]
pub(in crate::config) struct RawPresetSignals {
    /// PromQL selectors of series not to watch.
    #[schemars(length(max = 1000))]
    #[schemars(extend("x-type" = "list of selectors"))]
    pub exclude: Vec<String>,
}
