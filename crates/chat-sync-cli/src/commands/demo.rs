//! `demo`: the whole program, shown on one machine.

use crate::cli::Demo;
use crate::context::Context;
use crate::demo;
use crate::exit::Failure;
use crate::output::plural;

pub(crate) async fn run(context: &Context, args: Demo) -> Result<(), Failure> {
    let shape = demo::play(context, args.messages as usize).await?;
    if context.output.is_json() {
        context.output.json(&shape)?;
    } else {
        let (devices, messages) = (shape.devices as u64, plural(shape.messages as u64, "message"));
        let conversations = plural(shape.conversations as u64, "conversation");
        let equal = if shape.converged { "all equal" } else { "NOT equal" };
        context.output.talk("");
        context.output.line(&format!(
            "{devices} devices and a relay, {messages} in {conversations}: {equal}, {} lost, {} duplicates, {:.1} s",
            shape.lost, shape.duplicates, shape.seconds
        ))?;
    }
    if shape.converged && shape.lost == 0 && shape.duplicates == 0 {
        return Ok(());
    }
    Err(Failure::Failed(
        "the devices did not end with the same history; please report this".to_owned(),
    ))
}
