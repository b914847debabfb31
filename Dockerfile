# Duly in one image: duly-server, duly-agent and duly.  docker-compose.yml shows how they go together.

FROM debian:bookworm-slim AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
# The list of packages alone, so that this layer lasts until the list changes.
COPY scripts/lib/packages scripts/lib/packages
RUN source scripts/lib/packages \
    && apt-get update \
    && apt-get install -y --no-install-recommends "${build_packages[@]}" \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release -DDULY_TESTS=OFF \
    && cmake --build build --target bin/duly-server bin/duly-agent bin/duly \
    && strip build/bin/duly-server build/bin/duly-agent build/bin/duly

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
       ca-certificates libbrotli1 libcpp-httplib0.11 libfmt9 libprometheus-cpp-core1.0 libprometheus-cpp-pull1.0 librabbitmq4 \
       libspdlog1.10 libsqlite3-0 libssl3 tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 990 --home-dir /var/lib/duly --shell /usr/sbin/nologin duly \
    && install -d -o duly -g duly -m 0750 /var/lib/duly
COPY --from=build /src/build/bin/duly-server /src/build/bin/duly-agent /src/build/bin/duly /usr/local/bin/
COPY docker/healthcheck scripts/lib/http_ok /usr/local/bin/
# Fails here, not at the first start, when a library is missing above.
RUN duly-server --version && duly-agent --version && duly --version
USER duly
WORKDIR /var/lib/duly
EXPOSE 8080 7070
ENV DULY_DATA=/var/lib/duly
HEALTHCHECK --interval=5s --timeout=6s --start-period=20s --retries=3 CMD ["healthcheck", "server"]
CMD ["duly-server"]
