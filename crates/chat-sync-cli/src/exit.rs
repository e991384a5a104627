//! How a command ends: the exit codes of DESIGN 8, and one line that says why.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use chat_model::import::ImportError;
use chat_sync::{DataDirError, EngineError, SignerLoginError};
use event_index::IndexError;
use pns_keys::SignerError;
use relay_lab::LabError;

use crate::output::one_line;

/// Why a command did not do all it was asked. The text is one line that says what to change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It did not work.
    #[error("{0}")]
    Failed(String),
    /// Something is left, and will be tried again.
    #[error("{0}")]
    Partly(String),
    /// No relay could be reached.
    #[error("{0}")]
    Offline(String),
    /// The account's key, or the store's, can't be used now.
    #[error("{0}")]
    Locked(String),
    /// A passphrase or an account that does not belong here.
    #[error("{0}")]
    WrongKey(String),
    /// What was named is not there, any more.
    #[error("{0}")]
    Gone(String),
    /// Another process holds the store.
    #[error("{0}")]
    InUse(String),
    /// What the daemon said, with the exit code that it stands for.
    #[error("{error}")]
    Told {
        /// The exit code.
        exit: u8,
        /// Why.
        error: String,
    },
    /// A signer did not do what it was asked.
    #[error(transparent)]
    Signer(#[from] SignerLoginError),
    /// The account could not be opened.
    #[error(transparent)]
    Account(#[from] DataDirError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file is no export.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The embedded relay did not start.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Somebody asked the program to end.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read our output has gone; nothing is wrong with that.
    #[error("nobody reads the output any more")]
    ReaderGone,
}

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Failed(_) | Self::Gone(_) | Self::Import(_) | Self::Lab(_) => 1,
            Self::Usage(_) => 2,
            Self::Partly(_) => 3,
            Self::InUse(_) => 11,
            Self::Told { exit, .. } => *exit,
            Self::Offline(_) => 4,
            Self::WrongKey(_) | Self::Signer(SignerLoginError::Signer(SignerError::WrongAccount { .. })) => {
                12
            }
            Self::Locked(_) | Self::Signer(_) => 5,
            Self::Interrupted => 130,
            Self::Account(error) => match error {
                DataDirError::NotLoggedIn
                | DataDirError::WhichAccount(_)
                | DataDirError::NoSuchAccount { .. } => 10,
                DataDirError::Key(_) => 5,
                DataDirError::Store(error) => store_code(error),
                DataDirError::Io { .. }
                | DataDirError::BadPointer(_)
                | DataDirError::BadLogin
                | DataDirError::Undelivered { .. } => 1,
            },
            Self::Engine(error) => match error {
                EngineError::Store(error) => store_code(error),
                EngineError::Empty | EngineError::BadConversation(_) => 2,
                EngineError::Thread(_)
                | EngineError::Stopped
                | EngineError::Find(_)
                | EngineError::TooLong(_)
                | EngineError::NoSuchParent(_)
                | EngineError::NotReady => 1,
            },
        }
    }

    /// What is said about it; `None` when nothing needs saying.
    pub(crate) fn line(&self) -> Option<String> {
        if matches!(self, Self::ReaderGone | Self::Interrupted) {
            return None;
        }
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.contains(&text) {
                line = format!("{line}: {text}");
            }
            cause = error.source();
        }
        Some(one_line(&line))
    }
}

fn store_code(error: &IndexError) -> u8 {
    match error {
        IndexError::InUse { .. } => 11,
        IndexError::WrongKey { .. } => 12,
        _ => 1,
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<io::Error> for Failure {
    /// An error of standard output: files name themselves in their errors.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Failed(format!("the output could not be written: {error}")),
        }
    }
}

/// Says what there is to say and returns the exit code.
pub(crate) fn report(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    if let Some(line) = failure.line() {
        // Without stderr there is nobody to tell.
        let _ = writeln!(io::stderr(), "chat-sync: {line}");
    }
    ExitCode::from(failure.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_the_code_of_the_design() {
        let in_use = || IndexError::InUse { place: "here".into() };
        for (failure, code) in [
            (Failure::Failed(String::new()), 1),
            (Failure::Usage(String::new()), 2),
            (Failure::Partly(String::new()), 3),
            (Failure::Offline(String::new()), 4),
            (Failure::Locked(String::new()), 5),
            (DataDirError::NotLoggedIn.into(), 10),
            (DataDirError::Store(in_use()).into(), 11),
            (EngineError::Store(in_use()).into(), 11),
            (
                DataDirError::Store(IndexError::WrongKey { place: "here".into() }).into(),
                12,
            ),
            (Failure::Interrupted, 130),
        ] {
            assert_eq!(failure.code(), code, "{failure}");
        }
    }

    #[test]
    fn a_failure_is_one_line_with_its_cause() {
        let busy = io::Error::other("device busy\nreally");
        let line = Failure::Engine(EngineError::Thread(busy)).line().unwrap();
        assert!(
            line.contains("close other programs") && line.ends_with("device busy really"),
            "{line}"
        );
        assert_eq!(
            Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).line(),
            None
        );
    }
}
