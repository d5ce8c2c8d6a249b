//! Variables of the environment that look like those of settings, and are none.

use super::{Setting, description::nearest};

/// A variable that sets nothing, and is named nearly as one that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelt {
    /// Its name.
    pub name: String,
    /// The variable that was probably meant.
    pub nearest: &'static str,
}

/// What the names of all variables of `bes` begin with.
const PREFIX: &str = "BES_";

/// In how many places a name may differ and still be taken for a misspelt one. Others may use the prefix, too.
const MOST: usize = 2;

/// Of these names of variables those that are probably misspelt.
pub fn misspelt(names: impl IntoIterator<Item = String>) -> Vec<Misspelt> {
    let known = || Setting::ALL.into_iter().flat_map(|setting| setting.describe().variables).copied();
    let known = || known().chain(["BES_CONFIG"]);
    let is_other = |name: &String| name.starts_with(PREFIX) && !known().any(|known| known == name);
    let misspelt = |name: String| {
        let nearest = nearest(&name, known().filter(|known| known.starts_with(PREFIX)), MOST)?;
        Some(Misspelt { name, nearest })
    };
    names.into_iter().filter(is_other).filter_map(misspelt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest_to(name: &str) -> Option<&'static str> {
        misspelt([name.to_owned()]).first().map(|found| found.nearest)
    }

    #[test]
    fn a_variable_that_is_nearly_a_settings_is_noticed() {
        for (name, meant) in [
            ("BES_TABEL", "BES_TABLE"),
            ("BES_KEY", "BES_KEYS"),
            ("BES_CONFG", "BES_CONFIG"),
            ("BES_AUDIT_WRITE", "BES_AUDIT_WRITES"),
            ("BES_KMSKEY", "BES_KMS_KEY"),
        ] {
            assert_eq!(nearest_to(name), Some(meant), "{name}");
        }
    }

    #[test]
    fn variables_of_settings_and_of_others_are_not() {
        let own = Setting::ALL.into_iter().flat_map(|setting| setting.describe().variables).copied();
        // What this project's tests, scripts and containers use, and names of others.
        let others = [
            "BES_AGREE_SEED",
            "BES_ATTACKS_ONLY",
            "BES_ATTACKS_POSITIONS",
            "BES_ATTACKS_SEED",
            "BES_BASE_IMAGE",
            "BES_BUILD_IMAGE",
            "BES_CACHE",
            "BES_CLEAN_CLOCKS",
            "BES_CLEAN_RUNS",
            "BES_CLEAN_SEED",
            "BES_CONFIG",
            "BES_DYNAMODB_IMAGE",
            "BES_FAKETIME",
            "BES_FAULT_KILLS",
            "BES_FAULT_KINDS",
            "BES_FAULT_SEED",
            "BES_GID",
            "BES_KEY_OPERATIONS",
            "BES_KMS_IMAGE",
            "BES_OUT",
            "BES_REWRAP_KILLS",
            "BES_REWRAP_RECORDS",
            "BES_SERVICES",
            "BES_UID",
            "BES_",
            "BES_X",
            "BEST_TABLE",
            "TABLE",
            "AWS_REGIO",
            "",
        ];
        for name in own.chain(others) {
            assert_eq!(nearest_to(name), None, "{name}");
        }
    }
}
