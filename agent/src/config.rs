//! The configuration: `raw` mirrors the file, `checked` is what the program runs on.

pub mod checked;
