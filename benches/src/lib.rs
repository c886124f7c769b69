//! What the benches share: inputs of a given shape and the figures of a process.
