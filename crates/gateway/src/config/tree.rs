//! Settings as they were given, before they have types: a tree of values, each with the place that set it.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The place that set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The defaults, which are compiled in.
    Default,
    /// A line of the file, from 1.
    Line(usize),
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line.
    Option(&'static str),
}

/// A value with the place that set it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value of TOML.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A string, or a date, which no setting is.
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Entry>),
    /// In the order in which it was written. Tables of settings are short.
    Table(Vec<(String, Entry)>),
}

impl Entry {
    pub(super) fn table(origin: Origin) -> Self {
        Self { value: Value::Table(Vec::new()), origin }
    }

    /// Reads a file of settings, or the defaults if `origin` is that.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong there.
    pub(super) fn parse(text: &str, origin: Option<Origin>) -> Result<Self, (usize, String)> {
        let line_at = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let origin_at = |offset: usize| origin.clone().unwrap_or_else(|| Origin::Line(line_at(offset)));
        let root = DeTable::parse(text).map_err(|error| {
            let start = error.span().map(|span| span.start).unwrap_or_default();
            (line_at(start), error.message().to_owned())
        })?;
        Ok(Self { value: Value::Table(table(root.get_ref(), &origin_at)), origin: origin_at(0) })
    }

    /// Returns what is set under a path, whose steps are the keys of tables and the positions in lists.
    pub(super) fn get<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |entry, step| match &entry.value {
            Value::Table(table) => table.iter().find(|(key, _)| key == step).map(|(_, entry)| entry),
            Value::List(list) => list.get(step.parse::<usize>().ok()?),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => None,
        })
    }

    /// Sets a value in nested tables, which are made where they are missing. What is in the way is replaced.
    pub(super) fn set(&mut self, path: &[String], entry: Self) {
        let Some((step, rest)) = path.split_first() else {
            *self = entry;
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::table(entry.origin.clone());
        }
        let Value::Table(table) = &mut self.value else { return };
        let position = table.iter().position(|(key, _)| key == step).unwrap_or_else(|| {
            table.push((step.clone(), Self::table(entry.origin.clone())));
            table.len() - 1
        });
        if let Some((_, next)) = table.get_mut(position) {
            next.set(rest, entry);
        }
    }

    /// Removes what is set under a path.
    pub(super) fn remove(&mut self, path: &[String]) {
        let Some((step, rest)) = path.split_first() else { return };
        let position = step.parse::<usize>();
        match &mut self.value {
            Value::Table(table) if rest.is_empty() => table.retain(|(key, _)| key != step),
            Value::Table(table) => {
                if let Some((_, next)) = table.iter_mut().find(|(key, _)| key == step) {
                    next.remove(rest);
                }
            }
            Value::List(list) => match position.ok().filter(|position| *position < list.len()) {
                Some(position) if rest.is_empty() => drop(list.remove(position)),
                Some(position) => list.iter_mut().skip(position).take(1).for_each(|next| next.remove(rest)),
                None => {}
            },
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
        }
    }

    /// Lays other values over these: tables are joined, all else is replaced.
    pub(super) fn overlay(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Table(table), Value::Table(over)) => {
                for (key, entry) in over {
                    match table.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, below)) => below.overlay(entry),
                        None => table.push((key, entry)),
                    }
                }
            }
            (_, value) => *self = Self { value, origin: over.origin },
        }
    }

    /// Calls a function for each text in the tree, with its name, in which the elements of a list have that of the list.
    pub(super) fn for_each_text(&mut self, name: &str, change: &mut impl FnMut(&str, &mut String)) {
        match &mut self.value {
            Value::Text(text) => change(name, text),
            Value::Table(table) => {
                for (key, entry) in table {
                    let dot = if name.is_empty() { "" } else { "." };
                    entry.for_each_text(&format!("{name}{dot}{key}"), change);
                }
            }
            Value::List(list) => list.iter_mut().for_each(|entry| entry.for_each_text(name, change)),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
        }
    }

    /// Returns the names of all settings that are no tables.
    pub(super) fn names(&self) -> Vec<String> {
        let Value::Table(table) = &self.value else { return Vec::new() };
        table.iter().fold(Vec::new(), |mut names, (key, entry)| {
            if matches!(entry.value, Value::Table(_)) {
                names.extend(entry.names().iter().map(|name| format!("{key}.{name}")));
            } else {
                names.push(key.clone());
            }
            names
        })
    }
}

fn table(table: &DeTable<'_>, origin_at: &impl Fn(usize) -> Origin) -> Vec<(String, Entry)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| {
        // A value may begin lines below its key, and people look for the key.
        let origin = origin_at(key.span().start);
        (key.get_ref().to_string(), Entry { value: value_of(value, origin_at), origin })
    });
    entries.collect()
}

fn value_of(value: &Spanned<DeValue<'_>>, origin_at: &impl Fn(usize) -> Origin) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        // What does not fit is a text, so that the error shows it.
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| Value::Text(integer.to_string()), Value::Integer),
        DeValue::Float(float) => float.as_str().parse().map_or_else(|_| Value::Text(float.to_string()), Value::Float),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(array) => Value::List(
            array
                .iter()
                .map(|element| Entry { value: value_of(element, origin_at), origin: origin_at(element.span().start) })
                .collect(),
        ),
        DeValue::Table(inner) => Value::Table(table(inner, origin_at)),
    }
}
