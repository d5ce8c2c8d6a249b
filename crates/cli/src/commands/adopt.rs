//! `bes adopt`.

use blue_encrypted_store::{
    AdoptError, Adopted, Adoption,
    blue_audit::{Checkpoint, Verdict},
};
use serde_json::json;

use super::audit::checkpoints;
use crate::{
    cli::Adopt,
    config::{Config, Format},
    failure::Failure,
    output::Output,
    session,
    stop::Stop,
};

pub(super) async fn run(
    arguments: &Adopt,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let checkpoint = checkpoint(arguments, config).await?;
    let keys = session::keys(config).map_err(blue_encrypted_store::OpenError::from)?;
    let Adopt { no_checkpoint: without_checkpoint, any_table, despite_findings, .. } = *arguments;
    let adoption = Adoption { checkpoint, without_checkpoint, any_table, despite_findings };
    let adopting = session::builder(config).keys(keys).adopt(adoption);
    let adopted = stop.unless_told(async { Ok(adopting.await) }).await.map_err(|failure| {
        let go_on = "to go on, repeat the command: what is done stays done".to_owned();
        failure.having_come_to("the table may be adopted in part", vec![go_on])
    })?;
    match adopted {
        Ok(adopted) => tell(&adopted, config, output),
        Err(error @ AdoptError::NotRestored { .. }) => {
            say!("{error}.");
            match output.format {
                Format::Json => output.json(&json!({ "table": config.table.value, "adopted": false })),
                Format::Text => Ok(()),
            }
        }
        Err(error) => {
            if let AdoptError::Findings(report) = &error {
                say!("{report}");
            }
            Err(Failure::Adopt(Box::new(error)))
        }
    }
}

async fn checkpoint(arguments: &Adopt, config: &Config) -> Result<Option<Checkpoint>, Failure> {
    if arguments.no_checkpoint {
        return Ok(None);
    }
    let trusted = match &arguments.checkpoint {
        Some(path) => checkpoints::trusted_in(path, config, &arguments.verifier).await?,
        None => checkpoints::trusted(config, &arguments.verifier, false).await?,
    };
    Ok(trusted.latest)
}

fn tell(adopted: &Adopted, config: &Config, output: &mut Output) -> Result<(), Failure> {
    let Adopted { restored, shredded, records, left, behind, report, .. } = adopted;
    if report.verdict() != Verdict::Verified {
        say!("{report}");
    }
    for chain in behind {
        say!(
            "The chain {} ends at {} here, and went on to {} in the table that this was restored from: keep that table, or \
             an export of its log.",
            chain.chain,
            chain.next,
            chain.known
        );
    }
    for tenant in shredded {
        say!("Shredded again: {tenant}");
    }
    if *left > 0 {
        say!("warning: {left} items among the records of shredded tenants are no records, and were left");
    }
    if output.format == Format::Json {
        let behind = behind
            .iter()
            .map(|chain| json!({ "chain": chain.chain.as_str(), "next": chain.next, "known": chain.known }));
        return output.json(&json!({
            "table": restored.table,
            "adopted": true,
            "table_id": restored.found,
            "old_table_id": restored.recorded,
            "shredded": shredded.iter().map(|tenant| tenant.as_str()).collect::<Vec<_>>(),
            "records_deleted": records,
            "items_left": left,
            "behind": behind.collect::<Vec<_>>(),
        }));
    }
    if *records > 0 {
        say!("Deleted {records} records of shredded tenants.");
    }
    say!("The table {} is the store now. Processes that have it open must open it again.", restored.table);
    if config.checkpoint_file.is_some() {
        say!(
            "Its checkpoints begin a new file: set checkpoint_file to another, and run bes audit checkpoint --begin."
        );
    }
    Ok(())
}
