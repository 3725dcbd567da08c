//! What the specifications ask for, a test a claim, named after the section.

#[cfg(test)]
mod key_uri_format;
#[cfg(test)]
mod rfc4226;
#[cfg(test)]
mod rfc6238;
#[cfg(test)]
mod storage;
