//! Between the agent and Loki stands a real nginx, as it does in most installations: TLS, passwords, limits, pages, redirections.
//!
//! A test is a story as in `chaos`, with its book at the end; what the agent says is part of it, since a person has to mend what
//! stands in the way. Where one belongs: `tls` (certificates), `secrets` (passwords, tokens, the tenant), `answers` (what a proxy
//! says in Loki's place), `connections` (they end, and what travels on them).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod answers;
mod connections;
mod old_proxy;
mod secrets;
mod stage;
mod tls;
