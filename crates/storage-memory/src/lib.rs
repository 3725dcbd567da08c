//! A store in memory, for tests and for servers that may forget.
