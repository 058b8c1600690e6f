"""List of the stages, in order, with the time that each may take on a GPU.

A call has ten minutes, so the stages are spread over three calls: correctness and where the time
goes; the fastest variant; comparisons with others.
"""

from dataclasses import dataclass

#: Time limit of all stages of a call together.
CALL_SECONDS = 570.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A process that measures something."""

    name: str
    #: Short description.
    answers: str
    call: int
    #: Time limit; shorter if less of the call is left.
    seconds: float
    #: A module of benchmarks and its arguments; ``--json FILE`` is appended.
    command: tuple[str, ...]
    #: Arguments at smoke sizes, instead of the command's; ``--smoke`` is appended.
    smoke: tuple[str, ...] = ()

    def arguments(self, *, smoke: bool) -> list[str]:
        """Return the arguments of the Python process."""
        module, *rest = self.command
        return ["-m", f"benchmarks.{module}", *(self.smoke if smoke else rest)]


STAGES = (
    Stage(
        name="machine",
        answers="what is installed, and what is missing",
        call=1,
        seconds=30,
        command=("contact.machine",),
    ),
    Stage(
        name="check",
        answers="whether the fused trainer's numbers are the reference trainer's",
        call=1,
        seconds=80,
        command=("contact.self_check",),
    ),
    Stage(
        name="kernels",
        answers="whether each kernel alone is right, and how long it takes",
        call=1,
        seconds=100,
        command=("kernels", "32", "784", "mix", "128"),
        # tests/trainer/test_fused_kernels.py compares them all.
        smoke=("mix", "--only", "encode", "train_chain"),
    ),
    Stage(
        name="stress",
        answers="whether numbers are bitwise reproducible with other work on the card",
        call=1,
        seconds=50,
        command=("stress", "--repeats", "300"),
        smoke=("--repeats", "3"),
    ),
    Stage(
        name="fused",
        answers="how fast whole populations train",
        call=1,
        seconds=120,
        command=(
            *("training", "--no-whole", "--only", "fused", "fused-whole", "reference"),
            *("--widths", "784", "mix", "32", "--repeats", "3", "--limit", "50"),
        ),
        smoke=("--no-whole", "--only", "fused", "--widths", "mix"),
    ),
    Stage(
        name="study",
        answers="how long a worker and a study take for 1,000 trials",
        call=1,
        seconds=120,
        command=("whole", "worker", "study", "--limit", "70"),
        smoke=("worker", "study"),
    ),
    Stage(
        name="variants",
        answers="which configuration of the kernels is fastest",
        call=2,
        seconds=330,
        command=("variants", "32", "784", "mix"),
        smoke=("mix",),
    ),
    Stage(
        name="counters",
        answers="what each kernel waits for (Nsight Compute)",
        call=2,
        seconds=80,
        command=("contact.counters",),
    ),
    Stage(
        name="race",
        answers="whether threads race in shared memory (compute-sanitizer)",
        call=2,
        seconds=80,
        command=("contact.race",),
    ),
    Stage(
        name="ptxas",
        answers="whether another assembler gives the same numbers, and its speed",
        call=2,
        seconds=70,
        command=("contact.other_ptxas",),
    ),
    Stage(
        name="peers",
        answers="how fast everything else trains",
        call=3,
        seconds=330,
        command=(
            *("training", "--no-whole", "--only", "fused", "jax", "jax-shared", "jax-buckets"),
            *("graph", "eager", "vmap", "--widths", "784", "32", "mix", "--limit", "90"),
        ),
        smoke=("--no-whole", "--only", "jax", "--widths", "9"),
    ),
    Stage(
        name="first-epoch",
        answers="how long a worker takes until its first epoch",
        call=3,
        seconds=70,
        command=("whole", "first-epoch", "--limit", "40"),
        smoke=("first-epoch",),
    ),
    Stage(
        name="tests",
        answers="whether the tests that need a GPU pass",
        call=3,
        seconds=160,
        command=("contact.gpu_tests",),
    ),
)

BY_NAME = {stage.name: stage for stage in STAGES}
CALLS = sorted({stage.call for stage in STAGES})


def stages_of(call: int) -> list[Stage]:
    """Return the stages of one call, in order."""
    return [stage for stage in STAGES if stage.call == call]
