//! What every chart is drawn with: a box with two axes, paths, ticks and numbers. Positions are in the units of the
//! SVG's view box, rounded to a tenth.

use maud::{html, Markup};

use crate::time;

/// Most points of one line: more would be narrower than a pixel.
const MOST_POINTS: usize = 1_000;
/// Seconds between ticks of time, from which the axis chooses.
const TIME_STEPS: [i64; 11] = [
    1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000,
];

/// One axis: values from `low` to `high` at positions from `start` to `end`.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// Value at `start`.
    pub low: f64,
    /// Value at `end`.
    pub high: f64,
    /// First position.
    pub start: f64,
    /// Last position; before `start` on an axis that points up.
    pub end: f64,
}

impl Axis {
    /// Position of a value, inside the axis whatever the value.
    pub fn place(&self, value: f64) -> f64 {
        let width = self.high - self.low;
        let share = if width > 0.0 {
            ((value - self.low) / width).clamp(0.0, 1.0)
        } else {
            0.5
        };
        self.start + share * (self.end - self.start)
    }
}

/// The box of a chart: the view box, and the part between the axes.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// Width of the view box.
    pub width: f64,
    /// Height of the view box.
    pub height: f64,
    /// From left to right.
    pub across: Axis,
    /// From bottom to top.
    pub up: Axis,
}

impl Plot {
    /// A chart of a size with room for labels at the left, below, and `right` units at the right.
    pub fn new(size: (f64, f64), right: f64, across: (f64, f64), up: (f64, f64)) -> Self {
        let (width, height) = size;
        Self {
            width,
            height,
            across: Axis {
                low: across.0,
                high: across.1,
                start: 44.0,
                end: width - right,
            },
            up: Axis {
                low: up.0,
                high: up.1,
                start: height - 22.0,
                end: 10.0,
            },
        }
    }

    /// The view box.
    pub fn view_box(&self) -> String {
        format!("0 0 {} {}", number(self.width), number(self.height))
    }

    /// A line through points.
    pub fn line(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            path.push(if index == 0 { 'M' } else { 'L' });
            path.push_str(&number(self.across.place(*x)));
            path.push(' ');
            path.push_str(&number(self.up.place(*y)));
        }
        path
    }

    /// The area between two lines over the same range.
    pub fn area(&self, upper: &[(f64, f64)], lower: &[(f64, f64)]) -> String {
        let around: Vec<(f64, f64)> = upper.iter().chain(lower.iter().rev()).copied().collect();
        format!("{}Z", self.line(&around))
    }

    /// Horizontal lines with their values.
    pub fn grid(&self, about: usize, label: impl Fn(f64) -> String) -> Markup {
        let (left, right) = (self.across.start, self.across.end);
        html! {
            @for tick in ticks(self.up.low, self.up.high, about) {
                @let y = self.up.place(tick);
                line class=(if tick == 0.0 { "axis" } else { "grid" })
                    x1=(number(left)) x2=(number(right)) y1=(number(y)) y2=(number(y)) {}
                text class="tick" x=(number(left - 5.0)) y=(number(y + 3.5)) text-anchor="end" { (label(tick)) }
            }
        }
    }

    /// A label below the box.
    pub fn below(&self, value: f64, label: &str) -> Markup {
        let x = self.across.place(value);
        html! {
            text class="tick" x=(number(x)) y=(number(self.height - 6.0)) text-anchor="middle" { (label) }
        }
    }

    /// Times below the box: days, or hours with the day at midnight.
    pub fn times(&self, about: usize) -> Markup {
        let (low, high) = (self.across.low as i64, self.across.high as i64);
        let wanted = (high - low) / about.max(1) as i64;
        let step = TIME_STEPS.iter().find(|step| **step >= wanted);
        let step = step.copied().unwrap_or(31_536_000);
        let first = low.div_euclid(step) * step + step;
        html! {
            @for tick in (first..high).step_by(usize::try_from(step).unwrap_or(1)) {
                @let text = time::short(tick);
                @let (day, hour) = text.split_once(' ').unwrap_or((&text, ""));
                @let label = if hour == "00:00" { day } else { hour };
                // A label at an edge would leave the picture.
                @let x = self.across.place(tick as f64);
                @if x > 20.0 && x < self.width - 16.0 { (self.below(tick as f64, label)) }
            }
        }
    }
}

/// A position with one decimal, the same in every run.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// Round values within a range, about as many as asked for.
pub fn ticks(low: f64, high: f64, about: usize) -> Vec<f64> {
    let rough = (high - low) / about.max(1) as f64;
    if !rough.is_finite() || rough <= 0.0 {
        return vec![low];
    }
    let magnitude = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * magnitude);
    let step = steps.iter().find(|step| **step >= rough * 0.999);
    let step = step.copied().unwrap_or(rough);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|place| place as f64 * step).collect()
}

/// Quote units on an axis: `250k`, `1.5m`.
pub fn short_money(units: f64) -> String {
    let (scaled, unit) = match units.abs() {
        size if size >= 1e6 => (units / 1e6, "m"),
        size if size >= 1e3 => (units / 1e3, "k"),
        _ => (units, ""),
    };
    let text = format!("{scaled:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    format!("{}{unit}", if text == "-0" { "0" } else { text })
}

/// The same line with fewer points: of every stretch its first, lowest, highest and last one.
pub fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(MOST_POINTS);
    for stretch in points.chunks(points.len().div_ceil(MOST_POINTS / 4)) {
        let by_value = |a: &usize, b: &usize| stretch[*a].1.total_cmp(&stretch[*b].1);
        let last = stretch.len() - 1;
        let mut places = vec![0, last];
        places.extend((0..=last).min_by(by_value));
        places.extend((0..=last).max_by(by_value));
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|place| stretch[place]));
    }
    kept
}

/// Micro-units as quote units, for a position in a picture.
pub fn units(micro: i64) -> f64 {
    micro as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_an_axis_are_drawn_at_its_edge() {
        let axis = Axis {
            low: 0.0,
            high: 10.0,
            start: 100.0,
            end: 0.0,
        };
        assert_eq!(axis.place(5.0), 50.0);
        assert_eq!(axis.place(-1.0), 100.0);
        assert_eq!(axis.place(11.0), 0.0);
        let flat = Axis { high: 0.0, ..axis };
        assert_eq!(flat.place(0.0), 50.0);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 100.0, 4), [0.0, 25.0, 50.0, 75.0, 100.0]);
        assert_eq!(ticks(-45.0, 12.0, 4), [-40.0, -20.0, 0.0]);
        assert_eq!(ticks(3.0, 3.0, 4), [3.0]);
    }

    #[test]
    fn amounts_on_an_axis_are_short() {
        assert_eq!(short_money(0.0), "0");
        assert_eq!(short_money(-250_000.0), "-250k");
        assert_eq!(short_money(1_500_000.0), "1.5m");
        assert_eq!(short_money(12.0), "12");
    }

    #[test]
    fn thinning_keeps_the_ends_and_the_extremes() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|x| (f64::from(x), 1.0)).collect();
        points[33_333].1 = -7.0;
        points[44_444].1 = 9.0;
        let kept = thin(&points);
        assert!(kept.len() <= MOST_POINTS + 4, "{}", kept.len());
        for place in [0, 33_333, 44_444, 49_999] {
            assert!(kept.contains(&points[place]), "{place}");
        }
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
