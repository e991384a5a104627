//! Columns for people.

use console::{Alignment, measure_text_width, pad_str, style};

/// A table whose columns are as wide as what is in them. Numbers go to the right.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<(&'static str, Alignment)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns by name; `>` before a name sends it to the right.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        let head = |name: &&'static str| match name.strip_prefix('>') {
            Some(name) => (name, Alignment::Right),
            None => (*name, Alignment::Left),
        };
        Self {
            heads: heads.iter().map(head).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, heads first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| measure_text_width(cell))
                .chain([self.heads[column].0.len()])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let line = |cells: Vec<String>| {
            let padded = cells.iter().zip(&widths).zip(&self.heads);
            let padded = padded.map(|((cell, width), head)| pad_str(cell, *width, head.1, None).into_owned());
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let heads = line(self.heads.iter().map(|(name, _)| (*name).to_owned()).collect());
        let rows = self.rows.iter().map(|row| line(row.clone()));
        [style(heads).dim().to_string()].into_iter().chain(rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["name", ">count"]);
        table.row(vec!["a".into(), "1000".into()]);
        table.row(vec!["日本語".into(), "2".into()]);
        assert_eq!(table.lines()[1..], ["a        1000", "日本語      2"]);
    }
}
