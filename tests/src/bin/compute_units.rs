//! Prints what `cargo xtask bench` tabulates: a line per figure, its name and its compute units.

fn main() {
    for (name, units) in estuary_tests::compute_units::measure() {
        println!("{name} {units}");
    }
}
