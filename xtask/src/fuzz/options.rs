//! What was asked for.

use std::path::PathBuf;

use super::TARGETS;

/// Shown by `--help` and after a mistake.
pub(super) const USAGE: &str = "\
cargo xtask fuzz [--secs N] [--target NAME] [--jobs N]
cargo xtask fuzz --target NAME --replay FILE

  --secs N       seconds for each target, one target after the other (60)
  --target NAME  only this one: decode, reconcile, index or frames (all of them)
  --jobs N       processes that work on one target at once, on one corpus (1)
  --replay FILE  runs one input, such as one that was found

Corpora grow in fuzz/corpus, findings are written to fuzz/artifacts.
Needs stable Rust and a C++ compiler. docs/FUZZING.md says what each target promises.
";

/// What is run, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) secs: u64,
    pub(super) targets: Vec<&'static str>,
    pub(super) jobs: u32,
    pub(super) replay: Option<PathBuf>,
}

impl Options {
    /// `None` when help was asked for.
    pub(super) fn read(arguments: &[String]) -> Result<Option<Self>, String> {
        let mut options = Self {
            secs: 60,
            targets: TARGETS.to_vec(),
            jobs: 1,
            replay: None,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--secs" => options.secs = number(name, value)?,
                "--jobs" => options.jobs = number(name, value)?,
                "--replay" => options.replay = Some(value.into()),
                "--target" => {
                    let known = TARGETS.into_iter().find(|target| target == value);
                    options.targets = vec![known.ok_or_else(|| format!("there is no target {value}"))?];
                }
                _ => return Err(format!("there is no option {name}")),
            }
        }
        if options.replay.is_some() && options.targets.len() != 1 {
            return Err("--replay needs the --target the input is for".to_owned());
        }
        Ok(Some(options))
    }
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(name: &str, value: &str) -> Result<N, String> {
    let number = value.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| format!("{name} needs a number from 1 on, not {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Options>, String> {
        let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::read(&arguments)
    }

    #[test]
    fn without_options_every_target_gets_a_minute() {
        let options = read("").unwrap().unwrap();
        assert_eq!((options.secs, options.jobs), (60, 1));
        assert_eq!(options.targets, TARGETS);
        assert_eq!(read("--secs 5 --help"), Ok(None));
    }

    #[test]
    fn options_are_taken_and_mistakes_named() {
        let options = read("--secs 5 --jobs 2 --target index").unwrap().unwrap();
        let targets = vec!["index"];
        let expected = Options {
            secs: 5,
            jobs: 2,
            targets,
            replay: None,
        };
        assert_eq!(options, expected);
        let why = |text| read(text).unwrap_err();
        assert_eq!(why("--secs"), "--secs needs a value");
        assert_eq!(why("--secs 0"), "--secs needs a number from 1 on, not 0");
        assert_eq!(why("--target nothing"), "there is no target nothing");
        assert_eq!(why("--fast yes"), "there is no option --fast");
        assert_eq!(why("--replay x"), "--replay needs the --target the input is for");
    }
}
