//! Where checkpoints go.

use async_trait::async_trait;

use crate::Cause;

/// Takes signed checkpoints to a place outside the table, where whoever can write the table cannot change them.
#[async_trait]
pub trait CheckpointSink: Send + Sync {
    /// Delivers one signed checkpoint, for good: when it returns, the note is there. A note that was delivered before
    /// may come again.
    ///
    /// # Errors
    /// [`SinkError`], sorted by whether it is of use to try again.
    async fn publish(&self, note: &str) -> Result<(), SinkError>;
}

/// Why a checkpoint was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The sink does not take this note: it is no checkpoint that this place can trust, or goes back behind one that is
    /// there. Trying again is of no use.
    #[error("the checkpoint was refused by {sink}")]
    Refused {
        /// Which sink.
        sink: String,
        /// Why.
        source: Cause,
    },
    /// It did not get there, as far as is known. It may be tried again.
    #[error("the checkpoint was not delivered to {sink}")]
    Undelivered {
        /// Which sink.
        sink: String,
        /// What went wrong.
        source: Cause,
    },
}
