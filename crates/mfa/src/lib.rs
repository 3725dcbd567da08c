//! Login as a state machine: policies, factors, enrolment.
