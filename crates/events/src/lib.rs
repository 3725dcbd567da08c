//! Typed security events with stable ids, and the sink that a host listens at.
