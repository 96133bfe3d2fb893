"""python -m eval.sft."""

from eval.sft.command import app

app(prog_name="python -m eval.sft")
