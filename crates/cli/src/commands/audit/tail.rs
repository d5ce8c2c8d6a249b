//! `bes audit tail`.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    time::Duration,
};

use blue_encrypted_store::{
    AuditLog, AuditLogError, TenantName,
    blue_audit::{
        ChainReader, CryptoAuditEvent, Finding, Start, Step,
        address::{Chain, Namespace},
        tenant_resource,
    },
    export::ExportedEvent,
};
use time::OffsetDateTime;

use super::{Met, chains};
use crate::{
    cli::AuditTail,
    config::{Config, Format},
    failure::Failure,
    json::time_text,
    output::{Output, plain},
    session,
    stop::Stop,
};

/// How long to wait before looking for new events again.
const POLL: Duration = Duration::from_secs(1);

pub(super) async fn run(
    arguments: &AuditTail,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let filter = Filter::new(arguments, &config.namespace.value)?;
    let mut met = Met::default();
    let read = stop.unless_told(read(arguments, &filter, config, output, &mut met)).await;
    met.conclude(read)
}

async fn read(
    arguments: &AuditTail,
    filter: &Filter,
    config: &Config,
    output: &mut Output,
    met: &mut Met,
) -> Result<(), Failure> {
    let log = session::open_audit(config, true, None).await?;
    let (mut tails, mut newest) = (Vec::new(), Vec::new());
    for chain in chains::all(&log, |finding| met.note(finding)).await? {
        let (tail, events) = Tail::open(&log, chain, filter, arguments.lines.get(), met).await?;
        tails.push(tail);
        newest.extend(events);
    }
    sort(&mut newest);
    let too_many = newest.len().saturating_sub(arguments.lines.get());
    newest.drain(..too_many);
    newest.iter().try_for_each(|event| print(event, output))?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        output.flush()?;
        tokio::time::sleep(POLL).await;
        let mut appended = Vec::new();
        let mut opened = Vec::new();
        for tail in &mut tails {
            tail.read(met, |event| {
                opened.extend(chains::opened(event.view().details(), log.namespace()));
                if filter.takes(&event) {
                    appended.push(event);
                }
            })
            .await?;
        }
        for chain in opened {
            if tails.iter().all(|tail| tail.chain != chain) {
                let reader = log.read(chain.clone(), Start::Beginning);
                tails.push(Tail { chain, reader });
            }
        }
        sort(&mut appended);
        appended.iter().try_for_each(|event| print(event, output))?;
    }
}

/// Which events are wanted.
struct Filter {
    tenant: Option<String>,
    trace: Option<String>,
    principal: Option<String>,
}

impl Filter {
    fn new(arguments: &AuditTail, namespace: &Namespace) -> Result<Self, Failure> {
        let tenant = arguments.tenant.as_ref().map(TenantName::new).transpose()?;
        if let Some(trace) = &arguments.trace
            && (trace.len() != 32 || !trace.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        {
            return Err(Failure::Usage(format!(
                "a trace is 32 lowercase hexadecimal digits; {trace:?} is not"
            )));
        }
        Ok(Self {
            tenant: tenant.map(|tenant| tenant_resource(namespace, &tenant)),
            trace: arguments.trace.clone(),
            principal: arguments.principal.clone(),
        })
    }

    fn takes(&self, event: &CryptoAuditEvent) -> bool {
        let details = event.details();
        let of_tenant = |tenant: &String| {
            details.resource.strip_prefix(tenant).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.tenant.as_ref().is_none_or(of_tenant)
            && self.trace.as_ref().is_none_or(|trace| details.trace_id == *trace)
            && self.principal.as_ref().is_none_or(|principal| details.principal == *principal)
    }
}

/// The end of one chain.
struct Tail {
    chain: Chain,
    reader: ChainReader,
}

impl Tail {
    /// The newest events of a chain that are wanted. It is read from ever further back, until they are enough.
    async fn open(
        log: &AuditLog,
        chain: Chain,
        filter: &Filter,
        count: usize,
        met: &mut Met,
    ) -> Result<(Self, VecDeque<CryptoAuditEvent>), Failure> {
        let mut back = u64::try_from(count).unwrap_or(u64::MAX);
        let mut start = Start::Containing(u64::MAX);
        loop {
            let mut tail = Self { chain: chain.clone(), reader: log.read(chain.clone(), start) };
            let (mut newest, mut findings) = (VecDeque::new(), Vec::new());
            tail.read_with(
                |event| {
                    if filter.takes(&event) {
                        newest.push_back(event);
                        if newest.len() > count {
                            newest.pop_front();
                        }
                    }
                },
                |finding| findings.push(finding),
            )
            .await?;
            if newest.len() >= count || start == Start::Beginning || tail.reader.end().0 == 0 {
                // All of the registry was read before, to know the chains.
                if chain.as_str() != chains::REGISTRY {
                    findings.iter().for_each(|finding| met.note(finding));
                }
                return Ok((tail, newest));
            }
            start = match tail.reader.end().0.saturating_sub(back) {
                0 => Start::Beginning,
                sequence => Start::Containing(sequence),
            };
            back = back.saturating_mul(4);
        }
    }

    async fn read(&mut self, met: &mut Met, take: impl FnMut(CryptoAuditEvent)) -> Result<(), Failure> {
        self.read_with(take, |finding| met.note(&finding)).await
    }

    /// Reads on to the end of the chain as it is now.
    async fn read_with(
        &mut self,
        mut take: impl FnMut(CryptoAuditEvent),
        mut find: impl FnMut(Finding),
    ) -> Result<(), Failure> {
        while let Some(step) = self.reader.next().await.map_err(AuditLogError::from)? {
            match step {
                Step::Segment(segment) => segment.events().map(CryptoAuditEvent::from).for_each(&mut take),
                Step::Finding(finding) => find(finding),
            }
        }
        Ok(())
    }
}

/// By time, the order of each chain kept: clocks and writers being several, an event may be older than the one before it.
fn sort(events: &mut Vec<CryptoAuditEvent>) {
    let mut latest: HashMap<String, OffsetDateTime> = HashMap::new();
    let mut timed: Vec<_> = mem::take(events)
        .into_iter()
        .map(|event| {
            let time = event.details().timestamp;
            let latest = latest.entry(event.chain().to_owned()).or_insert(time);
            *latest = time.max(*latest);
            (*latest, event)
        })
        .collect();
    timed.sort_by_key(|(time, _)| *time);
    events.extend(timed.into_iter().map(|(_, event)| event));
}

fn print(event: &CryptoAuditEvent, output: &mut Output) -> Result<(), Failure> {
    if output.format == Format::Json {
        return output.json(&ExportedEvent::of(&event.view()));
    }
    let details = event.details();
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { plain(text) };
    let cells = [
        time_text(details.timestamp),
        format!("{}/{}", plain(event.chain()), event.sequence()),
        details.operation.to_string(),
        details.outcome.to_string(),
        or_dash(&details.principal),
        or_dash(&details.resource),
        or_dash(&details.reason),
    ];
    output.line(&cells.join("\t"))
}
