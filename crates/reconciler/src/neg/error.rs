//! Why a message could not be worked with.

use event_index::IndexError;

use super::message::{MESSAGE_BYTES_MAX, VERSION};

/// Why a step of a comparison failed. Nothing of a failed step was named.
#[derive(Debug, thiserror::Error)]
pub enum NegError {
    /// The other side speaks another version; it never gets further than this, so read it page by page.
    #[error("the relay speaks version {theirs:#04x} of negentropy, not {VERSION:#04x}")]
    Version {
        /// The byte it sent.
        theirs: u8,
    },
    /// The bytes are not a message of version 0x61.
    #[error("the relay sent a negentropy message that cannot be read ({0})")]
    Malformed(#[from] Malformed),
    /// The items could not be read here.
    #[error("the items to compare could not be read: {0}")]
    View(#[from] IndexError),
}

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing at all, not even a version.
    #[error("it is empty")]
    Empty,
    /// It ends inside of a number, a bound, a fingerprint or an id list.
    #[error("it ends too early")]
    CutShort,
    /// A number that 64 bits do not hold, or that is written with more than ten digits.
    #[error("a number has more than 64 bits")]
    Number,
    /// A bound's time that 64 bits do not hold.
    #[error("a bound lies behind the end of time")]
    Time,
    /// A bound's id prefix longer than an id.
    #[error("a bound has an id of {0} bytes")]
    Prefix(u64),
    /// Something other than skip, fingerprint and id list.
    #[error("it has a range of the unknown mode {0}")]
    Mode(u64),
    /// A range that ends before it begins.
    #[error("its ranges are out of order")]
    Backwards,
    /// More bytes than are looked at.
    #[error("it has {0} bytes, at most {MESSAGE_BYTES_MAX} are read")]
    TooLong(usize),
}
