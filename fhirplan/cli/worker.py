"""``fhirplan worker``: pulls, pushes, keeps the coordination state current, tells subscribers, until stopped."""

from __future__ import annotations

import click

from fhirplan import assembly, settings, telemetry
from fhirplan.jobs.engine import consumer


@click.command()
def command() -> None:
    """Pull from and push to every EHR in the settings, keep all plans' coordination state current, tell subscribers.

    It runs until SIGTERM; any number of workers may run.
    """
    chosen = settings.load()
    telemetry.configure(chosen.log_level, chosen.log_format)
    log = telemetry.log("worker")
    services = assembly.build(chosen)
    with services.database.read():
        pass
    assembly.settle(services)
    named = [item.name for item in chosen.all_connections if item.ehr_url]
    log.info("worker started", connections=named, push_interval=chosen.push_interval)
    consumer(
        chosen,
        services.database,
        lambda connection, worker: assembly.build_sync(chosen, services, connection, worker),
        lambda connection: assembly.build_projection(chosen, services, connection),
        lambda connection: assembly.build_notifying(chosen, services, connection),
    ).run()
    services.database.close()
    log.info("worker stopped")
