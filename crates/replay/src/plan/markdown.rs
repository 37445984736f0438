//! A plan for the comment on a pull request.

use std::fmt::Write;

use super::model::Plan;
use super::text::{counts_text, more, one_line, side_text, title, what};
use crate::report::time_text;

/// `plan` as Markdown, as GitHub and GitLab read it, with a table of its first `rows_max` changes. Labels, which anybody may have
/// sent, stay within their cell.
pub fn markdown(plan: &Plan, rows_max: usize) -> String {
    let mut text = format!("### {}\n\n**{}**\n\n", title(plan), counts_text(plan));
    // Writing to a String cannot fail.
    for (name, side) in [("old", &plan.old), ("new", &plan.new)] {
        _ = writeln!(text, "* {name}: {}", side_text(plan, side));
    }
    if plan.changes.is_empty() {
        return text;
    }
    text.push_str("\n| change | at (UTC) | | series |\n| --- | --- | --- | --- |\n");
    for difference in plan.changes.iter().take(rows_max) {
        _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            difference.change.as_str(),
            time_text(difference.fired_at_ms()),
            plain(&what(difference)),
            code(&difference.series),
        );
    }
    if let Some(more) = more(plan, rows_max) {
        _ = writeln!(text, "\n{more}");
    }
    text
}

/// `text` as code in a cell of a table. What would end the code or the cell is written as entities.
fn code(text: &str) -> String {
    let text = one_line(text);
    if text.contains(['`', '|']) {
        format!("<code>{}</code>", plain(&text))
    } else {
        format!("`{text}`")
    }
}

/// `text` with nothing in it that Markdown could take for its own.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in one_line(text).chars() {
        if character.is_ascii_punctuation() && !matches!(character, '-' | '.' | ',') {
            _ = write!(plain, "&#{};", u32::from(character));
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_labels_stay_within_their_cell() {
        assert_eq!(code(r#"up{job="a_b"}"#), r#"`up{job="a_b"}`"#);
        for hostile in ["a`b|c", "`| <img src=x> |\n| x", r#"m{a="\\|"}"#, "](http://x)|"] {
            let text = code(hostile);
            let inner = text.strip_prefix("<code>").and_then(|text| text.strip_suffix("</code>"));
            let inner = inner.unwrap_or_else(|| panic!("{text}"));
            assert!(!inner.contains(['`', '|', '<', '\n', '\\', '[']), "{text}");
        }
        assert_eq!(plain("warning -> critical"), "warning -&#62; critical");
    }
}
