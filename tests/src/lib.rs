//! What the end-to-end tests share: a Loki that decodes and counts, a generator of numbered lines, a running agent.
