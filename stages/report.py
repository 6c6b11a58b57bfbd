"""Decides which precision passes, and writes the report."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.pipeline.config import component
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.report.report import Report
from roundoff.results.metrics import read_metrics, write_summary, write_verdict
from roundoff.results.slices import csv_from_slices
from roundoff.revisions.read import Sources
from roundoff.revisions.sliced import read_slice_losses
from roundoff.system.files import write_text
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from roundoff.verdict.summary import summary_of


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    sources = Sources(
        metrics=workspace.input(cfg.paths.metrics),
        predictions=workspace.input(cfg.paths.predictions),
        timings=workspace.input(cfg.paths.timings),
        prepared=workspace.input(cfg.paths.prepared),
        curves=workspace.optional_input(cfg.paths.curves),
        noise=workspace.input(cfg.paths.noise),
        layers=workspace.optional_input(cfg.paths.layers),
        sensitivity=workspace.optional_input(cfg.paths.sensitivity),
        slices=workspace.optional_input(cfg.paths.slices),
    )
    measured, target = read_metrics(sources.metrics), component(cfg.verdict, Target)
    slices = read_slice_losses(sources, measured)
    verdict = decide(measured, target, slices)
    metrics = workspace.output(cfg.paths.metrics)
    write_verdict(verdict, metrics)
    write_summary(summary_of(measured, verdict), metrics)
    write_text(metrics / "slices.csv", csv_from_slices(slices))
    report = component(cfg.report, Report)
    report.tell(report.run(sources, verdict, metrics, workspace.output(cfg.paths.plots), slices), metrics)


if __name__ == "__main__":
    surviving(main)
