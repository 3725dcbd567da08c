//! Countersign behind axum: a router that knows no path.
