//! What survives a crash, as both programs keep it: frames of bytes with a checksum each, and a file that they are appended to and
//! that is now and then replaced by rename, or that follow one another by number. What stands in a frame is its owner's.

pub mod file;
pub mod frame;
pub mod segments;
