//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use chat_sync::{MessageId, RelayUrl, Role};
use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use pns_keys::Profile;

use crate::exit::{self, Failure};
use crate::settings::{Flags, LogFormat, Turn, switch_flag};

/// Keeps a private AI-chat history the same on every device, through Nostr relays that can't read it.
#[derive(Debug, Parser)]
#[command(name = "chat-sync", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What goes with every command, before or after it.
#[derive(Debug, Args)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// Where everything is kept [default: $XDG_DATA_HOME/chat-sync]
    #[arg(
        long,
        global = true,
        env = "CHAT_SYNC_DATA_DIR",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// The account to use, by its npub or the beginning of it [default: the one logged in last]
    #[arg(
        long,
        global = true,
        env = "CHAT_SYNC_ACCOUNT",
        hide_env_values = true,
        value_name = "NPUB"
    )]
    pub(crate) account: Option<String>,
    /// Use this relay instead of the saved ones; may be given several times
    #[arg(long = "relay", global = true, value_name = "URL", action = ArgAction::Append)]
    pub(crate) relays: Vec<RelayUrl>,
    /// Turn a switch for this run, as `live=off` or `forget_after_days=30`; may be given several times. `config show`
    /// lists them
    #[arg(long = "switch", global = true, value_name = "NAME=on|off", action = ArgAction::Append, value_parser = switch_flag)]
    pub(crate) switches: Vec<Turn>,
    /// How log lines look [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Print one JSON object as the last line of stdout
    #[arg(long, global = true, overrides_with = "json")]
    pub(crate) json: bool,
    /// No progress and no remarks
    #[arg(short, long, global = true, overrides_with = "quiet")]
    pub(crate) quiet: bool,
    /// Log to stderr; -vv logs more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    /// What of it is a setting.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            switches: self.switches.clone(),
            log_format: self.log_format,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it all: devices, a relay, faults, and equal sets in the end; needs no network
    Demo(Demo),
    /// Log an account in; its secret key comes by prompt or stdin, or stays with a remote signer
    Login(Login),
    /// Show who is logged in
    Whoami,
    /// Forget the account and everything that is kept of it here
    Logout(Logout),
    /// Compare with every relay once, and get level
    Sync(SyncArgs),
    /// Show the last known state, without dialling
    Status(StatusArgs),
    /// List, read, write and follow conversations
    #[command(subcommand)]
    Chats(Chats),
    /// List the history keys, back them up, or read a history with nothing but the backup
    #[command(subcommand)]
    Key(Key),
    /// List the account's relays and what is known of them, change the list, or try relays out
    #[command(subcommand)]
    Relays(Relays),
    /// Show what has not reached every relay and why, try it again, or give it up at a relay
    #[command(subcommand)]
    Queue(Queue),
    /// Take in a history that another program exported
    Import(Import),
    /// Look after the file that keeps everything here
    #[command(subcommand)]
    Store(Store),
    /// Keep the history live in the background, for the page and for other commands
    #[command(subcommand)]
    Daemon(Daemon),
    /// Open the page in a browser; starts the daemon when none runs
    Ui(Ui),
    /// Look at everything that has to be right, and say what to do about what is not
    Doctor(DoctorArgs),
    /// Print what a shell needs to complete this program's commands
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of every command
    Man {
        /// Write one page for every command into this directory
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Show where the configuration file is, and what is configured and by whom
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run a relay on this machine
    Relay(Relay),
}

