//! Why a file cannot be imported.

/// The largest file that is read. Browsers keep about 10 MB of this; an export of everything is a few of them.
pub const IMPORT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a file cannot be imported. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The file does not parse. `line` and `column` count from 1.
    #[error(
        "the file is not JSON (line {line}, column {column}); a Routstr export is the text of the browser's \
         `saved_conversations` entry, copied whole"
    )]
    NotJson {
        /// The line of the first thing that is not JSON.
        line: usize,
        /// The column in it.
        column: usize,
    },
    /// The file is JSON of another shape.
    #[error(
        "the file holds {found}, not a Routstr export; expected a list of conversations, or an object whose \
         `saved_conversations` is that list or its text"
    )]
    NotAnExport {
        /// What was found.
        found: &'static str,
    },
    /// The file is larger than any export.
    #[error(
        "the file has {bytes} bytes, more than the {} an export may have; split it",
        IMPORT_BYTES_MAX
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}
