"""What a person may choose about a run besides the experiment's own config. Each field is an option."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from jaxrl_suite.runner.errors import require

MOST_SEEDS = 2**20  # each has a row of every log line, a folder of events, a state


@dataclasses.dataclass(frozen=True)
class Options:
    """How to run an experiment: seeds, output folder, checkpoints, logging."""

    seeds: int = 1
    """how many seeds to train at once (by vmap, laid over the devices there are)"""
    seed: int = 0
    """the first seed; the others follow it"""
    out: Path | None = None
    """output folder (default: runs/NAME-ENV-TIMESTAMP)"""
    resume: bool = False
    """continue the run in --out; its config and seeds are the defaults then"""
    init_from: str | None = None
    """another run of the same experiment, whose newest checkpoint's parameters to start from"""
    log_every: int | None = None
    """updates between two log lines (default: about a 200th of the run, 100 at most)"""
    eval_every: int = 0
    """log lines between two evaluations; 0 evaluates at the end only"""
    checkpoint_every: float = 60.0
    """seconds between two checkpoints; 0 saves at every log line"""
    keep: int = 3
    """how many checkpoints to keep"""
    video: bool = True
    """write video/episode.gif at the end, where the experiment can record one"""
    plots: bool = True
    """write plots/*.png at the end"""
    aggregate: Literal["mean", "iqm"] = "mean"
    """what plots and the summary show over seeds: the mean or the interquartile mean"""
    tensorboard: bool = True
    """write TensorBoard event files under tensorboard/"""
    wandb: bool = False
    """log to Weights & Biases too (needs the wandb extra)"""
    wandb_project: str = "jaxrl-suite"
    """the Weights & Biases project"""
    compile_cache: bool = True
    """keep compiled programs in the user's cache folder for the next run"""
    spread_environments: bool = False
    """lay each seed's environments over several devices, where there are more devices than seeds"""
    distributed: bool = False
    """share the seeds out to several processes, each started with the same command; Slurm, MPI, \
    Kubernetes and TPU pods are found, otherwise --coordinator, --processes and --process say it"""
    coordinator: str | None = None
    """host:port where process 0 can be reached"""
    processes: int | None = None
    """how many processes take part"""
    process: int | None = None
    """this process's number, from 0"""
    patience: int = 100
    """seconds to wait for other processes to join, or for one that has fallen silent"""

    def check(self) -> None:
        """Raises `RunError` naming the first option with an unusable value."""
        require(
            self,
            ("seeds", 1 <= self.seeds <= MOST_SEEDS, f"1 or more, and at most {MOST_SEEDS}"),
            ("seed", 0 <= self.seed <= 2**32 - self.seeds, "0 or more, and below 2**32"),
            ("log_every", self.log_every is None or self.log_every >= 1, "1 or more updates"),
            ("eval_every", self.eval_every >= 0, "0 (only at the end) or more log lines"),
            ("checkpoint_every", self.checkpoint_every >= 0, "0 (every log line) or more seconds"),
            ("keep", self.keep >= 1, "1 or more checkpoints"),
            ("resume", not (self.resume and self.out is None), "give --out DIR as well"),
            ("coordinator", self.distributed or self.coordinator is None, "add --distributed"),
            ("processes", self.processes is None or self.processes >= 1, "1 or more"),
            (
                "process",
                self.process is None or 0 <= self.process < (self.processes or 1),
                "0 or more, and below --processes",
            ),
            ("patience", self.patience >= 1, "1 or more seconds"),
        )


def default_log_every(num_updates: int) -> int:
    """Updates between two log lines when nobody chose: about 200 lines, and prompt stopping.

    A divisor of `num_updates` where one is near, so that only one segment length gets compiled.
    """
    most = max(1, min(100, num_updates // 200))
    for chosen in range(most, most // 2, -1):
        if num_updates % chosen == 0:
            return chosen
    return most
