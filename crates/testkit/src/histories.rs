//! Seeded random histories, and questions about them.
