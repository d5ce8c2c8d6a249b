//! What is seen of requests and answers on their way: where they go, how long they take, and the service's clock.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
    primitives::{DateTime, DateTimeFormat},
};

use crate::Table;

/// The last request that was sent, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange {
    /// Scheme, host and port that it went to.
    pub url: String,
    /// When it was sent, by the clock here.
    pub sent: SystemTime,
    /// What came back, if anything did.
    pub answer: Option<Answer>,
}

/// What is known of an answer before anybody has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long it took to come, with the connection if one had to be made.
    pub after: Duration,
    /// When it was made, by the clock there, in whole seconds: its `Date`, if it has one that can be read.
    pub date: Option<SystemTime>,
}

/// Where the exchanges of an [observed](Table::observed) table are seen.
#[derive(Debug, Clone, Default)]
pub struct Exchanges(Arc<Mutex<Option<Under>>>);

#[derive(Debug)]
struct Under {
    exchange: Exchange,
    began: Instant,
}

impl Exchanges {
    /// The last request that was sent; `None` if none was yet.
    #[must_use]
    pub fn last(&self) -> Option<Exchange> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|under| under.exchange.clone())
    }
}

impl Table {
    /// The same table, and what is seen of its requests from now on.
    #[must_use]
    pub fn observed(&self) -> (Self, Exchanges) {
        let exchanges = Exchanges::default();
        let config = self.client.config().to_builder().interceptor(Observer(exchanges.clone())).build();
        (Self { client: Client::from_conf(config), ..self.clone() }, exchanges)
    }
}

#[derive(Debug)]
struct Observer(Exchanges);

impl Intercept for Observer {
    fn name(&self) -> &'static str {
        "Observer"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let url = origin(context.request().uri()).to_owned();
        let exchange = Exchange { url, sent: SystemTime::now(), answer: None };
        let under = Under { exchange, began: Instant::now() };
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(under);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let (status, date) = (response.status().as_u16(), response.headers().get("date").and_then(moment));
        if let Some(under) = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            under.exchange.answer = Some(Answer { status, after: under.began.elapsed(), date });
        }
        Ok(())
    }
}

/// A URL up to its path.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find(['/', '?', '#']).map_or(url, |at| &url[..host + at])
}

fn moment(date: &str) -> Option<SystemTime> {
    SystemTime::try_from(DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_cut_before_its_path() {
        for (url, cut) in [
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            ("https://dynamodb.eu-west-1.amazonaws.com", "https://dynamodb.eu-west-1.amazonaws.com"),
            ("http://localhost:1/a/b?c", "http://localhost:1"),
        ] {
            assert_eq!(origin(url), cut);
        }
    }

    #[test]
    fn only_a_date_of_http_is_a_moment() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(moment("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at));
        for odd in ["", "yesterday", "1994-11-06T08:49:37Z"] {
            assert_eq!(moment(odd), None, "{odd}");
        }
    }
}
