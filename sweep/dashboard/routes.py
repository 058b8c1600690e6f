"""Serve responses that are not pages: the pulse, pictures, health, metrics."""

from typing import Any

from flask import Flask, Response, abort, jsonify, request

from sweep.analysis.filters import Filter
from sweep.dashboard import links, metrics
from sweep.dashboard.guard import HEALTH
from sweep.dashboard.parts.model import MODEL_FILES
from sweep.dashboard.view import PageReader, View
from sweep.errors import NotFoundError, SweepError, UsageError
from sweep.figures.atlas import apart_png, nearer_png
from sweep.figures.pictures import see_through
from sweep.figures.plotlyjs import plotlyjs_gzip
from sweep.figures.registry import require_figure
from sweep.findings.weights import model_files
from sweep.store.handle import StudyHandle


def register(server: Flask, view: View) -> None:
    """Add the routes. The address of a picture: see ``picture_url`` in parts.pictures."""

    @server.errorhandler(SweepError)
    def refuse(error: SweepError) -> Any:
        match error:
            case NotFoundError():
                status = 404
            case UsageError():
                status = 400
            case _:  # its message may name the database
                return Response(f"{type(error).__name__}\n", 503, mimetype="text/plain")
        return Response(f"{error}\n", status, mimetype="text/plain")

    @server.get(HEALTH)
    def healthz() -> Any:
        view.database.revisions()
        return Response("ok\n", mimetype="text/plain")

    # Replaces the build that Dash would send, which needs eval.
    @server.get("/_dash-component-suites/plotly/package_data/plotly.min.js")
    def plotly_script() -> Any:
        answer = _cacheable(plotlyjs_gzip(), "text/javascript")
        answer.headers["Content-Encoding"] = "gzip"  # accepted by every browser
        return answer

    @server.get("/api/revision")
    def revision() -> Any:
        study, page = request.args.get("study"), request.args.get("page", "")
        try:
            token = view.token(study, page) if study else view.database.revisions()
        except NotFoundError as error:
            return jsonify(problem=str(error))
        except SweepError as error:
            return jsonify(problem=f"{error} Trying again …")
        return jsonify(revision=token)

    @server.get("/api/picture/<kind>.png")
    def picture(kind: str) -> Any:
        number = links.trial_number(request.args.get("trial", ""))
        beside = links.trial_number(request.args.get("beside", ""))
        png = _picture(view.study(request.args.get("study", "")), kind, number, beside)
        return abort(404) if png is None else _cacheable(png, "image/png")

    @server.get("/api/figure/<name>.csv")
    def figure(name: str) -> Any:
        """Send the data of a figure: ``study``, ``where`` and the figure's options."""
        options = request.args.to_dict()
        study, where = options.pop("study", ""), options.pop("where", "")
        reader = PageReader(view, study, Filter.parse(where))
        return _cacheable(require_figure(reader, name, options).csv().encode(), "text/csv")

    @server.get("/api/model/<study>/<number>/<kind>")
    def model(study: str, number: str, kind: str) -> Any:
        at = links.trial_number(number)
        if at is None or kind not in MODEL_FILES:
            abort(404)
        files = model_files(view.study(study), at)
        name, content = list(files.items())[MODEL_FILES.index(kind)]
        answer = _cacheable(content, "application/octet-stream")
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _cacheable(content: bytes, mimetype: str) -> Any:
    """Answer with what a browser may keep, and asks for again with its digest."""
    answer = Response(content, mimetype=mimetype)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.add_etag()
    return answer.make_conditional(request)


def register_metrics(server: Flask, view: View) -> None:
    """Add /metrics for Prometheus."""

    @server.get("/metrics")
    def prometheus() -> Any:
        return Response(metrics.exposition(view.database), content_type=metrics.CONTENT_TYPE)


def _picture(study: StudyHandle, kind: str, number: int | None, beside: int | None) -> bytes | None:
    """Draw a strip with transparent gaps; None if there is no such strip."""
    originals = study.record().originals_png
    if kind == "originals":
        return None if originals is None else see_through(originals)
    if kind not in ("reconstructions", "errors", "apart", "nearer") or number is None:
        return None
    strips = study.reconstruction(number)
    if strips is None:
        return None
    if kind == "apart":
        return None if originals is None else apart_png(originals, strips.errors_png)
    if kind == "nearer":
        other = None if beside is None else study.reconstruction(beside)
        return None if other is None else nearer_png(other.errors_png, strips.errors_png)
    return see_through(
        strips.reconstructions_png if kind == "reconstructions" else strips.errors_png
    )
