//! What is configured: by a flag of this run, by the environment, by the configuration file, or not at all. The first of
//! these that says something counts.
//!
//! The file is `config.toml` in the data directory when one was named (`--data-dir`, `CHAT_SYNC_DATA_DIR`), so that all of
//! an installation is in one place; otherwise `$XDG_CONFIG_HOME/chat-sync/config.toml`, or
//! `~/.config/chat-sync/config.toml`. There need not be one.

mod saving;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chat_sync::{Days, Switches};
use toml::{Table, Value};

pub(crate) use saving::save_switches;

/// A file of settings fits into a thousandth of this; something else was named by mistake.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The table of the file that holds the switches.
const SWITCHES: &str = "switches";
/// How variables of this program begin.
const VARIABLE: &str = "CHAT_SYNC_";
const FORGET: &str = Switches::FORGET_AFTER_DAYS;
/// What belongs there.
const DAYS_OR_NEVER: &str = "a number of days from 1 to 36500, or `off`";
const LOG_FORMAT: &str = "log_format";
const LOG_DAYS: &str = "log_days";
/// Two weeks: long enough to look into what was noticed after a holiday.
const LOG_DAYS_DEFAULT: u32 = 14;
const LOG_DAYS_MAX: u32 = 3650;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What the engine may do.
    pub(crate) switches: Switches,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// How many days log files are kept; 0 keeps none.
    pub(crate) log_days: u32,
    /// Where the file is, or would be.
    pub(crate) file: Option<PathBuf>,
    /// What flags said.
    pub(crate) flags: Flags,
    sources: BTreeMap<&'static str, Source>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

impl LogFormat {
    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Who said what a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody.
    Default,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
    /// A flag of this run.
    Flag,
}

/// One setting as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// As in the file: `switches.live`, `log_days`.
    pub(crate) name: String,
    /// As in the file.
    pub(crate) value: String,
    /// Who said so.
    pub(crate) source: Source,
    /// The variable that would.
    pub(crate) variable: String,
}

/// How one switch is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// On or off, by its name.
    Switch(&'static str, bool),
    /// After how many days messages are forgotten here, or never.
    Forget(Option<Days>),
}

impl Turn {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Switch(name, _) => name,
            Self::Forget(_) => FORGET,
        }
    }

    /// Turns it.
    pub(crate) fn apply(self, switches: &mut Switches) {
        match self {
            Self::Switch(name, on) => {
                switches.turn(name, on);
            }
            Self::Forget(days) => switches.forget_after_days = days,
        }
    }

    /// As a word says it, of a switch that there is.
    fn said(name: &'static str, word: &str) -> Result<Self, &'static str> {
        if name == FORGET {
            return kept_for(word).ok_or(DAYS_OR_NEVER);
        }
        on_or_off(word)
            .map(|on| Self::Switch(name, on))
            .ok_or("on or off")
    }

    /// As JSON says it; `None` when it says something else.
    pub(crate) fn json(name: &str, value: &serde_json::Value) -> Result<Self, String> {
        use serde_json::Value;
        let name = known(name).ok_or_else(unknown)?;
        let turn = match value {
            Value::Null | Value::Bool(false) if name == FORGET => Some(Self::Forget(None)),
            value if name == FORGET => {
                let days = value.as_u64().and_then(|days| Days::new(days).ok());
                days.map(|days| Self::Forget(Some(days)))
            }
            Value::Bool(on) => Some(Self::Switch(name, *on)),
            _ => None,
        };
        turn.ok_or_else(|| {
            let wanted = if name == FORGET {
                "a number of days from 1 to 36500, or null for never"
            } else {
                "true or false"
            };
            format!("`{name}` has to be {wanted}")
        })
    }
}

/// What a run of the program was told by flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// How switches are to stand.
    pub(crate) switches: Vec<Turn>,
    /// How log lines look.
    pub(crate) log_format: Option<LogFormat>,
}