impl Command {
    /// It hears Ctrl-C itself, and has something to finish then.
    pub(crate) fn ends_itself(&self) -> bool {
        matches!(
            self,
            Self::Daemon(Daemon::Run(_)) | Self::Ui(_) | Self::Demo(Demo { ui: true, .. })
        )
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Daemon {
    /// Run it here, until Ctrl-C or `daemon stop`
    Run(DaemonRun),
    /// Run it in the background; returns once it answers
    Start(Port),
    /// End it; what it has taken is on disk
    Stop,
    /// Whether one runs, and where
    Status,
    /// Write the file by which systemd (or launchd) starts it with every login
    Install(Install),
    /// What it said in the background
    Logs(Logs),
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// Only show the file
    #[arg(long)]
    pub(crate) print: bool,
    /// For launchd [default: on macOS only]
    #[arg(long)]
    pub(crate) launchd: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// At most so many lines, the last ones
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N")]
    pub(crate) lines: usize,
    /// Go on as more is said
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DaemonRun {
    #[command(flatten)]
    pub(crate) port: Port,
    /// In a session of its own, as `daemon start` does it.
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Port {
    /// Where to listen on 127.0.0.1 [default: 7447, or any that is free]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Ui {
    /// Only print the address
    #[arg(long)]
    pub(crate) no_open: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many messages the imported histories have together
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(40..=100_000))]
    pub(crate) messages: u32,
    /// Then serve the page for one of the devices, until Ctrl-C
    #[arg(long)]
    pub(crate) ui: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Make a new account, and show its secret key once
    #[arg(long, group = "means")]
    pub(crate) new: bool,
    /// Read the secret key from this file: nsec, hex, ncryptsec, or 12 to 24 words
    #[arg(long, value_name = "PATH", group = "means")]
    pub(crate) key_file: Option<PathBuf>,
    /// Ask the remote signer with this `bunker://` address; `-` asks for it, or reads it from stdin
    #[arg(long, value_name = "URI", group = "means")]
    pub(crate) bunker: Option<String>,
    /// Show a QR code for a remote signer to scan
    #[arg(long, group = "means")]
    pub(crate) qr: bool,
    /// Log in on the page, with an extension of the browser that holds the key (NIP-07)
    #[arg(long, group = "means")]
    pub(crate) extension: bool,
    /// Where the signer that scans the QR code is met
    #[arg(long, value_name = "URL", requires = "qr", action = ArgAction::Append)]
    pub(crate) signer_relay: Vec<RelayUrl>,
    /// Read the passphrase of an encrypted key from this file
    #[arg(long, value_name = "PATH", conflicts_with_all = ["new", "bunker", "qr", "extension"])]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How history keys are derived [default: routstr, or what was chosen before]; `nip-pns` shares the history with
    /// other clients of that draft
    #[arg(long, value_enum)]
    pub(crate) profile: Option<ProfileName>,
    /// Caught so that a key typed here is refused without being repeated.
    #[arg(hide = true)]
    pub(crate) misplaced: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// As the Routstr web app does
    Routstr,
    /// As the NIP-PNS draft says
    NipPns,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Routstr => Self::Routstr,
            ProfileName::NipPns => Self::NipPns,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// Also when messages that no relay has would be lost
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that a person types")]
pub(crate) struct SyncArgs {
    /// Only say what would move
    #[arg(long, conflicts_with_all = ["up", "down"])]
    pub(crate) dry_run: bool,
    /// Only send
    #[arg(long, conflicts_with = "down")]
    pub(crate) up: bool,
    /// Only fetch
    #[arg(long)]
    pub(crate) down: bool,
    /// Forget what earlier comparisons have shown, and prove all of it again
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Go online, and show every change
    #[arg(long)]
    pub(crate) watch: bool,
    /// Dial every relay and compare with it first; moves nothing
    #[arg(long, conflicts_with = "watch")]
    pub(crate) probe: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Chats {
    /// Every conversation, newest first
    List,
    /// One conversation, as it reads from the top
    Show {
        /// Its id, a unique beginning of it, a part of its title, or `latest`
        selector: String,
        /// Where each message is: a line for every relay
        #[arg(long)]
        receipts: bool,
    },
    /// Messages that have these words, newest first
    Search(Search),
    /// Show this version of a message from now on, on this device
    Pick {
        /// The whole id of the version; `chats show --json` has those of all versions
        message: MessageId,
    },
    /// Write a message
    Send(Send),
    /// Delete a conversation, or one message, on every device and relay
    Delete(DeleteArgs),
    /// Print messages as they land
    Watch {
        /// Only those of this conversation
        selector: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The words as they stand together, in either case
    #[arg(value_parser = not_blank)]
    pub(crate) text: String,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) limit: u16,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Its id, a unique beginning of it, a part of its title, or `latest`; or the whole id of one message
    pub(crate) selector: String,
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only drop it from this device; the next sync brings it back
    #[arg(long)]
    pub(crate) here_only: bool,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Its id, a unique beginning of it, or `latest`; anything else begins a new one under this id
    #[arg(value_parser = not_blank)]
    pub(crate) conversation: String,
    /// What is said; `-` reads it from stdin
    pub(crate) text: String,
    /// Who says it
    #[arg(long, value_enum, default_value_t = Speaker::User)]
    pub(crate) role: Speaker,
    /// Which model said it
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The message it replies to, instead of the last one
    #[arg(long, value_name = "ID")]
    pub(crate) parent: Option<MessageId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Speaker {
    User,
    Assistant,
    System,
}

impl From<Speaker> for Role {
    fn from(speaker: Speaker) -> Self {
        match speaker {
            Speaker::User => Self::User,
            Speaker::Assistant => Self::Assistant,
            Speaker::System => Self::System,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Every history key: its age, its use, and how many messages are sealed with it
    List,
    /// Put the history keys on an encrypted card; the account's own key is not on it
    Backup(Backup),
    /// Take in a card: its history can then be read and written without any login
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Write the card to this new file, instead of to stdout
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Read the passphrase to encrypt it with from this file
    #[arg(long, value_name = "PATH")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Read the card from this file, instead of by prompt or stdin
    #[arg(long, value_name = "PATH")]
    pub(crate) card: Option<PathBuf>,
    /// Read the passphrase of the card from this file
    #[arg(long, value_name = "PATH")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Dial nobody
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Where the configuration file is, or would be
    Path,
    /// Every setting, and where its value comes from
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Read all of it, and name what is damaged
    Verify,
    /// How large it is, table by table
    Stats,
    /// Compute its lists and sums again from the messages in it, and set damaged messages aside
    Rebuild,
    /// Make its file as small as it can be
    Compact,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Relays {
    /// The account's relays and what is known of each, without dialling
    List,
    /// Use more relays from now on, and fill them with what is here
    Add(AddRelays),
    /// Use relays no longer; messages stay here, and there
    Remove(RemoveRelays),
    /// Ask relays what they can do; reads only, nothing is published
    Test {
        /// Which ones [default: all of the account's]
        #[arg(value_name = "URL")]
        urls: Vec<RelayUrl>,
    },
    /// Use the relays that your own relay list (NIP-65) names for writing as well, or no longer
    Follow {
        /// Whether to
        #[arg(value_enum, value_name = "ON|OFF")]
        switch: Switch,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    /// Use them
    On,
    /// Use only relays that were added here
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct AddRelays {
    /// Where they are, as `wss://relay.example.com`
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<RelayUrl>,
    /// Only change the list; the next `sync` fills them
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveRelays {
    /// Where they are
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<RelayUrl>,
    /// Also the last one; messages then stay on this device
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// What is still to reach relays, by relay and reason
    List(QueueList),
    /// Make deliveries that were refused, or wait for a later try, due now; `--relay` chooses those of a relay
    Retry(RetryArgs),
    /// Send messages to a relay no longer, as `--relay` or the id says; they stay here
    Drop(DropArgs),
}

#[derive(Debug, Args)]
pub(crate) struct QueueList {
    /// Every group, and every id
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The message's id, or a unique beginning of it
    #[arg(value_name = "ID", conflicts_with = "all")]
    pub(crate) id: Option<String>,
    /// Everything that waits or was refused
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    /// The message's id, or a unique beginning of it
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Do it
    #[arg(long)]
    pub(crate) yes: bool,
    /// Also when no relay is known to have the message
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The export
    pub(crate) file: PathBuf,
    /// Which program wrote it
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub(crate) from: Format,
    /// Only say what would happen
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Whatever is recognised
    Auto,
    /// The browser entry `saved_conversations` of the Routstr web app
    Routstr,
}

#[derive(Debug, Args)]
pub(crate) struct Relay {
    /// Where to listen on 127.0.0.1; 0 takes any free port
    #[arg(long, value_name = "N")]
    pub(crate) port: u16,
    /// Keep events here, instead of in memory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// A name that can be seen.
fn not_blank(name: &str) -> Result<String, &'static str> {
    if name.trim().is_empty() {
        Err("it is blank; write an id, or `latest`")
    } else {
        Ok(name.to_owned())
    }
}

/// Reads the command line. What is to be said about it has been said when this is an exit code.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    Cli::try_parse_from(&args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Without a terminal there is nobody to help.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
        _ => exit::report(Err(Failure::Usage(one_line(&error, &args)))),
    })
}

/// The first paragraph of what clap says, and where to read more.
fn one_line(error: &clap::Error, args: &[OsString]) -> String {
    let text = error.render().to_string();
    let first = text
        .trim_start_matches("error: ")
        .split("\n\n")
        .next()
        .unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().map(without_secrets).collect();
    format!("{}; see `{} --help`", words.join(" "), command_of(args))
}

/// The command that was meant, as far as it was recognised: `chat-sync chats send`.
fn command_of(args: &[OsString]) -> String {
    let mut command = Cli::command();
    let mut path = command.get_name().to_owned();
    let mut words = args.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        match word {
            // What follows one of these is its value.
            "--data-dir" | "--relay" | "--account" | "--switch" | "--log-format" => drop(words.next()),
            flag if flag.starts_with('-') => {}
            name => match command.find_subcommand(name).cloned() {
                Some(found) => {
                    path = format!("{path} {name}");
                    command = found;
                }
                None => break,
            },
        }
    }
    path
}

/// A secret key on the command line is a mistake, and no reason to print it again.
fn without_secrets(word: &str) -> &str {
    let hex = word.bytes().filter(u8::is_ascii_hexdigit).count();
    if word.to_ascii_lowercase().contains("nsec1") || hex >= 64 {
        "…"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        one_line(&Cli::try_parse_from(&args).unwrap_err(), &args)
    }

    fn cli(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_go_before_and_after_the_command() {
        for line in [
            "chat-sync --json --relay ws://one --data-dir /d chats list",
            "chat-sync chats list --json --relay ws://one --data-dir /d",
        ] {
            let cli = cli(line).unwrap();
            assert!(cli.global.json);
            assert_eq!(cli.global.relays.len(), 1);
            assert_eq!(cli.global.data_dir, Some("/d".into()));
        }
    }

    #[test]
    fn a_mistake_is_one_line_that_says_what_to_change() {
        for (line, said) in [
            ("chat-sync sync --relay https://host", "use ws:// or wss://"),
            ("chat-sync sync --relay host", "write wss://host"),
            ("chat-sync chats send talk hello --parent 12", "copy the whole id"),
            ("chat-sync import", "<FILE>"),
            ("chat-sync relay", "--port"),
            ("chat-sync synk", "sync"),
        ] {
            let text = mistake(line);
            assert!(text.contains(said), "{line}: {text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn a_mistake_points_to_the_help_of_its_command() {
        for (line, help) in [
            ("chat-sync relay", "`chat-sync relay --help`"),
            (
                "chat-sync --relay ws://sync chats send talk",
                "`chat-sync chats send --help`",
            ),
            ("chat-sync chats lst", "`chat-sync chats --help`"),
            ("chat-sync synk", "`chat-sync --help`"),
        ] {
            let text = mistake(line);
            assert!(text.ends_with(help), "{line}: {text}");
        }
    }

    #[test]
    fn saying_a_flag_twice_says_it() {
        let cli = cli("chat-sync -q -q --json sync --json -q").unwrap();
        assert!(cli.global.quiet && cli.global.json);
    }

    #[test]
    fn a_secret_on_the_command_line_is_not_repeated() {
        let nsec = "nsec158dzttt307k2kxudmjnryqy3cxx4gw84c9wssldl5cp76f0y8qcq0vk40y";
        for line in [
            format!("chat-sync whoami {nsec}"),
            format!("chat-sync login --nsec={nsec}"),
        ] {
            let text = mistake(&line);
            assert!(!text.contains("nsec158"), "{text}");
        }
        let hex = "ab".repeat(32);
        assert!(!mistake(&format!("chat-sync whoami {hex}")).contains(&hex));
    }
}
