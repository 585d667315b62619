"""The child of `examples/laptop.yaml` against its parent as they really run here: the budget, measured."""

from __future__ import annotations

import json
from pathlib import Path

from common import print_table

import blockwright
from blockwright.measuring.parts import step_job
from blockwright.measuring.timers import CPUTimer

RUN = Path("runs/laptop")  # `blockwright run examples/laptop.yaml` makes it


def main() -> None:
    from transformers import AutoModelForCausalLM

    run = blockwright.open_run(RUN)
    scenario = run.files.prices().main.scenario
    parent = json.loads((RUN / "00-parent" / "parent.json").read_text())["directory"]
    folders = {"parent": RUN / "00-parent" / parent, "child": run.child}
    models = {name: AutoModelForCausalLM.from_pretrained(folder) for name, folder in folders.items()}
    rows = []
    for work in (scenario.prefill, scenario.decode):
        jobs = {name: step_job(model.eval(), work, "cpu") for name, model in models.items()}
        measured = CPUTimer().measure(jobs, seconds=30)
        resource = f"{work.phase}_ms"
        predicted = run.files.prices().parent[resource] / run.solution.costs[resource]
        rows.append(
            (work.phase, measured["parent"], measured["child"], measured["parent"] / measured["child"], predicted)
        )
    header = ("phase", "parent, ms", "child, ms", "speed-up", "predicted")
    print_table("The laptop's child on this machine, one thread", header, rows)


if __name__ == "__main__":
    main()
