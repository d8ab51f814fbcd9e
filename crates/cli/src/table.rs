//! Tables for people: as wide as their cells, and no wider than the terminal.

use std::io::IsTerminal;

use terminal_size::{Width, terminal_size_of};

/// The content of a column: it decides where cells stand, and what happens to them on a narrow terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Stands to the left, and is the first to be cut.
    Text,
    /// Stands to the right. It is never cut, as that would make another number of it; its head may be.
    Number,
    /// Stands to the left, and is the last to be cut: it is copied into other commands.
    Id,
}

/// The least width to which columns are cut. Below it nothing can be recognised.
const LEAST: [(Column, usize); 3] = [(Column::Text, 8), (Column::Number, 4), (Column::Id, 12)];

/// What stands between two columns.
const BETWEEN: &str = "  ";

/// Returns the width of the terminal on standard output; none if it is no terminal.
pub(crate) fn width() -> Option<usize> {
    let out = std::io::stdout();
    let (Width(width), _) = terminal_size_of(&out).filter(|_| out.is_terminal())?;
    (width > 0).then_some(width.into())
}

/// Writes rows with their head first. Columns are as wide as their widest cell; if that is more than `width`, they are cut,
/// and if that is not enough, columns of numbers and then of text are left out from the right, which the last line says.
pub(crate) fn table(rows: &[Vec<String>], kind: impl Fn(usize) -> Column, width: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (mut kept, mut left_out): (Vec<_>, Vec<_>) =
        ((0..columns).map(|column| Shape::of(rows, column, kind(column))).collect(), Vec::new());
    if let Some(width) = width {
        while whole(kept.iter().map(|shape| shape.least)) > width {
            let last = |kind| kept.iter().rposition(|shape| shape.kind == kind);
            // The first column names the row.
            let Some(position) = last(Column::Number).or(last(Column::Text)).filter(|position| *position > 0) else {
                break;
            };
            left_out.push(kept.remove(position).column);
        }
        cut(&mut kept, width);
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = kept.iter().map(|shape| shape.cell(row)).collect();
        text.push_str(cells.join(BETWEEN).trim_end());
        text.push('\n');
    }
    if let (Some(head), false) = (rows.first(), left_out.is_empty()) {
        left_out.sort_unstable();
        let names: Vec<_> = left_out.iter().filter_map(|column| head.get(*column)).map(String::as_str).collect();
        text.push_str(&format!("not shown, as the terminal is too narrow: {}; --json has all\n", names.join(", ")));
    }
    text
}

/// A column and the width that it gets.
struct Shape {
    column: usize,
    kind: Column,
    width: usize,
    least: usize,
}

impl Shape {
    fn of(rows: &[Vec<String>], column: usize, kind: Column) -> Self {
        let widest = |rows: &[Vec<String>]| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let width = widest(rows);
        let least = LEAST.iter().find(|(of, _)| *of == kind).map_or(0, |(_, least)| *least);
        let least = match kind {
            Column::Number => least.max(widest(rows.get(1..).unwrap_or_default())),
            Column::Text | Column::Id => least,
        };
        Self { column, kind, width, least: least.min(width) }
    }

    fn cell(&self, row: &[String]) -> String {
        let cell = row.get(self.column).map(String::as_str).unwrap_or_default();
        let width = self.width;
        let cell = if cell.chars().count() > width {
            cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        } else {
            cell.to_owned()
        };
        match self.kind {
            Column::Number => format!("{cell:>width$}"),
            Column::Text | Column::Id => format!("{cell:<width$}"),
        }
    }
}

/// The width of a line with columns of these widths.
fn whole(widths: impl ExactSizeIterator<Item = usize>) -> usize {
    let between = BETWEEN.len() * widths.len().saturating_sub(1);
    widths.sum::<usize>() + between
}

/// Makes columns narrower until a line fits, the widest first, or none can be any narrower.
fn cut(columns: &mut [Shape], width: usize) {
    for kind in [Column::Text, Column::Number, Column::Id] {
        while whole(columns.iter().map(|shape| shape.width)) > width {
            let of_kind = columns.iter_mut().filter(|shape| shape.kind == kind && shape.width > shape.least);
            let Some(widest) = of_kind.max_by_key(|shape| shape.width) else { break };
            widest.width -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn kind(column: usize) -> Column {
        [Column::Id, Column::Text, Column::Number, Column::Number, Column::Text][column]
    }

    fn rows() -> Vec<Vec<String>> {
        let reason = "a reason of so many words that no terminal has room for it in the same line as all the rest";
        [["STREAM", "STATE", "INTERRUPTIONS", "AUDIO", "REASON"], [ID, "connected", "12", "1234567", reason]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec()
    }

    #[test]
    fn numbers_stand_to_the_right_and_nothing_is_cut_without_a_terminal() {
        let lines = table(&rows(), kind, None);
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines[0], format!("{:<32}  STATE      INTERRUPTIONS    AUDIO  REASON", "STREAM"));
        assert!(lines[1].starts_with(&format!("{ID}  connected             12  1234567  a reason of")), "{}", lines[1]);
        assert!(lines[1].ends_with("all the rest"));
    }

    #[test]
    fn on_a_terminal_text_is_cut_first_then_heads_of_numbers_then_ids() {
        let at = |width| table(&rows(), kind, Some(width)).lines().map(str::to_owned).collect::<Vec<_>>();

        let whole = format!("{ID}  connected             12  1234567  a reason of so many words that…");
        assert_eq!(at(100)[1], whole);
        let heads = format!("{:<32}  STATE     INTERR…    AUDIO  REASON", "STREAM");
        assert_eq!(at(70), [heads, format!("{ID}  connect…       12  1234567  a reaso…")]);
        let heads = "STREAM           STATE     INT…    AUDIO  REASON".to_owned();
        assert_eq!(at(50), [heads, "0123456789abcd…  connect…    12  1234567  a reaso…".to_owned()]);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_what_is_left_out_is_named() {
        for width in 25..200 {
            let text = table(&rows(), kind, Some(width));
            let mut lines = text.lines();
            assert!(lines.by_ref().take(2).all(|line| line.chars().count() <= width), "{width}: {text}");
            assert!(text.contains("1234567") || text.contains("not shown, as the terminal is too narrow"), "{text}");
        }
        let narrow = table(&rows(), kind, Some(40));
        assert!(narrow.ends_with("too narrow: AUDIO; --json has all\n"), "{narrow}");
    }
}
