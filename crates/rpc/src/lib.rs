//! Tower layers, server, clients.
