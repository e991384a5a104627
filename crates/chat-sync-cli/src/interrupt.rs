//! Ctrl-C, and what a service manager sends instead.

use tokio::signal;

use crate::exit::Failure;

/// Listens from the moment it exists, so that a signal during a start is not lost.
pub(crate) struct Interrupt {
    #[cfg(unix)]
    terminate: signal::unix::Signal,
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
}

impl Interrupt {
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Failure> {
        use signal::unix::{SignalKind, signal};
        let refused = |error| Failure::Failed(format!("signals could not be listened to: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(refused)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        Ok(Self { terminate, interrupt })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Returns once the program was asked to end.
    #[cfg(unix)]
    pub(crate) async fn arrived(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Returns once the program was asked to end.
    #[cfg(not(unix))]
    pub(crate) async fn arrived(&mut self) {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
