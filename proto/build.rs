//! Compiles the `.proto` files into Rust types, in Rust: neither protoc nor a network is needed.

use std::io;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=proto");
    let files =
        protox::compile(["loki.proto", "remote_write_1.proto", "remote_write_2.proto"], ["proto"]).map_err(io::Error::other)?;
    prost_build::Config::new().compile_fds(files)
}
