//! Files of other programs, read into messages.

mod error;
mod saved_conversations;

pub use error::{IMPORT_BYTES_MAX, ImportError};
pub use saved_conversations::{Import, ImportedMessage, Skipped, read_saved_conversations};
