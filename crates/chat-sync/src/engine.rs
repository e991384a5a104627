//! Starting an engine: on a thread of its own, or on the caller's actix system.

use std::sync::Arc;

use actix::prelude::*;
use status::read_board;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::desk::{Desk, REQUESTS_MAX};
use crate::error::EngineError;
use crate::handle::Handle;
use crate::relay_list::RelayList;
use crate::relays::distinct;
use crate::wiring::{Wiring, first_board};
use crate::{Config, Env};

/// Updates a slow reader may be behind before it is told to read anew.
const UPDATES_MAX: usize = 4096;

/// Starts engines.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Starts an engine on a thread of its own, with the machine's clock and network.
    pub fn start(config: Config) -> Result<Handle, EngineError> {
        Self::start_with(config, Env::production())
    }

    /// Starts an engine on a thread of its own.
    pub fn start_with(config: Config, env: Env) -> Result<Handle, EngineError> {
        let (started, starting) = std::sync::mpsc::channel();
        let run = move || {
            let system = System::new();
            let stopped = system.block_on(async move {
                match Running::start(&config, env).await {
                    Ok((handle, running)) => {
                        drop(config);
                        // Whoever started the thread waits for this.
                        let _ = started.send(Ok(handle));
                        running.until_stopped().await
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                        None
                    }
                }
            });
            System::current().stop();
            // Ends every actor and waits for blocking work, so that the store is closed when this is told.
            drop(system);
            if let Some(stopped) = stopped {
                let _ = stopped.send(());
            }
        };
        std::thread::Builder::new()
            .name("chat-sync".to_owned())
            .spawn(run)
            .map_err(EngineError::Thread)?;
        starting.recv().unwrap_or(Err(EngineError::Stopped))
    }

    /// Starts an engine on the caller's actix system, which must be running. It ends with that system; after
    /// [`Handle::shutdown`] its parts idle until then.
    pub async fn start_on_current(config: &Config, env: Env) -> Result<Handle, EngineError> {
        let (handle, running) = Running::start(config, env).await?;
        actix::spawn(async move {
            if let Some(stopped) = running.until_stopped().await {
                let _ = stopped.send(());
            }
        });
        Ok(handle)
    }
}

/// What keeps an engine running.
struct Running {
    desk: Desk,
    list: RelayList,
    requests: mpsc::Receiver<crate::desk::Request>,
    wiring: Arc<Wiring>,
}

impl Running {
    async fn start(config: &Config, env: Env) -> Result<(Handle, Self), EngineError> {
        let relays = distinct(config.relays.iter().cloned());
        let relays: Vec<String> = relays.iter().map(ToString::to_string).collect();
        let mut board = first_board(
            config.signer.public_key(),
            &config.relays,
            config.online,
            config.switches,
        );
        read_board(&mut board, &config.store, &relays)?;
        let first = board.status(env.runtime.clock.now(), env.runtime.clock.unix());
        let follows = config.switches.nip65_relays && config.reads_relay_list;
        let list = RelayList::load(&config.store)?.switched(follows);
        let (published, status) = watch::channel(first);
        let updates = broadcast::Sender::new(UPDATES_MAX);
        let wiring = Arc::new(Wiring::start(config, &env, board, published, updates.clone()).await);
        let (requests, received) = mpsc::channel(REQUESTS_MAX);
        let handle = Handle {
            requests,
            status: status.clone(),
            updates: updates.into(),
            uploader: wiring.uploader.clone(),
            realtime: wiring.realtime.clone(),
            switches: wiring.switches.clone(),
            clock: env.runtime.clock.clone(),
            entropy: env.runtime.entropy.clone(),
        };
        let desk = Desk {
            env: env.runtime,
            store: config.store.clone(),
            index: wiring.index.clone(),
            realtime: wiring.realtime.clone(),
            roster: wiring.roster.clone(),
            reconciler: wiring.reconciler.clone(),
            wiring: Arc::clone(&wiring),
            keeper: wiring.keeper.clone(),
            switches: wiring.switches.clone(),
            status,
            window: tokio::sync::Mutex::default(),
        };
        Ok((
            handle,
            Self {
                desk,
                list,
                requests: received,
                wiring,
            },
        ))
    }

    async fn until_stopped(self) -> Option<oneshot::Sender<()>> {
        let Self {
            desk,
            list,
            requests,
            wiring,
        } = self;
        let stopped = desk.serve(list, requests).await;
        wiring.stop().await;
        stopped
    }
}
