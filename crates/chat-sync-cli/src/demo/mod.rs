//! The demo: four devices of one account and a relay on this machine, through every trouble that the project promises
//! to get over. Nothing of it is staged in the engine: it is the program's own, over real sockets.

mod compare;
mod device;
mod history;
mod page;
mod scenes;
mod stage;
mod story;
mod victim;

use pns_keys::DeviceSecret;

use crate::context::Context;
use crate::daemon::Record;
use crate::exit::Failure;
use crate::shapes::DemoShape;

use device::Device;
use scenes::{Compared, Play};
use stage::Stage;
use story::Story;

/// What was played, with everybody still on the stage.
pub(crate) struct Played {
    pub(crate) shape: DemoShape,
    stage: Stage,
    devices: Vec<Device>,
}

impl Played {
    /// Every device stops, and nothing is left behind.
    pub(crate) async fn end(self) {
        for device in self.devices {
            device.stop().await;
        }
    }

    /// Whose page [`Played::serve_page`] serves.
    pub(crate) const SHOWN: &str = page::SHOWN;

    /// Serves the page of one of the devices until somebody ends the program; then everything is removed.
    pub(crate) async fn serve_page(
        self,
        ready: impl FnOnce(DemoShape, &Record) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let shape = self.shape;
        page::serve_page(&self.stage, self.devices, |record| ready(shape, record)).await
    }
}

/// Plays it all. `messages` are imported altogether; a few more are written on the way.
pub(crate) async fn play(context: &Context, messages: usize) -> Result<Played, Failure> {
    let began = context.clock().now();
    let secret = DeviceSecret::from_bytes(&context.entropy().draw_32())
        .map_err(|_| Failure::Failed("the random bytes drawn were no key; run it again".to_owned()))?;
    context
        .output
        .talk("Four devices of one account, and a relay on this machine. No network is used.");
    let mut play = Play::new(
        Stage::set(secret)?,
        Story::new(context.output),
        context.clock().clone(),
    );

    // Half of the history is on the laptop, a third on the desktop, the rest comes later.
    let (half, third) = (messages / 2, messages / 3);
    play.an_old_history_moves_in(half).await?;
    play.a_second_device().await?;
    play.the_network_is_cut().await?;
    play.a_device_is_killed(third).await?;
    let mut play = play.the_relay_restarts(messages - half - third).await?;
    play.the_relay_refuses_to_compare().await?;
    let Compared {
        outcome,
        stage,
        devices,
    } = play.everything_is_compared().await?;

    let seconds = context
        .clock()
        .now()
        .saturating_duration_since(began)
        .as_secs_f64();
    let shape = DemoShape {
        converged: outcome.converged,
        devices: devices.len(),
        messages: outcome.messages,
        conversations: outcome.conversations,
        lost: outcome.lost,
        duplicates: outcome.duplicates,
        seconds: (seconds * 10.0).round() / 10.0,
        url: None,
    };
    Ok(Played {
        shape,
        stage,
        devices,
    })
}
