//! The settings that are in effect, as a file that can be used again.

use std::{fmt, path::Path};

use crate::config::{
    settings::{PATHS, Settings},
    tree::{Entry, Value},
};

const HEADER: &str = "\
# The settings in effect. A comment names the place of each that is not the default. Paths are absolute.
";

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        let mut root = self.root.clone();
        root.for_each_text("", &mut |name, text| {
            // Relative ones would start from the folder of the file that this becomes.
            if PATHS.contains(&name)
                && let Ok(absolute) = std::path::absolute(Path::new(&text))
            {
                *text = absolute.to_string_lossy().into_owned();
            }
        });
        self.write_table(f, "", &root)
    }
}

impl Settings {
    /// Writes the values of a table, and behind them the tables in it.
    fn write_table(&self, f: &mut fmt::Formatter<'_>, name: &str, table: &Entry) -> fmt::Result {
        let Value::Table(entries) = &table.value else { return Ok(()) };
        let full_name = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        for (key, entry) in entries.iter().filter(|(_, entry)| !is_table(entry) && !is_list_of_tables(entry)) {
            write!(f, "{key} = {}", Written(&entry.value))?;
            self.write_origin(f, entry)?;
        }
        for (key, entry) in entries {
            let name = full_name(key);
            if is_table(entry) {
                write!(f, "\n[{name}]\n")?;
                self.write_table(f, &name, entry)?;
            } else if let (Value::List(list), true) = (&entry.value, is_list_of_tables(entry)) {
                for element in list {
                    write!(f, "\n[[{name}]]")?;
                    self.write_origin(f, element)?;
                    self.write_table(f, &name, element)?;
                }
            }
        }
        Ok(())
    }

    fn write_origin(&self, f: &mut fmt::Formatter<'_>, entry: &Entry) -> fmt::Result {
        match self.place(&entry.origin) {
            Some(place) => writeln!(f, "  # {place}"),
            None => writeln!(f),
        }
    }
}

fn is_table(entry: &Entry) -> bool {
    matches!(entry.value, Value::Table(_))
}

fn is_list_of_tables(entry: &Entry) -> bool {
    matches!(&entry.value, Value::List(list) if list.first().is_some_and(is_table))
}

/// A value as TOML writes it in one line.
struct Written<'a>(&'a Value);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(text) => write_text(f, text),
            Value::Integer(integer) => write!(f, "{integer}"),
            Value::Float(float) => write!(f, "{float:?}"),
            Value::Boolean(boolean) => write!(f, "{boolean}"),
            Value::List(list) => {
                f.write_str("[")?;
                for (position, element) in list.iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", Written(&element.value))?;
                }
                f.write_str("]")
            }
            // Not reached: tables have lines of their own.
            Value::Table(_) => f.write_str("{}"),
        }
    }
}

/// Writes a basic string of TOML.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for symbol in text.chars() {
        match symbol {
            '"' | '\\' => write!(f, "\\{symbol}")?,
            symbol if symbol.is_control() => write!(f, "\\u{:04x}", u32::from(symbol))?,
            symbol => write!(f, "{symbol}")?,
        }
    }
    f.write_str("\"")
}
