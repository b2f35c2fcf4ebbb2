//! The spine's promises, seen from outside: everything goes through gRPC, as any client's calls do.
//!
//! ```text
//!   references   real inputs give exactly the published answers      order     any arrival order, the same answers
//!   twice        what is sent again counts once                     oracle    2,000 random questions, answered naively
//!   replay       reading the log again changes nothing, or repairs  rubbish   refused with a reason, never a panic
//! ```

mod asked;
mod harness;
mod kill;
mod oracle;
mod order;
mod process;
mod references;
mod replay;
mod reports;
mod twice;
