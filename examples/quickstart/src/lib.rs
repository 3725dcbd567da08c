//! The quickstart as a library, so that tests start it in process.
