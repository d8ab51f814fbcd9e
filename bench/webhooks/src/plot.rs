//! The plot: a panel per figure with logarithmic axes, over connections. Budgets are dashed, a diamond where they count.

use std::fmt::Write;

use crate::{
    report::{BUDGETS, Figure},
    rounds::{CONNECTIONS, Row},
    servers::Which,
};

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 400.0;
const PANEL_WIDTH: f64 = 280.0;
const PANEL_HEIGHT: f64 = 250.0;
const TOP: f64 = 60.0;
/// The colour of budgets.
const BUDGET: &str = "#15803d";

struct Panel<'a> {
    title: &'a str,
    left: f64,
    /// Powers of ten at the bottom and the top of the axis.
    from: i32,
    to: i32,
    figure: Figure,
    /// What a figure is multiplied with: seconds are shown as milliseconds.
    scale: f64,
}

pub(crate) fn svg(rows: &[Row]) -> String {
    let mut text = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
"##
    );
    let panels = [
        Panel {
            title: "Requests a second (more is better)",
            left: 70.0,
            from: 1,
            to: 5,
            figure: Figure::PerSecond,
            scale: 1.0,
        },
        Panel {
            title: "Median, ms (less is better)",
            left: 420.0,
            from: -1,
            to: 4,
            figure: Figure::P50,
            scale: 1000.0,
        },
        Panel {
            title: "99th percentile, ms (less is better)",
            left: 770.0,
            from: -1,
            to: 4,
            figure: Figure::P99,
            scale: 1000.0,
        },
    ];
    for panel in &panels {
        panel.draw(rows, &mut text);
    }
    for (index, which) in Which::ALL.into_iter().enumerate() {
        let x = 70.0 + 270.0 * index as f64;
        let y = HEIGHT - 20.0;
        // Writing into a string does not fail, here and below.
        let _ = writeln!(
            text,
            r#"<rect x="{x}" y="{}" width="18" height="4" fill="{}"/><text x="{}" y="{y}">{}</text>"#,
            y - 6.0,
            colour(which),
            x + 26.0,
            which.name().replace('`', "")
        );
    }
    let (x, y) = (70.0 + 270.0 * Which::ALL.len() as f64, HEIGHT - 20.0);
    let _ = writeln!(
        text,
        r#"<path d="M{x} {}h18" stroke="{BUDGET}" stroke-width="1.5" stroke-dasharray="5 4"/><text x="{}" y="{y}">budget of ours</text>"#,
        y - 4.0,
        x + 26.0
    );
    text + "</svg>\n"
}

impl Panel<'_> {
    fn draw(&self, rows: &[Row], text: &mut String) {
        let bottom = TOP + PANEL_HEIGHT;
        let _ = writeln!(text, r#"<text x="{}" y="{}" font-size="15">{}</text>"#, self.left, TOP - 22.0, self.title);
        for power in self.from..=self.to {
            let y = self.y(10_f64.powi(power));
            let label = if power < 0 {
                format!("{:.1}", 10_f64.powi(power))
            } else {
                format!("{}", 10_i64.pow(power.unsigned_abs()))
            };
            let right = self.left + PANEL_WIDTH;
            let _ = writeln!(
                text,
                r##"<line x1="{}" y1="{y:.1}" x2="{right}" y2="{y:.1}" stroke="#dddddd"/><text x="{}" y="{:.1}" text-anchor="end">{label}</text>"##,
                self.left,
                self.left - 8.0,
                y + 4.0
            );
        }
        for connections in CONNECTIONS {
            let x = self.x(connections);
            let _ =
                writeln!(text, r#"<text x="{x:.1}" y="{}" text-anchor="middle">{connections}</text>"#, bottom + 20.0);
        }
        let middle = self.left + PANEL_WIDTH / 2.0;
        let _ = writeln!(text, r#"<text x="{middle}" y="{}" text-anchor="middle">connections</text>"#, bottom + 40.0);
        for which in Which::ALL {
            let its = rows.iter().filter(|row| row.which == which);
            let points: Vec<_> =
                its.map(|row| (self.x(row.connections), self.y(self.scale * self.figure.of(row)))).collect();
            let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let colour = colour(which);
            let _ = writeln!(
                text,
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2.5"/>"#,
                line.join(" ")
            );
            for (x, y) in points {
                let _ = writeln!(text, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#);
            }
        }
        for budget in BUDGETS.iter().filter(|budget| budget.figure == self.figure) {
            let (x, y) = (self.x(budget.connections), self.y(self.scale * budget.limit));
            let _ = writeln!(
                text,
                r#"<path d="M{} {y:.1}h{PANEL_WIDTH}" stroke="{BUDGET}" stroke-width="1.5" stroke-dasharray="5 4"/><path d="M{x:.1} {:.1}l6 6l-6 6l-6 -6z" fill="none" stroke="{BUDGET}" stroke-width="1.5"/>"#,
                self.left,
                y - 6.0
            );
        }
    }

    fn x(&self, connections: usize) -> f64 {
        let [first, .., last] = CONNECTIONS.map(|connections| (connections as f64).log2());
        self.left + 20.0 + (PANEL_WIDTH - 40.0) * ((connections as f64).log2() - first) / (last - first)
    }

    fn y(&self, value: f64) -> f64 {
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        // What is below the axis is drawn on it.
        let power = value.max(1e-9).log10().clamp(from, to);
        TOP + PANEL_HEIGHT * (to - power) / (to - from)
    }
}

fn colour(which: Which) -> &'static str {
    match which {
        Which::Ours => "#0b5fff",
        Which::Express => "#d97706",
        Which::Sdk => "#6b7280",
    }
}
