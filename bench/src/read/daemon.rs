//! A daemon over the same store: its memory once a page and programs have asked it for everything, and what a message costs
//! while a page is told of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use super::program::{ask, command};
use super::{CONVERSATIONS, Row};
use crate::Outcome;

/// A daemon answers once it has read its keys.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// For any one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a page asks for at once.
const PAGE: usize = 1000;
/// Conversations that are opened, one after the other, as a person clicks through them.
const OPENED: u64 = 200;
/// Messages that are written while a page listens.
const WRITTEN: usize = 50;
/// `sysconf(_SC_CLK_TCK)` of every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

type Measured<T> = Result<T, Box<dyn std::error::Error>>;

/// A row for the start, one for the memory, and two for messages.
pub(super) fn rows(binary: &Path, data: &Path) -> Measured<Vec<Row>> {
    let began = Instant::now();
    let mut daemon = command(binary, data)
        .args(["daemon", "run", "--port", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let measured = measure(&mut daemon, binary, data, began);
    let stopped = ask(binary, data, &["daemon", "stop"]);
    if stopped.is_err() {
        daemon.kill()?;
    }
    daemon.wait()?;
    stopped?;
    measured
}

fn measure(daemon: &mut Child, binary: &Path, data: &Path, began: Instant) -> Measured<Vec<Row>> {
    let api = loop {
        if let Some(api) = Api::find(data)
            && api.ask("GET", "/daemon", None).is_ok()
        {
            break api;
        }
        if began.elapsed() > START_PATIENCE || daemon.try_wait()?.is_some() {
            return Err("the daemon does not answer".into());
        }
        thread::sleep(Duration::from_millis(1));
    };
    let start = began.elapsed().as_secs_f64() * 1e3;
    let idle = peak_kib(daemon.id())?;

    // What a page does, and what programs ask for.
    let mut events = api.events("conversation-7")?;
    for offset in (0..CONVERSATIONS as usize).step_by(PAGE) {
        api.ask(
            "GET",
            &format!("/conversations?offset={offset}&limit={PAGE}"),
            None,
        )?;
    }
    for conversation in 0..OPENED {
        let path = format!("/conversations/conversation-{conversation}?limit=200&receipts=true");
        let shown: Value = serde_json::from_str(&api.ask("GET", &path, None)?)?;
        if shown["messages"].as_array().is_none_or(Vec::is_empty) {
            return Err(format!("conversation-{conversation} shows nothing").into());
        }
    }
    for path in [
        "/search?q=NEEDLE&limit=50",
        "/status",
        "/queue",
        "/relays",
        "/keyrings",
    ] {
        api.ask("GET", path, None)?;
    }
    for words in [
        ["chats", "list"].as_slice(),
        &["chats", "search", "NEEDLE"],
        &["chats", "show", "latest"],
        &["status"],
    ] {
        ask(binary, data, words)?;
    }

    let mut told = Vec::with_capacity(WRITTEN);
    let cpu = cpu_seconds(daemon.id())?;
    for n in 0..WRITTEN {
        let text = format!("written while a page listens, {n}");
        let began = Instant::now();
        api.ask(
            "POST",
            "/conversations/conversation-7/messages",
            Some(&json!({ "text": text })),
        )?;
        events.until("landed", &text)?;
        told.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = (cpu_seconds(daemon.id())? - cpu) * 1e3 / WRITTEN as f64;
    told.sort_by(f64::total_cmp);
    let peak = peak_kib(daemon.id())?;
    Ok(vec![
        ("daemon, until it answers", start, start, Some(idle / 1024)),
        (
            "daemon, a message posted -> told to a page that shows it",
            told[0],
            told[WRITTEN / 2],
            Some(peak / 1024),
        ),
        ("daemon, processor time of such a message", cpu, cpu, None),
    ])
}

/// The API of a daemon that runs, asked over connections of its own.
struct Api {
    port: u16,
    token: String,
}

impl Api {
    fn find(data: &Path) -> Option<Self> {
        let record: Value = serde_json::from_slice(&fs::read(data.join("daemon.json")).ok()?).ok()?;
        Some(Self {
            port: record["port"].as_u64()?.try_into().ok()?,
            token: record["token"].as_str()?.to_owned(),
        })
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Measured<TcpStream> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            self.token,
            body.len()
        );
        socket.write_all(head.as_bytes())?;
        Ok(socket)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Measured<String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut answer = String::new();
        self.send(method, path, &body)?.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
        if head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'))
        {
            return Ok(body.to_owned());
        }
        Err(format!("{method} {path}: {body}").into())
    }

    /// Listens as a page does that shows this conversation.
    fn events(&self, conversation: &str) -> Measured<Events> {
        let socket = self.send("GET", &format!("/events?conversation={conversation}"), "")?;
        let mut events = Events(BufReader::new(socket));
        events.until("reload", "")?;
        Ok(events)
    }
}

struct Events(BufReader<TcpStream>);

impl Events {
    /// Reads up to the event of this name that has these words in it.
    fn until(&mut self, name: &str, words: &str) -> Outcome {
        let mut line = String::new();
        let mut current = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(format!("the stream ended before `{name}` came").into());
            }
            if let Some(named) = line.strip_prefix("event: ") {
                named.trim_end().clone_into(&mut current);
            } else if let Some(data) = line.strip_prefix("data: ")
                && current == name
                && data.contains(words)
            {
                return Ok(());
            }
        }
    }
}

/// The most memory that a process held at once (`VmHWM`; Linux).
fn peak_kib(process: u32) -> Measured<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    Ok(digits
        .ok_or("the system does not say how much memory it took")?
        .parse()?)
}

/// Processor time of a process so far, user and system (proc(5), fields 14 and 15 of `stat`; Linux).
fn cpu_seconds(process: u32) -> Measured<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .ok_or("the system does not say how long it ran")?;
    let ticks: f64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / TICKS_PER_SECOND)
}
