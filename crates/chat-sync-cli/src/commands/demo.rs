//! `demo`: the whole program, shown on one machine.

use crate::cli::Demo;
use crate::context::Context;
use crate::demo::{self, Played};
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Output, plural};
use crate::shapes::DemoShape;

pub(crate) async fn run(context: &Context, args: Demo) -> Result<(), Failure> {
    let output = context.output;
    let mut interrupt = Interrupt::listen()?;
    let played = tokio::select! {
        biased;
        () = interrupt.arrived() => return Err(Failure::Interrupted),
        played = demo::play(context, args.messages as usize) => played?,
    };
    // From here on the server ends with it.
    drop(interrupt);
    let shape = played.shape.clone();
    if !(shape.converged && shape.lost == 0 && shape.duplicates == 0) {
        played.end().await;
        tell(output, &shape)?;
        return Err(Failure::Failed(
            "the devices did not end with the same history; please report this".to_owned(),
        ));
    }
    if !args.ui {
        played.end().await;
        return tell(output, &shape);
    }
    played
        .serve_page(|mut shape, record| {
            let address = record.address_with_token();
            if output.is_json() {
                shape.url = Some(address.to_string());
                return output.json(&shape);
            }
            tell(output, &shape)?;
            output.talk(&format!(
                "The page of the {}; what is written there, the phone answers. Ctrl-C ends it and removes everything.",
                Played::SHOWN
            ));
            output.line(&address)
        })
        .await
}

fn tell(output: Output, shape: &DemoShape) -> Result<(), Failure> {
    if output.is_json() {
        return output.json(shape);
    }
    let (devices, messages) = (shape.devices as u64, plural(shape.messages as u64, "message"));
    let conversations = plural(shape.conversations as u64, "conversation");
    let equal = if shape.converged { "all equal" } else { "NOT equal" };
    output.talk("");
    output.line(&format!(
        "{devices} devices and a relay, {messages} in {conversations}: {equal}, {} lost, {} duplicates, {:.1} s",
        shape.lost, shape.duplicates, shape.seconds
    ))
}
