//! The other processes of a run: this program again, in another part.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::Outcome;

/// Runs a part to its end and reads what it measured.
pub fn client<T: DeserializeOwned>(arguments: &[&dyn AsRef<OsStr>]) -> Outcome<T> {
    let mut command = Command::new(std::env::current_exe()?);
    command.stderr(Stdio::inherit());
    for argument in arguments {
        command.arg(argument);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("the part ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A relay in a process of its own. It ends with this value.
pub struct Child {
    process: std::process::Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    url: String,
}

impl Child {
    /// Starts a relay that holds the events of `history`, and waits until it accepts connections.
    pub fn relay(history: &Path) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("relay")
            .arg(history)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take().ok_or("the relay has no stdin")?;
        let answers = process.stdout.take().ok_or("the relay has no stdout")?;
        let mut relay = Self {
            process,
            questions,
            answers: BufReader::new(answers),
            url: String::new(),
        };
        relay.url = relay.answer()?;
        Ok(relay)
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The processor time it has used since it began.
    pub fn cpu(&mut self) -> Outcome<Duration> {
        writeln!(self.questions, "cpu")?;
        Ok(Duration::from_nanos(self.answer()?.parse()?))
    }

    fn answer(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the relay's process ended".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
