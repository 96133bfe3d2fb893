# syntax=docker/dockerfile:1
# mlrag in a container: no root, one folder (/data) to keep. docs/operate.md tells the rest.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/mlrag
COPY pyproject.toml constraints.txt README.md ./
COPY mlrag mlrag
# EXTRAS: more of them, comma-separated, e.g. openai,gemini,llamacpp
ARG EXTRAS=""
RUN /opt/mlrag/bin/pip install -c constraints.txt ".[service,eval,documents${EXTRAS:+,$EXTRAS}]"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data --no-create-home mlrag \
    && install -d -o mlrag -g mlrag -m 0700 /data
COPY --from=build /opt/mlrag /opt/mlrag
COPY corpora /usr/share/mlrag/corpora
COPY docs/measurement.md /opt/app/docs/measurement.md
COPY service /opt/app/service
COPY eval /opt/app/eval
# MALLOC_*: with an arena per thread, glibc keeps what hundreds of streams have freed.
ENV PATH=/opt/mlrag/bin:$PATH PYTHONPATH=/opt/app ORT_DISABLE_TELEMETRY=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072 \
    MLRAG_DATA_DIR=/data MLRAG_CORPORA=/usr/share/mlrag/corpora MLRAG_HOST=0.0.0.0
WORKDIR /data
USER 10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["mlrag"]
CMD ["serve"]
