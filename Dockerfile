# NVIDIA's container with TensorRT 10.11 and CUDA 12.9, and roundoff in an environment of its own: docs/container.md
ARG BASE=nvcr.io/nvidia/tensorrt:25.06-py3
FROM ${BASE}

RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends git python3-venv \
 && rm -rf /var/lib/apt/lists/*

# It sees the container's own `tensorrt` module; what roundoff installs comes before the container's other packages.
RUN python3 -m venv --system-site-packages /opt/roundoff \
 && /opt/roundoff/bin/python -m pip install --quiet "uv>=0.5,<1"
ENV VIRTUAL_ENV=/opt/roundoff PATH=/opt/roundoff/bin:${PATH} HOME=/tmp \
    GIT_AUTHOR_NAME=roundoff GIT_AUTHOR_EMAIL=roundoff@localhost \
    GIT_COMMITTER_NAME=roundoff GIT_COMMITTER_EMAIL=roundoff@localhost

WORKDIR /work
COPY requirements.lock ./
# The lock has cuda-python 13, which CUDA 12.9's driver is too old for.
RUN uv pip install --quiet --require-hashes --requirement requirements.lock \
 && uv pip install --quiet "cuda-python>=12.9,<13"
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN uv pip install --quiet --no-deps --editable . \
 && python -c "from roundoff.backend.trt.library import import_tensorrt as found; print(found('tensorrt').__version__)"

# The clone is mounted over /work when it runs.
CMD ["dvc", "repro"]
