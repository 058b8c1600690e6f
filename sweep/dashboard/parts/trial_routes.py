"""Serve the grid of trials: a block of rows, or all of them as CSV."""

from typing import Any
from urllib.parse import quote

from flask import Flask, Response, jsonify, request

from sweep.dashboard import limits
from sweep.dashboard.parts import grid_rows
from sweep.dashboard.parts.trial_grid import BLOCK, chosen_columns
from sweep.dashboard.view import View
from sweep.errors import SweepError
from sweep.findings.selection import Rows
from sweep.store.table import TrialTable


def register(server: Flask, view: View) -> None:
    """Add the routes. Both take ``study``, ``where``, ``sort`` and ``columns`` of the page."""

    @server.get("/api/trials")
    def trials() -> Any:
        try:
            return jsonify(_block(view))
        except SweepError as error:  # shown in the page, like its callbacks' errors
            return jsonify(problem=str(error))

    @server.get("/api/trials.csv")
    def trials_csv() -> Any:
        name = request.args.get("study", "")
        table, remarks = view.table(name), view.study(name).remarks
        lines = grid_rows.csv_lines(table, _rows(table), _columns(table), remarks)
        file = quote(f"{name}-trials.csv", safe="")
        return Response(
            lines,
            mimetype="text/csv",
            headers={"Content-Disposition": f"attachment; filename*=UTF-8''{file}"},
        )


def _block(view: View) -> dict[str, Any]:
    study = request.args.get("study", "")
    table = view.table(study)
    rows = _rows(table)
    first = max(0, request.args.get("first", 0, type=int))
    wanted = min(request.args.get("rows", BLOCK, type=int), limits.ROWS)
    part = rows[first : first + max(0, wanted)]
    return {
        "rows": grid_rows.block(table, part, _columns(table), view.study(study).remarks),
        "n": len(rows),
        "n_all": len(table),
    }


def _rows(table: TrialTable) -> Rows:
    return grid_rows.shown_rows(table, request.args.get("where", ""), request.args.get("sort", ""))


def _columns(table: TrialTable) -> list[str]:
    return chosen_columns(table, request.args.get("columns"))
