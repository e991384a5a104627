//! A line typed at a terminal that does not show it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::exit::Failure;

/// Longer than any secret key, and than a card of half a dozen history keys; a larger paste is a mistake.
const TEXT_BYTES_MAX: u64 = 16 * 1024;
/// The text of the largest key card: bech32 takes eight characters for five bytes.
const CARD_BYTES_MAX: u64 = 1024 * 1024;

/// Asks at the terminal. Echo comes back when this ends, also when it is dropped halfway.
pub(crate) async fn ask(question: &str) -> Result<Zeroizing<String>, Failure> {
    let _ = io::Write::write_all(&mut io::stderr(), question.as_bytes());
    let _silence = Silence::begin().map_err(|error| {
        Failure::Failed(format!(
            "the terminal cannot hide what is typed: {error}; use --key-file"
        ))
    })?;
    read(true).await
}

/// Reads a small file that holds a secret; `what` names it in errors, which leave the path out: somebody may have given
/// the secret itself.
pub(crate) fn read_file(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    read_at_most(path, what, TEXT_BYTES_MAX)
}

/// The same for a key card with many keys.
pub(crate) fn read_long_file(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    read_at_most(path, what, CARD_BYTES_MAX)
}

/// A passphrase: from `file`, else from what was piped in behind the secret, else typed.
pub(crate) async fn passphrase(file: Option<&Path>, piped: &str) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(path) => Ok(without_line_end(&read_file(path, "passphrase file")?)),
        None if !piped.trim().is_empty() => Ok(without_line_end(piped)),
        None if io::stdin().is_terminal() => Ok(without_line_end(&ask("Passphrase: ").await?)),
        None => Err(Failure::Usage(
            "a passphrase is needed and none came; give --passphrase-file, or pipe it in on a line of its own"
                .to_owned(),
        )),
    }
}

/// What was typed, without the line break that ended it.
pub(crate) fn without_line_end(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_at_most(path: &Path, what: &str, max: u64) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX as usize));
    let read = File::open(path).and_then(|file| file.take(max).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::Usage(format!(
            "the {what} could not be read: {error}; check its path"
        ))),
    }
}

/// Reads what is piped in.
pub(crate) async fn read_stdin() -> Result<Zeroizing<String>, Failure> {
    read(false).await
}

/// Reads one line, or everything there is, in a thread of its own: it cannot be called back.
async fn read(one_line: bool) -> Result<Zeroizing<String>, Failure> {
    let reading = tokio::task::spawn_blocking(move || {
        use io::BufRead;
        // Enough room from the start means that no copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX as usize));
        let mut input = io::stdin().lock().take(TEXT_BYTES_MAX);
        if one_line {
            input.read_line(&mut text)
        } else {
            input.read_to_string(&mut text)
        }
        .map(|_| text)
    });
    match reading.await {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => Err(Failure::Usage(format!(
            "the secret key could not be read from stdin: {error}"
        ))),
        Err(_) => Err(Failure::Failed("the secret key could not be read".to_owned())),
    }
}

/// While it exists, the terminal does not show what is typed.
#[cfg(unix)]
struct Silence(rustix::termios::Termios);

#[cfg(unix)]
impl Silence {
    fn begin() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

#[cfg(unix)]
impl Drop for Silence {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        // The line break that was typed did not show either.
        let _ = io::Write::write_all(&mut io::stderr(), b"\n");
    }
}

#[cfg(not(unix))]
struct Silence;

#[cfg(not(unix))]
impl Silence {
    fn begin() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
