//! One log format a file: line in; time, structured metadata and text out. Pure: no files, no sockets, no clock.
