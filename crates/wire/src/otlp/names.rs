//! Names in Prometheus' form.
//!
//! Rules: `prometheus/otlptranslator:metric_namer.go`, `unit_namer.go` and `label_namer.go`, with suffixes and with underscores for what
//! classic names cannot hold.

/// What a name says of its metric besides the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suffix {
    /// `_ratio` when the unit is 1.
    Gauge,
    /// `_total`.
    Counter,
    /// Nothing.
    None,
}

/// The metric name of `name`, which is in `unit` (UCUM): words of letters, digits and colons with underscores between them, then the
/// unit and the suffix unless a word says them already. Empty if there is no word.
pub(super) fn metric_name(name: &str, unit: &str, suffix: Suffix) -> String {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == ':';
    let mut words: Vec<&str> =
        name.split(|character| !is_word(character)).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return String::new();
    }
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = unit_words(main, unit_word);
    let per = unit_words(per, per_unit_word);
    let per = if per.is_empty() { per } else { format!("per_{per}") };
    for unit in [&main, &per] {
        if !unit.is_empty() && !words.contains(&unit.as_str()) {
            words.push(unit);
        }
    }
    let suffix = match suffix {
        Suffix::Counter => Some("total"),
        Suffix::Gauge if unit == "1" => Some("ratio"),
        Suffix::Gauge | Suffix::None => None,
    };
    if let Some(suffix) = suffix {
        words.retain(|&word| word != suffix);
        words.push(suffix);
    }
    let name = words.join("_");
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// One side of a unit as words; empty for an annotation in braces.
fn unit_words(unit: &str, word: fn(&str) -> Option<&'static str>) -> String {
    let unit = unit.trim();
    if unit.contains(['{', '}']) {
        return String::new();
    }
    if let Some(word) = word(unit) {
        return word.to_owned();
    }
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == ':';
    let words = unit.split(|character| !is_word(character)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

fn unit_word(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        _ => return None,
    })
}

fn per_unit_word(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

/// Appends the label name of an attribute: an underscore for each run of what is neither letter nor digit, and `key_` before a digit.
pub(super) fn push_label_name(key: &str, out: &mut Vec<u8>) {
    if key.starts_with(|first: char| first.is_ascii_digit()) {
        out.extend_from_slice(b"key_");
    }
    let mut was_underscore = false;
    for character in key.chars() {
        let is_word = character.is_ascii_alphanumeric();
        if is_word {
            out.push(character as u8);
        } else if !was_underscore {
            out.push(b'_');
        }
        was_underscore = !is_word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_are_those_of_prometheus() {
        use Suffix::{Counter, Gauge, None};
        // From `prometheus/otlptranslator:metric_namer_test.go`.
        for (name, unit, suffix, expected) in [
            ("system.io", "By", Counter, "system_io_bytes_total"),
            (
                "active_directory.ds.replication.network.io",
                "By",
                Counter,
                "active_directory_ds_replication_network_io_bytes_total",
            ),
            ("astro.light.speed_limit", "m/s", Gauge, "astro_light_speed_limit_meters_per_second"),
            ("system.cpu.utilization", "1", Gauge, "system_cpu_utilization_ratio"),
            ("system.cpu.utilization", "1", None, "system_cpu_utilization"),
            ("system.cpu.time", "s", Counter, "system_cpu_time_seconds_total"),
            ("hystrix.threads", "{threads}", Gauge, "hystrix_threads"),
            ("requests", "{request}/s", Gauge, "requests_per_second"),
            ("http.server.duration", "ms", None, "http_server_duration_milliseconds"),
            ("foo_seconds", "s", Gauge, "foo_seconds"),
            ("foo_total", "", Counter, "foo_total"),
            ("total_foo", "", Counter, "foo_total"),
            ("a__b..c", "", Gauge, "a_b_c"),
            ("2xx", "", Gauge, "_2xx"),
            ("a:b", "", Gauge, "a:b"),
            ("temperature", "Cel", Gauge, "temperature_celsius"),
            ("load", "%", Gauge, "load_percent"),
            ("x", "req/my-unit", Gauge, "x_req_per_my_unit"),
            ("x", "foo bar", Gauge, "x_foo_bar"),
            ("speed", "km/h", Gauge, "speed_km_per_hour"),
            ("größe", "", Gauge, "gr_e"),
            ("...", "s", Gauge, ""),
            ("", "", Counter, ""),
        ] {
            assert_eq!(metric_name(name, unit, suffix), expected, "{name} in {unit}");
        }
    }

    #[test]
    fn label_names_are_those_of_prometheus() {
        for (key, expected) in [
            ("http.method", "http_method"),
            ("a", "a"),
            ("_private", "_private"),
            ("2xx", "key_2xx"),
            ("a..b--c", "a_b_c"),
            ("é", "_"),
            ("__name__", "_name_"),
            ("", ""),
        ] {
            let mut name = Vec::new();
            push_label_name(key, &mut name);
            assert_eq!(String::from_utf8(name).unwrap(), expected, "{key}");
        }
    }
}
