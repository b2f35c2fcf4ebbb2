//! The rules of the house that no compiler and no lint checks: which crate may see which, and how files read.
//!
//! Each rule is a plain function over data, so that a test can show it a breach and see that it is reported; a guard
//! that was never seen to bark is not one.

mod files;
mod layering;
mod tree;
