//! One at a time.

use std::sync::{Condvar, Mutex, PoisonError};

/// What only one test may use at a time; a turn may end on another thread than it began.
pub(crate) struct Turns {
    taken: Mutex<bool>,
    ended: Condvar,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(&'static Turns);

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turns")
    }
}

impl Turns {
    pub(crate) const fn new() -> Self {
        Self { taken: Mutex::new(false), ended: Condvar::new() }
    }

    pub(crate) fn take(&'static self) -> Turn {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.ended.wait_while(taken, |taken| *taken).unwrap_or_else(PoisonError::into_inner);
        *taken = true;
        Turn(self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.ended.notify_one();
    }
}
