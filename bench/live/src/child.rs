//! The other processes of a run: this program again, in another part. They talk in lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use crate::Outcome;

/// A part in a process of its own. It ends with this value.
pub(crate) struct Child {
    process: std::process::Child,
    told: ChildStdin,
    heard: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let told = process.stdin.take().ok_or("a part has no stdin")?;
        let heard = process.stdout.take().ok_or("a part has no stdout")?;
        Ok(Self {
            process,
            told,
            heard: BufReader::new(heard),
        })
    }

    pub(crate) fn tell(&mut self, line: &str) -> Outcome<()> {
        Ok(writeln!(self.told, "{line}")?)
    }

    /// Waits for the next line.
    pub(crate) fn hear(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.heard.read_line(&mut line)? == 0 {
            return Err("a part has ended".into());
        }
        Ok(line.trim().to_owned())
    }

    pub(crate) fn expect(&mut self, line: &str) -> Outcome<()> {
        let heard = self.hear()?;
        if heard == line {
            return Ok(());
        }
        Err(format!("a part said {heard}").into())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
