"""Rules that turn figures into findings with recommendations.

A finding is a sentence, a rule over the records of the stages, and a recommendation. A rule returns
seen, not seen or not measured, and the figures that decided it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from benchmarks.records import Record
from benchmarks.stress import Z_TOLERANCE

Rule = Callable[[Sequence[Record]], "Evidence"]


class Sighting(StrEnum):
    SEEN = "seen"
    NOT_SEEN = "not seen"
    NOT_MEASURED = "not measured"


class Evidence(NamedTuple):
    """Result of a rule."""

    sighting: Sighting
    #: The figures in a few words.
    figures: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A possible finding."""

    what: str
    then: str
    rule: Rule
    #: Whether it must be fixed before anything else is measured.
    stops: bool = False


def select(records: Iterable[Record], what: str, **wanted: object) -> list[Record]:
    """Return the records of a kind that have these fields."""
    wanted = {"what": what} | wanted
    return [record for record in records if wanted.items() <= record.items()]


def worst_of(
    records: Iterable[Record], what: str, number: str, *, above: float, name: str, **wanted: object
) -> Evidence:
    """Compare the largest number of such records with a limit; NaN counts as infinite."""
    found = [one for one in select(records, what, **wanted) if one.get(number) is not None]
    if not found:
        return Evidence(Sighting.NOT_MEASURED)
    worst = max(found, key=lambda one: _sortable(one[number]))
    seen = not worst[number] <= above
    figures = f"{worst.get(name) or ''} {worst[number]:.3g}"
    return Evidence(Sighting.SEEN if seen else Sighting.NOT_SEEN, figures.strip())


def _sortable(number: float) -> float:
    return number if number == number else float("inf")  # NaN is the worst


def check_fails(records: Sequence[Record]) -> Evidence:
    checked = select(records, "checked")
    if not checked:
        return Evidence(Sighting.NOT_MEASURED)
    said = ", ".join(
        f"{one['precision']} {one['largest_share']:.2g} of its limit" for one in checked
    )
    failed = any(one["n_too_large"] for one in checked)
    return Evidence(Sighting.SEEN if failed else Sighting.NOT_SEEN, said)


def kernel_is_wrong(records: Sequence[Record]) -> Evidence:
    compared = select(records, "compared")
    if not compared:
        return Evidence(Sighting.NOT_MEASURED)
    wrong = [one for one in compared if not one["difference"] <= one["allowed"]]
    said = ", ".join(
        f"{one['kernel']}'s {one['array']} in {one['precision']} {one['difference']:.1e}"
        for one in wrong
    )
    return Evidence(Sighting.SEEN if wrong else Sighting.NOT_SEEN, said)


def bits_differ(records: Sequence[Record]) -> Evidence:
    repeated = select(records, "repeated")
    if not repeated:
        return Evidence(Sighting.NOT_MEASURED)
    said = ", ".join(f"{one['of']} {one['different']} of {one['n']}" for one in repeated)
    seen = any(one["different"] for one in repeated)
    return Evidence(Sighting.SEEN if seen else Sighting.NOT_SEEN, said)


def z_is_off(records: Sequence[Record]) -> Evidence:
    return worst_of(records, "encoded", "relative", above=Z_TOLERANCE, name="hidden_width")


def races(records: Sequence[Record]) -> Evidence:
    return worst_of(records, "race", "hazards", above=0, name="tool")


def updates_are_slow(records: Sequence[Record]) -> Evidence:
    """Whether an update of a population that fills the card is below 0.7 of a copy's speed."""
    updates = [
        one
        for one in select(records, "kernel")
        if one["kernel"].startswith("update_") and one.get("share_of_copy") is not None
    ]
    if not updates:
        return Evidence(Sighting.NOT_MEASURED)
    slowest = min(updates, key=lambda one: one["share_of_copy"])
    return Evidence(
        Sighting.SEEN if slowest["share_of_copy"] < 0.7 else Sighting.NOT_SEEN,
        f"{slowest['kernel']} ({slowest['field']}) {slowest['share_of_copy']:.2f}",
    )


def stalls(*reasons: str) -> Rule:
    """Make a rule: whether a kernel's warps wait most for one of these reasons."""

    def rule(records: Sequence[Record]) -> Evidence:
        counted = [one for one in select(records, "counters") if one.get("top_stall")]
        if not counted:
            return Evidence(Sighting.NOT_MEASURED)
        found = [
            f"{one['kernel']} {one['top_stall']}" for one in counted if one["top_stall"] in reasons
        ]
        return Evidence(Sighting.SEEN if found else Sighting.NOT_SEEN, ", ".join(found))

    return rule


def busy_above(part: str, percent: float) -> Rule:
    """Make a rule: whether a part of the card is busier than this percentage in any kernel."""
    return lambda records: worst_of(records, "counters", part, above=percent, name="kernel")


def decode_is_slow(records: Sequence[Record]) -> Evidence:
    decodes = [
        one
        for one in select(records, "kernel")
        if one["kernel"].startswith("decode") and one.get("share_of_bound") is not None
    ]
    if not decodes:
        return Evidence(Sighting.NOT_MEASURED)
    slowest = min(decodes, key=lambda one: one["share_of_bound"])
    return Evidence(
        Sighting.SEEN if slowest["share_of_bound"] < 0.5 else Sighting.NOT_SEEN,
        f"{slowest['kernel']} ({slowest['field']}) {1 / slowest['share_of_bound']:.1f} x its bound",
    )


def gaps_between_kernels(records: Sequence[Record]) -> Evidence:
    return worst_of(records, "step", "graph_over_kernels", above=1.05, name="field")


