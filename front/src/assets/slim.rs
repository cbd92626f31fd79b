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
    for mut line in source.lines().map(str::trim) {
        if in_comment || line.starts_with("/*") {
            // What is behind a comment's end is code.
            let end = line.find("*/");
            in_comment = end.is_none();
            line = end.map_or("", |end| line[end + 2..].trim_start());
        }
        if !line.is_empty() && !line.starts_with("//") {
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
        let source = "// A header.\n\n/**\n * @param {string} a\n */\nexport function f(a) {\n  /* one */\n  // two\n  return a + '// no';\n}\n/** b */ const b = 1;\n/*\n c */ const c = 2;\n";
        assert_eq!(slim(source), "export function f(a) {\nreturn a + '// no';\n}\nconst b = 1;\nconst c = 2;\n");
    }

    #[test]
    fn a_text_over_several_lines_is_not_touched() {
        let source = "const a = `\n  // not a comment\n`;\n";
        assert_eq!(slim(source), source);
    }
}
