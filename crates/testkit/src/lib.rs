//! What tests share: the naive oracle, histories, a server in the process, real inputs.
