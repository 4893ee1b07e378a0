# Builds with `docker build .`; docker-compose.yml shows how it is meant to run.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin tokensmith

FROM debian:12.12-slim
# For TLS to Postgres: the authorities that sign its certificate.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/tokensmith
COPY --from=build /src/target/release/tokensmith /usr/local/bin/tokensmith
USER 10001:10001
# The one place that it writes to: bootstrap.json, and data/ where the database is an SQLite file.
WORKDIR /var/lib/tokensmith
VOLUME /var/lib/tokensmith
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["tokensmith", "healthcheck"]
ENTRYPOINT ["tokensmith"]
CMD ["serve"]
