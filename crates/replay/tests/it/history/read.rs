//! What readers make of columns, times and values.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, RecordBatch, StringViewArray,
    TimestampSecondArray, UInt16Array,
};
use arrow_ipc::writer::FileWriter;
use bellwether_replay::history::{Catalog, HistoryError, Input, Mapping, ReadCounts, TimeUnit};

/// Samples as `series at_ms value`, what was decided about columns, and counts.
type Read = (Vec<String>, String, ReadCounts);

pub(super) fn read(path: &Path, mapping: &Mapping) -> Result<Read, HistoryError> {
    let catalog = Arc::new(Catalog::default());
    let (input, stop) = (Input::look_at(path)?, AtomicBool::new(false));
    let (mut reader, note) = input.open(mapping, &catalog, &stop)?;
    let mut rows = Vec::new();
    while reader.read(&mut rows)? {}
    let mut series = Vec::new();
    catalog.copy_new(&mut series);
    let line = |row: &bellwether_engine::NumberedSample| {
        format!("{} {} {}", series[row.series as usize], row.at.as_ms(), row.value)
    };
    Ok((rows.iter().map(line).collect(), note, reader.counts()))
}

fn read_text(name: &str, text: &str, mapping: &Mapping) -> Result<Read, HistoryError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file");
    read(&path, mapping)
}

/// Why it cannot be read, with causes.
fn refused(name: &str, text: &str) -> String {
    let error = read_text(name, text, &Mapping::default()).expect_err("an error");
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}

#[test]
fn a_long_csv_file_is_understood() {
    let text = "\u{feff}Time, host ,value\n1750032000,a,1.5\n1750032000.25, b ,-2e3\n,c,1\n1750032060,a,\n";
    let (rows, note, counts) = read_text("load.csv", text, &Mapping::default()).expect("rows");
    let expected = ["load{host=\"a\"} 1750032000000 1.5", "load{host=\"b\"} 1750032000250 -2000"];
    assert_eq!(rows, expected);
    assert_eq!(note, "time=`Time` in s, value: `value`, labels: `host`");
    let expected = ReadCounts { rows: 4, samples: 2, empty_values: 1, rows_without_time: 1 };
    assert_eq!(counts, expected);
}

#[test]
fn a_wide_csv_file_is_understood() {
    let text = "date\tcpu\t\"mem{host=\"\"a\"\"}\"\n2025-06-16T00:00:00+00:00\t1\t2\n2025-06-16 00:01\tNaN\tnull\n";
    let (rows, note, _) = read_text("x.tsv", text, &Mapping::default()).expect("rows");
    let expected =
        ["cpu 1750032000000 1", "mem{host=\"a\"} 1750032000000 2", "cpu 1750032060000 NaN"];
    assert_eq!(rows, expected);
    assert_eq!(note, "time=`date`, values: `cpu`, `mem{host=\"a\"}`");
}

#[test]
fn a_unit_that_is_said_is_no_guess() {
    let mapping = Mapping { time_unit: Some(TimeUnit::Milliseconds), ..Mapping::default() };
    let (rows, note, _) = read_text("x.csv", "ts,v\n1750032000,1\n", &mapping).expect("rows");
    assert_eq!(
        (rows[0].as_str(), note.as_str()),
        ("x 1750032000 1", "time=`ts` in ms, value: `v`")
    );
}

#[test]
fn json_lines_are_understood() {
    let text = r#"{"metric":"up","labels":{"job":"a"},"timestamp":"2025-06-16T00:00:00Z","value":1}
{"metric":"up{job=\"a\"}","timestamp":1750032000.5,"value":"NaN"}

{"metric":{"__name__":"up","job":"a"},"timestamps":[1750032001,1750032002],"values":[1,null]}
"#;
    let (rows, _, counts) = read_text("x.json", text, &Mapping::default()).expect("rows");
    let up = "up{job=\"a\"}";
    let expected = ["1750032000000 1", "1750032000500 NaN", "1750032001000 1"];
    assert_eq!(rows, expected.map(|rest| format!("{up} {rest}")));
    assert_eq!((counts.samples, counts.empty_values), (3, 1));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, expected) in [
        ("ts,v\n1,2\nsoon,3\n", "cell is no time: path=`"),
        ("ts,v\n1,2\nsoon,3\n", "x.csv`, row=`3`, column=`ts`, value=`soon`"),
        ("ts,v\n1,2\n2,3,4\n", "file is damaged or no CSV"),
        ("a,b\nx,y\n", "name it with --time"),
        ("", "x.csv`; it is empty"),
    ] {
        let message = refused("x.csv", text);
        assert!(message.contains(expected), "{message}");
    }
    let long = format!("ts,v\n{}3,much\n", "1,2\n".repeat(200));
    let message = refused("x.csv", &long);
    assert!(message.contains("row=`202`, column=`v`, value=`much`"), "{message}");
    for (text, expected) in [
        (
            "{\"metric\":\"m\",\"timestamp\":1,\"value\":1}\n{}\n",
            "line=`2`: missing field `metric`",
        ),
        ("{\"metric\":\"m\",\"time\":1}\n", "unknown field `time`"),
        ("{\"metric\":\"m\",\"timestamps\":[1],\"values\":[]}\n", "not equally many"),
        ("{\"metric\":\"\",\"timestamp\":1,\"value\":1}\n", "series has no metric name"),
    ] {
        let message = refused("x.jsonl", text);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn columns_of_any_type_are_understood() {
    let columns: [(&str, ArrayRef); 6] = [
        ("day", Arc::new(Date32Array::from(vec![Some(20_255), None, Some(20_256)]))),
        ("code", Arc::new(UInt16Array::from(vec![Some(200), Some(200), None]))),
        ("is_up", Arc::new(BooleanArray::from(vec![true, true, false]))),
        ("since", Arc::new(TimestampSecondArray::from(vec![1, 2, 3]))),
        ("zone", Arc::new(StringViewArray::from(vec!["a", "b", "a"]))),
        ("value", Arc::new(Float32Array::from(vec![Some(1.5), Some(2.0), Some(3.0)]))),
    ];
    let table = RecordBatch::try_from_iter(columns).expect("a table");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.feather");
    let file = fs::File::create(&path).expect("a file");
    let mut writer = FileWriter::try_new(file, &table.schema()).expect("a file");
    writer.write(&table).expect("a file");
    writer.finish().expect("a file");
    let mapping = Mapping { time: Some("day".to_owned()), ..Mapping::default() };
    let (rows, note, counts) = read(&path, &mapping).expect("rows");
    let expected = [
        r#"x{code="200",is_up="true",since="1000",zone="a"} 1750032000000 1.5"#,
        r#"x{is_up="false",since="3000",zone="a"} 1750118400000 3"#,
    ];
    assert_eq!(rows, expected);
    assert_eq!(note, "time=`day`, value: `value`, labels: `code`, `is_up`, `since`, `zone`");
    assert_eq!(counts.rows_without_time, 1);
    let mapping = Mapping { values: vec!["zone".to_owned()], ..mapping };
    let error = read(&path, &mapping).expect_err("an error");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert_eq!(cause, "column does not hold numbers: column=`zone`");
}
