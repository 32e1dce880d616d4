//! Pages whose marked sections are generated and whose other text is written by hand.
//!
//! A section stands between `<!-- generated: NAME -->` and `<!-- end -->`, each on a line of its own.

use anyhow::{bail, ensure, Context, Result};

/// The page with every section replaced by what `section` makes of its name.
///
/// # Errors
/// For a section without an end, an end without a section, a page without sections, and what `section` says.
pub fn fill(page: &str, section: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::new();
    let mut open: Option<&str> = None;
    let mut sections = 0;
    for line in page.lines() {
        let begins = line
            .strip_prefix("<!-- generated: ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        match (begins, open) {
            (Some(name), None) => {
                let text = section(name).with_context(|| format!("section `{name}`"))?;
                filled.push_str(&format!("{line}\n\n{}\n\n", text.trim_end()));
                open = Some(name);
                sections += 1;
            }
            (Some(name), Some(open)) => bail!("section `{name}` begins inside `{open}`"),
            (None, _) if line == "<!-- end -->" => {
                open.take().context("an end without a section")?;
                filled.push_str("<!-- end -->\n");
            }
            (None, Some(_)) => {}
            (None, None) => filled.push_str(&format!("{line}\n")),
        }
    }
    if let Some(name) = open {
        bail!("section `{name}` has no end");
    }
    ensure!(sections > 0, "no generated sections");
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn sections_are_replaced_and_the_rest_is_kept() {
        let page = "a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n";
        let filled = fill(page, |name| Ok(format!("new {name}\n"))).unwrap();
        assert_eq!(
            filled,
            "a\n<!-- generated: x -->\n\nnew x\n\n<!-- end -->\nb\n"
        );
        assert_eq!(
            fill(&filled, |name| Ok(format!("new {name}"))).unwrap(),
            filled
        );
    }

    #[test]
    fn broken_marks_are_errors() {
        let fill = |page: &str| fill(page, |_| Ok(String::new()));
        assert!(fill("no sections").is_err());
        assert!(fill("<!-- generated: x -->\n").is_err());
        assert!(fill("<!-- end -->\n").is_err());
        assert!(fill("<!-- generated: x -->\n<!-- generated: y -->\n<!-- end -->").is_err());
    }
}
