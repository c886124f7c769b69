//! Compiles the `.proto` files into Rust types, in Rust: neither protoc nor a network is needed.

use std::io;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["loki.proto"], ["proto"]).map_err(io::Error::other)?;
    prost_build::Config::new().compile_fds(files)
}
