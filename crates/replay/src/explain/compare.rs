//! Whether two events are one and the same, field by field.

use bellwether_engine::Event;
use serde::Serialize;
use serde_json::Value;

/// A field in which a stored event is not what was recomputed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The field, as in the event's JSON; within lists and maps with the way there, as in `detectors.0.surprise`.
    pub field: String,
    /// What is stored; `None` if it has no such field.
    pub stored: Option<Value>,
    /// What was recomputed.
    pub recomputed: Option<Value>,
}

/// The fields in which `stored` is not `recomputed`, as their JSON says, in alphabetical order; numbers to the last bit.
pub fn differences(stored: &Event, recomputed: &Event) -> Vec<Difference> {
    // An event always has a JSON form; if it had none, both would lack it alike.
    let [stored, recomputed] =
        [stored, recomputed].map(|event| serde_json::to_value(event).unwrap_or_default());
    let mut found = Vec::new();
    compare(String::new(), Some(&stored), Some(&recomputed), &mut found);
    found.sort_by(|one, other| one.field.cmp(&other.field));
    found
}

fn compare(
    field: String,
    stored: Option<&Value>,
    recomputed: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if stored == recomputed {
        return;
    }
    let within = |name: &str| {
        if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") }
    };
    match (stored, recomputed) {
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            for (name, value) in ours {
                compare(within(name), Some(value), theirs.get(name), found);
            }
            for (name, value) in theirs.iter().filter(|(name, _)| !ours.contains_key(*name)) {
                compare(within(name), None, Some(value), found);
            }
        }
        (Some(Value::Array(ours)), Some(Value::Array(theirs))) => {
            for place in 0..ours.len().max(theirs.len()) {
                let place_name = within(&place.to_string());
                compare(place_name, ours.get(place), theirs.get(place), found);
            }
        }
        _ => {
            let (stored, recomputed) = (stored.cloned(), recomputed.cloned());
            found.push(Difference { field, stored, recomputed });
        }
    }
}
