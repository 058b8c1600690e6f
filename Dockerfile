# sweep on CPU or NVIDIA GPUs: torch's ordinary wheel carries CUDA and runs without a GPU too.
#   docker build -t sweep .
#   docker run --rm sweep --help
# The last image is sweep's; docker-compose.yml also builds optuna-dashboard's, of the same versions.
FROM python:3.12-slim AS optuna-dashboard
COPY constraints.txt /build/
RUN pip install --no-cache-dir -c /build/constraints.txt optuna-dashboard optuna 'psycopg[binary]' \
    && useradd --uid 1000 optuna
USER optuna
ENTRYPOINT ["sh", "-c"]
CMD ["exec optuna-dashboard --help"]

FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

# What sweep needs comes first, installed around an empty package: this layer is several gigabytes
# and stays cached while only our own code changes.
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir sweep \
    && echo '__version__ = "0"' > sweep/__init__.py \
    && pip install -c constraints.txt '.[postgres,samplers]'
COPY sweep sweep
RUN pip install --no-deps --force-reinstall .

# Studies run as an ordinary user in a folder of their own, where results may be written.
RUN useradd --create-home --uid 1000 sweep \
    && mkdir --parents /sweep/data /sweep/results \
    && chown -R sweep:sweep /sweep
COPY studies /sweep/studies
ENV SWEEP_DATA=/sweep/data \
    SWEEP_ARTIFACTS=/sweep/results/artifacts
USER sweep
WORKDIR /sweep

ENTRYPOINT ["sweep"]
CMD ["--help"]
