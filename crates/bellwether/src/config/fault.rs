//! Faults of a configuration file, each with its place and a mend.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::mask;
use super::tree::{Entry, Node, NodeValue};

/// Everything that is wrong with a configuration file. Displays as a report to read; values of secrets and
/// of environment variables are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    name: String,
    masked: String,
    /// Whether lines of it are shown. Of a text that is no document nobody knows what is a secret.
    shows_lines: bool,
    list: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, such as `rules[0].match`; empty for the whole file.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub mend: String,
    /// Where it is, in bytes.
    pub span: Range<usize>,
}

impl Faults {
    /// What is wrong, in the order of the file; never empty.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// Line and column of `fault`, both from 1.
    pub fn position(&self, fault: &Fault) -> (usize, usize) {
        let before = &self.masked[..fault.span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain();
        for (index, fault) in self.list.iter().enumerate() {
            let (number, column) = self.position(fault);
            let title = Level::ERROR.primary_title(&fault.message);
            let mut report = if self.shows_lines {
                let line = self.masked[..fault.span.start].rfind('\n').map_or(0, |at| at + 1);
                let end = self.masked[line..].find('\n').map_or(self.masked.len(), |at| line + at);
                let span =
                    fault.span.start - line..fault.span.end.min(end).max(fault.span.start) - line;
                let snippet = Snippet::source(&self.masked[line..end])
                    .path(&self.name)
                    .line_start(number)
                    .annotation(AnnotationKind::Primary.span(span));
                title.element(snippet)
            } else {
                title.element(Origin::path(&self.name).line(number).char_column(column))
            };
            if !fault.field.is_empty() {
                report = report.element(Level::NOTE.with_name("field").message(&fault.field));
            }
            let report = [report.element(Level::HELP.message(&fault.mend))];
            let separator = if index == 0 { "" } else { "\n\n" };
            write!(f, "{separator}{}", renderer.render(&report))?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Collects faults while a file is read.
pub(super) struct Collector<'a> {
    source: &'a str,
    /// Where each field's key and value stand.
    spots: BTreeMap<String, (Range<usize>, Range<usize>)>,
    /// Fields about which everything is said.
    settled: BTreeSet<String>,
    /// Starts of values that could not be had.
    lost: BTreeSet<usize>,
    /// Values that must not be shown.
    secrets: Vec<Range<usize>>,
    /// Whether the text is a document.
    is_understood: bool,
    faults: Vec<Fault>,
}

impl<'a> Collector<'a> {
    /// A collector for the file whose text is `source`.
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            spots: BTreeMap::new(),
            settled: BTreeSet::new(),
            lost: BTreeSet::new(),
            secrets: Vec::new(),
            is_understood: false,
            faults: Vec::new(),
        }
    }

    /// Learns where the fields of the document `root` stand, and which of them sound like secrets.
    pub(super) fn understand(&mut self, root: &Node) {
        self.is_understood = true;
        self.locate(root, "");
    }

    fn locate(&mut self, node: &Node, path: &str) {
        match &node.value {
            NodeValue::Null => {}
            NodeValue::Scalar(..) => {
                let text = self.source.get(node.span.clone()).unwrap_or_default();
                for part in mask::hidden_in_urls(text) {
                    self.hide(node.span.start + part.start..node.span.start + part.end);
                }
                // A URL may be broken into lines.
                if let Some(first) = text.find('\n').filter(|_| text.contains("://")) {
                    self.hide(node.span.start + first..node.span.end);
                }
            }
            NodeValue::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.spots.insert(path.clone(), (item.span.clone(), item.span.clone()));
                    self.locate(item, &path);
                }
            }
            NodeValue::Map(entries) => {
                for entry in entries {
                    let path = join(path, &entry.key);
                    let spans = (entry.key_span.clone(), entry.value.span.clone());
                    self.spots.insert(path.clone(), spans);
                    self.locate(&entry.value, &path);
                    if mask::announces_secret(&entry.key) {
                        self.hide_all(&entry.value);
                    }
                }
            }
        }
    }

    /// Keeps everything under `node` out of every report.
    fn hide_all(&mut self, node: &Node) {
        self.hide(node.span.clone());
        match &node.value {
            NodeValue::Null | NodeValue::Scalar(..) => {}
            NodeValue::Seq(items) => items.iter().for_each(|item| self.hide_all(item)),
            NodeValue::Map(entries) => {
                for Entry { key_span, value, .. } in entries {
                    self.hide(key_span.clone());
                    self.hide_all(value);
                }
            }
        }
    }

    /// Reports that the value of `field` is wrong.
    pub(super) fn value(
        &mut self,
        field: &str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let span = self.spot(field, |(_, value)| value);
        if !self.lost.contains(&span.start) {
            self.push(field, span, message.into(), mend.into());
        }
    }

    /// Reports that the key `field` is wrong; its value is not shown.
    pub(super) fn key(&mut self, field: &str, message: impl Into<String>, mend: impl Into<String>) {
        let span = self.spot(field, |(key, _)| key);
        self.push(field, span, message.into(), mend.into());
    }

    /// Reports a fault of the text at `span`, whose value is lost.
    pub(super) fn text(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.lost.insert(span.start);
        self.faults.push(Fault {
            field: String::new(),
            message: message.into(),
            mend: mend.into(),
            span,
        });
    }

    /// Says no more about `field`.
    pub(super) fn settle(&mut self, field: &str) {
        self.settled.insert(field.to_owned());
    }

    /// Keeps `span` out of every report.
    pub(super) fn hide(&mut self, span: Range<usize>) {
        self.secrets.push(span);
    }

    /// Whether `value`, that of `field`, may be repeated: it stands in the file as it is, so it cannot have
    /// come out of the environment, be it by an alias.
    pub(super) fn may_repeat(&self, field: &str, value: &str) -> bool {
        !self.source.contains("${") || self.written(field).contains(value)
    }

    /// The text of `field` as it stands in the file.
    pub(super) fn written(&self, field: &str) -> &'a str {
        self.source.get(self.spot(field, |(_, value)| value)).unwrap_or_default()
    }

    /// The faults, in the order of the file; `None` when there are none. `name` is the file's.
    pub(super) fn finish(mut self, name: &str) -> Option<Faults> {
        if self.faults.is_empty() {
            return None;
        }
        // A fault of the text is found before its field is known.
        for fault in self.faults.iter_mut().filter(|fault| fault.field.is_empty()) {
            let at = |(_, (_, value)): &(&String, &(_, Range<usize>))| *value == fault.span;
            if let Some((field, _)) = self.spots.iter().find(at) {
                fault.field.clone_from(field);
            }
        }
        self.faults.sort_by(|a, b| (a.span.start, &a.field).cmp(&(b.span.start, &b.field)));
        let masked = if self.is_understood {
            mask::mask(self.source, &self.secrets)
        } else {
            mask::mask_all(self.source)
        };
        for fault in &mut self.faults {
            fault.span = clamp(&masked, &fault.span);
        }
        let (name, shows_lines) = (name.to_owned(), self.is_understood);
        Some(Faults { name, masked, shows_lines, list: self.faults })
    }

    fn push(&mut self, field: &str, span: Range<usize>, message: String, mend: String) {
        if self.settled.insert(field.to_owned()) {
            self.faults.push(Fault { field: field.to_owned(), message, mend, span });
        }
    }

    /// The place of `field`, or of the nearest field around it that is in the file.
    fn spot(
        &self,
        field: &str,
        choose: impl Fn(&(Range<usize>, Range<usize>)) -> &Range<usize>,
    ) -> Range<usize> {
        if let Some(spans) = self.spots.get(field) {
            return choose(spans).clone();
        }
        let mut around = field;
        while let Some(at) = around.rfind(['.', '[']) {
            around = &around[..at];
            if let Some((key, _)) = self.spots.get(around) {
                return key.clone();
            }
        }
        0..0
    }
}

/// The path of `key` within the mapping at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `span` cut to what is there, at boundaries of characters.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    start..text.ceil_char_boundary(span.end.clamp(start, text.len()))
}
