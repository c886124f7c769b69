//! The binary `agent`: arguments in, exit code out.

fn main() {}
