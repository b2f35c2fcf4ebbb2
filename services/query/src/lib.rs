//! Query: reports from one contract.
