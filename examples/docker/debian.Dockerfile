# docker build --file debian.Dockerfile --tag hello . && docker run --rm --init --publish 3000:3000 hello

# Debian 13 has Python 3.13.
FROM node:24-trixie-slim AS base
RUN apt-get update \
  && apt-get install --yes --no-install-recommends python3 libpython3.13 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app

FROM base AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
COPY requirements.txt ./
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir --requirement requirements.txt uvloop
COPY package*.json ./
RUN npm install --omit=dev

FROM base
ENV NODE_ENV=production PYTHONDONTWRITEBYTECODE=1
COPY --from=build /app/.venv .venv
COPY --from=build /app/node_modules node_modules
COPY . .
USER node
EXPOSE 3000
CMD ["node", "server.mjs"]
