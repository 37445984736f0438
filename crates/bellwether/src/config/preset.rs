//! Presets: rules for what is commonly measured, shipped inside the binary.

/// A set of rules that comes with bellwether.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What the key `preset` calls it.
    pub name: &'static str,
    /// What it stands for: the keys `signals.exclude` and `rules` of a configuration.
    pub yaml: &'static str,
}

impl Preset {
    /// The preset of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// What it is for: the comment on its first line.
    pub fn summary(&self) -> &'static str {
        self.yaml.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }
}

/// Every preset.
pub const PRESETS: [Preset; 5] = [
    Preset {
        name: "node-exporter",
        yaml: include_str!("../../../../models/presets/node-exporter.yml"),
    },
    Preset { name: "http-red", yaml: include_str!("../../../../models/presets/http-red.yml") },
    Preset { name: "kubernetes", yaml: include_str!("../../../../models/presets/kubernetes.yml") },
    Preset { name: "kafka", yaml: include_str!("../../../../models/presets/kafka.yml") },
    Preset { name: "ml-service", yaml: include_str!("../../../../models/presets/ml-service.yml") },
];
