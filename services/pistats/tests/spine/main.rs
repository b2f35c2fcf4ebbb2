//! The spine's promises, seen from outside: everything goes through gRPC, as any client's calls do.
//!
//! ```text
//!   references   real inputs give exactly the published answers      order       any arrival order, the same answers
//!   twice        what is sent again counts once                     oracle      2,000 random questions, answered naively
//!   replay       reading the log again changes nothing, or repairs  rubbish     refused with a reason, never a panic
//!   kill         kill -9, again and again                           durability  the answer comes after the disk has it
//!   funnels      a published funnel, also backwards
//!   watch        reports that are watched are those that are asked for
//!   watch_ends   restarts, revoked keys, other zones; browsers
//!   watch_waves  random reports over random histories, watched
//!   realtime     who is there now, and what is talked about
//!   zones        a site gets another zone: as if it had always had it, also killed halfway
//!   browsers     what pages send, and visitors without cookies
//!   tenants      a key opens its own site, as far as its scope says
//!   pages        files and calls on one port, and how a browser signs in
//!   campaigns    messages to a thousand browsers, killed halfway; who enters
//!   segments     who is in one: counted, listed, watched, and as a filter of every report
//!   reflection   grpcurl calls everything without a file            commands    the command line, as the README has it
//! ```
//!
//! Every case runs in each shape of `topology`: as one process, and with the roles apart.

// Shared with the tests of people, which ask more.
#[allow(dead_code)]
mod asked;
mod browsers;
mod campaigns;
mod commands;
#[allow(dead_code)]
mod compare;
mod durability;
mod front;
mod funnels;
mod harness;
mod kill;
mod oracle;
mod order;
mod pages;
mod people_references;
mod process;
mod realtime;
mod references;
mod reflection;
mod replay;
mod reports;
mod rubbish;
mod segments;
mod tenants;
mod topology;
mod twice;
mod watch;
mod watch_ends;
mod watch_waves;
mod zones;
