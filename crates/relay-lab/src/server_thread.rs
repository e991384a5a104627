//! One thread with an event loop of its own, so that a bench never shares a clock or a core with what it tests.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::{io, thread};

use tokio::sync::{oneshot, watch};

use crate::LabError;

/// Tells the code on a server thread when to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns once the owner asked for the end, or is gone.
    pub(crate) async fn asked(&mut self) {
        // An error means that the owner was dropped, which asks for the same.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Owns the thread. Dropping it asks the thread to end and does not wait; [`ServerThread::stop`] waits.
#[derive(Debug)]
pub(crate) struct ServerThread {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl ServerThread {
    /// Runs what `serve` returns until it ends by itself, which it does soon after [`Stop::asked`] returned.
    pub(crate) fn spawn<S, F>(name: &str, serve: S) -> Result<Self, LabError>
    where
        S: FnOnce(Stop) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(LabError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(serve(Stop(stopped)));
                // Whatever was spawned goes first: it may hold sockets and the database.
                drop(runtime);
                // Nobody waits when the owner was dropped.
                let _ = end.send(());
            })
            .map_err(LabError::Thread)?;
        Ok(Self { stop, ended })
    }

    /// Ends the thread and returns when everything it held is released. Works under any runtime.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // An error means that the thread is gone already.
        let _ = self.ended.await;
    }
}

/// Listens on `addr` at once, so that a conflict is an error of the caller and port 0 becomes a number.
pub(crate) fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), LabError> {
    let listen = || {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    };
    listen().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => LabError::PortInUse { port: addr.port() },
        _ => LabError::Listen { addr, source },
    })
}
