# The image of the one binary. Not run here: it was written where there is no container engine, so no image was ever
# built from it. The commands themselves (npm ci, cargo build) are those of the Makefile, which run in every test.
#
# Same base (Debian 12) for building and running, so that both have the same glibc.

FROM node:20.20.2-bookworm-slim AS tools
WORKDIR /src/tools
COPY tools/package.json tools/package-lock.json tools/.npmrc ./
RUN npm ci

# The dashboard, the tracker and the demo shop, which the program holds.
FROM node:20.20.2-bookworm-slim AS dashboard
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
COPY dashboard/app/package.json app/
COPY dashboard/tracker/package.json tracker/
COPY dashboard/shop/package.json shop/
COPY dashboard/e2e/package.json e2e/
RUN npm ci
COPY proto /src/proto
COPY dashboard ./
RUN npm run build

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=tools /src/tools/node_modules tools/node_modules
COPY --from=dashboard /src/dashboard/dist dashboard/dist
# The caches outlive the layer, so the program and DuckDB's library (beside it, see crates/store/build.rs) are copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p pistats && \
    mkdir -p /opt/pistats && \
    cp target/release/pistats target/release/libduckdb.so /opt/pistats/

FROM debian:12.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libstdc++6 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --home-dir /var/lib/pistats --create-home pistats
COPY --from=build /opt/pistats /opt/pistats
USER pistats
VOLUME /var/lib/pistats
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/pistats/pistats"]
CMD ["serve", "--data", "/var/lib/pistats", "--listen", "0.0.0.0:8080"]
