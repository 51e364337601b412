# docker build --file alpine.Dockerfile --tag hello . && docker run --rm --init --publish 3000:3000 hello

# Alpine's own Node.js, not the image node:alpine: it shares OpenSSL and zlib with Python (docs/platforms.md says why that
# matters with musl).
FROM alpine:3.23 AS base
RUN apk add --no-cache nodejs python3
WORKDIR /app

FROM base AS build
RUN apk add --no-cache npm
COPY requirements.txt ./
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir --requirement requirements.txt
COPY package*.json ./
RUN npm install --omit=dev

FROM base
ENV NODE_ENV=production PYTHONDONTWRITEBYTECODE=1
RUN adduser -D -H app
COPY --from=build /app/.venv .venv
COPY --from=build /app/node_modules node_modules
COPY . .
USER app
EXPOSE 3000
CMD ["node", "server.mjs"]
