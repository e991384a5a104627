//! Another page in the same browser: it reaches 127.0.0.1 as well, and gets nothing and changes nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::page::quoted;
use crate::scene::{Device, Relay, logged_in};

/// Somebody's web site, on another port. Runs until the test has ended.
fn web_site() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // One read holds all of a browser's request for a small page.
            let _ = stream.read(&mut [0; 16 * 1024]);
            let body = "<!doctype html><title>Elsewhere</title><body></body>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    format!("http://{address}/")
}

/// Tries everything that a page can do to another origin. `token` is more than a real one would know.
const ATTACK: &str = r#"(async (daemon, token) => {
  const seen = {};
  const api = (path) => `${daemon}api/v1${path}`;
  const attempt = async (name, ask) => {
    try { seen[name] = await ask(); } catch (error) { seen[name] = 'stopped'; }
  };
  const read = async (response) => (response.type === 'opaque' ? 'opaque' : response.text());
  const bearer = { Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ text: 'written by a stranger' });
  for (const path of ['/status', '/conversations', '/events', '/openapi.json']) {
    await attempt(`get ${path}`, async () => read(await fetch(api(path), { credentials: 'omit' })));
    await attempt(`get ${path} with credentials`, async () => read(await fetch(api(path), { credentials: 'include' })));
    await attempt(`get ${path} with the token`, async () => read(await fetch(api(path), { headers: bearer })));
    await attempt(`get ${path} unseen`, async () => read(await fetch(api(path), { mode: 'no-cors' })));
  }
  await attempt('write', async () => read(await fetch(api('/conversations/bread/messages'), { method: 'POST', body })));
  await attempt('write with the token', async () => read(await fetch(api('/conversations/bread/messages'),
    { method: 'POST', body, headers: { ...bearer, 'Content-Type': 'application/json' } })));
  await attempt('write unseen', async () => read(await fetch(api('/conversations/bread/messages'),
    { method: 'POST', body, mode: 'no-cors', headers: { 'Content-Type': 'text/plain' } })));
  await attempt('stop unseen', async () => read(await fetch(api('/shutdown'), { method: 'POST', mode: 'no-cors', body: '{}' })));
  await attempt('delete with the token', async () => read(await fetch(api('/conversations/bread'), { method: 'DELETE', headers: bearer })));
  seen.beacon = navigator.sendBeacon(api('/shutdown'), '{}') ? 'opaque' : 'stopped';
  const happens = (element, good, bad) => new Promise((done) => {
    element.addEventListener(good, () => done('loaded'));
    element.addEventListener(bad, () => done('stopped'));
  });
  await attempt('event source', () => {
    const source = new EventSource(api('/events'));
    return Promise.race([
      happens(source, 'message', 'error'),
      new Promise((done) => source.addEventListener('reload', () => done('loaded'))),
    ]).finally(() => source.close());
  });
  for (const path of ['/status', '/conversations', '/account']) {
    await attempt(`script ${path}`, () => {
      const script = document.createElement('script');
      script.src = api(path);
      const done = happens(script, 'load', 'error');
      document.body.append(script);
      return done;
    });
    await attempt(`style ${path}`, () => {
      const link = document.createElement('link');
      Object.assign(link, { rel: 'stylesheet', href: api(path) });
      const done = happens(link, 'load', 'error');
      document.body.append(link);
      return done;
    });
  }
  for (const [action, enctype] of [['/conversations/bread/messages', 'text/plain'], ['/shutdown', 'application/x-www-form-urlencoded']]) {
    await attempt(`form ${action}`, () => {
      const frame = document.createElement('iframe');
      frame.name = `into${action.length}`;
      const form = document.createElement('form');
      Object.assign(form, { method: 'post', action: api(action), enctype, target: frame.name });
      const input = document.createElement('input');
      // The classic way to write JSON with a form.
      Object.assign(input, { name: '{"text":"written by a stranger","x":"', value: '"}' });
      form.append(input);
      document.body.append(frame, form);
      const done = new Promise((resolve) => { frame.onload = () => resolve('opaque'); });
      form.submit();
      return done;
    });
  }
  await attempt('frame', async () => {
    const frame = document.createElement('iframe');
    frame.src = daemon;
    const done = new Promise((resolve) => { frame.onload = resolve; });
    document.body.append(frame);
    await done;
    return frame.contentWindow.document.body.innerText;
  });
  return seen;
})"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_reads_nothing_and_changes_nothing() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    here.run(&["chats", "send", "bread", "a word that nobody else reads"]);
    // The person's own page is open in another tab.
    let own = here.open(&browser).await;
    own.shows("a word that nobody else reads").await;

    let site = browser.tab(800, 600).await;
    site.go(&web_site()).await;
    let attack = format!("{ATTACK}({}, {})", quoted(&here.url), quoted(&here.token));
    let seen = site.eval(&attack).await;
    let seen = seen.as_object().unwrap();
    assert!(seen.len() > 25, "{seen:?}");
    for (attempt, outcome) in seen {
        let harmless = ["stopped", "opaque"];
        assert!(
            outcome
                .as_str()
                .is_some_and(|outcome| harmless.contains(&outcome)),
            "{attempt}: {outcome}"
        );
    }
    // The page was not shown inside the other one, where a click could be stolen: frames hold the browser's error.
    let tree = site.call("Page.getFrameTree", json!({})).await;
    let frames = tree["frameTree"]["childFrames"].as_array().unwrap();
    let ours = frames.iter().map(|each| &each["frame"]);
    let ours: Vec<&Value> = ours
        .filter(|frame| frame.to_string().contains(&here.url))
        .collect();
    assert!(!ours.is_empty(), "{tree}");
    for frame in ours {
        assert!(frame["unreachableUrl"].is_string(), "{frame}");
    }
    let word = "document.documentElement.outerHTML.includes('a word that nobody else reads')";
    assert_eq!(site.eval(word).await, json!(false));

    // Nothing was written, deleted or stopped; the page goes on.
    let list = here.run(&["chats", "list"]);
    assert_eq!(list["conversations"].as_array().map(Vec::len), Some(1), "{list}");
    let shown = here.run(&["chats", "show", "bread"]);
    let texts: Vec<&Value> = shown["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["content"])
        .collect();
    assert_eq!(texts, ["a word that nobody else reads"]);
    own.click(".row").await;
    here.run(&["chats", "send", "bread", "still here"]);
    own.shows("still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_made_to_point_here_gets_nothing() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let here = Device::start(logged_in(&[&Relay::new()]));
    // What a browser sends after such a trick: the stranger's name, at our port.
    let port = here.url.trim_end_matches('/').rsplit(':').next().unwrap();
    let page = browser.tab(800, 600).await;
    page.go(&format!("http://trick.localhost:{port}/")).await;
    page.shows("ask for 127.0.0.1 or localhost").await;
    let ask = format!(
        "fetch('/api/v1/status', {{ headers: {{ Authorization: 'Bearer {}' }} }}).then((answer) => answer.status)",
        here.token
    );
    assert_eq!(page.eval(&ask).await, json!(421));
}
