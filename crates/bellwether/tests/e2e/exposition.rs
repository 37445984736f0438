//! Reading the Prometheus text format.

/// Sum of all series of the family `name`, 0 if there is none.
pub(crate) fn total(text: &str, name: &str) -> f64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with(['{', ' ']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[test]
fn a_total_sums_one_family_only() {
    let text = "# TYPE a counter\na{x=\"1 2\"} 3\na{x=\"b\"} 4.5\na_total 10\nb 20\n";
    assert!((total(text, "a") - 7.5).abs() < 1e-9);
    assert!(total(text, "c").abs() < 1e-9);
}
