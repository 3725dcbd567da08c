//! How refusals are declared: an enum of causes, each with a text and a stable id.

/// Declares an enum of causes with `id`, the stable name that logs and dashboards may rest on.
macro_rules! refusals {
    ($(#[$meta:meta])* $name:ident as $prefix:literal {
        $($(#[doc = $doc:literal])+ $variant:ident = $id:literal: $message:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $doc])+ #[error($message)] $variant,)+
        }

        impl $name {
            /// The stable id of the cause.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($prefix, ".", $id),)+
                }
            }

            #[cfg(test)]
            pub(crate) const IDS: &'static [&'static str] = &[$(concat!($prefix, ".", $id),)+];
        }
    };
}

pub(crate) use refusals;