def host_is_slow(records: Sequence[Record]) -> Evidence:
    timed = [
        one | {"over": one["seconds"] / one["device_seconds"]}
        for one in select(records, "contestant")
        if one.get("device_seconds")
    ]
    return worst_of(timed, "contestant", "over", above=1.1, name="field")


def worker_is_idle(records: Sequence[Record]) -> Evidence:
    """Whether the device was idle for over a fifth of a worker's 1,000 trials."""
    found = [one for one in select(records, "worker") if one.get("busy") is not None]
    if not found:
        return Evidence(Sighting.NOT_MEASURED)
    seen = found[0]["busy"] < 0.8
    return Evidence(Sighting.SEEN if seen else Sighting.NOT_SEEN, f"{found[0]['busy']:.2f}")


def bits_of_a_variant_differ(records: Sequence[Record]) -> Evidence:
    """Whether graphs or branches, which launch the same kernels, give other numbers."""
    found = [
        one
        for one in select(records, "variant")
        if "same" in one and one["variant"] in ("graph variants", "2 branches", "4 branches")
    ]
    if not found:
        return Evidence(Sighting.NOT_MEASURED)
    wrong = [f"{one['variant']} ({one['field']})" for one in found if not one["same"]]
    return Evidence(Sighting.SEEN if wrong else Sighting.NOT_SEEN, ", ".join(wrong))


def a_variant_is_faster(records: Sequence[Record]) -> Evidence:
    """Whether any variant is at least 3 % faster than the default."""
    found = [one for one in select(records, "variant") if "over_default" in one]
    if not found:
        return Evidence(Sighting.NOT_MEASURED)
    best = min(found, key=lambda one: one["over_default"])
    seen = best["over_default"] < 0.97
    said = f"{best['variant']} ({best['field']}) takes {best['over_default']:.2f} of it"
    return Evidence(Sighting.SEEN if seen else Sighting.NOT_SEEN, said)


def tests_fail(records: Sequence[Record]) -> Evidence:
    return worst_of(records, "tests", "failed", above=0, name="first_failure")


FINDINGS = (
    Finding(
        what="the self-check finds numbers that rounding does not explain",
        then="stop: no study may run fused on this card. See which kernel alone differs, try"
        " another ptxas (TRITON_PTXAS_PATH), then the same check with num_stages=1 everywhere.",
        rule=check_fails,
        stops=True,
    ),
    Finding(
        what="a kernel alone differs from its torch twin",
        then="fix this kernel first: it has a test that runs it alone.",
        rule=kernel_is_wrong,
        stops=True,
    ),
    Finding(
        what="the same trials give other bits under load",
        then="stop tuning: a race, or registers that a wgmma still reads. Run the stages ptxas and"
        " race; bisect by kernel (num_stages=1 for one kernel at a time).",
        rule=bits_differ,
        stops=True,
    ),
    Finding(
        what="Z is off by more than a thousandth",
        then="stop tuning: the same remedies, encode first.",
        rule=z_is_off,
        stops=True,
    ),
    Finding(
        what="the race checker reports hazards",
        then="stop tuning: it names the two accesses; put a barrier between them.",
        rule=races,
        stops=True,
    ),
    Finding(
        what="tests that need a GPU fail",
        then="look which: 1e-5 after 20 steps at full size is a guess and may be too tight (3e-6"
        " was seen with four configurations); bits that differ are a fault.",
        rule=tests_fail,
    ),
    Finding(
        what="branches or graph variants give other bits than the default",
        then="stop: a launch does not wait for what it reads, or two write the same.",
        rule=bits_of_a_variant_differ,
        stops=True,
    ),
    Finding(
        what="a variant of the kernels is faster than the default",
        then="make it the default in KernelConfig, if it is on every field; its numbers decide no"
        " study that began before, but the self-check must pass with it.",
        rule=a_variant_is_faster,
    ),
    Finding(
        what="an update stays below 0.7 of the copy's bandwidth",
        then="put more in flight: three programs a multiprocessor (96 registers), cp.async for"
        " weights and moments, 4 warps.",
        rule=updates_are_slow,
    ),
    Finding(
        what="warps wait most for main memory (long scoreboard)",
        then="the same: more in flight.",
        rule=stalls("long_scoreboard"),
    ),
    Finding(
        what="warps wait most for barriers or shared memory (barrier, short scoreboard)",
        then="blocks of 32 outputs instead of 64, or store f(Z) transposed and drop its transpose.",
        rule=stalls("barrier", "short_scoreboard", "mio_throttle"),
    ),
    Finding(
        what="shared memory is busy more than 70 % of the time",
        then="the same.",
        rule=busy_above("shared_percent", 70),
    ),
    Finding(
        what="instructions are issued more than 60 % of the time",
        then="the cheaper epilogue, then the optimizers' branches out of the loop.",
        rule=busy_above("issue_percent", 60),
    ),
    Finding(
        what="decode takes more than twice its bound",
        then="128 outputs a program, or groups of slots as parallel branches that hide it.",
        rule=decode_is_slow,
    ),
    Finding(
        what="a step in a graph takes over 5 % more than its kernels",
        then="graph variants without idle launches, branches, programmatic dependent launch,"
        " begin_step in the last launch of the step before.",
        rule=gaps_between_kernels,
    ),
    Finding(
        what="an epoch's wall time is over 10 % more than the device's",
        then="the host first, before any kernel: a profile of the main thread between epochs.",
        rule=host_is_slow,
    ),
    Finding(
        what="the device trains less than 80 % of a worker's 1,000 trials",
        then="the same: admission, orders, results; larger populations if slots run out.",
        rule=worker_is_idle,
    ),
)
