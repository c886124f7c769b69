//! Maps of a file as structs: the keys stand once, and how they are read, and which there are, follows from them.

/// Declares a map of the file: a struct, its known keys, and how it is read. `elsewhere` is the function that says, of a section
/// and an unknown key, where else the key belongs.
#[macro_export]
macro_rules! section {
    ($elsewhere:path; $(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name {
            $($(#[$key_doc])* pub(crate) $key: Option<$crate::read::Spanned<$type>>,)*
        }

        impl $crate::read::Read for $name {
            fn read(name: &str, node: &$crate::yaml::Node, problems: &mut $crate::problem::Problems) -> Option<Self> {
                let keys = [$($crate::section::key(stringify!($key))),*];
                let section = $crate::read::Section::read(name, node, &keys, problems, |key| $elsewhere(name, key))?;
                Some(Self { $($key: section.take($crate::section::key(stringify!($key)), problems),)* })
            }

            fn when_empty() -> Option<Self> {
                Some(Self::default())
            }

            fn keys(path: &str, keys: &mut Vec<String>) {
                $(
                    let key = $crate::section::key(stringify!($key));
                    let key = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    keys.push(key.clone());
                    <$type as $crate::read::Read>::keys(&key, keys);
                )*
            }
        }
    };
}

/// A key as it stands in the file: one that is a word of Rust is a raw identifier here.
pub fn key(identifier: &'static str) -> &'static str {
    identifier.strip_prefix("r#").unwrap_or(identifier)
}