/// Why there are no settings. The text is one line that says what to change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{} could not be read ({source}); check its permissions, or CHAT_SYNC_CONFIG", .file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{} could not be written ({source}); check its permissions, or CHAT_SYNC_CONFIG", .file.display())]
    Unwritten { file: PathBuf, source: io::Error },
    #[error("{} is over {} KB, which no configuration is; check CHAT_SYNC_CONFIG", .file.display(), FILE_BYTES_MAX / 1024)]
    TooLarge { file: PathBuf },
    #[error("{}, line {line}: {reason}", .file.display())]
    Malformed {
        file: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("{}: there is no setting `{name}`; `chat-sync config show` lists them", .file.display())]
    Unknown { file: PathBuf, name: String },
    #[error("{place}: {name} is {given}, and has to be {wanted}")]
    Value {
        place: String,
        name: String,
        given: String,
        wanted: &'static str,
    },
}

/// Where the configuration file is, for a data directory that was named, or for none.
pub(crate) fn file(
    data_dir: Option<&Path>,
    variables: &impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    if let Some(named) = variables("CHAT_SYNC_CONFIG").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    if let Some(root) = data_dir {
        return Some(root.join("config.toml"));
    }
    let given = variables("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let config = given.or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(config.join("chat-sync").join("config.toml"))
}

impl Flags {
    /// As they are typed, for another process of this program.
    pub(crate) fn to_args(&self) -> Vec<String> {
        let switch = |turn: &Turn| {
            let word = match turn {
                Turn::Switch(_, true) => "on".to_owned(),
                Turn::Switch(_, false) | Turn::Forget(None) => "off".to_owned(),
                Turn::Forget(Some(days)) => days.get().to_string(),
            };
            format!("--switch={}={word}", turn.name())
        };
        let mut args: Vec<String> = self.switches.iter().map(switch).collect();
        args.extend(
            self.log_format
                .map(|format| format!("--log-format={}", format.word())),
        );
        args
    }
}

impl Settings {
    /// What `flags`, `variables` and the file at `file` say. A file that is not there says nothing.
    pub(crate) fn read(
        file: Option<PathBuf>,
        variables: &impl Fn(&str) -> Option<OsString>,
        flags: &Flags,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self {
            switches: Switches::ON,
            log_format: LogFormat::default(),
            log_days: LOG_DAYS_DEFAULT,
            file,
            flags: flags.clone(),
            sources: BTreeMap::new(),
        };
        if let Some(path) = settings.file.clone()
            && let Some(text) = text_of(&path)?
        {
            settings.take_file(&path, &text)?;
        }
        settings.take_environment(variables)?;
        for turn in &flags.switches {
            settings.turn(*turn, Source::Flag);
        }
        if let Some(format) = flags.log_format {
            settings.log_format = format;
            settings.sources.insert(LOG_FORMAT, Source::Flag);
        }
        Ok(settings)
    }

    fn turn(&mut self, turn: Turn, source: Source) {
        turn.apply(&mut self.switches);
        self.sources.insert(turn.name(), source);
    }

    /// Every setting, in the order in which people see them.
    pub(crate) fn all(&self) -> Vec<Setting> {
        let one = |name: &'static str, shown: String, value: String| Setting {
            name: shown,
            value,
            source: self.source(name),
            variable: variable(name),
        };
        let switch = |name: &&'static str| {
            let on = self.switches.get(name).unwrap_or(true);
            one(name, format!("{SWITCHES}.{name}"), on.to_string())
        };
        let mut all: Vec<Setting> = Switches::NAMES.iter().map(switch).collect();
        let days = self.switches.forget_after_days;
        all.push(one(
            FORGET,
            format!("{SWITCHES}.{FORGET}"),
            days.map_or_else(|| "false".to_owned(), |days| days.get().to_string()),
        ));
        all.push(one(
            LOG_FORMAT,
            LOG_FORMAT.to_owned(),
            format!("\"{}\"", self.log_format.word()),
        ));
        all.push(one(LOG_DAYS, LOG_DAYS.to_owned(), self.log_days.to_string()));
        all
    }

    /// Who turned this switch, or left it on.
    pub(crate) fn source(&self, name: &str) -> Source {
        self.sources.get(name).copied().unwrap_or(Source::Default)
    }

    /// Where the value of this setting comes from, in words.
    pub(crate) fn origin(&self, setting: &Setting) -> String {
        match setting.source {
            Source::Default => "default".to_owned(),
            Source::File => self
                .file
                .as_deref()
                .map_or_else(|| "config file".to_owned(), |file| file.display().to_string()),
            Source::Environment => setting.variable.clone(),
            Source::Flag => "command line".to_owned(),
        }
    }

    /// The same of a switch, by its name.
    pub(crate) fn origin_of(&self, switch: &str) -> String {
        let all = self.all();
        let shown = format!("{SWITCHES}.{switch}");
        let setting = all.iter().find(|setting| setting.name == shown);
        setting.map_or_else(|| "default".to_owned(), |setting| self.origin(setting))
    }

    fn take_file(&mut self, file: &Path, text: &str) -> Result<(), SettingsError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            SettingsError::Malformed {
                file: file.to_owned(),
                line: text.get(..at).unwrap_or_default().matches('\n').count() + 1,
                reason: error.message().to_owned(),
            }
        })?;
        let place = || file.display().to_string();
        let wrong = |name: &str, given: &Value, wanted| SettingsError::Value {
            place: place(),
            name: name.to_owned(),
            given: given.to_string(),
            wanted,
        };
        for (name, value) in &table {
            match (name.as_str(), value) {
                (SWITCHES, Value::Table(switches)) => {
                    for (name, value) in switches {
                        let shown = format!("{SWITCHES}.{name}");
                        let known = known(name).ok_or_else(|| SettingsError::Unknown {
                            file: file.to_owned(),
                            name: shown.clone(),
                        })?;
                        let turn = match value {
                            Value::String(word) => Turn::said(known, word).ok(),
                            Value::Boolean(false) if known == FORGET => Some(Turn::Forget(None)),
                            Value::Integer(number) if known == FORGET => {
                                Turn::said(known, &number.to_string()).ok()
                            }
                            Value::Boolean(on) if known != FORGET => Some(Turn::Switch(known, *on)),
                            _ => None,
                        };
                        let wanted = if known == FORGET {
                            "a number of days from 1 to 36500, or false"
                        } else {
                            "true or false"
                        };
                        self.turn(turn.ok_or_else(|| wrong(&shown, value, wanted))?, Source::File);
                    }
                }
                (SWITCHES, value) => return Err(wrong(SWITCHES, value, "a table of switches")),
                (LOG_FORMAT, value) => {
                    let format = value.as_str().and_then(log_format);
                    self.log_format =
                        format.ok_or_else(|| wrong(LOG_FORMAT, value, "\"text\" or \"json\""))?;
                    self.sources.insert(LOG_FORMAT, Source::File);
                }
                (LOG_DAYS, value) => {
                    let days = value.as_integer().and_then(|days| u32::try_from(days).ok());
                    let days = days.filter(|days| *days <= LOG_DAYS_MAX);
                    self.log_days = days.ok_or_else(|| wrong(LOG_DAYS, value, "0 to 3650"))?;
                    self.sources.insert(LOG_DAYS, Source::File);
                }
                _ => {
                    return Err(SettingsError::Unknown {
                        file: file.to_owned(),
                        name: name.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    fn take_environment(
        &mut self,
        variables: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<(), SettingsError> {
        // An empty one says nothing, as everywhere.
        let said = |name: &str| {
            let said = variables(&variable(name)).filter(|said| !said.is_empty())?;
            Some(said.to_string_lossy().into_owned())
        };
        let wrong = |name: &str, given: String, wanted| SettingsError::Value {
            place: "environment".to_owned(),
            name: variable(name),
            given,
            wanted,
        };
        for name in names() {
            if let Some(word) = said(name) {
                let turn = Turn::said(name, &word).map_err(|wanted| wrong(name, word, wanted))?;
                self.turn(turn, Source::Environment);
            }
        }
        if let Some(word) = said(LOG_FORMAT) {
            let format = log_format(&word);
            self.log_format = format.ok_or_else(|| wrong(LOG_FORMAT, word, "text or json"))?;
            self.sources.insert(LOG_FORMAT, Source::Environment);
        }
        if let Some(word) = said(LOG_DAYS) {
            let days = word.parse().ok().filter(|days| *days <= LOG_DAYS_MAX);
            self.log_days = days.ok_or_else(|| wrong(LOG_DAYS, word, "0 to 3650"))?;
            self.sources.insert(LOG_DAYS, Source::Environment);
        }
        Ok(())
    }
}

/// `live` is `CHAT_SYNC_LIVE`.
fn variable(name: &str) -> String {
    format!("{VARIABLE}{}", name.to_ascii_uppercase())
}

/// Every switch by its name.
fn names() -> impl Iterator<Item = &'static str> {
    Switches::NAMES.iter().copied().chain([FORGET])
}

/// The switch of this name.
fn known(name: &str) -> Option<&'static str> {
    names().find(|known| *known == name)
}

fn unknown() -> String {
    let names: Vec<&str> = names().collect();
    format!("there is no switch of that name; there are {}", names.join(", "))
}

/// `off` and its like for never, else how many days; `None` for anything else, zero days among it.
fn kept_for(word: &str) -> Option<Turn> {
    let days = match word.to_ascii_lowercase().as_str() {
        "off" | "false" | "no" | "never" => None,
        word => Some(word.parse().ok()?),
    };
    Some(Turn::Forget(days))
}

/// `on`, `true`, `yes`, `1`, or their opposites.
fn on_or_off(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn log_format(word: &str) -> Option<LogFormat> {
    [LogFormat::Text, LogFormat::Json]
        .into_iter()
        .find(|format| format.word() == word)
}

/// `live=off`, as a flag has it.
pub(crate) fn switch_flag(text: &str) -> Result<Turn, String> {
    let (name, word) = text
        .split_once('=')
        .ok_or("write NAME=on, NAME=off, or forget_after_days=DAYS")?;
    let name = known(name).ok_or_else(unknown)?;
    Turn::said(name, word).map_err(|wanted| format!("`{name}` has to be {wanted}"))
}

fn text_of(file: &Path) -> Result<Option<String>, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = String::new();
    let read = opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    if read.map_err(unreadable)? as u64 > FILE_BYTES_MAX {
        return Err(SettingsError::TooLarge {
            file: file.to_owned(),
        });
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Settings, SettingsError> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let flags = Flags {
            switches: flags.iter().map(|flag| switch_flag(flag).unwrap()).collect(),
            log_format: None,
        };
        Settings::read(Some(path), &|name| of(variables, name), &flags)
    }

    fn of(variables: &[(&str, &str)], name: &str) -> Option<OsString> {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.into())
    }

    #[test]
    fn a_flag_counts_more_than_the_environment_more_than_the_file_more_than_nothing() {
        let file = "log_days = 3\n[switches]\nlive = false\nauth = false\nparts = \"off\"\n";
        let variables = [
            ("CHAT_SYNC_AUTH", "on"),
            ("CHAT_SYNC_PARTS", "1"),
            ("CHAT_SYNC_SYNC", ""),
        ];
        let settings = read(file, &variables, &["parts=no"]).unwrap();
        let expected = Switches {
            live: false,
            parts: false,
            ..Switches::ON
        };
        assert_eq!((settings.switches, settings.log_days), (expected, 3));
        for (name, source) in [
            ("live", Source::File),
            ("auth", Source::Environment),
            ("parts", Source::Flag),
            ("sync", Source::Default),
        ] {
            assert_eq!(settings.source(name), source, "{name}");
        }
        let all = settings.all();
        assert_eq!(all.len(), Switches::NAMES.len() + 3);
        let live = all
            .iter()
            .find(|setting| setting.name == "switches.live")
            .unwrap();
        assert_eq!(
            (live.value.as_str(), live.variable.as_str()),
            ("false", "CHAT_SYNC_LIVE")
        );
    }

    #[test]
    fn messages_are_kept_for_ever_unless_somebody_says_for_how_many_days() {
        let of = |file: &str, variables: &[(&str, &str)], flags: &[&str]| {
            let settings = read(file, variables, flags).unwrap();
            let days = settings.switches.forget_after_days.map(Days::get);
            (days, settings.source("forget_after_days"))
        };
        assert_eq!(of("", &[], &[]), (None, Source::Default));
        let file = "[switches]\nforget_after_days = 90\n";
        assert_eq!(of(file, &[], &[]), (Some(90), Source::File));
        for word in ["off", "no", "false", "never"] {
            let variable = [("CHAT_SYNC_FORGET_AFTER_DAYS", word)];
            assert_eq!(of(file, &variable, &[]), (None, Source::Environment), "{word}");
        }
        let variable = [("CHAT_SYNC_FORGET_AFTER_DAYS", "1")];
        assert_eq!(of(file, &variable, &[]), (Some(1), Source::Environment));
        assert_eq!(
            of(file, &variable, &["forget_after_days=30"]),
            (Some(30), Source::Flag)
        );
        for off in ["false", "\"off\""] {
            let file = format!("[switches]\nforget_after_days = {off}\n");
            assert_eq!(of(&file, &[], &[]), (None, Source::File));
        }
        let flags = Flags {
            switches: vec![
                Turn::Forget(Some(Days::new(7).unwrap())),
                Turn::Switch("live", false),
            ],
            log_format: None,
        };
        assert_eq!(
            flags.to_args(),
            ["--switch=forget_after_days=7", "--switch=live=off"]
        );
    }

    #[test]
    fn no_file_and_an_empty_one_leave_everything_on() {
        let nobody = |_: &str| None;
        let missing = Settings::read(Some("/nowhere/config.toml".into()), &nobody, &Flags::default());
        for settings in [missing, read("", &[], &[])] {
            let settings = settings.unwrap();
            assert_eq!(
                (settings.switches, settings.log_days),
                (Switches::ON, LOG_DAYS_DEFAULT)
            );
        }
    }

    #[test]
    fn a_mistake_says_where_it_is_and_what_belongs_there() {
        for (file, variables, said) in [
            ("[switches]\nuplaods = false", &[][..], "`switches.uplaods`"),
            ("relay = 1", &[], "`relay`"),
            ("switches = 1", &[], "a table"),
            ("\n[switches]\nlive = ", &[], "line 3"),
            (
                "[switches]\nlive = 7",
                &[],
                "switches.live is 7, and has to be true or false",
            ),
            ("log_days = -1", &[], "log_days is -1"),
            ("log_format = \"xml\"", &[], "\"text\" or \"json\""),
            ("", &[("CHAT_SYNC_LIVE", "perhaps")], "CHAT_SYNC_LIVE is perhaps"),
            ("", &[("CHAT_SYNC_LOG_DAYS", "many")], "0 to 3650"),
            (
                "[switches]\nforget_after_days = 0",
                &[],
                "switches.forget_after_days is 0, and has to be a number of days from 1 to 36500, or false",
            ),
            ("[switches]\nforget_after_days = -3", &[], "is -3"),
            ("[switches]\nforget_after_days = true", &[], "is true"),
            ("[switches]\nforget_after_days = \"soon\"", &[], "is \"soon\""),
            (
                "",
                &[("CHAT_SYNC_FORGET_AFTER_DAYS", "0")],
                "CHAT_SYNC_FORGET_AFTER_DAYS is 0",
            ),
            ("", &[("CHAT_SYNC_FORGET_AFTER_DAYS", "on")], "from 1 to 36500"),
        ] {
            let error = read(file, variables, &[]).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{file:?}: {error}");
        }
        let large = "#".repeat(70_000);
        assert!(matches!(
            read(&large, &[], &[]),
            Err(SettingsError::TooLarge { .. })
        ));
        for flag in [
            "live",
            "live=maybe",
            "lvie=on",
            "forget_after_days=0",
            "forget_after_days=on",
            "forget_after_days=40000",
        ] {
            switch_flag(flag).unwrap_err();
        }
    }

    #[test]
    fn the_file_is_in_the_data_directory_that_was_named_or_where_configuration_belongs() {
        let xdg = |name: &str| of(&[("XDG_CONFIG_HOME", "/xdg")], name);
        assert_eq!(
            file(Some(Path::new("/data")), &xdg),
            Some("/data/config.toml".into())
        );
        assert_eq!(file(None, &xdg), Some("/xdg/chat-sync/config.toml".into()));
        let named = |name: &str| {
            of(
                &[("XDG_CONFIG_HOME", "/xdg"), ("CHAT_SYNC_CONFIG", "/my.toml")],
                name,
            )
        };
        assert_eq!(file(Some(Path::new("/data")), &named), Some("/my.toml".into()));
        let relative = |name: &str| of(&[("XDG_CONFIG_HOME", "xdg")], name);
        assert_ne!(file(None, &relative), Some("xdg/chat-sync/config.toml".into()));
    }
}
