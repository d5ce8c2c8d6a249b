//! The documents of the configuration, made of what is said of each setting.

use super::{Description, Form, Setting, Unset};

/// What the page says besides its settings, and where they stand in it.
const PAGE: &str = include_str!("document/page.md");

/// The same for the example.
const EXAMPLE: &str = include_str!("document/example.toml");

/// Where the settings stand.
const SETTINGS: &str = "{settings}\n";

/// The longest line of the page, in characters.
const PAGE_WIDTH: usize = 130;

/// The longest line of the example.
const EXAMPLE_WIDTH: usize = 110;

/// The documents, each with its path in the repository.
#[must_use]
pub fn documents() -> [(&'static str, String); 2] {
    [("docs/configuration.md", page()), ("docs/config.example.toml", example())]
}

/// Every setting, explained, in Markdown.
fn page() -> String {
    let heading = |title: &str| vec![format!("## {title}"), String::new()];
    PAGE.replace(SETTINGS, &by_group(heading, section))
}

/// A configuration file that sets nothing and says how to.
fn example() -> String {
    let heading = |title: &str| vec![format!("# ---- {title} ----"), String::new()];
    EXAMPLE.replace(SETTINGS, &by_group(heading, lines))
}

/// All settings under the headings of their groups, an empty line between any two.
fn by_group(heading: impl Fn(&str) -> Vec<String>, entry: impl Fn(&Description) -> Vec<String>) -> String {
    let mut all = Vec::new();
    let mut group = None;
    for setting in Setting::ALL {
        let description = setting.describe();
        if group.replace(description.group) != Some(description.group) {
            all.extend(heading(description.group.title()));
        }
        all.extend(entry(&description));
        all.push(String::new());
    }
    // Its empty line ends the last one.
    all.join("\n")
}

/// A setting on the page.
fn section(setting: &Description) -> Vec<String> {
    let mut lines = vec![format!("### `{}`", setting.name), String::new()];
    lines.extend(wrapped("", "", setting.meaning, PAGE_WIDTH));
    lines.push(String::new());
    let mut item = |indent: &str, text: &str| {
        lines.extend(wrapped(&format!("{indent}- "), &format!("{indent}  "), text, PAGE_WIDTH));
    };
    if let Some(flag) = setting.flag {
        item("", &format!("flag: `--{flag}`"));
    }
    let variables: Vec<_> = setting.variables.iter().map(|name| format!("`{name}`")).collect();
    item("", &format!("environment: {}", variables.join(", or else ")));
    let Form { words, other } = setting.form;
    let example = match setting.unset {
        Unset::Default(text) => {
            item("", &format!("default: `{text}`"));
            String::new()
        }
        Unset::None { meaning, example } => {
            item("", &format!("default: {}", none(meaning)));
            if other.contains(" such as ") { String::new() } else { format!("; for example `{example}`") }
        }
    };
    if words.is_empty() {
        item("", &format!("takes {other}{example}"));
    } else {
        item("", "takes one of");
        for (word, meaning) in words {
            item("  ", &format!("`{word}`: {meaning}"));
        }
        if !other.is_empty() {
            item("  ", other);
        }
    }
    lines
}

/// A setting in the example: comments, and a line that sets it once the sign before it is gone.
fn lines(setting: &Description) -> Vec<String> {
    let Form { words, other } = setting.form;
    let mut lines = wrapped("# ", "# ", setting.meaning, EXAMPLE_WIDTH);
    for (word, meaning) in words {
        lines.extend(wrapped("#   ", "#     ", &format!("{word}: {meaning}"), EXAMPLE_WIDTH));
    }
    if words.is_empty() {
        lines.extend(wrapped("# ", "# ", &format!("It takes {other}."), EXAMPLE_WIDTH));
    } else if !other.is_empty() {
        lines.extend(wrapped("#   ", "#     ", other, EXAMPLE_WIDTH));
    }
    let (text, otherwise) = match setting.unset {
        Unset::Default(text) => (text, String::new()),
        Unset::None { meaning, example } => (example, format!("Default: {}. ", none(meaning))),
    };
    let flag = setting.flag.map(|flag| format!("--{flag}, ")).unwrap_or_default();
    let also = format!("{otherwise}Also: {flag}{}", setting.variables.join(", "));
    lines.extend(wrapped("# ", "# ", &also, EXAMPLE_WIDTH));
    lines.push(format!("#{} = {text:?}", setting.name));
    lines
}

/// What holds without a value, where a value would stand.
fn none(meaning: &'static str) -> &'static str {
    if meaning == "not set" { "none" } else { meaning }
}

/// A text in lines of at most so many characters, unless a word is longer.
fn wrapped(first: &str, rest: &str, text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut begun = false;
    for word in text.split(' ') {
        if begun && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
            begun = false;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests;
