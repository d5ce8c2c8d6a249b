//! The way to DynamoDB, on which requests are refused in the words of the real service: single ones, and all for a
//! moment.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blue_tests::{Fate, Proxy, Request};
use fastrand::Rng;

pub(crate) struct Throttle {
    pub(crate) proxy: Proxy,
    refused: Arc<AtomicU64>,
}

struct Dealer {
    rng: Rng,
    /// When the next spell begins, and ends, in which everything is refused.
    spell: (Instant, Instant),
}

impl Dealer {
    fn deal(&mut self, request: &Request) -> Fate {
        let now = Instant::now();
        let (begins, ends) = self.spell;
        if now >= ends {
            let begins = now + Duration::from_millis(self.rng.u64(1_000..6_000));
            self.spell = (begins, begins + Duration::from_millis(self.rng.u64(100..1_500)));
        } else if now >= begins {
            return Fate::throttled(self.rng.u8(..));
        }
        match self.rng.u8(0..100) {
            0..3 => Fate::throttled(self.rng.u8(..)),
            3..7 => Fate::contended(request, self.rng.u8(..)),
            _ => Fate::Forward,
        }
    }
}

impl Throttle {
    pub(crate) async fn new(rng: Rng) -> Self {
        let now = Instant::now();
        let (dealer, refused) = (Mutex::new(Dealer { rng, spell: (now, now) }), Arc::<AtomicU64>::default());
        let count = refused.clone();
        let proxy = Proxy::start(move |request| {
            let fate = dealer.lock().unwrap().deal(&request);
            count.fetch_add(u64::from(matches!(fate, Fate::Answer(..))), SeqCst);
            std::future::ready(fate)
        });
        Self { proxy: proxy.await, refused }
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }
}
