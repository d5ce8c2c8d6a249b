//! How soon what failed is tried again.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::KeyringError;
use crate::KeyError;

/// The pauses of a keyring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long a definite answer holds.
    pub(super) negative_ttl: Duration,
    /// The first pause after failures that may pass. Each further failure doubles it, up to `negative_ttl`.
    pub(super) retry_pause: Duration,
}

impl Pace {
    /// After so many failures in a row.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.retry_pause.saturating_mul(factor).min(self.negative_ttl)
    }
}

impl KeyringError {
    /// Whether the service answered: asked again at once, it would answer the same. A failure of the store is never taken
    /// for an answer, since the keyring cannot read it.
    pub(super) fn is_definite(&self) -> bool {
        match self {
            Self::Provider { source, .. } => {
                !matches!(**source, KeyError::Unavailable { .. } | KeyError::Randomness(_))
            }
            _ => false,
        }
    }
}

/// A failure that those who ask soon after are told without another call.
#[derive(Debug, Clone)]
pub(super) struct Setback {
    error: KeyringError,
    until: Instant,
    in_a_row: u32,
}

impl Setback {
    /// A failure just now, after an earlier one. The first of a row that may pass is not remembered: a single hiccup shall
    /// cost nobody more than its own operation.
    pub(super) fn after(previous: Option<&Self>, error: KeyringError, pace: &Pace) -> Self {
        let now = Instant::now();
        let in_a_row = match previous {
            Some(previous) if now < previous.forgotten_at(pace) => previous.in_a_row.saturating_add(1),
            _ => 1,
        };
        let pause = if error.is_definite() { pace.negative_ttl } else { pace.pause(in_a_row - 1) };
        Self { error, until: now + pause, in_a_row }
    }

    /// What to tell, as long as it holds.
    pub(super) fn holds(&self) -> Option<KeyringError> {
        (Instant::now() < self.until).then(|| self.error.clone())
    }

    /// From when on the next failure is the first of a row again.
    pub(super) fn forgotten_at(&self, pace: &Pace) -> Instant {
        self.until + pace.negative_ttl
    }
}

/// The latest failure of one thing that is fetched, if it failed.
#[derive(Debug, Default)]
pub(super) struct Setbacks(Mutex<Option<Setback>>);

impl Setbacks {
    pub(super) fn check(&self) -> Result<(), KeyringError> {
        let setback = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        setback.as_ref().and_then(Setback::holds).map_or(Ok(()), Err)
    }

    pub(super) fn note(&self, error: KeyringError, pace: &Pace) {
        let mut setback = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *setback = Some(Setback::after(setback.as_ref(), error, pace));
    }
}

/// When the keys of an owner may be read ahead of their time once more.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Option<(Instant, u32)>>);

impl Attempts {
    /// The permit for another attempt, unless it is too early or there is none.
    pub(super) fn claim<T>(&self, pace: &Pace, permit: impl FnOnce() -> Option<T>) -> Option<T> {
        let now = Instant::now();
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = match *next {
            Some((not_before, _)) if now < not_before => return None,
            Some((_, attempts)) => attempts,
            None => 0,
        };
        let permit = permit()?;
        let attempts = attempts.saturating_add(1);
        *next = Some((now + pace.pause(attempts), attempts));
        Some(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { negative_ttl: Duration::from_secs(1), retry_pause: Duration::from_millis(100) };

    #[test]
    fn pauses_double_up_to_the_time_that_a_definite_answer_holds() {
        let pauses: Vec<_> = (0..8).map(|failures| PACE.pause(failures).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_000, 1_000, 1_000]);
        assert_eq!(PACE.pause(u32::MAX), PACE.negative_ttl);
    }
}
