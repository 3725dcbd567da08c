//! The storage contract, its wrappers, and the suite that proves an adapter.
