//! Starts the server, and stops it: nothing that was taken is lost, and no connection holds it up.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::web::Data;
use actix_web::{App, HttpServer, middleware, web};
use chat_sync::{DataDir, Env};

use super::gate::gate;
use super::kept_switches::KeptSwitches;
use super::record::{Lock, Record};
use super::state::State;
use super::{PORT, page, routes};
use crate::exit::Failure;
use crate::interrupt::Interrupt;

/// A browser opens six at a time, and keeps one for events; commands come and go.
const CONNECTIONS_MAX: usize = 64;
/// A head that takes longer is not from this machine.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// An idle connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// What is being answered may be finished when the daemon is asked to stop.
const FINISH_SECONDS: u64 = 3;
/// Answers are short; two threads serve a page and a command side by side.
const WORKERS: usize = 2;

/// Serves until it is asked to stop, by signal or by request. `ready` is called once requests are answered.
pub(crate) async fn serve(
    data_dir: DataDir,
    env: Env,
    kept: KeptSwitches,
    port: Option<u16>,
    ready: impl FnOnce(&Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let root = data_dir.root().to_owned();
    data_dir.create()?;
    let Some(_lock) = Lock::take(&root).await? else {
        let other = Record::read(&root)?.map_or_else(String::new, |record| {
            format!(" (process {}, {})", record.pid, record.address())
        });
        return Err(Failure::InUse(format!(
            "a daemon runs here already{other}; `chat-sync daemon stop` ends it"
        )));
    };
    let listener = listen(port)?;
    let refused = |error: std::io::Error| Failure::Failed(format!("the server could not start: {error}"));
    let port = listener.local_addr().map_err(refused)?.port();
    let (runtime, mut interrupt) = (env.runtime.clone(), Interrupt::listen()?);
    let (token, key_token) = (runtime.entropy.draw_32(), runtime.entropy.draw_32());
    let record = Record::new(port, token, key_token, runtime.clock.unix());
    let state = Data::new(State::new(record, data_dir, env, kept));
    // Before anybody is told where we are: whoever asks finds the account.
    state.open_current()?;
    let shared = state.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .configure(routes::limits)
            .configure(routes::serve_api)
            .configure(routes::serve_metrics)
            .configure(page::serve_files)
            .default_service(web::to(routes::nothing))
            .wrap(middleware::from_fn(gate))
    })
    .workers(WORKERS)
    .max_connections(CONNECTIONS_MAX / WORKERS)
    .backlog(u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX))
    .client_request_timeout(HEAD_PATIENCE)
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .shutdown_timeout(FINISH_SECONDS)
    .disable_signals()
    .listen(listener)
    .map_err(refused)?
    .run();
    let handle = server.handle();
    let server = tokio::spawn(server);
    state.record().write(&root)?;
    let told = ready(state.record());
    let mut stopping = state.stopping();
    if told.is_ok() {
        tokio::select! {
            biased;
            () = interrupt.arrived() => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }
    // From here on nobody is sent to us, and whoever reads events is let go.
    Record::remove(&root);
    state.stop();
    handle.stop(true).await;
    state.close().await;
    let _ = server.await;
    told
}

/// The port that was asked for, or else the usual one, or else any.
fn listen(port: Option<u16>) -> Result<TcpListener, Failure> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match port {
        Some(port) => bind(port),
        None => bind(PORT).or_else(|_| bind(0)),
    };
    listener.map_err(|error| {
        Failure::Failed(format!(
            "port {} of 127.0.0.1 cannot be used: {error}; give another with --port",
            port.unwrap_or(PORT)
        ))
    })
}
