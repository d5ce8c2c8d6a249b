//! What may share one request.

use std::collections::HashSet;

use crate::{JoinedWrite, SegmentLog};

use super::Submission;

/// The most bytes of events in one segment: 64 KiB.
pub const MAX_SEGMENT_LEN: usize = 65_536;

/// The most writes that join one segment. A transaction of DynamoDB has at most 100 items.
pub const MAX_GROUP_WRITES: usize = 99;

/// The most bytes of one request, its segment included: 3.5 MB. DynamoDB takes 4 MB.
pub const MAX_REQUEST_LEN: usize = 3_500_000;

/// Submissions that go into one segment.
pub(super) struct Group<L: SegmentLog> {
    members: Vec<Submission<L>>,
    places: HashSet<String>,
    events_len: usize,
    request_len: usize,
    parts: usize,
    /// How many parts of a transaction it takes in at most.
    most_parts: usize,
}

/// Why a submission is not of a group.
pub(super) enum NotAdmitted {
    /// The group writes the same place already.
    SamePlace,
    /// There is no room for it.
    Full,
}

impl<L: SegmentLog> Group<L> {
    /// After so many lost races in a row: the more there were, the fewer writes it takes in, since a transaction of few is
    /// carried out sooner than one of many, and so finds the end of the chain where it was more often. Otherwise somebody
    /// who appends events alone could keep everybody from writing.
    pub(super) fn after(lost_races: u32) -> Self {
        let most_parts = (MAX_GROUP_WRITES >> lost_races.min(usize::BITS - 1)).max(1);
        Self {
            members: Vec::new(),
            places: HashSet::new(),
            events_len: 0,
            request_len: 0,
            parts: 0,
            most_parts,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes a submission in, or gives it back. The first is always taken.
    #[expect(clippy::result_large_err, reason = "what is not taken in is given back, and goes no further")]
    pub(super) fn admit(&mut self, submission: Submission<L>) -> Result<(), (Submission<L>, NotAdmitted)> {
        let events_len = self.events_len + submission.events_len;
        let write_len = submission.write.as_ref().map_or(0, JoinedWrite::size);
        let request_len = self.request_len + submission.events_len + write_len;
        let parts = self.parts + submission.write.as_ref().map_or(0, JoinedWrite::parts);
        let full = events_len > MAX_SEGMENT_LEN || request_len > MAX_REQUEST_LEN || parts > self.most_parts;
        if full && !self.is_empty() {
            return Err((submission, NotAdmitted::Full));
        }
        if let Some(write) = &submission.write
            && !self.places.insert(write.place())
        {
            return Err((submission, NotAdmitted::SamePlace));
        }
        (self.events_len, self.request_len, self.parts) = (events_len, request_len, parts);
        self.members.push(submission);
        Ok(())
    }

    pub(super) fn into_members(self) -> Vec<Submission<L>> {
        self.members
    }
}
