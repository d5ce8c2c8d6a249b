//! Known answers: what the store's cryptography computes, held against what others computed.
//!
//! Each source of answers is a module. Its cases are counted, and the counts are asserted: a source that shrinks, or of
//! which nothing runs, fails. `cargo xtask kat` runs this program and shows its tallies as a table.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::print_stdout, reason = "the tallies and the seeds are for whoever runs this")]

mod record;
mod rsp;
mod tally;
mod vector;

mod test_aes_gcm_nist_kat;
mod test_audit_vectors;
mod test_checkpoint_vectors;
mod test_envelope_vectors;
mod test_hkdf_rfc5869;
mod test_key_vectors;
#[cfg(feature = "services")]
mod test_python_agrees;
mod test_tombstone_vectors;
mod test_vector_sums;
mod test_wycheproof;
