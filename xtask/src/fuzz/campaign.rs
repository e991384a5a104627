//! One target for a while.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// An input takes milliseconds; one that takes this long on a busy machine loops.
const TIMEOUT_SECS: u32 = 20;
/// Every target stays under 200 MB; libFuzzer looks once a second.
const RSS_LIMIT_MB: u32 = 1_024;
/// Memory that is asked for and never touched does not show there. An allocation behind this limit fails at once, which
/// is how a count that was believed unchecked is found.
const ADDRESS_SPACE_KB: u32 = 4 << 20;

/// One target, and how it is run.
#[derive(Debug)]
pub(super) struct Campaign<'a> {
    pub(super) target: &'a str,
    pub(super) binary: PathBuf,
    pub(super) home: &'a Path,
    pub(super) secs: u64,
    pub(super) jobs: u32,
}

/// What it came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) jobs: u32,
    pub(super) executions: u64,
    /// Edges that some input ran through.
    pub(super) coverage: u64,
    /// Seconds that each process was given.
    pub(super) secs: u64,
    /// What to read and how to see it again, one text per finding.
    pub(super) findings: Vec<String>,
}

impl Campaign<'_> {
    /// Runs the processes side by side. One that finds something ends; the others go on.
    pub(super) fn run(&self) -> Result<Outcome, String> {
        // An empty folder of seeds is not in a clone.
        for directory in [self.corpus(), self.seeds(), self.home.join("artifacts")] {
            fs::create_dir_all(&directory).map_err(|error| named(&directory, &error))?;
        }
        let children: Result<Vec<(PathBuf, Child)>, String> =
            (0..self.jobs).map(|job| self.start(job)).collect();
        let mut outcome = Outcome {
            jobs: self.jobs,
            secs: self.secs,
            ..Outcome::default()
        };
        for (log, mut child) in children? {
            let status = child.wait().map_err(|error| named(&self.binary, &error))?;
            let text = fs::read(&log).map_err(|error| named(&log, &error))?;
            outcome.count(&String::from_utf8_lossy(&text));
            if !status.success() {
                outcome
                    .findings
                    .push(self.finding(&log, &String::from_utf8_lossy(&text)));
            }
        }
        Ok(outcome)
    }

    fn corpus(&self) -> PathBuf {
        self.home.join("corpus").join(self.target)
    }

    fn seeds(&self) -> PathBuf {
        self.home.join("seeds").join(self.target)
    }

    fn start(&self, job: u32) -> Result<(PathBuf, Child), String> {
        let log = self
            .home
            .join("artifacts")
            .join(format!("{}-{job}.log", self.target));
        let file = File::create(&log).map_err(|error| named(&log, &error))?;
        let mut command = bounded(&self.binary);
        command
            .arg(format!("-max_total_time={}", self.secs))
            .arg(format!("-timeout={TIMEOUT_SECS}"))
            .arg(format!("-rss_limit_mb={RSS_LIMIT_MB}"))
            .arg(format!(
                "-artifact_prefix={}-",
                self.home.join("artifacts").join(self.target).display()
            ))
            .arg("-print_final_stats=1");
        let dictionary = self
            .home
            .join("dictionaries")
            .join(format!("{}.dict", self.target));
        if dictionary.exists() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        // New inputs go to the first one.
        command.arg(self.corpus()).arg(self.seeds());
        let child = command.stderr(file).spawn();
        Ok((log, child.map_err(|error| named(&self.binary, &error))?))
    }

    fn finding(&self, log: &Path, text: &str) -> String {
        let log = log.display();
        match artifact(text) {
            Some(input) => format!(
                "  {input}\n    why:    {log}\n    replay: cargo xtask fuzz --target {} --replay {input}",
                self.target
            ),
            None => format!("  {} ended without naming an input; see {log}", self.target),
        }
    }
}

impl Outcome {
    /// Adds what one process reports at its end.
    fn count(&mut self, log: &str) {
        let after = |name: &str, line: &str| -> Option<u64> {
            let (_, rest) = line.split_once(name)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let last = |name: &str| log.lines().rev().find_map(|line| after(name, line));
        // One that crashes reports nothing at its end; its last line of progress begins with the number.
        let shown = || {
            log.lines()
                .rev()
                .filter(|line| line.contains(" cov: "))
                .find_map(|line| after("#", line))
        };
        self.executions += last("stat::number_of_executed_units:")
            .or_else(shown)
            .unwrap_or(0);
        self.coverage = self.coverage.max(last(" cov: ").unwrap_or(0));
    }
}

/// The input that did it, as libFuzzer says.
fn artifact(log: &str) -> Option<&str> {
    log.lines().rev().find_map(|line| {
        line.split_once("Test unit written to ")
            .map(|(_, path)| path.trim())
    })
}

/// The program, with a bound on its address space where a shell can set one.
fn bounded(binary: &Path) -> Command {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -v {ADDRESS_SPACE_KB} && exec \"$0\" \"$@\""))
            .arg(binary);
        return command;
    }
    Command::new(binary)
}

fn named(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "\
INFO: Seed: 7
#2\tINITED cov: 102 ft: 103 corp: 1/1b exec/s: 0 rss: 38Mb
#4096\tpulse  cov: 951 ft: 1903 corp: 80/1b lim: 43 exec/s: 2048 rss: 41Mb
#5000\tDONE   cov: 960 ft: 1903 corp: 80/1b lim: 43 exec/s: 2048 rss: 41Mb
Done 5000 runs in 2 second(s)
stat::number_of_executed_units: 5000
stat::peak_rss_mb:              41
";
    const FOUND: &str = "\
#64\tNEW    cov: 300 ft: 310 corp: 9/40b lim: 4 exec/s: 0 rss: 39Mb L: 5/6 MS: 1 InsertByte-
==1== ERROR: libFuzzer: deadly signal
artifact_prefix='/x/decode-'; Test unit written to /x/decode-crash-00ff
";

    #[test]
    fn what_several_processes_report_is_added_up() {
        let mut outcome = Outcome::default();
        outcome.count(CLEAN);
        outcome.count(FOUND);
        assert_eq!((outcome.executions, outcome.coverage), (5_064, 960));
        outcome.count("sh: 1: ulimit: error");
        assert_eq!(outcome.executions, 5_064);
    }

    #[test]
    fn a_finding_names_its_input_and_the_command_that_replays_it() {
        let campaign = Campaign {
            target: "decode",
            binary: PathBuf::from("/b/decode"),
            home: Path::new("/h"),
            secs: 1,
            jobs: 1,
        };
        assert_eq!(artifact(CLEAN), None);
        let finding = campaign.finding(Path::new("/h/artifacts/decode-0.log"), FOUND);
        assert!(finding.contains("cargo xtask fuzz --target decode --replay /x/decode-crash-00ff"));
        let unnamed = campaign.finding(Path::new("/h/artifacts/decode-0.log"), CLEAN);
        assert!(unnamed.contains("/h/artifacts/decode-0.log"));
    }
}
