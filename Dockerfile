# A bundle behind HTTP on a CPU: docker build -t pcrnet-serve . && docker compose up
# Every library is installed by the hash of its file (locks/serve.txt). No bundle is in the image: it
# is mounted, so that image and model are approved and changed apart.
# By digest, for an image that can be built again: --build-arg BASE=python@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# The wheel of torch that is locked brings CUDA along, 3 GB that a CPU has no use for. This names a
# folder or an index with wheels for the CPU of the same version; they are not covered by the hashes.
ARG CPU_WHEELS=""
WORKDIR /src
RUN python -m venv /opt/pcrnet
ENV PATH=/opt/pcrnet/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY locks/serve.txt locks/without_cuda.py /src/
RUN if [ -n "$CPU_WHEELS" ]; then \
        python without_cuda.py serve.txt > lock.txt; \
        pip install --no-deps --find-links "$CPU_WHEELS" --index-url "$CPU_WHEELS" \
            "$(grep -o '^torch==[0-9.]*' serve.txt)"; \
    else cp serve.txt lock.txt; fi && \
    pip install --no-deps --require-hashes -r lock.txt
COPY pyproject.toml README.md LICENSE /src/
COPY pcrnet /src/pcrnet
RUN pip install --no-deps --no-build-isolation . && pip check

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pcrnet
COPY --from=build /opt/pcrnet /opt/pcrnet
# What is written goes to /tmp alone: run it with a read-only root and a tmpfs there.
ENV PATH=/opt/pcrnet/bin:$PATH HOME=/tmp TMPDIR=/tmp MPLCONFIGDIR=/tmp PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --start-period=2m --interval=30s --timeout=5s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health')"]
ENTRYPOINT ["pcrnet", "serve", "/bundle", "--host", "0.0.0.0"]
