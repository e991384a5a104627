//! Requests to a daemon, byte by byte, so that a test can send what no client would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::schema::check;
use crate::program::{Home, PATIENCE, Running};

/// A daemon that runs beside the test.
pub(crate) struct Api {
    pub(crate) port: u16,
    pub(crate) token: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Starts a daemon in this home.
pub(crate) fn daemon(home: &Home) -> (Running, Api) {
    let running = home.start(&["daemon", "run", "--json"]);
    let said: Value = serde_json::from_str(&running.line()).unwrap();
    let record = record(home);
    let port = record["port"].as_u64().unwrap();
    assert_eq!(said["url"], format!("http://127.0.0.1:{port}/"));
    (running, Api::of(&record))
}

/// What the daemon left for commands.
pub(crate) fn record(home: &Home) -> Value {
    let text = std::fs::read(home.data().join("daemon.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

impl Api {
    pub(crate) fn of(record: &Value) -> Self {
        Self {
            port: u16::try_from(record["port"].as_u64().unwrap()).unwrap(),
            token: record["token"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Sends exactly these headers.
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
            .write_all(head(method, path, headers, body).as_bytes())
            .unwrap();
        // One that turns the request away may not read all of it.
        let _ = socket.write_all(body.as_bytes());
        let mut bytes = Vec::new();
        let read = socket.read_to_end(&mut bytes);
        assert!(read.is_ok() || !bytes.is_empty(), "{read:?}");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: unchunked(head, body),
            head: head.to_ascii_lowercase(),
        }
    }

    /// Asks as the page would. What comes back is as the description says.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let (host, bearer) = (self.host(), self.bearer());
        let origin = format!("http://{host}");
        let mut headers = vec![
            ("Host", host.as_str()),
            ("Authorization", &bearer),
            ("Origin", &origin),
        ];
        let text = body.map(|body| body.to_string());
        if text.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        let answer = self.raw(
            method,
            &format!("/api/v1{path}"),
            &headers,
            text.as_deref().unwrap_or_default(),
        );
        check(method, path, &answer);
        answer
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, Some(body))
    }

    /// Listens to events, after this number if one is given.
    pub(crate) fn events(&self, query: &str, after: Option<&str>) -> Events {
        let (host, bearer) = (self.host(), self.bearer());
        let mut headers = vec![("Host", host.as_str()), ("Authorization", &bearer)];
        headers.extend(after.map(|id| ("Last-Event-ID", id)));
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let path = format!("/api/v1/events{query}");
        socket
            .write_all(head("GET", &path, &headers, "").as_bytes())
            .unwrap();
        let mut events = Events {
            lines: BufReader::new(socket),
            last_id: after.map(str::to_owned),
            pings: 0,
        };
        let status = events.line().unwrap();
        assert!(status.contains("200"), "{status}");
        while events.line().is_some_and(|line| !line.is_empty()) {}
        events
    }
}

fn head(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    use std::fmt::Write;
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(
        text,
        "Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    text
}

fn unchunked(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    whole
}

/// A stream of events. The sizes of chunks stand between the lines and are skipped: none of ours looks like one.
pub(crate) struct Events {
    lines: BufReader<TcpStream>,
    pub(crate) last_id: Option<String>,
    pings: u32,
}

/// One comes every 15 s of silence: beyond these, nothing comes any more.
const PINGS_MAX: u32 = 8;

impl Events {
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => {
                self.pings += u32::from(line.starts_with(':'));
                (self.pings < PINGS_MAX).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }

    /// The next event with a name; `None` when the stream has ended.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let line = self.line()?;
            if let Some(id) = line.strip_prefix("id: ") {
                self.last_id = Some(id.to_owned());
            } else if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// The next event of this name.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: &str) -> Value {
        loop {
            let (name, data) = self.next().unwrap_or_else(|| panic!("no `{wanted}` came"));
            if name == wanted {
                return data;
            }
        }
    }

    /// Reads until this number has come.
    pub(crate) fn read_id(&mut self) -> String {
        loop {
            let line = self.line().expect("a number");
            if let Some(id) = line.strip_prefix("id: ") {
                self.last_id = Some(id.to_owned());
                return id.to_owned();
            }
        }
    }
}
