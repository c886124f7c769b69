//! Files that people write, as both programs read them: YAML in which every node knows its place, typed settings, and all that
//! is wrong said at once, each with file, line, column and what to do; and what the environment says of their messages. Knows no
//! program's settings.

pub mod file;
pub mod messages;
pub mod problem;
pub mod quantity;
pub mod re2;
pub mod read;
pub mod section;
pub mod yaml;
