//! What was known of a log before.

use std::collections::BTreeMap;

use blue_address::Chain;
use time::OffsetDateTime;

use crate::Head;

/// How far each chain of a log was known, and trusted, at some time. Kept outside the table, it is what shows that the log
/// was cut short or exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// All chains there were, each with its end. One that nothing is trusted of stands at its beginning.
    pub chains: BTreeMap<Chain, Head>,
    /// When that was.
    pub time: OffsetDateTime,
    /// Which table it was, if the service says.
    pub table_id: Option<String>,
}

impl Baseline {
    /// Whether it knows less than `other`: a chain less, or a chain less far. Between two that know the same, the
    /// earlier is older.
    ///
    /// Of two that each know more of some chain, each is older: neither can take the other's place unseen.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.knows_less_than(other) || (!other.knows_less_than(self) && self.time < other.time)
    }

    fn knows_less_than(&self, other: &Self) -> bool {
        let known = |chain| self.chains.get(chain).map(|head| head.next);
        other.chains.iter().any(|(chain, head)| known(chain).is_none_or(|next| next < head.next))
    }
}
