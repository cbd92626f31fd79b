//! A script without its comments and its indentation: what people read and browsers do not. Pure.

use std::borrow::Cow;

/// Leaves out lines that are comments or empty, and what stands before the others. Nothing else is changed, so that a line
/// is the line that was written. A script in which a text may reach over lines (a backtick without its like) stays whole.
pub(super) fn slim(source: &str) -> Cow<'_, str> {
    if source.lines().any(|line| line.matches('`').count() % 2 == 1) {
        return Cow::Borrowed(source);
    }
    let mut slim = String::with_capacity(source.len());
    let mut in_comment = false;
    for line in source.lines().map(str::trim) {
        if in_comment || line.starts_with("/*") {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            slim.push_str(line);
            slim.push('\n');
        }
    }
    Cow::Owned(slim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_indentation_go_and_everything_else_stays() {
        let source = "// A header.\n\n/**\n * @param {string} a\n */\nexport function f(a) {\n  /* one */\n  // two\n  return a + '// no';\n}\n";
        assert_eq!(slim(source), "export function f(a) {\nreturn a + '// no';\n}\n");
    }

    #[test]
    fn a_text_over_several_lines_is_not_touched() {
        let source = "const a = `\n  // not a comment\n`;\n";
        assert_eq!(slim(source), source);
    }
}
