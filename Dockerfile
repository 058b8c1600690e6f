# sweep on CPU or NVIDIA GPUs: torch's ordinary wheel carries CUDA and runs without a GPU too.
#   docker build -t sweep .
#   docker run --rm sweep --help
# The last image trains; `look`, without PyTorch, serves the dashboard. docker-compose.yml builds both,
# and optuna-dashboard's, of the same versions.
FROM python:3.12-slim AS optuna-dashboard
COPY constraints.txt /build/
RUN pip install --no-cache-dir -c /build/constraints.txt optuna-dashboard optuna 'psycopg[binary]' \
    && useradd --uid 1000 optuna
USER optuna
ENTRYPOINT ["sh", "-c"]
CMD ["exec optuna-dashboard --help"]

FROM python:3.12-slim AS packages

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

# What sweep needs comes first, installed around an empty package: these layers, of which PyTorch's
# is several gigabytes, stay cached while only our own code changes.
WORKDIR /build
COPY pyproject.toml constraints.txt LICENSE ./
RUN mkdir sweep \
    && echo '__version__ = "0"' > sweep/__init__.py \
    && pip install -c constraints.txt '.[postgres,samplers]'

# Studies run as an ordinary user in a folder of their own, where results may be written.
RUN useradd --create-home --uid 1000 sweep \
    && mkdir --parents /sweep/data /sweep/results \
    && chown -R sweep:sweep /sweep
ENV SWEEP_DATA=/sweep/data \
    SWEEP_ARTIFACTS=/sweep/results/artifacts
ENTRYPOINT ["sweep"]
CMD ["--help"]

# Dashboard and commands that read: no PyTorch.
FROM packages AS look
COPY sweep sweep
RUN pip install --no-deps --force-reinstall .
USER sweep
WORKDIR /sweep

FROM packages AS train
RUN pip install -c constraints.txt '.[train]'
COPY sweep sweep
RUN pip install --no-deps --force-reinstall .
COPY studies /sweep/studies
USER sweep
WORKDIR /sweep
