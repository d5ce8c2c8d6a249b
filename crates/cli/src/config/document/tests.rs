//! The documents that are committed are the ones that are made, and what they say holds.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::*;
use crate::config::{Config, ConfigError, Global, Shown, Surroundings};

const HOME: &str = "/home/ann";

/// The settings of somebody who has this configuration file.
fn load(file: Option<&str>) -> Result<Config, ConfigError> {
    let read = |_: &Path| file.map(str::to_owned).ok_or(io::ErrorKind::NotFound.into());
    let home = Some(PathBuf::from(HOME));
    Config::from_parts(&Global::default(), Surroundings { environment: |_: &str| None, home, read })
}

/// What is shown, without the row of the file itself.
fn shown(config: &Config) -> Vec<(&str, Option<&str>, &str)> {
    let row = |shown: &'_ Shown| shown.name != "config";
    let rows = config.shown.iter().filter(|shown| row(shown));
    rows.map(|shown| (shown.name, shown.value.as_deref(), &*shown.source)).collect()
}

/// The example with the signs gone before these settings.
fn with_set(is_set: impl Fn(&str) -> bool) -> String {
    let name =
        |line: &str| line.strip_prefix('#').and_then(|line| Some(line.split_once(" = ")?.0.to_owned()));
    let line = |line: &str| match name(line).filter(|name| Setting::named(name).is_some() && is_set(name)) {
        Some(_) => line[1..].to_owned() + "\n",
        None => line.to_owned() + "\n",
    };
    example().lines().map(line).collect()
}

#[test]
fn the_committed_documents_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, made) in documents() {
        let committed = fs::read_to_string(root.join(path)).unwrap();
        assert!(
            committed == made,
            "{path} is not what is made of the settings: run cargo xtask configuration"
        );
    }
}

#[test]
fn the_page_has_each_setting_once_with_all_its_names() {
    let page = page();
    let sections: Vec<_> = page.split("\n### ").skip(1).collect();
    assert_eq!(sections.len(), Setting::ALL.len());
    for (setting, section) in Setting::ALL.into_iter().zip(sections) {
        let Description { name, flag, variables, unset, .. } = setting.describe();
        assert!(section.starts_with(&format!("`{name}`\n")), "{section}");
        let flag = flag.map(|flag| format!("`--{flag}`"));
        for text in variables.iter().map(|name| format!("`{name}`")).chain(flag) {
            assert!(section.contains(&text), "no {text} in {section}");
        }
        if let Unset::Default(text) = unset {
            assert!(section.contains(&format!("- default: `{text}`\n")), "{section}");
        }
    }
    for line in page.lines() {
        assert!(line.chars().count() <= 140, "{line}");
    }
    assert!(page.ends_with('\n') && !page.ends_with("\n\n"), "{page:?}");
}

#[test]
fn the_example_as_it_is_says_what_holds_without_it() {
    let (without, with) = (load(None).unwrap(), load(Some(&example())).unwrap());
    assert_eq!(shown(&with), shown(&without));
}

#[test]
fn the_example_sets_what_it_documents_once_the_sign_is_gone() {
    let (without, with) = (load(None).unwrap(), load(Some(&with_set(|_| true))).unwrap());
    assert_eq!(shown(&with).len(), Setting::ALL.len());
    for ((name, found, source), (_, default, _)) in shown(&with).into_iter().zip(shown(&without)) {
        assert!(source.starts_with(HOME) && found.is_some(), "{name}: {source}");
        assert!(default.is_none_or(|default| found == Some(default)), "{name}: {found:?}, not {default:?}");
    }
}

#[test]
fn every_setting_of_the_example_can_be_set_alone() {
    for setting in Setting::ALL {
        // A key of KMS is refused unless `keys` is there, too.
        let loaded = load(Some(&with_set(|name| name == setting.name() || name == "keys")));
        let config = loaded.unwrap_or_else(|error| panic!("{error}"));
        let (_, value, source) = shown(&config).into_iter().find(|row| row.0 == setting.name()).unwrap();
        assert!(value.is_some() && source.starts_with(HOME), "{setting:?}: {value:?} from {source}");
    }
}

#[test]
fn a_text_is_wrapped_between_words_and_loses_none() {
    assert_eq!(wrapped("- ", "  ", "one two three", 9), ["- one two", "  three"]);
    assert_eq!(wrapped("", "", "incomprehensible it is", 5), ["incomprehensible", "it is"]);
    assert_eq!(wrapped("# ", "# ", "", 5), ["# "]);
}
