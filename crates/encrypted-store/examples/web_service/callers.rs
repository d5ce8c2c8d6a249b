//! Who calls, and whose data that opens.

use std::{collections::HashMap, error::Error, fs, path::Path as FilePath, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use blue_encrypted_store::{
    Collection, TenantName, TraceContext,
    blue_audit::address::{NameError, Principal},
};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{failure::Failure, service::Service};

/// The collection of every tenant that holds its notes.
const NOTES: &str = "notes";

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// All who may call, by the SHA-256 of their tokens: no file and no memory dump gives a token away, and how long it takes to
/// look one up says nothing about it.
pub(crate) struct Callers(HashMap<[u8; 32], Caller>);

/// Somebody who may call.
struct Caller {
    /// Whose records.
    tenant: TenantName,
    /// Who that is in the audit log.
    principal: Principal,
}

/// As the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    token_sha256: String,
    tenant: String,
    principal: String,
}

impl Callers {
    /// Reads a file of callers. Every name in it is checked here, once.
    pub(crate) fn read(path: &FilePath) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::parse(&fs::read(path)?)
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let lines: Vec<Line> = serde_json::from_slice(json)?;
        let caller = |line: Line| {
            let hash = HEXLOWER.decode(line.token_sha256.as_bytes())?;
            let hash = hash.try_into().map_err(|_| "a SHA-256 has 64 hexadecimal digits")?;
            let caller =
                Caller { tenant: TenantName::new(line.tenant)?, principal: Principal::new(line.principal)? };
            Ok((hash, caller))
        };
        lines.into_iter().map(caller).collect::<Result<_, _>>().map(Self)
    }

    fn of(&self, headers: &HeaderMap) -> Option<&Caller> {
        let token = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        self.0.get(&<[u8; 32]>::from(Sha256::digest(token)))
    }
}

/// The notes of the tenant that the caller belongs to, in the caller's name and trace. A handler has nothing else to reach the
/// store by, so none can forget to ask who calls.
pub(crate) struct Notes(pub(crate) Collection);

/// The part of every path that says whose notes.
#[derive(Deserialize)]
struct Of {
    tenant: String,
}

impl FromRequestParts<Arc<Service>> for Notes {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Failure> {
        let caller = service.callers.of(&parts.headers).ok_or(Failure::UNAUTHENTICATED)?;
        let asked = Path::<Of>::from_request_parts(parts, service).await;
        let Path(Of { tenant }) = asked.map_err(|_| Failure::BAD_REQUEST)?;
        // The same answer whether or not there is such a tenant.
        if tenant != caller.tenant.as_str() {
            return Err(Failure::FORBIDDEN);
        }
        Self::of(service, caller, trace(&parts.headers)).map_err(Failure::from)
    }
}

impl Notes {
    fn of(service: &Service, caller: &Caller, trace: Option<TraceContext>) -> Result<Self, NameError> {
        let mut store = service.store.with_principal(caller.principal.as_str())?;
        if let Some(trace) = trace {
            store = store.in_trace(trace);
        }
        // Here each tenant gets its own key, without a word: every tenant's records are sealed under a key that is made with the
        // first of them, and a handle of one tenant reaches no other's.
        Ok(Self(store.tenant(caller.tenant.as_str())?.collection(NOTES)?))
    }
}

/// The trace that the caller is in. W3C Trace Context §3.2 has one that is none ignored.
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    headers.get(TRACEPARENT)?.to_str().ok()?.parse().ok()
}
